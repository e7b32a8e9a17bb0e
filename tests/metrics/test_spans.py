"""Which days are looked at, over which window, and from when on a number is left alone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from okr_sync.config.cycles import Calendar
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    ConversionMetric,
    Cycle,
    Family,
    Goal,
    GoalKind,
    KeyResult,
    Over,
    OverKind,
    Position,
    SnapshotMetric,
)
from okr_sync.metrics.spans import (
    closing_day,
    is_closed,
    is_final,
    left_alone_from,
    newest_day,
    span_for,
    spans_for,
)

ZONE = ZoneInfo("America/New_York")
CALENDAR = Calendar(ZONE)
MIDNIGHT = timedelta(hours=4)  # in summer New York's days begin at 04:00 UTC
CYCLE = Cycle("2026-Q2", date(2026, 4, 1), date(2026, 7, 1))
COUNT = AggMetric(
    name="m",
    dataset="hubspot.contacts",
    family=Family.FUNNEL,
    aggregation=Aggregation(agg="count"),
    time="createdate",
)
LEVEL = SnapshotMetric(
    name="m", dataset="hubspot.contacts", family=Family.FUNNEL, aggregation=Aggregation(agg="count")
)


def conversion(within: timedelta) -> ConversionMetric:
    """Of whom arrives, who converts within a while."""
    return ConversionMetric(
        name="m",
        dataset="hubspot.contacts",
        family=Family.CONVERSION,
        from_time="a",
        to_time="b",
        within=within,
    )


def key_result(over: Over | None = None) -> KeyResult:
    """A key result over the second quarter, settled after two days and revised for seven."""
    return KeyResult(
        key_result_id="t/kr",
        objective_id="t/o",
        team="t",
        title="A key result",
        metric="m",
        goal=Goal(kind=GoalKind.AT_LEAST),
        cycle=CYCLE,
        over=over or Over(),
        settle=timedelta(hours=48),
        revise=timedelta(days=7),
        defined_at=Position("okrs.yaml", 1, 1),
    )


def utc(day: date, after: timedelta = timedelta(0)) -> datetime:
    """So long after midnight in New York, in summer."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + MIDNIGHT + after


@pytest.mark.parametrize(
    ("metric", "day"),
    [
        (COUNT, date(2026, 6, 30)),
        (conversion(timedelta(days=10)), date(2026, 7, 10)),
        (conversion(timedelta(hours=36)), date(2026, 7, 2)),  # two days, not one and a half
        (conversion(timedelta(minutes=1)), date(2026, 7, 1)),
    ],
)
def test_a_number_closes_with_its_cycle_or_its_last_cohort(metric: AnyMetric, day: date) -> None:
    """A cohort that needs part of a day needs that day."""
    assert closing_day(key_result(), metric, {"m": metric}) == day


def test_a_span_says_day_instant_and_window() -> None:
    """A past day is as of its end, a day in progress as of now, both over the cycle so far."""
    now = utc(date(2026, 5, 20), timedelta(hours=9))
    past, today = spans_for(
        key_result(),
        COUNT,
        {"m": COUNT},
        [date(2026, 5, 20), date(2026, 5, 19), date(2026, 5, 20)],
        CALENDAR,
        now,
    )
    assert (past.as_of, past.as_of_at) == (date(2026, 5, 19), utc(date(2026, 5, 20)))
    assert (today.as_of, today.as_of_at) == (date(2026, 5, 20), now)
    assert (past.window.start_day, past.window.end_day) == (date(2026, 4, 1), date(2026, 5, 20))
    assert past.window.start_at == utc(date(2026, 4, 1))
    assert (today.window.start_day, today.window.end_day) == (date(2026, 4, 1), date(2026, 5, 21))


@pytest.mark.parametrize(
    ("day", "now", "is_there"),
    [
        (date(2026, 3, 31), utc(date(2026, 5, 20)), False),  # before the cycle
        (date(2026, 4, 1), utc(date(2026, 4, 1), timedelta(seconds=1)), True),
        (date(2026, 4, 1), utc(date(2026, 4, 1)), False),  # nothing of the day has passed
        (date(2026, 5, 21), utc(date(2026, 5, 21), -timedelta(hours=1)), False),  # tomorrow
        (date(2026, 5, 21), utc(date(2026, 5, 21), timedelta(hours=1)), True),
    ],
)
def test_a_day_that_has_not_begun_has_no_span(day: date, now: datetime, is_there: bool) -> None:
    """A day begins at local midnight; at that very instant there is nothing to look at."""
    assert (span_for(key_result(), COUNT, {"m": COUNT}, day, CALENDAR, now) is not None) is is_there


@pytest.mark.parametrize(
    ("hour", "day", "is_there"),
    [
        (9, date(2026, 5, 20), True),
        (9, date(2026, 5, 19), False),
        (23, date(2026, 5, 20), True),  # in UTC it is tomorrow
        (23, date(2026, 5, 21), False),
    ],
)
def test_a_level_is_of_today_in_the_projects_zone(hour: int, day: date, is_there: bool) -> None:
    """What can only be had today has no other day; which day is today, the project's zone says."""
    now = utc(date(2026, 5, 20), timedelta(hours=hour))
    assert (span_for(key_result(), LEVEL, {"m": LEVEL}, day, CALENDAR, now) is not None) is is_there


def test_days_after_the_closing_day_are_read_as_it() -> None:
    """Nothing moves any more: every later day is the same one, over the whole cycle."""
    now = utc(date(2026, 8, 1))
    days = [date(2026, 6, 30), date(2026, 7, 5), date(2026, 7, 20)]
    (only,) = spans_for(key_result(), COUNT, {"m": COUNT}, days, CALENDAR, now)
    assert (only.as_of, only.as_of_at) == (date(2026, 6, 30), utc(date(2026, 7, 1)))
    assert (only.window.start_day, only.window.end_day) == (CYCLE.start, CYCLE.end)


def test_a_rolling_window_ends_with_its_day() -> None:
    """`{last: 7d}` is seven days, the as-of day the last of them, from before the cycle if need be."""
    over = Over(kind=OverKind.LAST, days=7)
    found = span_for(
        key_result(over), COUNT, {"m": COUNT}, date(2026, 4, 3), CALENDAR, utc(date(2026, 4, 5))
    )
    assert found is not None
    assert (found.window.start_day, found.window.end_day) == (date(2026, 3, 28), date(2026, 4, 4))


@pytest.mark.parametrize(("minutes", "final"), [(-1, False), (0, True), (1, True)])
def test_a_day_is_final_once_settle_has_passed_since_its_end(minutes: int, final: bool) -> None:
    """Two days after the day's last instant, to the minute."""
    now = utc(date(2026, 5, 23), timedelta(minutes=minutes))
    assert is_final(key_result(), date(2026, 5, 20), CALENDAR, now) is final


@pytest.mark.parametrize(("minutes", "closed"), [(-1, False), (0, True)])
def test_a_number_is_left_alone_when_settled_and_past_revising(minutes: int, closed: bool) -> None:
    """Nine days after the closing day has ended: two to settle and seven in which sources restate."""
    metric = conversion(timedelta(days=10))
    metrics: dict[str, AnyMetric] = {"m": metric}
    end = utc(date(2026, 7, 11), timedelta(days=9))
    assert left_alone_from(key_result(), metric, metrics, CALENDAR) == end
    now = end + timedelta(minutes=minutes)
    assert is_closed(key_result(), metric, metrics, CALENDAR, now) is closed


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (utc(date(2026, 5, 3)), date(2026, 5, 3)),
        (utc(date(2026, 5, 3), timedelta(microseconds=-1)), date(2026, 5, 2)),
        (utc(date(2026, 7, 10)), date(2026, 7, 10)),
        (utc(date(2026, 7, 11)), date(2026, 7, 10)),
    ],
)
def test_the_newest_day_is_today_until_the_closing_day(now: datetime, newest: date) -> None:
    """Days are local ones; after the cycle a cohort goes on until it has had its time."""
    metric = conversion(timedelta(days=10))
    assert newest_day(key_result(), metric, {"m": metric}, CALENDAR, now) == newest
