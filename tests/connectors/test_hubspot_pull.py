"""Pulls of HubSpot records through the real client: what the mirror holds afterwards."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.base import PullResult
from connectors.clock import Clock
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account
from connectors.sandbox.account_files import load_account
from connectors.sandbox.http_server import Request, Response
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.errors import WarehouseError
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.mirror import FieldType, fields_of, state_of

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]

_OLIST = Path(__file__).parents[3] / "shared" / "data" / "olist"
_SEARCH = "POST /crm/v3/objects/{objectType}/search"
_LIST = "GET /crm/v3/objects/{objectType}"


def _contact(record_id: int, **properties: str) -> dict[str, str]:
    return {
        "hs_object_id": str(record_id),
        "createdate": "2026-10-01T08:00:00.000Z",
        "lastmodifieddate": "2026-10-02T08:00:00.000Z",
        "lifecyclestage": "lead",
        "email": f"person{record_id}@example.com",
        **properties,
    }


def _deal(record_id: int, **properties: str) -> dict[str, str]:
    return {
        "hs_object_id": str(record_id),
        "createdate": "2026-10-01T08:00:00.000Z",
        "hs_lastmodifieddate": "2026-10-02T08:00:00.000Z",
        "dealstage": "open",
        **properties,
    }


@pytest.mark.skipif(
    not _OLIST.is_dir(), reason="the shared olist account is not beside the project"
)
def test_real_account(sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror) -> None:
    """A real funnel of 8,000 contacts is mirrored under the real limits without a refusal, and a
    second run costs a handful of requests over the same connection."""
    settings = ClientSettings()
    with HubSpotSandbox(load_account(_OLIST)) as sandbox:
        for expected in (8_000, 8_000):
            result = hs_pull(
                sandbox,
                sqlite_warehouse,
                "hs_v2_date_entered_customer",
                "hs_analytics_source",
                times=["hs_v2_date_entered_customer"],
                settings=settings,
            )
            assert result.error is None
            assert (result.is_complete, result.rows, result.rows_expected) == (
                True,
                expected,
                expected,
            )
        assert result.requests <= 4
        deals = hs_pull(
            sandbox,
            sqlite_warehouse,
            "amount_in_home_currency",
            dataset="deals",
            numbers=["amount_in_home_currency"],
        )
        assert deals.rows == 842
        assert sandbox.server.requests(status=429) == 0
        assert sandbox.server.connections == 1
        assert deals.quota["daily"] == 625_000
    entered = [
        row["f_hs_v2_date_entered_customer"]
        for row in hs_mirror(sqlite_warehouse, "contacts").values()
    ]
    assert sum(value is not None for value in entered) == 842


def test_a_read_is_as_quick_as_the_limit_permits(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull
) -> None:
    """220 pages under 190 requests in 10 seconds: no refusal, and no more waiting than must be."""
    account = hs_account({"contacts": [_contact(n) for n in range(1, 2_201)]})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(seconds)

    settings = ClientSettings(clock=Clock(sleep=sleep), list_page=10)
    with HubSpotSandbox(account, rate_limits=True) as sandbox:
        began = time.monotonic()
        result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", settings=settings)
        took = time.monotonic() - began
        assert (result.error, result.rows) == (None, 2_200)
        assert sandbox.server.requests(status=429) == 0
    # A slow machine spends part of the 10 seconds at work, and then waits at the next ones' door too.
    assert took >= 10.0
    assert sum(slept) <= 15.0


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_small_accounts(
    warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror, count: int
) -> None:
    """An empty account, one record and full last pages are complete, the first time and again."""
    account = hs_account({"contacts": [_contact(n) for n in range(1, count + 1)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        for _ in range(2):
            result = hs_pull(sandbox, warehouse, "lifecyclestage")
            assert result.error is None
            assert (result.is_complete, result.rows, result.rows_expected) == (True, count, count)
    assert len(hs_mirror(warehouse, "contacts")) == count


@pytest.mark.parametrize("api", ["v3", "2026-03", "2026-09"])
def test_both_path_families(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, api: str
) -> None:
    """The dated paths give what v3 gives, for the full read and for changes."""
    account = hs_account({"contacts": [_contact(n) for n in range(1, 151)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        for _ in range(2):
            result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", api=api)
            assert (result.error, result.rows) == (None, 150)
            account.update("contacts", 7, {"lifecyclestage": "customer"})
        assert not sandbox.server.requests(status=404)
        marker = "/v3/" if api == "v3" else f"/{api}"
        assert all(marker in route for route, _ in sandbox.server.counts)


def test_what_is_stored(
    warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """Values keep their type exactly; what can't be read is flagged, and an empty amount is not 0."""
    account = hs_account(
        {
            "deals": [
                _deal(1, amount_in_home_currency="8000.50", closedate="2026-11-12T09:00:00.250Z"),
                _deal(2, amount_in_home_currency="", deal_currency_code="USD", closedate=""),
                _deal(3, amount_in_home_currency="3092727991;3881228353", closedate="1605830400.5"),
                _deal(4, signed_on="2026-11-12", is_big="true", closedate="1795348800000"),
            ]
        },
        properties={"deals": {"signed_on": {"type": "date"}, "is_big": {"type": "bool"}}},
    )
    fields = ("amount_in_home_currency", "closedate", "signed_on", "is_big")
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        result = hs_pull(
            sandbox,
            warehouse,
            *fields,
            dataset="deals",
            times=["closedate", "signed_on"],
            numbers=["amount_in_home_currency"],
        )
    assert result.error is None
    stored = hs_mirror(warehouse, "deals")
    assert [row["f_amount_in_home_currency"] for row in stored.values()] == [
        8_000_500_000,
        None,
        None,
        None,
    ]
    assert stored["1"]["f_closedate"] == 1_794_474_000_250
    assert [row["bad_fields"] for row in stored.values()] == [
        None,
        None,
        ",amount_in_home_currency,closedate,",
        None,
    ]
    assert (stored["4"]["f_signed_on"], stored["4"]["f_is_big"]) == (20_769, "true")
    assert stored["4"]["f_closedate"] == 1_795_348_800_000
    with warehouse.read() as connection:
        states = fields_of(connection, "hubspot", "deals")
        dataset = state_of(connection, "hubspot", "deals")
    assert {name: state.type for name, state in states.items()} == {
        "amount_in_home_currency": FieldType.NUMBER,
        "closedate": FieldType.INSTANT,
        "signed_on": FieldType.DAY,
        "is_big": FieldType.FLAG,
    }
    assert dataset is not None
    assert (dataset.account, dataset.time_zone, dataset.currency) == (
        "4711",
        "Europe/Berlin",
        "EUR",
    )
    assert dataset.complete_at is not None


def test_changes_between_runs(
    warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """New, changed, archived, restored-by-id, deleted and merged records are all right in the next
    run, which reads no list for it (airbyte 19838, dbt_hubspot 46, 134)."""
    account = hs_account({"contacts": [_contact(n) for n in range(1, 301)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, warehouse, "lifecyclestage")
        account.update("contacts", 5, {"lifecyclestage": "customer"})
        account.add("contacts", {"lifecyclestage": "opportunity"})
        account.archive("contacts", 6)
        result = hs_pull(sandbox, warehouse, "lifecyclestage")
        assert (result.error, result.rows, result.rows_expected) == (None, 300, 300)
        lists = sandbox.server.requests(_LIST)
        stored = hs_mirror(warehouse, "contacts")
        assert "6" not in stored
        assert stored["5"]["f_lifecyclestage"] == "customer"
        assert stored["301"]["f_lifecyclestage"] == "opportunity"
        account.delete("contacts", 7)
        account.merge("contacts", 9, 8)
        result = hs_pull(sandbox, warehouse, "lifecyclestage")
        assert (result.error, result.rows) == (None, 298)
        assert not {"7", "8"} & hs_mirror(warehouse, "contacts").keys()
        assert sandbox.server.requests(_LIST) == lists


def test_record_that_search_shows_late(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A change that the index shows ten minutes late is in a later run (airbyte 69203, estuary 1861),
    and a record that only the list knows yet is no reason to refuse."""
    now = datetime.now(UTC)
    instant = [now]
    account = hs_account({"contacts": [_contact(n) for n in range(1, 11)]})
    account.clock = lambda: instant[0]
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        sandbox.faults.switch_on("hubspot.index_lag", seconds=600)
        account.add("contacts", {"lifecyclestage": "lead"})
        result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=instant[0])
        assert (result.error, result.rows) == (None, 11)
        account.update("contacts", 3, {"lifecyclestage": "customer"})
        account.archive("contacts", 4)
        instant[0] = now + timedelta(minutes=5)
        assert hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=instant[0]).error is None
        instant[0] = now + timedelta(minutes=11)
        result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=instant[0])
        assert (result.error, result.rows) == (None, 10)
    stored = hs_mirror(sqlite_warehouse, "contacts")
    assert stored["3"]["f_lifecyclestage"] == "customer"
    assert "4" not in stored


def test_a_change_that_search_shows_late_in_a_large_account(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """Only windows that overlap by the index's lag find it where no run compares all records."""
    now = datetime.now(UTC)
    instant = [now]
    account = hs_account({"contacts": [_contact(n) for n in range(1, 1_001)]})
    account.clock = lambda: instant[0]
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=instant[0])
        sandbox.faults.switch_on("hubspot.index_lag", seconds=600)
        account.update("contacts", 20, {"lifecyclestage": "customer"})
        for minutes in (5, 11):
            assert hs_mirror(sqlite_warehouse, "contacts")["20"]["f_lifecyclestage"] == "lead"
            instant[0] = now + timedelta(minutes=minutes)
            result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=instant[0])
            assert (result.error, result.rows) == (None, 1_000)
    assert hs_mirror(sqlite_warehouse, "contacts")["20"]["f_lifecyclestage"] == "customer"


def test_calculated_property_is_refreshed(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A change that doesn't move the modified date is there after a day at most (estuary 3515)."""
    account = hs_account({"contacts": [_contact(n, score="1") for n in range(1, 4)]})
    now = datetime.now(UTC)
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, sqlite_warehouse, "score", now=now)
        account.update("contacts", 2, {"score": "9"}, touch=False)
        hs_pull(sandbox, sqlite_warehouse, "score", now=now + timedelta(hours=25))
    assert hs_mirror(sqlite_warehouse, "contacts")["2"]["f_score"] == 9_000_000


def test_the_days_last_requests_are_left_to_others(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull
) -> None:
    """A process that remembers the properties has asked nothing yet when a read of everything is due:
    it learns from a page of the list how much of the account's day is left."""
    account = hs_account({"contacts": [_contact(n) for n in range(1, 451)]}, daily_limit=100)
    now = datetime.now(UTC)
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=now)
        later = now + timedelta(hours=20)
        hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=later, connector="new")
        while sum(sandbox.server.counts.values()) < 88:
            hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=later)
        lists = sandbox.server.requests(_LIST)
        later = now + timedelta(hours=25)
        result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=later, connector="new")
        assert (result.error, result.rows) == (None, 450)
        assert sandbox.server.requests(_LIST) == lists + 1
        later += timedelta(minutes=15)
        result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=later, connector="new")
        assert (result.error, result.requests) == (None, 2)


def test_records_changed_while_the_list_is_read(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """Records that change, appear and disappear behind the list's back are right all the same."""
    account = hs_account({"contacts": [_contact(n) for n in range(1, 1_001)]})

    class Busy(HubSpotSandbox):
        pages = 0

        def answer(self, request: Request) -> Response:
            response = super().answer(request)
            if request.path.endswith("/contacts") and "properties" not in request.path:
                self.pages += 1
                if self.pages == 5:
                    account.update("contacts", 3, {"lifecyclestage": "customer"})
                    account.archive("contacts", 4)
                    account.add("contacts", {"hs_object_id": "5000", "lifecyclestage": "other"})
            return response

    with Busy(account, rate_limits=False) as sandbox:
        result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows, result.rows_expected) == (None, 1_000, 1_000)
    stored = hs_mirror(sqlite_warehouse, "contacts")
    assert stored["3"]["f_lifecyclestage"] == "customer"
    assert stored["5000"]["f_lifecyclestage"] == "other"
    assert "4" not in stored


def test_only_bound_properties_are_requested(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """Of 900 properties only the bound ones are asked for and stored; no names, no e-mail addresses
    (airbyte 33976, PostHog 31617)."""
    custom = {f"custom_{n:03}": str(n) for n in range(900)}
    account = hs_account({"contacts": [_contact(n, **custom) for n in range(1, 4)]})
    asked: set[str] = set()

    class Watched(HubSpotSandbox):
        def answer(self, request: Request) -> Response:
            asked.update(request.values("properties"))
            if request.body:
                asked.update(orjson.loads(request.body)["properties"])
            return super().answer(request)

    with Watched(account, rate_limits=False) as sandbox:
        for _ in range(2):
            hs_pull(sandbox, sqlite_warehouse, "custom_899", "lifecyclestage")
            account.update("contacts", 1, {"lifecyclestage": "customer"})
    assert asked == {"custom_899", "lifecyclestage", "hs_object_id"}
    columns = set(hs_mirror(sqlite_warehouse, "contacts")["1"])
    assert columns == {
        *("id", "f_custom_899", "f_lifecyclestage", "bad_fields", "created_ms", "updated_ms")
    }


def test_more_properties_than_an_address_holds(
    sqlite_warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """Several hundred bound properties fit no address and no search body, and are read all the same."""
    custom = {f"a_rather_long_property_name_{n:03}": str(n) for n in range(300)}
    account = hs_account({"contacts": [_contact(n, **custom) for n in range(1, 151)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        result = hs_pull(sandbox, sqlite_warehouse, *custom)
        assert (result.error, result.rows) == (None, 150)
        account.update("contacts", 3, {"a_rather_long_property_name_299": "7"})
        result = hs_pull(sandbox, sqlite_warehouse, *custom)
        assert (result.error, result.rows) == (None, 150)
    stored = hs_mirror(sqlite_warehouse, "contacts")
    assert stored["3"]["f_a_rather_long_property_name_299"] == 7_000_000
    assert stored["150"]["f_a_rather_long_property_name_000"] == 0


def test_more_texts_than_a_row_of_postgresql_holds(
    postgresql_url: str, hs_account: MakeAccount, hs_pull: Pull
) -> None:
    """A limit of the warehouse's is told as one, with what to do about it."""
    custom = {f"property_{n:03}": f"a text of some length for {n}" for n in range(900)}
    account = hs_account({"contacts": [_contact(1, **custom)]})
    opened = open_warehouse(postgresql_url)
    with HubSpotSandbox(account, rate_limits=False) as sandbox, closing(opened):
        with pytest.raises(WarehouseError, match="Bind fewer fields"):
            hs_pull(sandbox, opened, *custom)
        assert hs_pull(sandbox, opened, *list(custom)[:300]).rows == 1


def test_new_field_is_filled_for_all_records(
    warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A property bound later is read for old records too; an unbound one leaves the warehouse."""
    account = hs_account({"contacts": [_contact(n, plan="pro") for n in range(1, 121)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, warehouse, "lifecyclestage")
        result = hs_pull(sandbox, warehouse, "lifecyclestage", "plan")
        assert (result.error, result.rows) == (None, 120)
        assert {row["f_plan"] for row in hs_mirror(warehouse, "contacts").values()} == {"pro"}
        hs_pull(sandbox, warehouse, "plan")
        assert "f_lifecyclestage" not in hs_mirror(warehouse, "contacts")["1"]
        with warehouse.read() as connection:
            assert list(fields_of(connection, "hubspot", "contacts")) == ["plan"]
        account.update("contacts", 1, {"lifecyclestage": "customer"}, touch=False)
        hs_pull(sandbox, warehouse, "lifecyclestage", "plan")
    assert hs_mirror(warehouse, "contacts")["1"]["f_lifecyclestage"] == "customer"


def test_property_type_changed(
    warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A property that becomes another type is read anew as that type."""
    rows = {"contacts": [_contact(1, size="12"), _contact(2, size="many")]}
    before = hs_account(rows, portal_id=1, properties={"contacts": {"size": {"type": "string"}}})
    after = hs_account(rows, portal_id=2, properties={"contacts": {"size": {"type": "number"}}})
    after.hubspot = before.hubspot
    with HubSpotSandbox(before, rate_limits=False) as sandbox:
        hs_pull(sandbox, warehouse, "size")
    assert hs_mirror(warehouse, "contacts")["2"]["f_size"] == "many"
    with HubSpotSandbox(after, rate_limits=False) as sandbox:
        assert hs_pull(sandbox, warehouse, "size").error is None
    stored = hs_mirror(warehouse, "contacts")
    assert (stored["1"]["f_size"], stored["2"]["f_size"]) == (12_000_000, None)
    assert stored["2"]["bad_fields"] == ",size,"


def test_another_account(
    warehouse: Warehouse, hs_account: MakeAccount, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A token of another portal replaces the mirror: two accounts never mix."""
    first = hs_account({"contacts": [_contact(n) for n in range(1, 21)]}, portal_id=1)
    second = hs_account({"contacts": [_contact(n) for n in range(15, 31)]}, portal_id=2)
    with HubSpotSandbox(first, rate_limits=False) as sandbox:
        hs_pull(sandbox, warehouse, "lifecyclestage")
    with HubSpotSandbox(second, rate_limits=False) as sandbox:
        assert hs_pull(sandbox, warehouse, "lifecyclestage").rows == 16
    assert set(hs_mirror(warehouse, "contacts")) == {str(n) for n in range(15, 31)}
    with warehouse.read() as connection:
        state = state_of(connection, "hubspot", "contacts")
    assert state is not None and state.account == "2"


@pytest.mark.parametrize(
    ("field", "role", "words"),
    [
        ("lifecyclestag", "", "Did you mean lifecyclestage?"),
        ("nothing_like_it", "", "Check the internal name"),
        ("hs_date_entered_lead", "time", "Bind hs_v2_date_entered_lead"),
        ("lifecyclestage", "time", "bound as a time"),
        ("lifecyclestage", "number", "bound as a number"),
    ],
)
def test_wrong_binding_fails_alone(
    sqlite_warehouse: Warehouse,
    hs_account: MakeAccount,
    hs_pull: Pull,
    hs_mirror: Mirror,
    field: str,
    role: str,
    words: str,
) -> None:
    """A field that can't be had is told to its owners, with the near miss or the property that took
    its place (dlt verified-sources 647); the other fields are read."""
    account = hs_account({"contacts": [_contact(n, plan="pro") for n in range(1, 4)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        for _ in range(2):
            result = hs_pull(
                sandbox,
                sqlite_warehouse,
                field,
                "plan",
                times=[field] if role == "time" else [],
                numbers=[field] if role == "number" else [],
            )
            assert (result.error, result.is_complete) == (None, True)
        assert sandbox.server.requests(_LIST) == 1
    with sqlite_warehouse.read() as connection:
        states = fields_of(connection, "hubspot", "contacts")
    assert words in (states[field].error or "")
    assert states["plan"].error is None and states["plan"].filled_at is not None
    assert hs_mirror(sqlite_warehouse, "contacts")["1"]["f_plan"] == "pro"
