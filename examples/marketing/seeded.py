"""Draws that are the same on every machine, and files written from rows.

Belongs here: what make_account.py and make_files.py share. Does not belong here: what happens in the
synthetic company. Only `Random.random` is used: Python promises its sequence for a seed.
"""

import csv
import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

SEED = 20260930
SPRING, SUMMER, AUTUMN = date(2026, 4, 1), date(2026, 7, 1), date(2026, 10, 1)
LAST = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
"""What happens after the cycle, up to this instant (UTC), must not change what is said of it."""


class Draws:
    """A stream of random draws of its own for each topic, so that one change stays local."""

    def __init__(self, topic: str) -> None:
        self._random = random.Random(f"{SEED}:{topic}")

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def chance(self, percent: int) -> bool:
        """True in `percent` of a hundred draws."""
        return self._random.random() * 100 < percent

    def pick(self, weights: Mapping[str, int]) -> str:
        """One of the keys, by weight."""
        ends = list(accumulate(weights.values()))
        return list(weights)[bisect_right(ends, int(self._random.random() * ends[-1]))]

    def along(self, *quantiles: int) -> int:
        """A whole number from a distribution given by evenly spaced quantiles."""
        step = self.between(0, len(quantiles) - 2)
        return self.between(quantiles[step], quantiles[step + 1])

    def day(self, first: date, end: date) -> date:
        """A day from `first` to the day before `end`."""
        return first + timedelta(days=self.between(0, (end - first).days - 1))

    def moment(self, first: date, end: date) -> datetime:
        """An instant (UTC) within these days, at any hour: some fall on London's next day."""
        return at_time(self.day(first, end), self.between(0, 86_399))

    def after(self, start: datetime, *days: int) -> datetime | None:
        """Some time after `start`, by quantiles in days; None if the data ends before it."""
        hours = self.along(*(24 * each for each in days))
        later = start + timedelta(hours=hours, seconds=self.between(0, 3_599))
        return later if later <= LAST else None


def at_time(day: date, seconds: int) -> datetime:
    """The instant (UTC) so many seconds into a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)


def money(cents: int | None) -> str | None:
    """An amount with two decimals."""
    return None if cents is None else f"{cents // 100}.{cents % 100:02d}"


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV, with the keys of the first as header."""
    listed = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(listed[0])
        writer.writerows([_cell(value) for value in row.values()] for row in listed)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else str(value)
