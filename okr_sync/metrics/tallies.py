"""Tallies: the figures of many parts, day by day, from a few queries that group records by code.

Belongs here: which parts go into one query, the query, and adding up its groups for each part. Does
not belong here: codes (codes), days (timeline), what a metric makes of the figures (daily_figures).

What the engine gives back is bounded by what the bindings tell apart and by the days, and not by the
number of records.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, func, select

from okr_sync.metrics.codes import Classes, Codes, Matcher, Packed
from okr_sync.metrics.measures import Measure, Merge, Part
from okr_sync.metrics.timeline import Timeline

MOST_GROUPS: Final = 200_000
"""A query is given no more conditions when it could find more groups than this."""

_MOST_MEASURES: Final = 300
"""PostgreSQL takes 1,664 columns in one statement, and SQLite 2,000."""


@dataclass
class _Bin:
    """What one query counts: the dimensions it groups by, and the parts that it serves."""

    dimensions: frozenset[str]
    parts: list[tuple[str, Part, Matcher]] = field(default_factory=list)


def tally(
    connection: Connection,
    timeline: Timeline,
    parts: Mapping[str, Part],
    days: Collection[int],
    *,
    is_few: bool = False,
) -> dict[str, dict[int, int]]:
    """The figures of parts (by key) over records in the days, by day; days without are left out.

    `is_few`: there are so few records that one query may find as many groups.
    """
    codes = Codes(timeline.source)
    found: dict[str, dict[int, int]] = {}
    most = None if is_few else max(1, MOST_GROUPS // len(days))
    for some in _bins(codes, parts, most):
        found |= _count(connection, timeline, codes, some, days)
    return found


def _bins(codes: Codes, parts: Mapping[str, Part], most: int | None) -> list[_Bin]:
    """Parts together while their dimensions part the records into at most `most` classes."""
    by_dimensions: dict[frozenset[str], list[tuple[str, Part, Matcher]]] = defaultdict(list)
    matchers: dict[str, Matcher] = {}
    for key, part in parts.items():
        # Not by the conditions themselves: true, 1 and Decimal(1) are equal in Python.
        matcher = matchers.get(part.where_key)
        if matcher is None:
            matcher = matchers[part.where_key] = codes.matcher(part.wheres)
        by_dimensions[matcher.dimensions].append((key, part, matcher))
    bins: list[_Bin] = []
    # The largest first: what is part of another's dimensions costs nothing more.
    for dimensions in sorted(by_dimensions, key=lambda some: (-codes.size(some), sorted(some))):
        own = by_dimensions[dimensions]
        fitting = (
            each
            for each in bins
            if most is None or codes.size(each.dimensions | dimensions) <= most
        )
        chosen = next((each for each in bins if dimensions <= each.dimensions), None)
        chosen = chosen or next(fitting, None)
        if chosen is None:
            chosen = _Bin(dimensions)
            bins.append(chosen)
        chosen.dimensions |= dimensions
        chosen.parts += own
    return [piece for each in bins for piece in _narrow(each)]


def _narrow(wide: _Bin) -> Iterator[_Bin]:
    """The same in pieces of as many measures as one statement takes."""
    narrow, names = _Bin(wide.dimensions), set[str]()
    for each in wide.parts:
        name = each[1].measure.name
        if name not in names and len(names) == _MOST_MEASURES:
            yield narrow
            narrow, names = _Bin(wide.dimensions), set()
        names.add(name)
        narrow.parts.append(each)
    yield narrow


# --- one query ------------------------------------------------------------------------------------


def _count(
    connection: Connection,
    timeline: Timeline,
    codes: Codes,
    wanted: _Bin,
    days: Collection[int],
) -> dict[str, dict[int, int]]:
    dimensions = sorted(wanted.dimensions)
    packs = codes.packed(dimensions)
    measures = {part.measure.name: part.measure for _, part, _ in wanted.parts}
    # In two steps, because an engine doesn't see that two expressions with parameters are the same.
    adds = {name: measure.record() for name, measure in measures.items()}
    numbered = {name: f"m{i}" for i, name in enumerate(measures)}
    records = (
        select(
            timeline.day(days).label("day"),
            *(pack.label(f"k{i}") for i, pack in enumerate(packs)),
            *(add.label(numbered[name]) for name, add in adds.items() if add is not None),
        )
        .select_from(timeline.source.table)
        .where(timeline.inside(days))
        .subquery("records")
    )
    keys = [records.c.day, *(records.c[f"k{i}"] for i in range(len(packs)))]
    figures = [
        func.count() if adds[name] is None else measure.over(records.c[numbered[name]])
        for name, measure in measures.items()
    ]
    groups: dict[Packed, list[Sequence[Any]]] = defaultdict(list)
    for group in connection.execute(select(*keys, *figures).group_by(*keys)).all():
        groups[tuple(group[1 : len(keys)])].append(group)
    places = {name: len(keys) + i for i, name in enumerate(measures)}
    classes = Classes({packed: codes.unpacked(dimensions, packed) for packed in groups})
    found: dict[str, dict[int, int]] = {}
    for key, part, matcher in wanted.parts:
        own = [groups[packed] for packed in classes.matching(matcher)]
        if own:
            found[key] = _added_up(part.measure, places[part.measure.name], own)
    return found


def _added_up(
    measure: Measure, place: int, found: Iterable[Iterable[Sequence[Any]]]
) -> dict[int, int]:
    """By day the figure of a measure, at its place in each of the groups found."""
    if measure.merge is Merge.SUM:
        sums: dict[int, Any] = defaultdict(int)
        for groups in found:
            for group in groups:
                sums[group[0]] += group[place]
        # PostgreSQL's sums of whole numbers are decimals.
        return {day: int(figure) for day, figure in sums.items() if figure}
    extremes: dict[int, int] = {}
    for groups in found:
        for group in groups:
            figure = measure.merged(extremes.get(group[0]), group[place])
            if figure is not None:
                extremes[group[0]] = figure
    return extremes
