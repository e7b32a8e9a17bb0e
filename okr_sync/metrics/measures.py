"""Measures: what records add up to, day by day, so that a window's figure is the sum of its days'.

Belongs here: the shape of a measure and of the parts a metric is made of, and as SQL over one window.
Does not belong here: which measures a kind of metric has (aggregates, time_readings, mean_readings),
the counting by day (tallies).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func

from okr_sync.config.where import Where
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.encoding import day_number, epoch_ms
from okr_sync.warehouse.mirror import FieldType
from okr_sync.warehouse.tally_store import Figure

Figures = Sequence[Any]
"""Results for the columns of one aggregate; None or 0 where no record matched."""


class Merge(StrEnum):
    """How the figures of two sets of records become the figure of both."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"
    VALUES = "values"
    """All of them, to be ranked: a figure is their sorted list."""


@dataclass(frozen=True, eq=False)
class Measure:
    """What each record adds: `value` (None: 1) if it satisfies `kept` (None: all do), else nothing.

    `name` tells measures of one dataset apart: equal names, equal meaning.
    """

    name: str
    kept: ColumnElement[bool] | None = None
    value: ColumnElement[Any] | None = None
    merge: Merge = Merge.SUM

    def column(self, condition: ColumnElement[bool]) -> ColumnElement[Any]:
        """The figure over the records that satisfy a condition, as a column of a scan."""
        kept = condition if self.kept is None else and_(condition, self.kept)
        return self.over(case((kept, self._one()), else_=self.nothing()))

    def record(self) -> ColumnElement[Any] | None:
        """What a record adds, to be given to `over`; None where each adds 1."""
        if self.kept is None:
            return self.value
        return case((self.kept, self._one()), else_=self.nothing())

    def within(self, name: str, condition: ColumnElement[bool]) -> "Measure":
        """The same over the records that satisfy a condition, which `name` tells from others."""
        kept = condition if self.kept is None else and_(condition, self.kept)
        return replace(self, name=f"{self.name} {name}", kept=kept)

    def over(self, records: ColumnElement[Any]) -> ColumnElement[Any]:
        """The figure of what records add; values aren't one column (value_lists)."""
        if self.merge is Merge.SUM:
            return func.sum(records)
        return func.min(records) if self.merge is Merge.MIN else func.max(records)

    def merged(self, one: Figure, other: Figure) -> Figure:
        """The figure of two sets of records of the figures of both."""
        if one is None or other is None:
            return one if other is None else other
        if self.merge is Merge.SUM:
            return one + other
        if self.merge is Merge.VALUES:
            return sorted([*one, *other])
        return min(one, other) if self.merge is Merge.MIN else max(one, other)

    def _one(self) -> Any:
        return 1 if self.value is None else self.value

    def nothing(self) -> Figure:
        """The figure of no records."""
        if self.merge is Merge.VALUES:
            return []
        return 0 if self.merge is Merge.SUM else None


COUNT = Measure("count")


def once(
    source: Filterable, name: str, make: Callable[[], tuple[Measure, ...]]
) -> tuple[Measure, ...]:
    """Measures of a table, made when they are first asked for: metrics add up the same few fields."""
    if name not in source.measures:
        source.measures[name] = make()
    return source.measures[name]


@dataclass(frozen=True, eq=False)
class Part:
    """A measure over the records that satisfy all of `wheres`."""

    wheres: tuple[Where, ...]
    measure: Measure
    number: "Part | None" = None
    """Of values: the part that counts them."""

    @cached_property
    def where_key(self) -> str:
        """Equal for parts of the same records."""
        return " ".join(where.key() for where in self.wheres)

    @property
    def key(self) -> str:
        """Equal for parts that mean the same on one dataset."""
        return f"{self.where_key} {self.measure.name}"


@dataclass(frozen=True, eq=False)
class Daily:
    """A metric as figures of parts over ranges of its time field, which are added up day by day.

    `ranges` names, for a span, parts by their number and half-open ranges in the unit of the time
    field (milliseconds, or days). `figures` makes of their figures what the reading's `finish` takes:
    those of its columns, and what its `beside` would have found; None where they don't say enough
    about this span, which is then scanned.
    """

    parts: tuple[Part, ...]
    ranges: Callable[[Span], Sequence[tuple[int, int, int]]]
    figures: Callable[[Figures, Span], tuple[Figures, Any] | None]


def over_window(parts: Sequence[Part], source: Filterable, anchor: str | None) -> Daily:
    """Parts that are all taken over the whole window."""

    def ranges(span: Span) -> Sequence[tuple[int, int, int]]:
        start, end = window_bounds(source, anchor, span)
        return [(number, start, end) for number in range(len(parts))]

    return Daily(tuple(parts), ranges, lambda figures, span: (figures, None))


def window_bounds(source: Filterable, anchor: str | None, span: Span) -> tuple[int, int]:
    """A window in the unit of the time field; without one, all records are of a day 0."""
    window = span.window
    if anchor is None:
        return 0, 1
    if source.types[anchor] is FieldType.DAY:
        return day_number(window.start_day), day_number(window.end_day)
    return epoch_ms(window.start_at), epoch_ms(window.end_at)
