"""Pulling from a local GA4 property, over gRPC and REST: figures, requests, quality, restatement."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from connectors.base import PullResult
from connectors.errors import RetryPolicy
from connectors.ga4.connector import Ga4Connector
from connectors.sandbox.ga4_schema import Schema
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.encoding import from_micros
from okr_sync.warehouse.report_store import refusals, report_account
from okr_sync.warehouse.tables import source_report_day, source_report_window, source_state

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 10)
QUICK = RetryPolicy(tries=3, first_wait=0.01, longest_wait=0.02)
COSTS = {"advertiserAdCost", "returnOnAdSpend"}
CHANNELS = ("Organic Search", "Paid Search", "Email")

Pull = Callable[[ReportsNeed], PullResult]


def sessions_of_ten_days() -> pd.DataFrame:
    """Thirty sessions of seven people over ten UTC days; nothing happens on the fifth."""
    rows = []
    for number in range(30):
        day = 1 + number % 10
        if day == 5:
            continue
        bought = number % 4 == 0
        rows.append(
            {
                "started_at": f"2026-11-{day:02d}T{number % 24:02d}:30:00Z",
                "user_id": f"u{number % 7}",
                "new_user": "true" if number < 7 else "false",
                "engaged": "true" if number % 3 else "false",
                "duration_seconds": str(10 + number),
                "revenue": f"{number}.25" if bought else "",
                "event:page_view": str(1 + number % 5),
                "event:purchase": "1" if bought else "",
                "sessionDefaultChannelGroup": CHANNELS[number % 3],
                "deviceCategory": "mobile" if number % 2 else "desktop",
                "country": "" if number % 6 == 0 else "Germany",
                "landingPage": f"/blog/{number}" if number % 2 else "/pricing",
            }
        )
    return pd.DataFrame(rows, dtype=str)


def settings(time_zone: str = "Etc/UTC") -> Ga4Settings:
    """A property that counts purchases as key events."""
    return Ga4Settings("123456789", time_zone, "EUR", key_events=("purchase",))


@pytest.fixture
def sandbox() -> Iterator[Ga4Sandbox]:
    """A started property with the thirty sessions."""
    with Ga4Sandbox(settings(), sessions=sessions_of_ten_days()) as started:
        yield started


def pull(
    sandbox: Ga4Sandbox,
    warehouse: Warehouse,
    need: ReportsNeed,
    transport: str = "grpc",
    property_id: str = "123456789",
) -> PullResult:
    """One pull with a connector of its own."""
    source = Ga4Source(name="web", property=property_id)
    environ = sandbox.environment_for_grpc()
    if transport == "rest":
        environ = sandbox.environment_for_rest()
        source = Ga4Source(
            name="web", property=property_id, credentials_env="GOOGLE_APPLICATION_CREDENTIALS"
        )
    connector = Ga4Connector(source, environ, QUICK)
    try:
        return connector.pull(need, warehouse, NOW)
    finally:
        connector.close()


def series(*metrics: str, where: Where | None = None) -> SeriesNeed:
    """The ten days of some metrics."""
    return SeriesNeed(where or Where(), frozenset(metrics), FIRST, LAST)


def window(*metrics: str, first: date = FIRST, last: date = LAST) -> ExactWindowNeed:
    """Some metrics over an exact window."""
    return ExactWindowNeed(Where(), frozenset(metrics), first, last)


def needs(*parts: SeriesNeed | ExactWindowNeed) -> ReportsNeed:
    """A need made of these parts."""
    return ReportsNeed(
        "web",
        "reports",
        tuple(part for part in parts if isinstance(part, SeriesNeed)),
        tuple(part for part in parts if isinstance(part, ExactWindowNeed)),
    )


def one(field: str, operator: Operator, *values: Scalar) -> Where:
    """A `where` of a single test."""
    return Where((Condition(field, operator, values),))


def days(warehouse: Warehouse, metric: str, where: Where | None = None) -> dict[date, Decimal]:
    """The stored days of a metric."""
    table = source_report_day
    wanted = select(table).where(
        table.c.metric == metric, table.c.series == (where or Where()).key()
    )
    with warehouse.read() as connection:
        return {row.day: from_micros(row.value_micros) for row in connection.execute(wanted)}


def day_flags(warehouse: Warehouse, metric: str) -> set[tuple[str, ...]]:
    """The quality of a metric's stored days."""
    table = source_report_day
    with warehouse.read() as connection:
        rows = connection.execute(select(table.c.quality).where(table.c.metric == metric))
        return {row.quality for row in rows}


def figures(warehouse: Warehouse) -> dict[tuple[str, date, date], Decimal | None]:
    """The stored figures of exact windows."""
    table = source_report_window
    with warehouse.read() as connection:
        return {
            (row.metric, row.first_day, row.last_day): row.value
            for row in connection.execute(select(table))
        }


def told(warehouse: Warehouse, metric: str, where: Where | None = None) -> str | None:
    """Why a metric can't be had, as stored."""
    with warehouse.read() as connection:
        found = refusals(connection, "web", "reports").get(((where or Where()).key(), metric))
    return None if found is None else found.text


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_figures_are_those_of_the_sessions(
    sandbox: Ga4Sandbox, warehouse: Warehouse, transport: str
) -> None:
    """Series and windows agree with plain arithmetic over the sessions, on both transports."""
    rows = sessions_of_ten_days()
    result = pull(
        sandbox,
        warehouse,
        needs(
            series("sessions", "engagedSessions", "keyEvents", "purchaseRevenue"),
            window("totalUsers", "sessionKeyEventRate"),
        ),
        transport,
    )
    assert (result.error, result.is_complete) == (None, True)
    assert result.rows == result.rows_expected == 10  # nine days and a window
    # Series and windows fit into one batch; revenue that isn't 0 is not blocked.
    assert sandbox.requests == {"BatchRunReports": 1}
    assert result.requests == 1
    by_day = rows.groupby(rows["started_at"].str[:10])
    wanted = {date.fromisoformat(str(day)): part for day, part in by_day}
    assert days(warehouse, "sessions") == {
        FIRST + timedelta(days=n): Decimal(len(wanted.get(FIRST + timedelta(days=n), [])))
        for n in range(10)
    }
    assert days(warehouse, "sessions")[date(2026, 11, 5)] == 0  # a zero day is a missing row
    engaged, bought = rows["engaged"].eq("true"), rows["event:purchase"].eq("1")
    assert sum(days(warehouse, "engagedSessions").values()) == int(engaged.sum())
    assert sum(days(warehouse, "keyEvents").values()) == int(bought.sum())
    revenue = [Decimal(value) for value in rows["revenue"] if value]
    assert sum(days(warehouse, "purchaseRevenue").values()) == sum(revenue)
    stored = figures(warehouse)
    assert stored["totalUsers", FIRST, LAST] == rows["user_id"].nunique()
    assert stored["sessions", FIRST, LAST] == len(rows)
    rate = stored["sessionKeyEventRate", FIRST, LAST]
    assert rate is not None
    assert float(rate) == pytest.approx(bought.mean(), abs=1e-9)


def test_state_and_instants_are_of_the_property(sqlite_warehouse: Warehouse) -> None:
    """Scenario 23: days are the property's, and its zone and the currency of amounts are recorded."""
    evening = sessions_of_ten_days().iloc[[0]].assign(started_at="2026-11-01T12:30:00Z")
    with Ga4Sandbox(settings("Pacific/Auckland"), sessions=evening) as sandbox:
        result = pull(sandbox, sqlite_warehouse, needs(series("sessions", "purchaseRevenue")))
    assert {day for day, value in days(sqlite_warehouse, "sessions").items() if value} == {
        date(2026, 11, 2)
    }
    assert result.cursor_from == datetime(2026, 10, 31, 11, tzinfo=UTC)
    assert result.cursor_to == datetime(2026, 11, 10, 11, tzinfo=UTC)
    with sqlite_warehouse.read() as connection:
        account = report_account(connection, "web", "reports")
        complete_at = connection.execute(select(source_state.c.complete_at)).scalar_one()
    assert account is not None
    assert (account.account, account.time_zone, account.currency) == (
        "123456789",
        "Pacific/Auckland",
        "EUR",
    )
    assert complete_at == NOW


FILTERS: list[tuple[Where, str]] = [
    (one("deviceCategory", Operator.EQ, "mobile"), "deviceCategory == 'mobile'"),
    (one("deviceCategory", Operator.NOT, "mobile"), "deviceCategory != 'mobile'"),
    (
        one("sessionDefaultChannelGroup", Operator.IN, "Email", "Paid Search"),
        "sessionDefaultChannelGroup in ['Email', 'Paid Search']",
    ),
    (
        one("sessionDefaultChannelGroup", Operator.NOT_IN, "Email", "Paid Search"),
        "sessionDefaultChannelGroup == 'Organic Search'",
    ),
    (one("landingPage", Operator.CONTAINS, "log/1"), "landingPage.str.contains('log/1')"),
    (one("landingPage", Operator.STARTS_WITH, "/blog"), "landingPage.str.startswith('/blog')"),
    (one("landingPage", Operator.CONTAINS, "BLOG"), "landingPage == 'case matters'"),
    (one("country", Operator.IS_SET, True), "country != ''"),
    (one("country", Operator.IS_SET, False), "country == ''"),
    (one("date", Operator.GTE, "2026-11-04"), "started_at >= '2026-11-04'"),
    (one("date", Operator.GT, "2026-11-04"), "started_at >= '2026-11-05'"),
    (one("date", Operator.LT, "2026-11-04"), "started_at < '2026-11-04'"),
    (one("date", Operator.LTE, "2026-11-04"), "started_at < '2026-11-05'"),
    (
        one("date", Operator.BETWEEN, "2026-11-03", "2026-11-04"),
        "'2026-11-03' <= started_at < '2026-11-05'",
    ),
    (
        one("dayOfWeek", Operator.EQ, Decimal(1)),
        "started_at.str.slice(8, 10) in ['02', '09']",
    ),
    (
        Where(
            (
                AnyOf(
                    (
                        one("deviceCategory", Operator.EQ, "mobile")
                        & one("sessionDefaultChannelGroup", Operator.EQ, "Email"),
                        one("country", Operator.IS_SET, False),
                    )
                ),
            )
        ),
        "(deviceCategory == 'mobile' and sessionDefaultChannelGroup == 'Email') or country == ''",
    ),
]


def test_every_operator_selects_what_it_says(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """GA4 answers each operator as plain pandas does; all filters together take four batches."""
    rows = sessions_of_ten_days()
    result = pull(
        sandbox, sqlite_warehouse, needs(*(series("sessions", where=where) for where, _ in FILTERS))
    )
    assert result.error is None
    assert sandbox.requests["BatchRunReports"] == 4
    for where, query in FILTERS:
        expected = len(rows.query(query, engine="python"))
        assert sum(days(sqlite_warehouse, "sessions", where).values()) == expected, query


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_hundred_bindings_take_four_requests(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, transport: str
) -> None:
    """Scenario 29, against a server that counts."""
    wheres = [one("landingPage", Operator.EQ, f"/blog/{number}") for number in range(20)]
    metrics = ("sessions", "keyEvents", "eventCount", "newUsers", "screenPageViews")
    result = pull(
        sandbox,
        sqlite_warehouse,
        needs(*(series(metric, where=where) for where in wheres for metric in metrics)),
        transport,
    )
    assert result.is_complete
    assert sandbox.requests == {"BatchRunReports": 4}


def test_twenty_windows_take_one_request(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """People are asked for at each exact window, never added (scenario 24), all in one batch."""
    rows = sessions_of_ten_days()
    starts = [FIRST - timedelta(days=number) for number in range(20)]
    result = pull(
        sandbox,
        sqlite_warehouse,
        needs(*(window("totalUsers", first=start, last=FIRST) for start in starts)),
    )
    assert result.is_complete
    assert sandbox.requests == {"BatchRunReports": 1}
    people = rows[rows["started_at"] < "2026-11-02"]["user_id"].nunique()
    assert figures(sqlite_warehouse) == {
        ("totalUsers", start, FIRST): Decimal(people) for start in starts
    }


def test_a_window_in_which_nothing_happened(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """Nobody is 0 people, and a rate over no sessions is no value."""
    day = date(2026, 11, 5)
    pull(
        sandbox,
        sqlite_warehouse,
        needs(window("totalUsers", "sessionKeyEventRate", first=day, last=day)),
    )
    assert figures(sqlite_warehouse) == {
        ("totalUsers", day, day): Decimal(0),
        ("sessionKeyEventRate", day, day): None,
        ("sessions", day, day): Decimal(0),
    }


def test_a_restated_day_is_replaced(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """Scenario 22: what GA4 says later of a day replaces what it said first."""
    pull(sandbox, sqlite_warehouse, needs(series("sessions")))
    before = days(sqlite_warehouse, "sessions")
    late = sessions_of_ten_days().iloc[[1]].assign(user_id="late")
    sandbox.replace_sessions(pd.concat([sandbox.sessions(), late], ignore_index=True))
    pull(sandbox, sqlite_warehouse, needs(series("sessions")))
    after = days(sqlite_warehouse, "sessions")
    assert after[date(2026, 11, 2)] == before[date(2026, 11, 2)] + 1
    assert {day for day in after if after[day] != before[day]} == {date(2026, 11, 2)}


def test_an_empty_property(sqlite_warehouse: Warehouse) -> None:
    """A property where nothing ever happened has zeros, not holes."""
    with Ga4Sandbox(settings()) as sandbox:
        result = pull(sandbox, sqlite_warehouse, needs(series("sessions"), window("totalUsers")))
    assert (result.is_complete, result.rows) == (True, 0)
    assert set(days(sqlite_warehouse, "sessions").values()) == {Decimal(0)}
    assert len(days(sqlite_warehouse, "sessions")) == 10
    assert figures(sqlite_warehouse) == {("totalUsers", FIRST, LAST): Decimal(0)}


@pytest.mark.parametrize("flag", ["sampled", "thresholded", "other_row", "truncated"])
def test_quality_stands_beside_the_figures(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, flag: str
) -> None:
    """Scenarios 21 and 26: less than exact answers are flagged and never crash."""
    sandbox.faults.switch_on(f"ga4.{flag}")
    result = pull(sandbox, sqlite_warehouse, needs(series("sessions"), window("totalUsers")))
    assert result.error is None
    assert day_flags(sqlite_warehouse, "sessions") == {(flag,)}
    with sqlite_warehouse.read() as connection:
        stored = connection.execute(select(source_report_window.c.quality)).scalars().all()
    # A total has no rows that could be thrown together.
    assert stored == [() if flag == "other_row" else (flag,)]


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_hidden_metric_is_refused_and_keeps_its_figures(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, transport: str
) -> None:
    """GA4 says 0 for a metric that we may not see: no such 0 is stored, and good figures stay."""
    need = needs(series("purchaseRevenue", "sessions"), window("averagePurchaseRevenue"))
    pull(sandbox, sqlite_warehouse, need, transport)
    before = days(sqlite_warehouse, "purchaseRevenue")
    assert sum(before.values()) > 0
    sandbox.faults.switch_on("ga4.blocked_metric", metric="purchaseRevenue")
    sandbox.faults.switch_on("ga4.schema_restriction", metric="purchaseRevenue")
    result = pull(sandbox, sqlite_warehouse, need, transport)
    assert result.is_complete
    assert days(sqlite_warehouse, "purchaseRevenue") == before
    assert day_flags(sqlite_warehouse, "sessions") == {()}
    with sqlite_warehouse.read() as connection:
        refused = refusals(connection, "web", "reports")
    assert refused["", "purchaseRevenue"].quality == ("blocked_metric", "schema_restricted")
    assert "hides purchaseRevenue" in refused["", "purchaseRevenue"].text
    sandbox.faults.switch_off()
    pull(sandbox, sqlite_warehouse, need, transport)
    assert told(sqlite_warehouse, "purchaseRevenue") is None


def test_quota_is_recorded(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """What is left of the property's quotas is told with the pull."""
    result = pull(sandbox, sqlite_warehouse, needs(series("sessions")))
    assert result.quota["tokens_per_day"] == 199_999
    assert result.quota["tokens_per_project_per_hour"] == 13_999


def test_one_wrong_field_stops_no_other(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """A metric that GA4 refuses is recorded with GA4's reason; the others are stored."""
    email = one("sessionDefaultChannelGroup", Operator.EQ, "Email")
    by_item = one("itemName", Operator.EQ, "Shoes")
    ordered = one("country", Operator.GT, "Germany")
    need = needs(
        series("sessions", "itemsPurchased", "customEvent:nothing"),
        series("sessions", where=email),
        series("sessions", where=by_item),
        series("sessions", where=ordered),
        window("totalUsers", "metricOfNextYear"),
    )
    result = pull(sandbox, sqlite_warehouse, need)
    assert (result.error, result.is_complete) == (None, True)
    assert (
        len(days(sqlite_warehouse, "sessions"))
        == len(days(sqlite_warehouse, "sessions", email))
        == 10
    )
    # Item metrics don't go with sessions in one request, but they do alone.
    assert len(days(sqlite_warehouse, "itemsPurchased")) == 10
    assert ("totalUsers", FIRST, LAST) in figures(sqlite_warehouse)
    assert told(sqlite_warehouse, "sessions") is None
    assert told(sqlite_warehouse, "totalUsers") is None
    assert "customEvent:nothing" in (told(sqlite_warehouse, "customEvent:nothing") or "")
    assert "metricOfNextYear" in (told(sqlite_warehouse, "metricOfNextYear") or "")
    assert "itemName" in (told(sqlite_warehouse, "sessions", by_item) or "")
    assert "needs a number" in (told(sqlite_warehouse, "sessions", ordered) or "")


def test_only_a_mistake(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """A pull of nothing but a mistake is no failure of the source, and stores no zero."""
    result = pull(sandbox, sqlite_warehouse, needs(series("customEvent:nothing")))
    assert (result.error, result.is_complete, result.rows) == (None, True, 0)
    assert told(sqlite_warehouse, "customEvent:nothing") is not None
    assert days(sqlite_warehouse, "customEvent:nothing") == {}


def test_nothing_needed_asks_nothing(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """A project without GA4 bindings sends no request."""
    result = pull(sandbox, sqlite_warehouse, needs())
    assert (result.is_complete, result.requests) == (True, 0)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("fault", "words", "is_transient", "requests"),
    [
        ("429_tokens_day", "daily quota", True, 1),
        ("429_tokens_hour", "hourly quota", True, 1),
        ("429_tokens_project_hour", "hourly quota", True, 1),
        ("429_thresholded", "hourly quota", True, 1),
        ("429_concurrent", "too many requests at once", True, 3),
        ("403_api_disabled", "switched off", False, 1),
        ("500_internal", "trouble of its own", True, 3),
        ("503_unavailable", "trouble of its own", True, 3),
    ],
)
@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_failures(
    sandbox: Ga4Sandbox,
    sqlite_warehouse: Warehouse,
    transport: str,
    fault: str,
    words: str,
    is_transient: bool,
    requests: int,
) -> None:
    """Scenario 25 and the other refusals: retried or deferred as the table says; figures stay."""
    pull(sandbox, sqlite_warehouse, needs(series("sessions")), transport)
    before = days(sqlite_warehouse, "sessions")
    sandbox.replace_sessions(sandbox.sessions().iloc[:3])
    sandbox.faults.switch_on(f"ga4.{fault}", times=10)
    result = pull(
        sandbox, sqlite_warehouse, needs(series("sessions"), window("totalUsers")), transport
    )
    assert result.error is not None
    assert words in result.error
    assert (result.is_transient, result.requests) == (is_transient, requests)
    assert not result.is_complete
    assert days(sqlite_warehouse, "sessions") == before
    assert figures(sqlite_warehouse) == {}


@pytest.mark.parametrize(
    ("fault", "transport"),
    [
        ("429_concurrent", "grpc"),
        ("500_internal", "grpc"),
        ("503_unavailable", "rest"),
        ("504_deadline", "grpc"),
        ("200_html", "rest"),
        ("200_cut_json", "rest"),
    ],
)
def test_a_short_failure_is_retried(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, fault: str, transport: str
) -> None:
    """A failure that passes costs a try and no figure (scenario 12: never an empty page)."""
    sandbox.faults.switch_on(f"ga4.{fault}", times=1)
    result = pull(sandbox, sqlite_warehouse, needs(series("sessions")), transport)
    assert (result.error, result.requests) == (None, 2)
    assert sum(days(sqlite_warehouse, "sessions").values()) == len(sessions_of_ten_days())


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_another_property(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, transport: str) -> None:
    """A property that we may not read is named, with what GA4 said."""
    result = pull(
        sandbox, sqlite_warehouse, needs(series("sessions")), transport, property_id="999"
    )
    assert result.error is not None
    assert "property 999" in result.error
    assert "permission" in result.error
    assert not result.is_transient


def test_a_token_that_is_refused(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, tmp_path: Path
) -> None:
    """A service account of somebody else is refused in words, without a retry that helps nobody."""
    with Ga4Sandbox(settings()) as other:
        key_file = other.service_account_file(tmp_path / "key.json")
    source = Ga4Source(name="web", property="123456789", credentials_env="WEB_KEY")
    environ = {"OKR_SYNC_GA4_ENDPOINT": sandbox.rest_url, "WEB_KEY": str(key_file)}
    connector = Ga4Connector(source, environ, QUICK)
    result = connector.pull(needs(series("sessions")), sqlite_warehouse, NOW)
    connector.close()
    assert result.error is not None
    assert "WEB_KEY" in result.error
    assert not result.is_transient
    assert days(sqlite_warehouse, "sessions") == {}


def test_a_server_that_is_down(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse, tmp_path: Path
) -> None:
    """A server that is down is a failed pull in words, and the next pull finds it again."""
    environ = sandbox.environment_for_grpc()
    key_file = sandbox.service_account_file(tmp_path / "key.json")
    rest = {"OKR_SYNC_GA4_ENDPOINT": sandbox.rest_url, "WEB_KEY": str(key_file)}
    sandbox.stop()
    for source, variables in (
        (Ga4Source(name="web", property="123456789"), environ),
        (Ga4Source(name="web", property="123456789", credentials_env="WEB_KEY"), rest),
    ):
        connector = Ga4Connector(source, variables, QUICK)
        result = connector.pull(needs(series("sessions")), sqlite_warehouse, NOW)
        connector.close()
        assert result.error is not None
        assert "can't be reached" in result.error
        assert (result.is_transient, result.requests) == (True, 3)


@pytest.mark.secret_in("files")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not set"),
        ("", "can't be read"),
        ('{"private_key": "s3cret"}', "is not a service"),
        ('["s3cret"]', "is not a service"),
        ('"s3cret"', "is not a service"),
        ("[" * 100_000, "is not a service"),
    ],
    ids=["unset", "no file", "another object", "list", "word", "deep"],
)
def test_credentials_that_cannot_be_used(
    sqlite_warehouse: Warehouse, tmp_path: Path, content: str | None, words: str
) -> None:
    """Missing or broken credentials say what to set, and show nothing of the key."""
    path = tmp_path / "key.json"
    environ = {"OKR_SYNC_GA4_ENDPOINT": "http://127.0.0.1:9"}
    if content is not None:
        environ["WEB_KEY"] = str(path)
    if content:
        path.write_text(content)
    source = Ga4Source(name="web", property="123456789", credentials_env="WEB_KEY")
    result = Ga4Connector(source, environ, QUICK).pull(
        needs(series("sessions")), sqlite_warehouse, NOW
    )
    assert result.error is not None
    assert words in result.error
    assert "WEB_KEY" in result.error
    assert "s3cret" not in result.error
    assert result.requests == 0


@pytest.mark.secret_in("files")
@pytest.mark.parametrize(
    "content", ['["s3cret"]', '{"type": "impersonated_service_account"}', "[" * 100_000], ids=len
)
def test_default_credentials_that_cannot_be_used(
    sqlite_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """A file of another shape says what to set as well, and shows nothing of itself."""
    path = tmp_path / "key.json"
    path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    source = Ga4Source(name="web", property="123456789")
    environ = {"OKR_SYNC_GA4_ENDPOINT": "http://127.0.0.1:9"}
    result = Ga4Connector(source, environ, QUICK).pull(
        needs(series("sessions")), sqlite_warehouse, NOW
    )
    assert "Set GOOGLE_APPLICATION_CREDENTIALS" in (result.error or "")
    assert "s3cret" not in (result.error or "")


def test_one_connector_pulls_again(sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse) -> None:
    """The connection is kept between pulls; each pull counts its own requests."""
    connector = Ga4Connector(
        Ga4Source(name="web", property="123456789"), sandbox.environment_for_grpc(), QUICK
    )
    results = [connector.pull(needs(series("sessions")), sqlite_warehouse, NOW) for _ in range(2)]
    connector.close()
    assert [result.requests for result in results] == [1, 1]


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_rates_and_dimensions_of_ones_own(sqlite_warehouse: Warehouse, transport: str) -> None:
    """One event's rate, events by name and custom dimensions go through like any other field."""
    rows = sessions_of_ten_days()
    rows["event:demo_request"] = ["1" if n % 9 == 0 else "" for n in range(len(rows))]
    rows["customEvent:plan"] = ["pro" if n % 2 else "basic" for n in range(len(rows))]
    rows["customUser:tier"] = ["gold" if n % 5 == 0 else "" for n in range(len(rows))]
    events = ("purchase", "demo_request")
    property_settings = Ga4Settings("123456789", "Etc/UTC", "EUR", key_events=events)
    demos = one("eventName", Operator.EQ, "demo_request")
    pro = one("customEvent:plan", Operator.EQ, "pro")
    gold = one("customUser:tier", Operator.EQ, "gold")
    with Ga4Sandbox(property_settings, sessions=rows) as sandbox:
        result = pull(
            sandbox,
            sqlite_warehouse,
            needs(
                window("sessionKeyEventRate:demo_request", "userKeyEventRate:purchase"),
                series("eventCount", "keyEvents", where=demos),
                series("eventCount", where=pro),
                series("sessions", where=gold),
            ),
            transport,
        )
    assert result.error is None
    asked = rows["event:demo_request"].eq("1")
    stored = figures(sqlite_warehouse)
    rate = stored["sessionKeyEventRate:demo_request", FIRST, LAST]
    assert rate is not None and float(rate) == pytest.approx(asked.mean(), abs=1e-9)
    buyers = rows.loc[rows["event:purchase"].eq("1"), "user_id"].nunique()
    people = stored["userKeyEventRate:purchase", FIRST, LAST]
    assert people is not None
    assert float(people) == pytest.approx(buyers / rows["user_id"].nunique(), abs=1e-9)
    assert sum(days(sqlite_warehouse, "eventCount", demos).values()) == int(asked.sum())
    assert sum(days(sqlite_warehouse, "keyEvents", demos).values()) == int(asked.sum())
    assert sum(days(sqlite_warehouse, "eventCount", pro).values()) > 0
    assert sum(days(sqlite_warehouse, "sessions", gold).values()) == int(
        rows["customUser:tier"].eq("gold").sum()
    )


def test_a_rate_of_an_event_that_does_not_exist(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """It fails alone, with its name; the rates of other events are read."""
    need = needs(window("sessionKeyEventRate:nothing"), window("sessionKeyEventRate:purchase"))
    assert pull(sandbox, sqlite_warehouse, need).is_complete
    stored = figures(sqlite_warehouse)
    assert stored["sessionKeyEventRate:purchase", FIRST, LAST] is not None
    assert "sessionKeyEventRate:nothing" in (
        told(sqlite_warehouse, "sessionKeyEventRate:nothing") or ""
    )


def test_every_metric_of_the_schema_goes_through(
    sandbox: Ga4Sandbox, sqlite_warehouse: Warehouse
) -> None:
    """Whatever the property lists as a metric can be bound over an exact window."""
    names = sorted(Schema((), ("purchase",)).metrics)
    for some in (names[:20], names[20:]):
        result = pull(sandbox, sqlite_warehouse, needs(*(window(name) for name in some)))
        assert result.error is None
    refused = {name: told(sqlite_warehouse, name) for name in names if told(sqlite_warehouse, name)}
    # The sandbox's user, like many, may not see what advertising costs.
    assert refused.keys() == {name for name in names if name in COSTS}
    stored = figures(sqlite_warehouse)
    assert {metric for metric, _, _ in stored} >= set(names) - COSTS
    views = sessions_of_ten_days()["event:page_view"].astype(int)
    rate = stored["screenPageViewsPerSession", FIRST, LAST]
    assert rate is not None and float(rate) == pytest.approx(views.mean(), abs=1e-9)
