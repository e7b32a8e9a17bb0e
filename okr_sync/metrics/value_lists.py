"""Values to be ranked: those of many parts, day by day, from one query for each thing that is ranked.

Belongs here: the query, and handing its rows to the parts. Does not belong here: how many values may
be read (daily_figures), what adds up (tallies), percentiles (quantiles).

Every value comes to Python here, and so whoever asks bounds their number.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, and_, or_, select, true

from okr_sync.metrics.codes import Classes, Codes, Packed
from okr_sync.metrics.filters import condition_sql
from okr_sync.metrics.measures import Part
from okr_sync.metrics.timeline import Timeline
from okr_sync.warehouse.chunks import in_chunks

_MOST_PARTS: Final = 200
"""Whose conditions one statement names."""

_Named = tuple[str, Part]


def value_lists(
    connection: Connection,
    timeline: Timeline,
    parts: Mapping[str, Part],
    days: Collection[int],
    *,
    is_few: bool = False,
) -> dict[str, dict[int, list[int]]]:
    """The sorted values of parts (by key) over records in the days, by day; days without are left out.

    `is_few`: there are so few records that all are fetched, and not just those of some part.
    """
    by_measure: dict[str, list[_Named]] = defaultdict(list)
    for key, part in parts.items():
        by_measure[part.measure.name].append((key, part))
    found: dict[str, dict[int, list[int]]] = {}
    for own in by_measure.values():
        for some in in_chunks(own, _MOST_PARTS):
            found |= _listed(connection, timeline, some, days, is_few=is_few)
    return found


def _listed(
    connection: Connection,
    timeline: Timeline,
    parts: Sequence[_Named],
    days: Collection[int],
    *,
    is_few: bool,
) -> dict[str, dict[int, list[int]]]:
    """The same of parts that rank the same thing."""
    measure, source = parts[0][1].measure, timeline.source
    assert measure.value is not None
    codes = Codes(source)
    matchers = {part.where_key: codes.matcher(part.wheres) for _, part in parts}
    dimensions = sorted(frozenset().union(*(each.dimensions for each in matchers.values())))
    query = (
        select(timeline.day(days), *codes.packed(dimensions), measure.value)
        .select_from(source.table)
        .where(timeline.inside(days), true() if measure.kept is None else measure.kept)
    )
    if not is_few and all(part.where_key for _, part in parts):
        by_where = {part.where_key: part.wheres for _, part in parts}
        conditions = (
            [condition_sql(where, source) for where in wheres] for wheres in by_where.values()
        )
        query = query.where(or_(*(and_(*each) for each in conditions)))
    groups: dict[Packed, list[tuple[int, int]]] = defaultdict(list)
    for row in connection.execute(query):
        groups[tuple(row[1:-1])].append((row[0], row[-1]))
    classes = Classes({packed: codes.unpacked(dimensions, packed) for packed in groups})
    found: dict[str, dict[int, list[int]]] = {}
    for key, part in parts:
        lists: dict[int, list[int]] = defaultdict(list)
        for packed in classes.matching(matchers[part.where_key]):
            for day, value in groups[packed]:
                lists[day].append(value)
        for values in lists.values():
            values.sort()
        found[key] = lists
    return found
