"""The line of local days that records are counted on, and pieces of days.

Belongs here: from a range of a time field to whole days and pieces of days, and both as SQL. Does not
belong here: what is counted in a day (tallies), which ranges a metric wants (measures).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, literal, literal_column, or_, true

from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.local_days import local_day, since_midnight
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.encoding import day_number, epoch_ms, from_day_number, from_epoch_ms
from okr_sync.warehouse.mirror import FieldType

_MOST_RUNS: Final = 20
"""How many runs of days one condition names; more are looked at as one, from first to last."""


@dataclass(frozen=True)
class Piece:
    """A piece of any local day, in milliseconds since its midnight; `end` None: up to its end."""

    start: int
    end: int | None


@dataclass(frozen=True)
class Stretch:
    """A range of time: the whole days [first, after), and the pieces of days beside them, by day."""

    first: int
    after: int
    pieces: tuple[tuple[int, Piece], ...] = ()


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
            return Stretch(first, first, ((first, Piece(from_midnight, until)),))
        pieces: list[tuple[int, Piece]] = []
        if from_midnight:
            pieces.append((first, Piece(from_midnight, None)))
            first += 1
        if until:
            pieces.append((last, Piece(0, until)))
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

    def day(self, days: Collection[int]) -> ColumnElement[Any]:
        """The day of a record that lies in the days (or between the first and the last)."""
        if self.anchor is None:
            return literal_column("0")
        first, last = from_day_number(min(days)), from_day_number(max(days))
        return local_day(self.source, self.anchor, first, last)

    def in_piece(self, piece: Piece, first: int, after: int) -> ColumnElement[bool]:
        """Whether a record of the days [first, after) lies in this piece of its day."""
        assert self.anchor is not None
        last = from_day_number(after - 1)
        since = since_midnight(self.source, self.anchor, from_day_number(first), last)
        begun = since >= literal(piece.start)
        return begun if piece.end is None else and_(begun, since < literal(piece.end))

    def begins_day(self, at: int) -> bool:
        """Whether an instant is a local midnight."""
        return at == self._midnight(self._day_of(at))


def _runs(days: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Sorted days as runs [first, after) without gaps."""
    start = previous = days[0]
    for day in days[1:]:
        if day != previous + 1:
            yield start, previous + 1
            start = day
        previous = day
    yield start, previous + 1
