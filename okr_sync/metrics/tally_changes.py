"""Day figures brought up to date: less what changed records were, plus what they are.

Belongs here: that sum. Does not belong here: which records have changed (warehouse.mirror_changes),
counting (tallies, value_lists).
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Table, literal_column
from sqlalchemy.sql.visitors import replacement_traverse

from okr_sync.metrics.measures import Measure, Merge, Part
from okr_sync.metrics.tallies import tally
from okr_sync.metrics.timeline import Timeline
from okr_sync.metrics.value_lists import value_lists
from okr_sync.warehouse.mirror_changes import changed_since, sequence_of
from okr_sync.warehouse.tally_store import DayFigures, Figure, read_figures

_Change = tuple[int, Figure]
"""The figure of changed records of a day, by its place among the days."""


class _BothSides(Timeline):
    """Days of changed records: twice the day for what they were, and one more for what they are."""

    def day(self, days: Collection[int]) -> ColumnElement[Any]:
        """The day and the side of a record."""
        return super().day(days) * literal_column("2") + self.source.table.c.is_now


def kept_figures(
    connection: Connection,
    timeline: Timeline,
    parts: Mapping[str, Part],
    exact: Mapping[str, tuple[int, int]],
) -> tuple[dict[str, DayFigures], dict[str, DayFigures]]:
    """What is kept of parts, by key: as it is, and (the second) brought up to date after changes.

    Parts that have to be counted anew are left out. Of those in `exact` only these days are looked at.
    """
    source, _, dataset = timeline.source.dataset.partition(".")
    sequence = sequence_of(connection, source, dataset)
    current: dict[str, DayFigures] = {}
    outdated: dict[int, dict[str, DayFigures]] = defaultdict(dict)
    for key, (known, kept) in read_figures(connection, source, dataset, parts).items():
        figures = kept.within(*exact[key]) if key in exact else kept
        if not figures.values:
            continue
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
    days = range(
        min(figures.first for figures in held.values()),
        max(figures.after for figures in held.values()),
    )
    changed = changed_since(table, known)
    both_sides = _BothSides(replace(timeline.source, table=changed), timeline.anchor)
    found = _counted(connection, both_sides, _parts_of(changed, parts, held), days)
    mended: dict[str, DayFigures] = {}
    for key, figures in held.items():
        sides: tuple[list[_Change], list[_Change]] = [], []
        for slot, figure in found.get(key, {}).items():
            day, is_now = divmod(slot, 2)
            if figures.first <= day < figures.after:
                sides[is_now].append((day - figures.first, figure))
        measure, (gone, come) = parts[key].measure, sides
        if not gone and not come:
            mended[key] = figures
            continue
        values = list(figures.values)
        if _take(measure, values, gone):
            _give(measure, values, come)
            mended[key] = DayFigures(figures.first, values)
    return mended


def _counted(
    connection: Connection, timeline: Timeline, parts: Mapping[str, Part], days: range
) -> dict[str, Mapping[int, Figure]]:
    """The figures of a few records, by part and day (or what the timeline makes of it)."""
    to_rank = {key: part for key, part in parts.items() if part.measure.merge is Merge.VALUES}
    others = {key: part for key, part in parts.items() if key not in to_rank}
    return {
        **tally(connection, timeline, others, days, is_few=True),
        **value_lists(connection, timeline, to_rank, days, is_few=True),
    }


def _take(measure: Measure, values: list[Figure], gone: Iterable[_Change]) -> bool:
    """Take away what changed records were; False where what is left isn't known."""
    for place, figure in gone:
        value = values[place]
        if measure.merge is Merge.SUM:
            values[place] = value - figure
        elif measure.merge is Merge.VALUES:
            values[place] = left = list(value)
            for one in figure:
                at = bisect_left(left, one)
                if left[at : at + 1] != [one]:
                    return False  # what was kept is not what there was
                del left[at]
        elif value is None or measure.merged(value, figure) == figure:
            return False  # what was the extreme is gone: the next one isn't known
    return True


def _give(measure: Measure, values: list[Figure], come: Iterable[_Change]) -> None:
    """Add what changed records are."""
    for place, figure in come:
        values[place] = measure.merged(values[place], figure)


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
