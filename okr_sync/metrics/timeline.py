"""The line of local days that records are counted on, and pieces of days.

Belongs here: from a range of a time field to whole days and pieces of days, and both as SQL. Does not
belong here: what is counted in a day (tallies), which ranges a metric wants (measures).

A slot is a day, or a piece of one: days are cut at marks, which are offsets from local midnight, so
slot = day × (marks + 1) + the number of marks at or before the record's time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, literal, literal_column, or_, true

from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.local_days import local_day, since_midnight
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.encoding import day_number, epoch_ms, from_day_number, from_epoch_ms
from okr_sync.warehouse.mirror import FieldType

_MOST_RUNS: Final = 20
"""How many runs of days one condition names; more are looked at as one, from first to last."""


@dataclass(frozen=True)
class Piece:
    """A piece of a local day, in milliseconds since its midnight; `end` None: up to its end."""

    day: int
    start: int
    end: int | None


@dataclass(frozen=True)
class Stretch:
    """A range of time: the whole days [first, after), and the pieces of days beside them."""

    first: int
    after: int
    pieces: tuple[Piece, ...] = ()


class Timeline:
    """The days of one time field; without one, all records lie on a day 0."""

    def __init__(self, source: Filterable, anchor: str | None) -> None:
        self.source, self.anchor = source, anchor
        self._has_instants = anchor is not None and source.types[anchor] is not FieldType.DAY
        self._stretches: dict[tuple[int, int], Stretch] = {}
        self._midnights: dict[int, int] = {}

    def stretch(self, start: int, end: int) -> Stretch:
        """The half-open range [start, end), in the unit of the time field."""
        if not self._has_instants:
            return Stretch(start, max(start, end))
        found = self._stretches.get((start, end))
        if found is None:
            found = self._stretches[start, end] = self._cut(start, end)
        return found

    def _cut(self, start: int, end: int) -> Stretch:
        if end <= start:
            return Stretch(0, 0)
        first, last = self._day_of(start), self._day_of(end)
        from_midnight, until = start - self._midnight(first), end - self._midnight(last)
        if first == last:
            return Stretch(first, first, (Piece(first, from_midnight, until),))
        pieces: list[Piece] = []
        if from_midnight:
            pieces.append(Piece(first, from_midnight, None))
            first += 1
        if until:
            pieces.append(Piece(last, 0, until))
        return Stretch(first, last, tuple(pieces))

    def _day_of(self, at: int) -> int:
        return day_number(from_epoch_ms(at).astimezone(self.source.zone).date())

    def _midnight(self, day: int) -> int:
        found = self._midnights.get(day)
        if found is None:
            found = epoch_ms(local_midnight(from_day_number(day), self.source.zone))
            self._midnights[day] = found
        return found

    def inside(self, days: Iterable[int]) -> ColumnElement[bool]:
        """Whether a record lies in the days."""
        if self.anchor is None:
            return true()
        at = self.source.column(self.anchor)
        runs = list(_runs(sorted(set(days))))
        if len(runs) > _MOST_RUNS:
            runs = [(runs[0][0], runs[-1][1])]
        return or_(
            *(
                and_(at >= self._start_of(first), at < self._start_of(after))
                for first, after in runs
            )
        )

    def _start_of(self, day: int) -> ColumnElement[Any]:
        return literal(self._midnight(day) if self._has_instants else day)

    def slot(self, days: Sequence[int], marks: Sequence[int] = ()) -> ColumnElement[Any]:
        """The slot of a record that lies in the days (or between the first and the last)."""
        if self.anchor is None:
            return literal_column("0")
        first, last = from_day_number(min(days)), from_day_number(max(days))
        day = local_day(self.source, self.anchor, first, last)
        if not marks:
            return day
        since = since_midnight(self.source, self.anchor, first, last)
        piece = case(
            *((since < literal(mark), literal_column(str(i))) for i, mark in enumerate(marks)),
            else_=literal_column(str(len(marks))),
        )
        return day * literal_column(str(len(marks) + 1)) + piece


def marks_of(pieces: Iterable[Piece]) -> list[int]:
    """Where days are to be cut so that each piece is made of whole slots."""
    edges = {edge for piece in pieces for edge in (piece.start, piece.end) if edge}
    return sorted(edges)


def slots_of(piece: Piece, marks: Sequence[int]) -> range:
    """The slots that a piece is made of."""
    base = piece.day * (len(marks) + 1)
    start = bisect_right(marks, piece.start)
    end = len(marks) + 1 if piece.end is None else bisect_right(marks, piece.end - 1) + 1
    return range(base + start, base + end)


def _runs(days: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Sorted days as runs [first, after) without gaps."""
    start = previous = days[0]
    for day in days[1:]:
        if day != previous + 1:
            yield start, previous + 1
            start = day
        previous = day
    yield start, previous + 1
