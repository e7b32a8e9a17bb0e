"""Answers that leave something out behind the first page, or that would go on for ever."""

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
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.tables import source_association

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]
Alter = Callable[[Request, Response], Response]

_MANY = 400
"""No read here needs as many requests: one that makes more would go on for ever."""


class Altered(HubSpotSandbox):
    """A sandbox whose requests and answers pass through `before` and `alter`, while there are any."""

    before: Callable[[Request], Request] | None = None
    alter: Alter | None = None
    asked = 0

    def answer(self, request: Request) -> Response:
        """The sandbox's answer, altered; an error when far too much was asked."""
        self.asked += 1
        if self.asked > _MANY:
            return json_response(400, {"message": "far too many requests"})
        response = super().answer(request if self.before is None else self.before(request))
        return response if self.alter is None else self.alter(request, response)


def _record(record_id: int, **properties: str) -> dict[str, str]:
    return {
        "hs_object_id": str(record_id),
        "createdate": "2026-10-01T08:00:00.000Z",
        "lastmodifieddate": "2026-10-02T08:00:00.000Z",
        **properties,
    }


@pytest.fixture
def sandbox(hs_account: MakeAccount) -> Iterator[Altered]:
    """1,300 contacts and a deal that is tied to all of them, served as they are."""
    account = hs_account(
        {
            "contacts": [_record(n, lifecyclestage="lead") for n in range(1, 1_301)],
            "deals": [_record(1, dealstage="open")],
        }
    )
    for contact in range(1, 1_301):
        account.associate("deals", 1, "contacts", contact)
    with Altered(account, rate_limits=False) as running:
        yield running


def _with(response: Response, **changes: Any) -> Response:
    return replace(response, body=orjson.dumps({**orjson.loads(response.body), **changes}))


def _results(response: Response) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = orjson.loads(response.body)["results"]
    return results


def _is_list(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("/objects/contacts")


# --- records by id ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["left out", "another error"])
def test_a_read_by_id_that_leaves_a_record_out(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror, kind: str
) -> None:
    """A record is not gone, and a change of it not lost, because one answer passed it over or says
    that it failed for another reason than that there is none."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    # Beyond the end of the window: such a change is read by id.
    soon = datetime.now(UTC) + timedelta(minutes=1)
    sandbox.account.update("contacts", 7, {"lifecyclestage": "customer"}, at=soon)
    altered: list[str] = []

    def pass_over(request: Request, response: Response) -> Response:
        if not request.path.endswith("/batch/read") or altered:
            return response
        altered.append(request.path)
        rest = [record for record in _results(response) if record["id"] != "7"]
        if kind == "left out":
            return _with(response, results=rest)
        failed = {"category": "RATE_LIMITS", "message": "try again"}
        return replace(_with(response, results=rest, errors=[failed]), status=207)

    sandbox.alter = pass_over
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows, len(altered)) == (None, 1_300, 1)
    assert hs_mirror(sqlite_warehouse, "contacts")["7"]["f_lifecyclestage"] == "customer"


# --- associations -----------------------------------------------------------------------------------


def _ties(warehouse: Warehouse) -> int:
    with warehouse.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(source_association)) or 0


@pytest.mark.parametrize("times", [1, 100])
def test_associations_that_do_not_go_on(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, times: int
) -> None:
    """A record whose further associations are left out is asked for again from the beginning; what is
    left out each time is refused, and 500 of 1,300 are never taken for all."""
    altered: list[str] = []

    def leave_out(request: Request, response: Response) -> Response:
        if b'"after"' not in request.body or len(altered) >= times:
            return response
        altered.append(request.path)
        return _with(response, results=[])

    sandbox.alter = leave_out
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
    )
    if times == 1:
        assert (result.error, _ties(sqlite_warehouse)) == (None, 1_300)
    else:
        assert not result.is_complete
        assert "not all associations" in (result.error or "")
        assert _ties(sqlite_warehouse) == 0


# --- what would go on for ever ----------------------------------------------------------------------


def test_associations_with_ever_new_tokens_end(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """The same associations under another token each time are a circle."""
    tie = {"from": {"id": "1"}, "to": [{"toObjectId": "3"}]}

    def go_on(request: Request, response: Response) -> Response:
        if "/associations/" not in request.path:
            return response
        more = {"next": {"after": f"token {sandbox.asked}"}}
        return json_response(200, {"status": "COMPLETE", "results": [{**tie, "paging": more}]})

    sandbox.alter = go_on
    result = hs_pull(
        sandbox, sqlite_warehouse, "dealstage", dataset="deals", associations=["contacts"]
    )
    assert "circle" in (result.error or "")


def test_a_list_with_ever_new_cursors_ends(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """The same page behind each new cursor is noticed by how little it adds, and of what was read
    nothing is left: the next run reads all."""
    sandbox.before = lambda request: (
        replace(request, query=[part for part in request.query if part[0] != "after"])
        if _is_list(request)
        else request
    )
    sandbox.alter = lambda request, response: (
        _with(response, paging={"next": {"after": f"cursor {sandbox.asked}"}})
        if _is_list(request)
        else response
    )
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert "circle" in (result.error or "")
    sandbox.before = sandbox.alter = None
    sandbox.asked = 0
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows) == (None, 1_300)


def test_a_search_that_goes_back_ends(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A search that gives what lies before the id that it was to go on from does not go on for ever."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    before = datetime.now(UTC)
    for record_id in range(1, 301):
        sandbox.account.update("contacts", record_id, {"lifecyclestage": "customer"}, at=before)

    def go_back(request: Request, response: Response) -> Response:
        if not request.path.endswith("/search") or b'"BETWEEN"' not in request.body:
            return response
        some = [record for record in _results(response) if record["id"] in ("1", "250")]
        record = some[0] if some else _results(response)[0]
        chosen = "1" if sandbox.asked % 2 else "250"
        return _with(response, results=[{**record, "id": chosen}], total=300)

    sandbox.alter = go_back
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert "again and again" in (result.error or "")


def test_emails_with_ever_new_cursors_end(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """The list of marketing e-mails, which is read by its own pages, ends as well."""
    sandbox.alter = lambda request, response: (
        json_response(
            200,
            {
                "total": 1,
                "results": [{"id": "1", "name": "News"}],
                "paging": {"next": {"after": f"cursor {sandbox.asked}"}},
            },
        )
        if "emails" in request.path
        else response
    )
    result = hs_pull(sandbox, sqlite_warehouse, "name", dataset="marketing_emails")
    assert "circle" in (result.error or "")
