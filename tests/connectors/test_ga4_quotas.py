"""GA4's quotas, against a property that enforces them: checked before, shared, deferred, gone on from."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from sqlalchemy import func, select

from connectors.base import PullResult
from connectors.clock import Clock
from connectors.errors import RetryPolicy
from connectors.ga4.calls import GA4_RETRIES
from connectors.ga4.connector import Ga4Connector
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.metrics.report_trim import trim_reports_need
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import state_of
from okr_sync.warehouse.report_store import unfinished_since
from okr_sync.warehouse.tables import source_report_day, source_report_window

NOON = datetime(2026, 11, 20, 12, 10, tzinfo=UTC)
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 20)
QUICK = RetryPolicy(tries=3, first_wait=0.01, longest_wait=0.02)
UTC_ZONE = ZoneInfo("UTC")


class Time:
    """A clock that only moves when it is told to, or slept by."""

    def __init__(self) -> None:
        self.at = NOON
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)

    def clock(self) -> Clock:
        """It, as connectors want it."""
        return Clock(lambda: self.at.timestamp(), lambda: self.at.timestamp(), self.sleep)


@pytest.fixture
def time() -> Time:
    """The time of the test, for the property and for who reads it."""
    return Time()


@pytest.fixture
def sandbox(time: Time) -> Iterator[Ga4Sandbox]:
    """A property that somebody visits once a day, on one of twelve pages."""
    rows = [
        {
            "started_at": f"2026-11-{day:02d}T10:00:00Z",
            "user_id": f"u{day}",
            "new_user": "true",
            "engaged": "true",
            "duration_seconds": "10",
            "landingPage": f"/{day % 12}",
            "userAgeBracket": "25-34",
        }
        for day in range(1, 21)
    ]
    settings = Ga4Settings("123456789", "Etc/UTC", "EUR")
    with Ga4Sandbox(
        settings, sessions=pd.DataFrame(rows, dtype=str), now=lambda: time.at
    ) as started:
        yield started


def on_page(number: int) -> Where:
    """The sessions that begin on one page."""
    return Where((Condition("landingPage", Operator.EQ, (f"/{number}",)),))


def of_pages(*numbers: int) -> ReportsNeed:
    """Sessions by day, under a filter for each page."""
    names = frozenset({"sessions"})
    series = tuple(SeriesNeed(on_page(n), names, FIRST, LAST) for n in numbers)
    return ReportsNeed("web", "report", series, ())


def pull(
    sandbox: Ga4Sandbox,
    sqlite_warehouse: Warehouse,
    need: ReportsNeed,
    time: Time,
    transport: str = "grpc",
    retries: RetryPolicy = QUICK,
) -> PullResult:
    """One run's pull of what is not stored for good, with a connector of its own."""
    credentials: Mapping[str, Any] = {}
    environ = sandbox.environment_for_grpc()
    if transport == "rest":
        environ = sandbox.environment_for_rest()
        credentials = {"credentials_env": "GOOGLE_APPLICATION_CREDENTIALS"}
    source = Ga4Source(name="web", property="123456789", **credentials)
    connector = Ga4Connector(source, environ, retries, time.clock())
    with sqlite_warehouse.read() as connection:
        left = trim_reports_need(connection, need, timedelta(days=7), UTC_ZONE, time.at)
    try:
        return connector.pull(left, sqlite_warehouse, time.at)
    finally:
        connector.close()


def stored_days(sqlite_warehouse: Warehouse) -> int:
    """How many daily figures are stored."""
    with sqlite_warehouse.read() as connection:
        return connection.scalar(select(func.count()).select_from(source_report_day)) or 0


@pytest.mark.parametrize("transport", ["grpc", "rest"])
@pytest.mark.parametrize(
    "bucket", ["spent_tokens_hour", "spent_tokens_project_hour", "spent_tokens_day"]
)
def test_a_quota_defers_and_a_later_run_goes_on(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time, transport: str, bucket: str
) -> None:
    """Scenario 25: what was read is kept, nothing is asked before the quota renews, nothing twice."""
    need = of_pages(*range(12))  # three batches: 5, 5 and 2 reports
    sandbox.faults.switch_on(f"ga4.{bucket}", times=1, after=2)
    first = pull(sandbox, sqlite_warehouse, need, time, transport)
    assert (first.is_complete, first.is_transient, first.requests) == (False, True, 3)
    assert first.is_deferred  # the run's own retries would only meet the empty quota again
    until, name = "2026-11-20 13:00 UTC", "hourly quota"
    if bucket == "spent_tokens_day":
        until, name = "2026-11-21 08:00 UTC", "daily quota"  # midnight Pacific time
    assert f"the {name} of GA4 property 123456789 is used up" in (first.error or "")
    assert f"first run after {until}" in (first.error or "")
    assert stored_days(sqlite_warehouse) == 10 * 20
    with sqlite_warehouse.read() as connection:
        state = state_of(connection, "web", "report")
        assert unfinished_since(connection, "web", "report") == NOON
    assert state is not None and state.complete_at is None
    time.sleep(20 * 60)
    again = pull(sandbox, sqlite_warehouse, need, time, transport)
    assert (again.requests, again.is_complete, again.is_deferred) == (0, False, True)
    assert until in (again.error or "")
    time.at = datetime.strptime(until, "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    last = pull(sandbox, sqlite_warehouse, need, time, transport)
    assert (last.error, last.is_complete) == (None, True)
    # An hour later only the two reports that are missing; the next day, recent days of the others, too.
    assert last.requests == (1 if name == "hourly quota" else 3)
    assert last.rows == (2 if name == "hourly quota" else 2 + 8)
    assert stored_days(sqlite_warehouse) == 12 * 20
    with sqlite_warehouse.read() as connection:
        assert unfinished_since(connection, "web", "report") is None
    assert time.slept == [20 * 60]


def test_pages_are_gone_on_from(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time
) -> None:
    """A report that was cut off between its pages keeps the days of those that had come."""
    need = ReportsNeed(
        "web", "report", (SeriesNeed(Where(), frozenset({"sessions"}), FIRST, LAST),), ()
    )
    sandbox.faults.switch_on("ga4.short_page", size=8)
    sandbox.faults.switch_on("ga4.spent_tokens_hour", times=1, after=1)
    assert pull(sandbox, sqlite_warehouse, need, time).requests == 2
    assert stored_days(sqlite_warehouse) == 8
    sandbox.faults.switch_off()
    time.sleep(3600)
    result = pull(sandbox, sqlite_warehouse, need, time)
    assert (result.error, result.rows) == (None, 12)
    assert stored_days(sqlite_warehouse) == 20


def test_what_a_cut_off_run_read_is_trusted_for_hours(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time
) -> None:
    """Figures of days that still change don't stay from a run that was cut off long ago, or before
    their day had ended."""
    need = of_pages(*range(6))
    sandbox.faults.switch_on("ga4.spent_tokens_hour", times=1, after=1)
    pull(sandbox, sqlite_warehouse, need, time)

    def left(at: datetime) -> list[date]:
        with sqlite_warehouse.read() as connection:
            found = trim_reports_need(connection, need, timedelta(days=7), UTC_ZONE, at)
        return [one.first_day for one in found.series]

    assert left(NOON + timedelta(hours=5)) == [FIRST]  # the sixth page alone
    assert left(NOON + timedelta(hours=7)) == [date(2026, 11, 13)] * 5 + [FIRST]
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    time.at = midnight - timedelta(hours=1)
    pull(sandbox, sqlite_warehouse, of_pages(0), time)
    sandbox.faults.switch_on("ga4.spent_tokens_hour", times=1, after=1)
    pull(sandbox, sqlite_warehouse, need, time)
    assert left(midnight - timedelta(minutes=1)) == [FIRST]
    assert left(midnight + timedelta(hours=1)) == [LAST] * 5 + [FIRST]


def test_server_errors_stop_before_the_property_is_locked(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time
) -> None:
    """Ten answers of 5xx in an hour lock a project out; a stubborn run makes eight, and no run more."""
    stubborn = RetryPolicy(tries=30, first_wait=0.01, longest_wait=0.02)
    sandbox.faults.switch_on("ga4.500_internal")
    need = of_pages(0)
    first = pull(sandbox, sqlite_warehouse, need, time, retries=stubborn)
    assert first.requests == 8
    assert "server errors per project per hour" in (first.error or "")
    assert pull(sandbox, sqlite_warehouse, need, time, retries=stubborn).requests == 0
    sandbox.faults.switch_off()
    time.sleep(3600)
    assert pull(sandbox, sqlite_warehouse, need, time).is_complete


def test_a_refusal_for_server_errors_is_told_as_that(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time
) -> None:
    """Its words also say "project per hour", which is the name of a quota of tokens."""
    sandbox.faults.switch_on("ga4.429_server_errors", times=1)
    result = pull(sandbox, sqlite_warehouse, of_pages(0), time)
    assert "(server errors per project per hour)" in (result.error or "")
    assert result.is_deferred


def test_reports_that_may_be_thresholded_have_a_quota_of_their_own(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time
) -> None:
    """Once it is used up, only reports that read such a dimension wait for the next hour."""
    young = Where((Condition("userAgeBracket", Operator.EQ, ("25-34",)),))
    series = SeriesNeed(young, frozenset({"sessions"}), FIRST, LAST)
    need = ReportsNeed("web", "report", (series,), ())
    sandbox.faults.switch_on("ga4.spent_thresholded", times=1)
    first = pull(sandbox, sqlite_warehouse, need, time)
    assert "potentially thresholded requests per hour" in (first.error or "")
    assert (pull(sandbox, sqlite_warehouse, need, time).requests, first.requests) == (0, 1)
    assert pull(sandbox, sqlite_warehouse, of_pages(0), time).is_complete
    time.sleep(3600)
    assert pull(sandbox, sqlite_warehouse, need, time).is_complete


def test_tokens_are_counted_before_they_are_spent(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time
) -> None:
    """A batch that costs more than is left is not sent, by this run or another one."""
    assert (
        pull(sandbox, sqlite_warehouse, of_pages(0), time).quota["tokens_per_project_per_hour"]
        == 13_999
    )
    sandbox.faults.switch_on("ga4.spent_tokens_project_hour", times=1)
    pull(sandbox, sqlite_warehouse, of_pages(1), time)
    with ThreadPoolExecutor(4) as threads:
        results = list(
            threads.map(lambda n: pull(sandbox, sqlite_warehouse, of_pages(n), time), range(2, 6))
        )
    assert [result.requests for result in results] == [0, 0, 0, 0]
    assert sandbox.requests["BatchRunReports"] == 2


@pytest.mark.parametrize("fault", ["429_concurrent", "503_unavailable"])
def test_a_pull_waits_a_minute_at_most(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time, fault: str
) -> None:
    """However often a request is worth another try, all the waiting of a pull is bounded."""
    sandbox.faults.switch_on(f"ga4.{fault}")
    result = pull(sandbox, sqlite_warehouse, of_pages(*range(12)), time, retries=GA4_RETRIES)
    assert not result.is_complete and not result.is_deferred
    assert 1 < result.requests <= GA4_RETRIES.tries
    assert sum(time.slept) <= 60


def test_no_more_requests_at_once_than_the_property_takes(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """Fourteen runs at the same time: each gets its turn, and none is refused as one too many."""
    sandbox.faults.switch_on("ga4.slow", seconds=0.2)
    source = Ga4Source(name="web", property="123456789")

    def run(number: int) -> PullResult:
        connector = Ga4Connector(source, sandbox.environment_for_grpc(), QUICK)
        try:
            return connector.pull(of_pages(number % 12), sqlite_warehouse, NOON)
        finally:
            connector.close()

    with ThreadPoolExecutor(14) as threads:
        results = list(threads.map(run, range(14)))
    assert [(result.error, result.requests) for result in results] == [(None, 1)] * 14


def test_a_rate_waits_for_what_it_is_taken_over(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, time: Time
) -> None:
    """Of a pull that is cut off, a rate whose sessions had not come is not kept as `no value`."""
    metrics = """averageSessionDuration averageRevenuePerUser dauPerMau dauPerWau eventCountPerUser
        purchaserRate screenPageViewsPerUser"""  # with what they are taken over more than ten
    window = ExactWindowNeed(Where(), frozenset(metrics.split()), FIRST, LAST)
    need = ReportsNeed("web", "report", of_pages(0, 1, 2, 3).series, (window,))
    sandbox.faults.switch_on("ga4.spent_tokens_hour", times=1, after=1)
    assert not pull(sandbox, sqlite_warehouse, need, time).is_complete
    query = select(source_report_window.c.value).where(
        source_report_window.c.metric == "averageSessionDuration"
    )
    with sqlite_warehouse.read() as connection:
        assert connection.scalars(query).all() == []
    time.sleep(3600)
    assert pull(sandbox, sqlite_warehouse, need, time).is_complete
    with sqlite_warehouse.read() as connection:
        assert connection.scalars(query).all() == [10]
