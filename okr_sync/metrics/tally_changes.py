"""Day figures brought up to date: less what changed records were, plus what they are.

Belongs here: that sum. Does not belong here: which records have changed (warehouse.mirror_changes),
counting (tallies).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Connection, FromClause, Table
from sqlalchemy.sql.visitors import replacement_traverse

from okr_sync.metrics.measures import Measure, Merge, Part
from okr_sync.metrics.tallies import tally
from okr_sync.metrics.timeline import Timeline
from okr_sync.warehouse.mirror_changes import changed_since, sequence_of
from okr_sync.warehouse.tally_store import DayFigures, read_figures


def kept_figures(
    connection: Connection, timeline: Timeline, parts: Mapping[str, Part]
) -> tuple[dict[str, DayFigures], dict[str, DayFigures]]:
    """What is kept of parts, by key: as it is, and (the second) brought up to date after changes.

    Parts that have to be counted anew are left out.
    """
    source, _, dataset = timeline.source.dataset.partition(".")
    sequence = sequence_of(connection, source, dataset)
    current: dict[str, DayFigures] = {}
    outdated: dict[int, dict[str, DayFigures]] = defaultdict(dict)
    for key, (known, figures) in read_figures(connection, source, dataset, parts).items():
        if known == sequence.newest:
            current[key] = figures
        elif known >= sequence.known_since:
            outdated[known][key] = figures
    mended: dict[str, DayFigures] = {}
    for known, held in outdated.items():
        mended |= _mended(connection, timeline, parts, held, known)
    return current, mended


def _mended(
    connection: Connection,
    timeline: Timeline,
    parts: Mapping[str, Part],
    held: Mapping[str, DayFigures],
    known: int,
) -> dict[str, DayFigures]:
    table = timeline.source.table
    assert isinstance(table, Table)
    first = min(figures.first for figures in held.values())
    after = max(figures.after for figures in held.values())
    then, now = (
        tally(
            connection,
            Timeline(replace(timeline.source, table=changed), timeline.anchor),
            _parts_of(changed, parts, held),
            range(first, after),
            most_groups=None,  # there are no more groups than changed records
        )
        for changed in changed_since(table, known)
    )
    mended: dict[str, DayFigures] = {}
    for key, figures in held.items():
        merge, start = parts[key].measure.merge, figures.first - first
        values: list[int | None] | None = figures.values
        for changes, sign in ((then.get(key), -1), (now.get(key), 1)):
            if changes is not None and values is not None:
                own = changes[start : start + len(values)]
                values = _changed(merge, values, own, sign)
        if values is not None:
            mended[key] = DayFigures(figures.first, values)
    return mended


def _changed(
    merge: Merge, values: list[int | None], changes: list[int | None], sign: int
) -> list[int | None] | None:
    """Values with changes added or taken away; None where they can't be taken away."""
    if merge is Merge.SUM:
        pairs = zip(values, changes, strict=True)
        return [(value or 0) + sign * (change or 0) for value, change in pairs]
    measure = Measure("", merge=merge)
    found: list[int | None] = []
    for value, change in zip(values, changes, strict=True):
        if sign < 0 and change is not None and measure.merged(value, change) == change:
            return None  # what was the extreme is gone: the next one isn't known
        found.append(measure.merged(value, change) if sign > 0 else value)
    return found


def _parts_of(
    changed: FromClause, parts: Mapping[str, Part], keys: Mapping[str, DayFigures]
) -> dict[str, Part]:
    """The parts over other rows with the same columns."""
    moved: dict[str, Measure] = {}

    def elsewhere(element: Any, **_: Any) -> Any:
        return changed.c[element.name] if isinstance(element, Column) else None

    for key in keys:
        measure = parts[key].measure
        if measure.name not in moved:
            kept, value = (
                None if each is None else replacement_traverse(each, {}, elsewhere)
                for each in (measure.kept, measure.value)
            )
            moved[measure.name] = Measure(measure.name, kept, value, measure.merge)
    return {key: Part(parts[key].wheres, moved[parts[key].measure.name]) for key in keys}
