"""Objects beside contacts and deals, and associations: what is stored after real pulls."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from connectors.base import PullResult
from connectors.sandbox.account import Account
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.warehouse.association_store import associations_filled_at
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import state_of
from okr_sync.warehouse.tables import source_association

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]
Alter = Callable[[Request, Response], Response]

_BATCH = "POST /crm/v4/associations/{fromObjectType}/{toObjectType}/batch/read"


class Altered(HubSpotSandbox):
    """A sandbox whose answers to association requests pass through `alter`, while there is one."""

    alter: Alter | None = None

    def answer(self, request: Request) -> Response:
        """The sandbox's answer, altered."""
        response = super().answer(request)
        if self.alter is None or "/associations/" not in request.path:
            return response
        return self.alter(request, response)


def _record(record_id: int, **properties: str) -> dict[str, str]:
    return {
        "hs_object_id": str(record_id),
        "createdate": "2026-10-01T08:00:00.000Z",
        **properties,
    }


@pytest.fixture
def account(hs_account: MakeAccount) -> Account:
    """2,300 deals and 40 contacts; every third deal has a contact, the first deal has two."""
    made = hs_account(
        {
            "contacts": [_record(n, hs_analytics_source="PAID_SEARCH") for n in range(1, 41)],
            "deals": [_record(n, dealstage="open") for n in range(1, 2301)],
        }
    )
    for deal in range(1, 2301, 3):
        made.associate("deals", deal, "contacts", deal % 40 + 1)
    made.associate("deals", 1, "contacts", 39, label="Champion")
    return made


@pytest.fixture
def sandbox(account: Account) -> Iterator[Altered]:
    """The account, served without rate limits and, so far, unaltered."""
    with Altered(account, rate_limits=False) as running:
        yield running


def _pairs(warehouse: Warehouse, to: str = "contacts") -> set[tuple[str, str]]:
    table = source_association
    with warehouse.read() as connection:
        rows = connection.execute(
            sa.select(table.c.from_id, table.c.to_id).where(
                table.c.source == "hubspot", table.c.dataset == "deals", table.c.to_dataset == to
            )
        )
        return {(from_id, to_id) for from_id, to_id in rows}


def _expected(account: Account) -> set[tuple[str, str]]:
    ties = account.associations[("deals", "contacts")]
    return {(str(one), str(tie.to_id)) for one, mine in ties.items() for tie in mine}


def _body(response: Response) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(response.body)
    return content


# --- associations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v3", "2026-03"])
def test_associations_are_read_with_the_records(
    sandbox: Altered, account: Account, warehouse: Warehouse, hs_pull: Pull, api: str
) -> None:
    """All of them, in both families of paths, a thousand records a request, labels or not."""
    result = hs_pull(
        sandbox, warehouse, "dealstage", dataset="deals", associations=["contacts"], api=api
    )
    assert (result.error, result.rows) == (None, 2300)
    assert _pairs(warehouse) == _expected(account)
    assert ("1", "39") in _pairs(warehouse) and ("1", "2") in _pairs(warehouse)
    route = _BATCH if api == "v3" else _BATCH.replace("v4/associations", "associations/2026-03")
    # Three requests for all, two for those of which the answers said nothing.
    assert sandbox.server.requests(route) == 5


def test_only_changed_records_are_asked_for_again(
    sandbox: Altered, account: Account, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A run after a change reads the associations of what changed; what is gone loses its own."""

    def pull() -> PullResult:
        return hs_pull(
            sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
        )

    pull()
    asked: list[list[str]] = []

    def watch(request: Request, response: Response) -> Response:
        asked.append([one["id"] for one in orjson.loads(request.body)["inputs"]])
        return response

    sandbox.alter = watch
    account.associate("deals", 2, "contacts", 7)
    account.update("deals", 2, {"dealstage": "won"})
    account.archive("deals", 4)
    result = pull()
    assert (result.error, result.rows) == (None, 2299)
    assert asked == [["2"]]
    expected = {pair for pair in _expected(account) if pair[0] != "4"}
    assert _pairs(sqlite_warehouse) == expected and ("2", "7") in expected


def test_everything_is_read_again_after_a_day(
    sandbox: Altered, account: Account, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """An association that came or went without a change of its record is noticed then."""
    later = datetime.now(UTC) + timedelta(hours=25)
    for now in (None, later):
        hs_pull(
            sandbox,
            sqlite_warehouse,
            "dealstage",
            dataset="deals",
            associations=["contacts"],
            now=now,
        )
        assert _pairs(sqlite_warehouse) == _expected(account)
        account.associations[("deals", "contacts")].pop(7, None)
        account.associate("deals", 3, "contacts", 9)


def test_what_was_tied_to_a_record_that_is_merged_is_asked_for_again(
    hs_account: MakeAccount, warehouse: Warehouse, hs_pull: Pull
) -> None:
    """The deals of a merged contact are those of the one that was kept, though no deal was modified; of
    a contact that is archived and restored they are there again."""
    account = hs_account(
        {
            "contacts": [_record(n, hs_analytics_source="PAID_SEARCH") for n in range(1, 601)],
            "deals": [_record(n, dealstage="open") for n in range(1, 301)],
        }
    )
    for deal in range(1, 301):
        account.associate("deals", deal, "contacts", deal)

    def pull() -> int:
        results = [
            hs_pull(sandbox, warehouse, "hs_analytics_source"),
            hs_pull(sandbox, warehouse, "dealstage", dataset="deals", associations=["contacts"]),
        ]
        assert [result.error for result in results] == [None, None]
        return results[1].requests

    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        pull()
        account.merge("contacts", 500, 7)
        account.archive("contacts", 8)
        pull()
        assert {("7", "500"), ("8", "8")} < _pairs(warehouse)
        account.restore("contacts", 8)
        assert pull() == 2
        assert ("8", "8") in _pairs(warehouse)
        assert pull() == 2


def test_a_new_association_is_read_and_an_unbound_one_forgotten(
    sandbox: Altered, account: Account, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """What is not kept up is not kept: bound again, it is read anew."""
    for to, count in (([], 0), (["contacts"], len(_expected(account))), ([], 0)):
        result = hs_pull(sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=to)
        assert result.error is None
        assert len(_pairs(sqlite_warehouse)) == count
        with sqlite_warehouse.read() as connection:
            filled_at = associations_filled_at(connection, "hubspot", "deals", "contacts")
        assert (filled_at is not None) == bool(to)


def test_a_record_with_many_associations(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """Beyond 500 a page the rest is asked for by each record's own token."""
    account = hs_account(
        {"contacts": [_record(n) for n in range(1, 1302)], "deals": [_record(1), _record(2)]}
    )
    for contact in range(1, 1302):
        account.associate("deals", 1, "contacts", contact)
        if contact <= 600:
            account.associate("deals", 2, "contacts", contact)
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        result = hs_pull(
            sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
        )
        assert result.error is None
        assert sandbox.server.requests(_BATCH) == 3
    assert len(_pairs(sqlite_warehouse)) == 1301 + 600


def test_records_that_an_answer_left_out_are_asked_for_again(
    sandbox: Altered, account: Account, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """An answer that passes records over once loses nothing."""
    altered: list[str] = []

    def drop_half(request: Request, response: Response) -> Response:
        if altered:
            return response
        altered.append(request.path)
        body = _body(response)
        return replace(response, body=orjson.dumps({**body, "results": body["results"][::2]}))

    sandbox.alter = drop_half
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
    )
    assert result.error is None
    assert _pairs(sqlite_warehouse) == _expected(account)


def test_answers_that_go_on_leaving_out_records(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """If further ones turn up each time, nothing is stored: neither pairs nor records."""

    def first_only(request: Request, response: Response) -> Response:
        body = _body(response)
        return replace(response, body=orjson.dumps({**body, "results": body["results"][:1]}))

    sandbox.alter = first_only
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
    )
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "not all associations of deals with contacts could be read" in (result.error or "")
    with sqlite_warehouse.read() as connection:
        assert state_of(connection, "hubspot", "deals") is None
    assert _pairs(sqlite_warehouse) == set()


def test_records_without_associations_may_be_told_of(
    sandbox: Altered, account: Account, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A 207 that names the records without any is an answer, and they are not asked for again."""

    def told(request: Request, response: Response) -> Response:
        body = _body(response)
        with_ties = {one["from"]["id"] for one in body["results"]}
        asked = [one["id"] for one in orjson.loads(request.body)["inputs"]]
        errors = [
            {
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                "message": f"No contact is associated with deal {one}.",
                "context": {"fromObjectId": [one]},
            }
            for one in asked
            if one not in with_ties
        ]
        told_of = {**body, "errors": errors, "numErrors": len(errors)}
        return replace(response, status=207, body=orjson.dumps(told_of))

    sandbox.alter = told
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
    )
    assert result.error is None
    assert _pairs(sqlite_warehouse) == _expected(account)
    assert sandbox.server.requests(_BATCH) == 3


@pytest.mark.parametrize("named", ["1302", 1302, None])
def test_a_record_that_is_told_of_by_its_own(
    sandbox: Altered, account: Account, sqlite_warehouse: Warehouse, hs_pull: Pull, named: Any
) -> None:
    """An id where a list of ids is documented is that id: no other record is taken for one without any,
    and nothing crashes."""
    altered: list[str] = []

    def told(request: Request, response: Response) -> Response:
        if altered:
            return response
        altered.append(request.path)
        body = _body(response)
        rest = [result for result in body["results"] if result["from"]["id"] != "1"]
        error = {
            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
            "context": {"fromObjectId": named},
        }
        told_of = {**body, "results": rest, "errors": [error], "numErrors": 1}
        return replace(response, status=207, body=orjson.dumps(told_of))

    sandbox.alter = told
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
    )
    assert result.error is None
    assert _pairs(sqlite_warehouse) == _expected(account)


_WRONG: dict[str, dict[str, Any]] = {
    "not complete": {"status": "PROCESSING"},
    "no results": {"results": None},
    "another record": {"results": [{"from": {"id": "999999"}, "to": []}]},
    "no ids": {"results": [{"from": {"id": "1"}, "to": [{"associationTypes": []}]}]},
    "no token": {"results": [{"from": {"id": "1"}, "to": [], "paging": {"next": {}}}]},
    "an error": {"errors": [{"subCategory": "crm.SOMETHING", "message": "It broke."}]},
}


@pytest.mark.parametrize("kind", _WRONG)
def test_answers_about_associations_that_are_wrong(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, kind: str
) -> None:
    """What the API does not document is tried again and never taken for "no associations"."""
    sandbox.alter = lambda request, response: json_response(
        200, {**_body(response), **_WRONG[kind]}
    )
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
    )
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "the associations of deals with contacts" in (result.error or "")
    with sqlite_warehouse.read() as connection:
        assert state_of(connection, "hubspot", "deals") is None


def test_associations_of_an_unknown_object(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """HubSpot's own word on it reaches the user."""
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["p1_boats"]
    )
    assert "Unable to infer object type from: p1_boats" in (result.error or "")
    assert not result.is_transient


# --- other objects --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["leads", "tickets", "feedback_submissions", "p123_cars", "2-345", "companies"]
)
@pytest.mark.parametrize("api", ["v3", "2026-03"])
def test_any_object_can_be_read(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    name: str,
    api: str,
) -> None:
    """Leads, tickets, feedback and custom objects are mirrored, changes and associations too."""
    records = [
        {
            "hs_object_id": str(n),
            "hs_createdate": "2026-10-01T08:00:00.000Z",
            "hs_lastmodifieddate": "2026-10-02T08:00:00.000Z",
            "hs_value": str(n),
        }
        for n in range(1, 151)
    ]
    account = hs_account({name: records, "contacts": [_record(1)]})
    account.associate(name, 7, "contacts", 1)
    with HubSpotSandbox(account, rate_limits=False) as sandbox:

        def pull() -> PullResult:
            return hs_pull(
                sandbox,
                sqlite_warehouse,
                "hs_value",
                "hs_createdate",
                dataset=name,
                numbers=["hs_value"],
                times=["hs_createdate"],
                associations=["contacts"],
                api=api,
            )

        assert (pull().error, len(hs_mirror(sqlite_warehouse, name))) == (None, 150)
        account.update(name, 3, {"hs_value": "10"})
        assert pull().error is None
    mirror = hs_mirror(sqlite_warehouse, name)
    assert mirror["3"]["f_hs_value"] == 10_000_000
    with sqlite_warehouse.read() as connection:
        rows = connection.execute(sa.select(source_association.c.from_id)).scalars().all()
    assert rows == ["7"]


def test_an_object_that_the_account_does_not_have(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A custom object that doesn't exist is a mistake in the binding, told with HubSpot's words."""
    with HubSpotSandbox(hs_account({"contacts": []}), rate_limits=False) as sandbox:
        result = hs_pull(sandbox, sqlite_warehouse, "colour", dataset="p123_boats")
    assert "p123_boats" in (result.error or "")
    assert (result.is_complete, result.is_transient) == (False, False)
