"""What a sync in which nothing has changed asks of GA4, counted by the property itself."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from connectors.ga4.connector import Ga4Connector
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.metrics.report_trim import trim_reports_need
from okr_sync.warehouse.connect import Warehouse

LAST = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PEOPLE = frozenset({"totalUsers", "activeUsers", "sessionsPerUser"})


@pytest.fixture
def sandbox() -> Iterator[Ga4Sandbox]:
    """A property with a session a day for three months."""
    days = [LAST - timedelta(days=n) for n in range(90)]
    rows = [
        {
            "started_at": f"{day}T10:00:00Z",
            "user_id": f"u{day.day}",
            "new_user": "true",
            "engaged": "true",
            "duration_seconds": "10",
            "landingPage": f"/{day.day % 5}",
        }
        for day in days
    ]
    settings = Ga4Settings("123456789", "Etc/UTC", "EUR")
    with Ga4Sandbox(settings, sessions=pd.DataFrame(rows, dtype=str)) as started:
        yield started


def page(number: int) -> Where:
    """The sessions that begin on one page."""
    return Where((Condition("landingPage", Operator.EQ, (f"/{number}",)),))


def people(where: Where, last: date, days: int = 28) -> ExactWindowNeed:
    """Different people in so many days, of which `last` is the last."""
    return ExactWindowNeed(where, PEOPLE, last - timedelta(days=days - 1), last)


def sync(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, need: ReportsNeed, now: datetime = NOON
) -> int:
    """One run's pull; how many requests the property has had of it."""
    with sqlite_warehouse.read() as connection:
        left = trim_reports_need(connection, need, timedelta(days=7), ZoneInfo("UTC"), now)
    before = sandbox.requests.total()
    source = Ga4Source(name="web", property="123456789")
    connector = Ga4Connector(source, sandbox.environment_for_grpc())
    if left.series or left.exact_windows:
        assert connector.pull(left, sqlite_warehouse, now).error is None
    connector.close()
    return sandbox.requests.total() - before


def test_twenty_windows_that_still_change_are_one_batch(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """A batch has five reports of four windows: twenty windows, four or more of them a filter."""
    windows = tuple(people(page(n), LAST - timedelta(days=m)) for n in range(5) for m in range(4))
    need = ReportsNeed("web", "report", (), windows)
    assert [sync(sandbox, sqlite_warehouse, need) for _ in range(3)] == [1, 1, 1]
    others = tuple(people(page(n), LAST - timedelta(days=m)) for n in range(5) for m in range(8))
    assert (
        sync(sandbox, sqlite_warehouse, ReportsNeed("web", "report", (), others)) == 2
    )  # forty windows


def test_windows_and_days_that_are_final_are_not_asked_for(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """A hundred windows and a quarter of days are read once, when they were read late enough."""
    settled = LAST - timedelta(days=8)
    windows = tuple(
        people(page(n), settled - timedelta(days=m)) for n in range(5) for m in range(20)
    )
    series = tuple(
        SeriesNeed(page(n), frozenset({"sessions"}), LAST - timedelta(days=89), settled)
        for n in range(5)
    )
    need = ReportsNeed("web", "report", series, windows)
    assert (
        sync(sandbox, sqlite_warehouse, need) == 6
    )  # five series and twenty-five reports of four windows
    assert sync(sandbox, sqlite_warehouse, need) == 0
    # A day later one window of each filter is new, and nothing else.
    more = tuple(people(page(n), settled + timedelta(days=1)) for n in range(5))
    grown = ReportsNeed("web", "report", series, windows + more)
    assert sync(sandbox, sqlite_warehouse, grown, NOON + timedelta(days=1)) == 1


def test_a_hundred_bindings_of_every_kind(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """Sums, rates, people and a window for each filter: a report by day and one of totals each."""
    where = [
        Where((Condition("landingPage", Operator.EQ, (f"/{n % 5}",)), *extra))
        for n, extra in enumerate([()] * 5 + [(Condition("country", Operator.EQ, ("DE",)),)] * 5)
    ]
    sums = ("sessions", "engagedSessions", "newUsers", "eventCount", "keyEvents")
    series = tuple(
        SeriesNeed(each, frozenset({metric}), LAST - timedelta(days=27), LAST)
        for each in where
        for metric in sums
    )
    windows = tuple(
        ExactWindowNeed(each, frozenset({metric}), LAST - timedelta(days=27), LAST)
        for each in where
        for metric in (*sorted(PEOPLE), "userKeyEventRate", "averageSessionDuration")
    )
    assert len(series) + len(windows) == 100
    # Ten filters, each with days and totals: twenty reports.
    assert sync(sandbox, sqlite_warehouse, ReportsNeed("web", "report", series, windows)) == 4
