"""What changes in an account without a trace in any modified date: found in each run, and repaired by
reading a few records."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from connectors.base import PullResult
from connectors.sandbox.account import Account
from connectors.sandbox.http_server import Request, Response
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldState, fields_of

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]
Contact = Callable[..., dict[str, str]]
Same = Callable[[Account, dict[str, dict[str, Any]]], None]

_LIST = "GET /crm/v3/objects/{objectType}"


@pytest.fixture
def account(hs_account: MakeAccount, hs_contact: Contact) -> Account:
    """5,000 contacts whose ids have two to five digits, so that their order by text is another."""
    return hs_account({"contacts": [hs_contact(n * 7) for n in range(2, 5002)]})


@pytest.fixture
def sandbox(account: Account) -> Iterator[HubSpotSandbox]:
    """The account, served without limits."""
    with HubSpotSandbox(account, rate_limits=False) as running:
        yield running


def test_a_run_in_which_nothing_changed_costs_two_requests(
    sandbox: HubSpotSandbox, warehouse: Warehouse, hs_pull: Pull, account: Account
) -> None:
    """Also in a new process, which knows neither the account nor its properties."""
    hs_pull(sandbox, warehouse, "score")
    for _ in range(3):
        result = hs_pull(sandbox, warehouse, "score", connector="new")
        assert (result.error, result.rows, result.requests) == (None, 5_000, 2)


def test_deleted_merged_and_restored_records_are_found_by_counting(
    sandbox: HubSpotSandbox,
    warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_same: Same,
) -> None:
    """A few records are read for a few differences, not all 5,000."""
    account.archive("contacts", 7 * 100)
    hs_pull(sandbox, warehouse, "score")
    lists = sandbox.server.requests(_LIST)
    account.delete("contacts", 7 * 2_000)
    account.merge("contacts", 7 * 3_000, 7 * 3_001)
    account.restore("contacts", 7 * 100)
    account.archive("contacts", 7 * 5_000)
    result = hs_pull(sandbox, warehouse, "score")
    assert (result.error, result.rows) == (None, 4_997)
    assert result.requests < 40
    assert sandbox.server.requests(_LIST) == lists
    hs_same(account, hs_mirror(warehouse, "contacts"))


def test_as_many_deleted_as_restored_are_found_soon(
    sandbox: HubSpotSandbox,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_same: Same,
) -> None:
    """They cancel each other in the count of all; the count above an id that moves shows them."""
    for n in (300, 4_000):
        account.archive("contacts", 7 * n)
    hs_pull(sandbox, sqlite_warehouse, "score")
    for n in (300, 4_000):
        account.restore("contacts", 7 * n)
    account.delete("contacts", 7 * 2_000)
    account.delete("contacts", 7 * 2_500)
    for _ in range(4):
        assert hs_pull(sandbox, sqlite_warehouse, "score").error is None
    hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))
    assert sandbox.server.requests(_LIST) == 50


def test_what_the_slices_find_in_the_end(
    sandbox: HubSpotSandbox,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_same: Same,
) -> None:
    """Neighbours that cancel each other in any count, and a calculated property that changed, are found
    when the slices have gone through all records, without a full read."""
    account.archive("contacts", 7 * 2_000)
    hs_pull(sandbox, sqlite_warehouse, "score")
    account.restore("contacts", 7 * 2_000)
    account.delete("contacts", 7 * 2_001)
    for n in (10, 1_200, 4_999):
        account.update("contacts", 7 * n, {"score": "9"}, touch=False)
    requests = 0
    for _ in range(5_000 // 200 * 2):
        result = hs_pull(sandbox, sqlite_warehouse, "score")
        assert (result.error, result.rows) == (None, 4_999)
        requests += result.requests
    hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))
    assert requests < 120
    assert sandbox.server.requests(_LIST) == 50


def test_a_property_that_was_calculated_anew_for_all(
    sandbox: HubSpotSandbox,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_same: Same,
) -> None:
    """One slice that has drifted leads to the next; where all have, everything is read, but not each
    time anew."""
    now = datetime.now(UTC)
    hs_pull(sandbox, sqlite_warehouse, "score", now=now)
    with account.lock:
        for n in range(2, 5_002):
            account.update("contacts", 7 * n, {"score": "9"}, touch=False)
    result = hs_pull(sandbox, sqlite_warehouse, "score", now=now + timedelta(minutes=10))
    assert result.error is None
    assert sandbox.server.requests(_LIST) == 50
    fresh = [
        row for row in hs_mirror(sqlite_warehouse, "contacts").values() if row["f_score"] > 1e6
    ]
    assert 1_000 <= len(fresh) <= 4_000
    for _ in range(3):
        hs_pull(sandbox, sqlite_warehouse, "score", now=now + timedelta(hours=2))
    hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))
    assert sandbox.server.requests(_LIST) <= 100


def test_an_index_that_lags_costs_no_record(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    hs_contact: Contact,
    hs_same: Same,
) -> None:
    """Records that the index still shows, or does not show yet, are looked up by id and not believed."""
    now = datetime.now(UTC)
    instant = [now]
    account = hs_account({"contacts": [hs_contact(n * 7) for n in range(2, 1_002)]})
    account.clock = lambda: instant[0]
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        sandbox.faults.switch_on("hubspot.index_lag", seconds=600)
        hs_pull(sandbox, sqlite_warehouse, "score", now=instant[0])
        for minutes in (1, 2, 12):
            instant[0] = now + timedelta(minutes=minutes)
            account.delete("contacts", 7 * (100 + minutes))
            account.add("contacts", {"score": "3"})
            assert hs_pull(sandbox, sqlite_warehouse, "score", now=instant[0]).error is None
        instant[0] = now + timedelta(minutes=40)
        assert hs_pull(sandbox, sqlite_warehouse, "score", now=instant[0]).error is None
        hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))
        assert sandbox.server.requests(_LIST) == 10


def test_ids_in_the_order_of_texts(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    hs_contact: Contact,
    hs_same: Same,
) -> None:
    """An index that compares ids as texts loses nothing: changes are read in its own order, and what
    can't be found by ranges of numbers is found by reading all."""
    account = hs_account({"contacts": [hs_contact(n * 7) for n in range(2, 1_002)]})

    class TextOrder(HubSpotSandbox):
        def answer(self, request: Request) -> Response:
            if not request.path.endswith("/search"):
                return super().answer(request)
            return _by_text(self, request, account)

    with TextOrder(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, sqlite_warehouse, "score")
        with account.lock:
            for n in range(2, 900):
                account.update("contacts", 7 * n, {"score": "5"})
        assert hs_pull(sandbox, sqlite_warehouse, "score").error is None
        hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))
        account.delete("contacts", 7 * 500)
        account.add("contacts", {"score": "2"})
        account.delete("contacts", 7 * 950)
        assert hs_pull(sandbox, sqlite_warehouse, "score").error is None
        hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))


def _by_text(sandbox: HubSpotSandbox, request: Request, account: Account) -> Response:
    """A search over all live records with ids compared as texts."""
    asked = orjson.loads(request.body)
    with account.lock:
        live = account.table("contacts").page(0, 10_000, archived=False)[0]
    found = list(live)
    for one in (asked.get("filterGroups") or [{"filters": []}])[0]["filters"]:
        found = [record for record in found if _holds(one, _compared(record, one["propertyName"]))]
    order = asked["sorts"][0]
    found.sort(
        key=lambda record: _compared(record, order["propertyName"]),
        reverse=order["direction"] == "DESCENDING",
    )
    results = [
        {
            "id": str(record.id),
            "properties": {"score": record.properties["score"]},
            "createdAt": record.created_at,
            "updatedAt": record.updated_at,
            "archived": False,
        }
        for record in found[: asked["limit"]]
    ]
    body = orjson.dumps({"total": len(found), "results": results})
    return Response(200, body, {"Content-Type": "application/json"})


def _holds(one: dict[str, Any], value: str) -> bool:
    if one["operator"] == "IN":
        return bool(value in one["values"])
    if one["operator"] == "BETWEEN":
        return bool(one["value"] <= value <= one["highValue"])
    is_after = bool(value > one["value"])
    return is_after or (one["operator"] == "GTE" and value == one["value"])


def _compared(record: Any, name: str) -> str:
    """A property as the text that this index compares: ids as they are, times as milliseconds."""
    if name == "hs_object_id":
        return str(record.id)
    at = datetime.fromisoformat(record.properties[name])
    return str(round(at.timestamp() * 1000))


class Leaving(HubSpotSandbox):
    """A sandbox that leaves the property `plan` out of records while `is_left_out`, and out of its
    properties too while `is_deleted`."""

    is_left_out = False
    is_deleted = False

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if "/properties/" in request.path:
            if not self.is_deleted:
                return response
            kept = [one for one in orjson.loads(response.body)["results"] if one["name"] != "plan"]
            return Response(200, orjson.dumps({"results": kept}), response.headers)
        if not self.is_left_out:
            return response
        body = orjson.loads(response.body)
        for row in body.get("results", ()):
            row["properties"].pop("plan", None)
        return Response(response.status, orjson.dumps(body), response.headers)


def test_a_property_that_is_deleted_is_noticed_at_once(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_contact: Contact
) -> None:
    """Its values must not turn empty because HubSpot leaves out what it doesn't know."""
    account = hs_account({"contacts": [hs_contact(n, plan="pro") for n in range(1, 301)]})
    with Leaving(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, sqlite_warehouse, "plan", "score")
        sandbox.is_left_out = sandbox.is_deleted = True
        result = hs_pull(sandbox, sqlite_warehouse, "plan", "score")
    assert result.error is None
    with sqlite_warehouse.read() as connection:
        states = fields_of(connection, "hubspot", "contacts")
    assert "have no property plan" in (states["plan"].error or "")


def test_a_property_that_the_token_may_not_see_is_not_taken_for_empty(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    hs_contact: Contact,
) -> None:
    """Only it can't be had, which is told with a flag: the others are read, and it is as soon as it
    can be seen, with the values of all records."""
    account = hs_account(
        {"contacts": [hs_contact(n, plan="pro", score=str(n)) for n in range(1, 301)]}
    )

    def plan() -> FieldState:
        with sqlite_warehouse.read() as connection:
            return fields_of(connection, "hubspot", "contacts")["plan"]

    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        for _ in range(2):  # the first read, and one in which it can be seen no more
            sandbox.faults.switch_on("hubspot.hidden_property", property="plan")
            for _ in range(2):
                result = hs_pull(sandbox, sqlite_warehouse, "plan", "score")
                assert result.error is None
                assert (result.rows, result.quality) == (300, ("partial_access",))
                rows = hs_mirror(sqlite_warehouse, "contacts").values()
                assert {row["f_score"] for row in rows} == {n * 1_000_000 for n in range(1, 301)}
                assert all("f_plan" not in row for row in rows)
                assert plan().quality == ("partial_access",)
                assert "lists the property plan of contacts" in (plan().error or "")
            sandbox.faults.switch_off()
            result = hs_pull(sandbox, sqlite_warehouse, "plan", "score")
            assert (result.error, result.rows, result.quality) == (None, 300, ())
            assert (plan().error, plan().quality) == (None, ())
            rows = hs_mirror(sqlite_warehouse, "contacts").values()
            assert {row["f_plan"] for row in rows} == {"pro"}


def test_a_property_that_one_page_lacks_is_read(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    hs_contact: Contact,
) -> None:
    """A page that is wrong once costs a second read and hides nothing."""
    account = hs_account({"contacts": [hs_contact(n, plan="pro") for n in range(1, 301)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        sandbox.faults.switch_on("hubspot.hidden_property", property="plan", after=1, times=1)
        result = hs_pull(sandbox, sqlite_warehouse, "plan")
    assert (result.error, result.rows, result.quality) == (None, 300, ())
    plans = {row["f_plan"] for row in hs_mirror(sqlite_warehouse, "contacts").values()}
    assert plans == {"pro"}


def test_properties_that_come_and_go_refuse_the_read(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_contact: Contact
) -> None:
    """Where each look lacks another property nothing is believed, and the error says which."""
    account = hs_account({"contacts": [hs_contact(n, plan="pro") for n in range(1, 301)]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        for looks in (1, 2):
            sandbox.faults.switch_off()
            plan, score = ("hubspot.hidden_property",) * 2
            sandbox.faults.switch_on(plan, property="plan", on="list", times=looks)
            sandbox.faults.switch_on(score, property="score", on="list", after=looks)
            result = hs_pull(sandbox, sqlite_warehouse, "plan", "score")
            assert not result.is_complete
            assert "leaves properties out of contacts now and then, this time score" in (
                result.error or ""
            )


def test_a_page_that_lacks_a_property_is_not_kept_for_the_next_run(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    hs_contact: Contact,
) -> None:
    """A read that breaks off behind such a page goes on before it."""
    account = hs_account({"contacts": [hs_contact(n, plan="pro") for n in range(1, 1_701)]})

    class Breaking(Leaving):
        pages = 0

        def answer(self, request: Request) -> Response:
            if request.path.endswith("/objects/contacts"):
                self.pages += 1
                self.is_left_out = self.pages == 2
                if self.pages > 2:
                    return Response(403, b"{}")
            return super().answer(request)

    with Breaking(account, rate_limits=False) as sandbox:
        assert not hs_pull(sandbox, sqlite_warehouse, "plan", "score").is_complete
        sandbox.pages = -1_000
        assert hs_pull(sandbox, sqlite_warehouse, "plan", "score", connector="new").rows == 1_700
    plans = {row["f_plan"] for row in hs_mirror(sqlite_warehouse, "contacts").values()}
    assert plans == {"pro"}
