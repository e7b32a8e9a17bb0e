"""Which days a measured baseline is measured over."""

from datetime import date

import pytest

from okr_sync.config.cycles import cycle_between, parse_cycle
from okr_sync.config.models import Cycle
from okr_sync.sync.baselines import previous_cycle


@pytest.mark.parametrize(
    ("cycle", "start"),
    [
        (parse_cycle("2026-Q1", 1), date(2025, 10, 1)),
        (parse_cycle("2026-Q2", 1), date(2026, 1, 1)),
        (parse_cycle("2026-Q4", 2), date(2026, 8, 1)),  # begins in November
        (parse_cycle("2026-H2", 1), date(2026, 1, 1)),
        (parse_cycle("2026", 2), date(2025, 2, 1)),
        (parse_cycle("2026-03", 1), date(2026, 2, 1)),
        (parse_cycle("2024-03", 1), date(2024, 2, 1)),
        (parse_cycle("2026-01", 1), date(2025, 12, 1)),
        # Days that nobody named: as many before them, also where they happen to be a quarter.
        (cycle_between(date(2026, 4, 1), date(2026, 6, 30)), date(2025, 12, 31)),
        (cycle_between(date(2026, 3, 10), date(2026, 3, 16)), date(2026, 3, 3)),
        (cycle_between(date(2026, 3, 10), date(2026, 3, 10)), date(2026, 3, 9)),
    ],
)
def test_the_previous_cycle_ends_where_this_one_begins(cycle: Cycle, start: date) -> None:
    """A quarter follows a quarter whatever their days; a stretch of days follows as many days."""
    found = previous_cycle(cycle)
    assert (found.start, found.end) == (start, cycle.start)
