"""Which stored GA4 figures are asked for again: none that GA4 won't change any more, all that it may."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import pytest

from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.metrics.report_trim import RESUMABLE, trim_reports_need
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.report_store import (
    DailyFigures,
    ReportAccount,
    ReportKey,
    WindowFigure,
    put_windows,
    record_account,
    replace_days,
)

ZONE = ZoneInfo("America/New_York")
REVISE = timedelta(days=3)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 20)
NOW = datetime(2026, 3, 20, 15, tzinfo=UTC)
MOBILE = Where((Condition("deviceCategory", Operator.EQ, ("mobile",)),))
SESSIONS = SeriesNeed(Where(), frozenset({"sessions"}), FIRST, LAST)
BOTH = SeriesNeed(MOBILE, frozenset({"sessions", "keyEvents"}), FIRST, LAST)
ACCOUNT = ReportAccount("1", ZONE.key, None)


def need(series: Iterable[SeriesNeed] = (), windows: Iterable[ExactWindowNeed] = ()) -> ReportsNeed:
    """What is needed of a property's reports."""
    return ReportsNeed("web", "report", tuple(series), tuple(windows))


def users(last_day: date, *metrics: str) -> ExactWindowNeed:
    """People of a window from the first on."""
    return ExactWindowNeed(Where(), frozenset(metrics or ("totalUsers",)), FIRST, last_day)


def put(
    warehouse: Warehouse,
    where: Where,
    metric: str,
    first_day: date,
    last_day: date,
    read_at: datetime,
    dataset: str = "report",
) -> None:
    """Store a metric's days as read at an instant."""
    key = ReportKey("web", dataset, where.key())
    with warehouse.write() as connection:
        replace_days(connection, key, {metric: DailyFigures({})}, first_day, last_day, read_at)


def put_users(
    warehouse: Warehouse, last_day: date, read_at: datetime, metric: str = "totalUsers"
) -> None:
    """Store a figure of the window from the first on, as read at an instant."""
    figure = WindowFigure(metric, FIRST, last_day, D(1))
    with warehouse.write() as connection:
        put_windows(connection, ReportKey("web", "report", ""), [figure], read_at)


def left_of(warehouse: Warehouse, whole: ReportsNeed, now: datetime = NOW) -> ReportsNeed:
    """What is left of a need."""
    with warehouse.read() as connection:
        return trim_reports_need(connection, whole, REVISE, ZONE, now)


def begun(warehouse: Warehouse, at: datetime) -> None:
    """A read that is cut off has begun."""
    with warehouse.write() as connection:
        record_account(connection, "web", "report", ACCOUNT, at, is_whole=False)


def test_nothing_stored_leaves_the_need_as_it_is(warehouse: Warehouse) -> None:
    """An empty warehouse trusts nothing."""
    whole = need([SESSIONS, BOTH], [users(LAST)])
    assert left_of(warehouse, whole) == whole


def test_days_are_trusted_once_they_were_read_after_their_revision(warehouse: Warehouse) -> None:
    """A day counts as settled from `revise` after its own midnight in the property's zone on."""
    settled_at = datetime(2026, 3, 14, 4, tzinfo=UTC)  # three days after the end of the 10th
    put(warehouse, Where(), "sessions", FIRST, LAST, settled_at)
    (left,) = left_of(warehouse, need([SESSIONS])).series
    assert left == SeriesNeed(Where(), frozenset({"sessions"}), date(2026, 3, 11), LAST)
    put(warehouse, Where(), "sessions", FIRST, LAST, settled_at - timedelta(microseconds=1))
    (left,) = left_of(warehouse, need([SESSIONS])).series
    assert left.first_day == date(2026, 3, 10)


def test_a_series_is_asked_for_from_its_first_open_day_to_its_last(warehouse: Warehouse) -> None:
    """Every metric of a series must be trusted on a day; other filters and datasets don't count."""
    put(warehouse, MOBILE, "sessions", FIRST, LAST, NOW + REVISE + REVISE)
    put(warehouse, MOBILE, "keyEvents", FIRST, date(2026, 3, 4), NOW)
    put(warehouse, MOBILE, "keyEvents", date(2026, 3, 6), date(2026, 3, 8), NOW)
    put(warehouse, MOBILE, "keyEvents", date(2026, 3, 10), LAST, NOW + REVISE + REVISE)
    put(warehouse, Where(), "keyEvents", FIRST, LAST, NOW + REVISE + REVISE)
    put(warehouse, MOBILE, "keyEvents", FIRST, LAST, NOW + REVISE + REVISE, dataset="other")
    left = left_of(warehouse, need([SESSIONS, BOTH]))
    assert left.series == (
        SESSIONS,
        SeriesNeed(MOBILE, BOTH.metrics, date(2026, 3, 5), date(2026, 3, 9)),
    )
    assert (left.source, left.dataset) == ("web", "report")


def test_a_series_of_trusted_days_is_left_out(warehouse: Warehouse) -> None:
    """Nothing is asked for when every day is settled."""
    for metric in BOTH.metrics:
        put(warehouse, MOBILE, metric, FIRST, LAST, NOW + REVISE + REVISE)
    assert left_of(warehouse, need([BOTH])) == need()


def test_windows_are_trusted_by_their_last_day(warehouse: Warehouse) -> None:
    """Each window by itself: its own days, filter, and every one of its metrics."""
    settled, young = date(2026, 3, 10), date(2026, 3, 18)
    for last_day in (settled, young):
        put_users(warehouse, last_day, NOW)
    wanted = [
        users(settled),
        users(young),
        users(settled, "totalUsers", "activeUsers"),
        ExactWindowNeed(MOBILE, frozenset({"totalUsers"}), FIRST, settled),
        ExactWindowNeed(Where(), frozenset({"totalUsers"}), date(2026, 3, 2), settled),
    ]
    assert left_of(warehouse, need(windows=wanted)).exact_windows == tuple(wanted[1:])
    put_users(warehouse, settled, NOW, "activeUsers")
    assert left_of(warehouse, need(windows=wanted[2:3])) == need()


def test_a_read_that_was_cut_off_is_gone_on_with(warehouse: Warehouse) -> None:
    """What it has read of days that still change is trusted for some hours, and no other's."""
    begun(warehouse, NOW)
    put(warehouse, MOBILE, "sessions", FIRST, LAST, NOW)
    put(warehouse, MOBILE, "keyEvents", FIRST, LAST, NOW)
    put(warehouse, Where(), "sessions", FIRST, LAST, NOW - timedelta(microseconds=1))
    put_users(warehouse, LAST, NOW)
    whole = need([SESSIONS, BOTH], [users(LAST)])
    recent = SeriesNeed(Where(), SESSIONS.metrics, date(2026, 3, 17), LAST)
    assert left_of(warehouse, whole, NOW + RESUMABLE) == need([recent])
    late = left_of(warehouse, whole, NOW + RESUMABLE + timedelta(microseconds=1))
    assert [one.first_day for one in late.series] == [date(2026, 3, 17)] * 2
    assert late.exact_windows == whole.exact_windows


@pytest.mark.parametrize("after_midnight", [timedelta(microseconds=-1), timedelta(0)])
def test_a_day_that_has_ended_meanwhile_is_read_to_its_end(
    warehouse: Warehouse, after_midnight: timedelta
) -> None:
    """Figures of a day in progress are gone on with during that day only; yesterday's were whole."""
    midnight = datetime(2026, 3, 21, 4, tzinfo=UTC)
    begun(warehouse, midnight - timedelta(hours=1))
    put(warehouse, Where(), "sessions", FIRST, LAST, midnight - timedelta(hours=1))
    left = left_of(warehouse, need([SESSIONS], [users(LAST)]), midnight + after_midnight)
    has_ended = after_midnight == timedelta(0)
    today = SeriesNeed(Where(), SESSIONS.metrics, LAST, LAST)
    assert left.series == ((today,) if has_ended else ())


def test_a_cut_off_read_with_nothing_left_is_finished_by_a_pull(warehouse: Warehouse) -> None:
    """Its need stays whole: only a pull can say that it is complete."""
    begun(warehouse, NOW)
    put(warehouse, Where(), "sessions", FIRST, LAST, NOW)
    whole = need([SESSIONS])
    assert left_of(warehouse, whole) == whole
    with warehouse.write() as connection:
        record_account(connection, "web", "report", ACCOUNT, NOW)
    assert left_of(warehouse, need([SeriesNeed(Where(), SESSIONS.metrics, FIRST, FIRST)])) == need()
