"""Days into instants: daylight saving, leap days, and every form of `over`."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from okr_sync.config.cycles import Calendar
from okr_sync.config.models import Cycle, Over, OverKind
from okr_sync.metrics.windows import as_of_instant, local_midnight, resolve_window

LATER = datetime(2030, 1, 1, tzinfo=UTC)
Q1 = Cycle("2026-Q1", date(2026, 1, 1), date(2026, 4, 1))
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("zone", "day", "midnight", "hours"),
    [
        # Sao Paulo put its clocks back at midnight of 18 February 2018: the 17th had 25 hours.
        ("America/Sao_Paulo", date(2018, 2, 17), "2018-02-17T02:00", 25),
        ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00", 24),
        # On 15 October 2017 midnight did not exist there: the day began at 01:00.
        ("America/Sao_Paulo", date(2017, 10, 15), "2017-10-15T03:00", 23),
        ("America/New_York", date(2026, 3, 8), "2026-03-08T05:00", 23),
        ("America/New_York", date(2026, 11, 1), "2026-11-01T04:00", 25),
        ("Pacific/Auckland", date(2026, 4, 5), "2026-04-04T11:00", 25),
        ("Pacific/Auckland", date(2026, 9, 27), "2026-09-26T12:00", 23),
        ("UTC", date(2024, 2, 29), "2024-02-29T00:00", 24),
        # Havana: midnight comes twice on 1 November 2026; the day begins at the first.
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", 25),
        # Samoa skipped 30 December 2011 altogether.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", 0),
    ],
)
def test_a_local_day_begins_and_lasts_as_its_clocks_say(
    zone: str, day: date, midnight: str, hours: int
) -> None:
    """Days of 23, 24 and 25 hours begin where they do, and each ends where the next begins."""
    start_at = local_midnight(day, ZoneInfo(zone))
    end_at = local_midnight(day + timedelta(days=1), ZoneInfo(zone))
    assert start_at == datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    assert end_at - start_at == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("over", "as_of", "first", "last"),
    [
        (Over(), date(2026, 2, 10), date(2026, 1, 1), date(2026, 2, 10)),
        (Over(), date(2026, 6, 1), date(2026, 1, 1), date(2026, 3, 31)),
        (
            Over(kind=OverKind.LAST, days=28),
            date(2026, 2, 10),
            date(2026, 1, 14),
            date(2026, 2, 10),
        ),
        (Over(kind=OverKind.LAST, days=28), date(2026, 6, 1), date(2026, 3, 4), date(2026, 3, 31)),
        (Over(kind=OverKind.LAST, days=1), date(2026, 3, 1), date(2026, 3, 1), date(2026, 3, 1)),
        (
            Over(kind=OverKind.TO_DATE, period="month"),
            date(2026, 2, 10),
            date(2026, 2, 1),
            date(2026, 2, 10),
        ),
        (
            Over(kind=OverKind.TO_DATE, period="week"),
            date(2026, 2, 11),
            date(2026, 2, 9),
            date(2026, 2, 11),
        ),
        (
            Over(kind=OverKind.TO_DATE, period="quarter"),
            date(2026, 2, 10),
            date(2026, 2, 1),
            date(2026, 2, 10),
        ),
        (
            Over(kind=OverKind.TO_DATE, period="year"),
            date(2026, 1, 20),
            date(2025, 2, 1),
            date(2026, 1, 20),
        ),
        (
            Over(kind=OverKind.PREVIOUS, period="month"),
            date(2026, 3, 10),
            date(2026, 2, 1),
            date(2026, 2, 28),
        ),
        (
            Over(kind=OverKind.PREVIOUS, period="quarter"),
            date(2026, 3, 10),
            date(2025, 11, 1),
            date(2026, 1, 31),
        ),
    ],
)
def test_over_means_the_days_that_people_mean(
    over: Over, as_of: date, first: date, last: date
) -> None:
    """Each form of `over` resolves to its first and last local day, in a February fiscal year."""
    window = resolve_window(over, Q1, as_of, Calendar(NEW_YORK, fiscal_year_start=2), LATER)
    assert window is not None
    assert (window.start_day, window.end_day - timedelta(days=1)) == (first, last)
    assert window.start_at == local_midnight(first, NEW_YORK)
    assert window.end_at == local_midnight(last + timedelta(days=1), NEW_YORK)


def test_the_last_28_days_of_a_leap_year_hold_the_29th_of_february() -> None:
    """A leap day is a day like any other."""
    cycle = Cycle("2024-Q1", date(2024, 1, 1), date(2024, 4, 1))
    over = Over(kind=OverKind.LAST, days=2)
    window = resolve_window(over, cycle, date(2024, 3, 1), Calendar(NEW_YORK), LATER)
    assert window is not None
    assert window.start_day == date(2024, 2, 29)


def test_a_day_in_progress_ends_now() -> None:
    """As of today means as of this instant, so that nothing of the future is awaited or counted."""
    now = datetime(2026, 2, 10, 15, 30, tzinfo=UTC)
    window = resolve_window(Over(), Q1, date(2026, 2, 10), Calendar(NEW_YORK), now)
    assert window is not None
    assert (window.end_day, window.end_at) == (date(2026, 2, 11), now)
    assert as_of_instant(date(2026, 2, 10), NEW_YORK, now) == now
    assert as_of_instant(date(2026, 2, 9), NEW_YORK, now) == local_midnight(
        date(2026, 2, 10), NEW_YORK
    )


def test_before_its_cycle_a_key_result_has_no_window() -> None:
    """Nothing is measured before the cycle begins, not even with `last`."""
    over = Over(kind=OverKind.LAST, days=28)
    day_before = date(2025, 12, 31)
    assert resolve_window(over, Q1, day_before, Calendar(NEW_YORK), LATER) is None
    assert resolve_window(Over(), Q1, day_before, Calendar(NEW_YORK), LATER) is None


def test_at_the_instant_it_begins_a_cycle_has_no_window_yet() -> None:
    """At midnight itself nothing has happened; a moment later there is a window."""
    begins_at = local_midnight(Q1.start, NEW_YORK)
    for now, is_there in ((begins_at, False), (begins_at + timedelta(microseconds=1), True)):
        window = resolve_window(Over(), Q1, Q1.start, Calendar(NEW_YORK), now)
        assert (window is not None) is is_there
