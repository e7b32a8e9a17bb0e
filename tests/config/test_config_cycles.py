"""Cycles by name and by dates, and the periods of a fiscal calendar."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from okr_sync.config.cycles import Calendar, cycle_between, parse_cycle, period_start
from okr_sync.config.problems import BadValue


@pytest.mark.parametrize(
    ("name", "fiscal_start", "start", "end"),
    [
        ("2026-Q1", 1, "2026-01-01", "2026-04-01"),
        ("2026-Q4", 1, "2026-10-01", "2027-01-01"),
        ("2026-Q4", 2, "2026-11-01", "2027-02-01"),
        ("2026-Q1", 2, "2026-02-01", "2026-05-01"),
        ("2026-Q4", 12, "2027-09-01", "2027-12-01"),
        ("2026-H2", 1, "2026-07-01", "2027-01-01"),
        ("2026-H2", 7, "2027-01-01", "2027-07-01"),
        ("2026", 1, "2026-01-01", "2027-01-01"),
        ("2026", 4, "2026-04-01", "2027-04-01"),
        ("2026-10", 4, "2026-10-01", "2026-11-01"),
        ("2024-02", 1, "2024-02-01", "2024-03-01"),
        ("2023-Q4", 3, "2023-12-01", "2024-03-01"),
    ],
)
def test_names_become_days(name: str, fiscal_start: int, start: str, end: str) -> None:
    """A fiscal year is named by the year it starts in; months are the calendar's; ends exclusive."""
    cycle = parse_cycle(name, fiscal_start)
    assert (cycle.name, str(cycle.start), str(cycle.end)) == (name, start, end)


def test_a_leap_day_belongs_to_its_cycle() -> None:
    """The fiscal quarter that ends with February ends on the 29th in a leap year."""
    cycle = parse_cycle("2023-Q4", 3)
    assert (cycle.end - date(2024, 2, 29)).days == 1


def test_dates_are_inclusive_as_people_say_them() -> None:
    """`end` is the cycle's last day."""
    cycle = cycle_between(date(2018, 1, 1), date(2018, 3, 31))
    assert cycle.name == "2018-01-01..2018-03-31"
    assert cycle.end == date(2018, 4, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Q4 2026", "Did you mean `2026-Q4`"), ("2026Q4", "Did you mean `2026-Q4`"),
        ("2026-q4", "Did you mean `2026-Q4`"), ("H2 2026", "Did you mean `2026-H2`"),
        ("2026-Q5", "4 of these"), ("2026-H3", "2 of these"), ("2026-Q0", "4 of these"),
        ("2026-13", "Months are 01 to 12"), ("2026-00", "Months are 01 to 12"),
        ("next quarter", "not the name of a cycle"), ("26-Q4", "not the name of a cycle"),
    ],
)  # fmt: skip
def test_wrong_names_are_refused(name: str, words: str) -> None:
    """A slip is told with the name that was meant."""
    with pytest.raises(BadValue, match=words):
        parse_cycle(name, 1)


def test_a_cycle_that_ends_before_it_starts_is_refused() -> None:
    """So is one of more than ten years."""
    with pytest.raises(BadValue, match="before it starts"):
        cycle_between(date(2026, 2, 1), date(2026, 1, 31))
    with pytest.raises(BadValue, match="ten years"):
        cycle_between(date(2016, 1, 1), date(2036, 1, 31))


@pytest.mark.parametrize(
    ("period", "day", "first"),
    [
        ("week", "2026-11-01", "2026-11-01"),
        ("week", "2026-11-07", "2026-11-01"),
        ("month", "2024-02-29", "2024-02-01"),
        ("quarter", "2027-01-31", "2026-11-01"),
        ("quarter", "2026-11-01", "2026-11-01"),
        ("year", "2027-01-31", "2026-02-01"),
        ("year", "2026-02-01", "2026-02-01"),
    ],
)
def test_periods_begin_with_the_fiscal_calendar(period: str, day: str, first: str) -> None:
    """Weeks from Sunday, quarters and years from February."""
    calendar = Calendar(ZoneInfo("America/New_York"), fiscal_year_start=2, week_start=6)
    assert str(period_start(date.fromisoformat(day), period, calendar)) == first
