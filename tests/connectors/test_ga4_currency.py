"""A GA4 property whose currency is changed, before a pull and while one reads."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pytest
from sqlalchemy import select

from connectors.base import PullResult
from connectors.errors import RetryPolicy
from connectors.ga4.connector import Ga4Connector
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import ReportsNeed, SeriesNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.encoding import from_micros
from okr_sync.warehouse.report_store import report_account
from okr_sync.warehouse.tables import source_report_day

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = [date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)]
SALE = {"revenue": "10", "event:purchase": "1"}
COUNTRIES = ("Austria", "Belgium", "Cyprus", "Denmark", "Estonia", "Finland")


@pytest.fixture
def property_() -> Iterator[Ga4Sandbox]:
    """A property that sells for ten euros a day in each of six countries."""
    columns = {"user_id": "u", "new_user": "true", "engaged": "true", "duration_seconds": "9"}
    rows = [
        {"started_at": f"{day}T12:00:00Z", **columns, **SALE, "country": country}
        for day in DAYS
        for country in COUNTRIES
    ]
    sessions = pd.DataFrame(rows, dtype=str)
    settings = Ga4Settings("123456789", "Etc/UTC", "EUR")
    with Ga4Sandbox(settings, sessions=sessions) as started:
        yield started


def of_country(country: str, first: date, last: date) -> SeriesNeed:
    """What a country buys for, day by day."""
    where = Where((Condition("country", Operator.EQ, (country,)),))
    return SeriesNeed(where, frozenset({"totalRevenue"}), first, last)


def pull(
    property_: Ga4Sandbox,
    sqlite_warehouse: Warehouse,
    first: date = DAYS[0],
    last: date = DAYS[-1],
    need: SeriesNeed | None = None,
) -> PullResult:
    """Read six reports of amounts, which take two requests (five go into one), or the one needed."""
    series = [of_country(country, first, last) for country in COUNTRIES] if need is None else [need]
    needs = ReportsNeed("web", "report", tuple(series), ())
    source = Ga4Source(name="web", property="123456789")
    connector = Ga4Connector(source, property_.environment_for_grpc(), RetryPolicy(tries=1))
    try:
        return connector.pull(needs, sqlite_warehouse, NOW)
    finally:
        connector.close()


def stored(sqlite_warehouse: Warehouse) -> dict[date, list[Decimal]]:
    """The amounts of each day that are stored."""
    table = source_report_day
    found: dict[date, list[Decimal]] = {}
    with sqlite_warehouse.read() as connection:
        for row in connection.execute(select(table).where(table.c.metric == "totalRevenue")):
            found.setdefault(row.day, []).append(from_micros(row.value_micros))
    return found


def test_amounts_in_two_currencies_are_never_stored_together(
    property_: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """A pull of new days that finds another currency forgets the old days, and says what happened."""
    assert pull(property_, sqlite_warehouse, last=DAYS[1]).is_complete
    property_.faults.switch_on("ga4.other_currency", code="SEK", by=11)
    result = pull(property_, sqlite_warehouse, first=DAYS[2])
    assert not result.is_complete
    assert result.is_transient
    assert not result.is_deferred
    assert result.error == (
        "Source web: amounts of property 123456789 were in EUR and are in SEK now. What was stored "
        "is forgotten, and the next run reads all of it anew. Goals for amounts stay as they are "
        "written: see whether they still fit."
    )
    assert stored(sqlite_warehouse) == {DAYS[2]: [Decimal(110)] * 6}
    assert pull(property_, sqlite_warehouse).is_complete
    assert stored(sqlite_warehouse) == {day: [Decimal(110)] * 6 for day in DAYS}
    with sqlite_warehouse.read() as connection:
        account = report_account(connection, "web", "report")
    assert account is not None
    assert account.currency == "SEK"


def test_a_currency_matters_where_there_are_amounts(
    property_: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """Sessions are in no currency: a change keeps nobody from reading them, and is not forgotten until
    amounts are read again."""
    sessions = SeriesNeed(Where(), frozenset({"sessions"}), DAYS[0], DAYS[-1])
    assert pull(property_, sqlite_warehouse, last=DAYS[1]).is_complete
    property_.faults.switch_on("ga4.other_currency", code="SEK", by=11)
    assert pull(property_, sqlite_warehouse, need=sessions).is_complete
    assert stored(sqlite_warehouse)[DAYS[0]] == [Decimal(10)] * 6
    assert "were in EUR and are in SEK now" in (
        pull(property_, sqlite_warehouse, first=DAYS[2]).error or ""
    )
    assert stored(sqlite_warehouse) == {DAYS[2]: [Decimal(110)] * 6}


def test_a_currency_that_changes_between_two_reports(
    property_: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """Of a first pull that saw both currencies only what is told in the newer one is kept."""
    property_.faults.switch_on("ga4.other_currency", times=5, code="SEK", by=11)
    result = pull(property_, sqlite_warehouse)
    assert not result.is_complete
    assert "were in SEK and are in EUR now" in (result.error or "")
    assert stored(sqlite_warehouse) == {day: [Decimal(10)] for day in DAYS}
    assert pull(property_, sqlite_warehouse).is_complete
    assert stored(sqlite_warehouse) == {day: [Decimal(10)] * 6 for day in DAYS}


def test_a_currency_that_changes_within_a_report(
    property_: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """A report whose pages are in two currencies is read again from its first page."""
    property_.faults.switch_on("ga4.short_page", size=2)
    property_.faults.switch_on("ga4.other_currency", times=1, code="SEK", by=11)
    assert pull(property_, sqlite_warehouse).is_complete
    assert stored(sqlite_warehouse) == {day: [Decimal(10)] * 6 for day in DAYS}
