"""Figures of records by day, kept from run to run.

Belongs here: their shape. Does not belong here: counting (metrics.tallies).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DayFigures:
    """A part's figures for the days from `first` on; None where there is none that day."""

    first: int
    values: list[int | None]

    @property
    def after(self) -> int:
        """The first day that is not known any more."""
        return self.first + len(self.values)

    def between(self, first: int, after: int) -> Sequence[int | None]:
        """The figures of the days [first, after), which must be known."""
        return self.values[first - self.first : after - self.first]

    def joined(self, other: "DayFigures") -> "DayFigures":
        """Both, of which one must begin where the other ends."""
        earlier, later = (self, other) if self.first < other.first else (other, self)
        return DayFigures(earlier.first, earlier.values + later.values)
