"""What a pull does when HubSpot refuses, breaks or lies: all the data, or nothing and a reason."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from connectors.base import PullResult
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN, HubSpotSandbox
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import state_of

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]
Alter = Callable[[Request, Response], Response]

_LIST = "GET /crm/v3/objects/{objectType}"


class Faulty(HubSpotSandbox):
    """A sandbox whose answers pass through `alter` before they are sent, while there is one."""

    alter: Alter | None = None

    def answer(self, request: Request) -> Response:
        """The sandbox's answer, altered."""
        response = super().answer(request)
        return response if self.alter is None else self.alter(request, response)


@pytest.fixture
def account(hs_account: MakeAccount) -> Account:
    """450 contacts and a deal."""
    contacts = [
        {
            "hs_object_id": str(n),
            "createdate": "2026-10-01T08:00:00.000Z",
            "lastmodifieddate": "2026-10-02T08:00:00.000Z",
            "lifecyclestage": "lead",
        }
        for n in range(1, 451)
    ]
    deals = [{"hs_object_id": "1", "createdate": "2026-10-01T08:00:00.000Z", "dealstage": "open"}]
    return hs_account({"contacts": contacts, "deals": deals})


@pytest.fixture
def sandbox(account: Account) -> Iterator[Faulty]:
    """The account, served without rate limits and, so far, without faults."""
    with Faulty(account, rate_limits=False) as running:
        yield running


def _is_list(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("/objects/contacts")


def _is_search(request: Request) -> bool:
    return request.path.endswith("/search")


def _body(response: Response) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(response.body)
    return content


def _with(response: Response, **changes: Any) -> Response:
    return replace(response, body=orjson.dumps({**_body(response), **changes}))


def _without_ids(response: Response) -> Response:
    rows = [{"properties": row["properties"]} for row in _body(response)["results"]]
    return _with(response, results=rows)


_WRONG_ANSWERS: dict[str, Callable[[Response], Response]] = {
    "no results": lambda response: replace(response, body=b'{"total": 0}'),
    "a list": lambda response: replace(response, body=b"[]"),
    "null results": lambda response: _with(response, results=None),
    "no ids": _without_ids,
    "no cursor": lambda response: _with(response, paging={"next": {}}),
}


@pytest.mark.parametrize("kind", _WRONG_ANSWERS)
def test_answer_that_is_wrong_once_is_read_again(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, kind: str
) -> None:
    """A 200 that is not what the API documents is tried again and never taken for an empty page."""
    seen: list[str] = []

    def alter(request: Request, response: Response) -> Response:
        if _is_list(request):
            seen.append(request.target)
            if len(seen) == 3:
                return _WRONG_ANSWERS[kind](response)
        return response

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows, result.rows_expected) == (None, 450, 450)
    assert seen[2] == seen[3]


@pytest.mark.parametrize("kind", _WRONG_ANSWERS)
def test_answers_that_stay_wrong_publish_nothing(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, kind: str
) -> None:
    """A first read that breaks off half-way leaves a dataset that was never complete."""

    def alter(request: Request, response: Response) -> Response:
        is_late = _is_list(request) and request.value("after") is not None
        return _WRONG_ANSWERS[kind](response) if is_late else response

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.is_complete, result.is_transient) == (False, True)
    assert result.error is not None and "HubSpot" in result.error
    with sqlite_warehouse.read() as connection:
        assert state_of(connection, "hubspot", "contacts") is None
    sandbox.alter = None
    assert hs_pull(sandbox, sqlite_warehouse, "lifecyclestage").rows == 450


def test_total_that_says_more_is_refused_with_both_numbers(
    sandbox: Faulty, warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """More counted than could be read: nothing is published and both numbers are told (airbyte
    23630). The last complete mirror stays, and its cursor with it."""
    hs_pull(sandbox, warehouse, "lifecyclestage")
    with warehouse.read() as connection:
        before = state_of(connection, "hubspot", "contacts")
    sandbox.account.update("contacts", 1, {"lifecyclestage": "customer"})

    def alter(request: Request, response: Response) -> Response:
        if _is_search(request) and "filterGroups" not in orjson.loads(request.body):
            return _with(response, total=_body(response)["total"] + 7)
        return response

    sandbox.alter = alter
    result = hs_pull(sandbox, warehouse, "lifecyclestage")
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "450" in (result.error or "") and "457" in (result.error or "")
    with warehouse.read() as connection:
        assert state_of(connection, "hubspot", "contacts") == before
    assert hs_mirror(warehouse, "contacts")["1"]["f_lifecyclestage"] == "lead"
    sandbox.alter = None
    assert hs_pull(sandbox, warehouse, "lifecyclestage").error is None
    assert hs_mirror(warehouse, "contacts")["1"]["f_lifecyclestage"] == "customer"


def test_window_that_gives_less_than_it_counts_is_refused(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """Changes that are counted and not given are refused with both numbers, by the full read that is
    tried then, too."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    for n in range(1, 251):
        sandbox.account.update("contacts", n, {"lifecyclestage": "customer"})

    def alter(request: Request, response: Response) -> Response:
        if not _is_search(request) or b"BETWEEN" not in request.body:
            return response
        if b'"GT"' in request.body:
            return _with(response, results=[], total=0)
        return _with(response, results=_body(response)["results"][:-2])

    sandbox.alter = alter
    lists = sandbox.server.requests(_LIST)
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert not result.is_complete
    assert "counts 250 changed" in (result.error or "") and "gave 198" in (result.error or "")
    assert sandbox.server.requests(_LIST) > lists


@pytest.mark.parametrize("then", ["archived", "modified again"])
def test_a_change_that_no_page_gives_is_not_made_up_for(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror, then: str
) -> None:
    """A page passes a change over, and a record that was read leaves the window: the counts agree, and
    still the change is in the mirror."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    for n in range(1, 251):
        sandbox.account.update("contacts", n, {"lifecyclestage": "customer"})
    altered: list[str] = []

    def alter(request: Request, response: Response) -> Response:
        if altered or not _is_search(request) or b"BETWEEN" not in request.body:
            return response
        altered.append(request.target)
        if then == "archived":
            sandbox.account.archive("contacts", 9)
        else:
            sandbox.account.update("contacts", 9, {"lifecyclestage": "opportunity"})
        kept = [row for row in _body(response)["results"] if row["id"] != "7"]
        return _with(response, results=kept)

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, altered != []) == (None, True)
    assert hs_mirror(sqlite_warehouse, "contacts")["7"]["f_lifecyclestage"] == "customer"


def test_a_record_that_changes_again_before_its_page_is_read(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """It has left the window that is paged through, and is in the mirror as it is now, not as the pull
    before left it."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    for n in range(1, 251):
        sandbox.account.update("contacts", n, {"lifecyclestage": "customer"})
    lists = sandbox.server.requests(_LIST)
    altered: list[str] = []

    def alter(request: Request, response: Response) -> Response:
        if not altered and _is_search(request) and b"BETWEEN" in request.body:
            altered.append(request.target)
            # The slice that this run compares begins behind it.
            sandbox.account.update("contacts", 201, {"lifecyclestage": "opportunity"})
        return response

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows, altered != []) == (None, 450, True)
    assert hs_mirror(sqlite_warehouse, "contacts")["201"]["f_lifecyclestage"] == "opportunity"
    assert sandbox.server.requests(_LIST) == lists


def test_changes_that_the_index_learns_of_while_they_are_read(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """In a busy account each answer finds more in the window: they are read too, and no full read is
    made for them."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    began = datetime.now(UTC)
    for n in range(1, 251):
        sandbox.account.update("contacts", n, {"lifecyclestage": "customer"})
    lists = sandbox.server.requests(_LIST)
    arrived: list[int] = []

    def alter(request: Request, response: Response) -> Response:
        if _is_search(request) and b"BETWEEN" in request.body and b"modified" in request.body:
            arrived.append(300 + len(arrived))
            sandbox.account.update("contacts", arrived[-1], {"lifecyclestage": "lead"}, at=began)
        return response

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows, len(arrived) > 2) == (None, 450, True)
    assert sandbox.server.requests(_LIST) == lists
    stored = hs_mirror(sqlite_warehouse, "contacts")
    assert sum(row["f_lifecyclestage"] == "customer" for row in stored.values()) == 250


def test_a_record_that_changes_again_while_the_newest_are_read(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A change behind the instant up to which a pull reads does not hide the one before it."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    now = datetime.now(UTC)
    for n in range(1, 4):
        sandbox.account.update("contacts", n, {"lifecyclestage": "customer"})
    later = now + timedelta(seconds=5)
    sandbox.account.update("contacts", 2, {"lifecyclestage": "opportunity"}, at=later)
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=now)
    assert (result.error, result.rows) == (None, 450)
    assert hs_mirror(sqlite_warehouse, "contacts")["2"]["f_lifecyclestage"] == "opportunity"


def test_a_change_that_the_newest_page_passes_over(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A first page with fewer records than were asked for is no proof that it has all changes."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    for n in range(1, 4):
        sandbox.account.update("contacts", n, {"lifecyclestage": "customer"})

    def alter(request: Request, response: Response) -> Response:
        if not _is_search(request) or b"DESCENDING" not in request.body:
            return response
        kept = [row for row in _body(response)["results"] if row["id"] != "2"]
        return _with(response, results=kept)

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows) == (None, 450)
    assert hs_mirror(sqlite_warehouse, "contacts")["2"]["f_lifecyclestage"] == "customer"


@pytest.mark.parametrize("count", [450, 3_000])
def test_a_listed_record_that_goes_does_not_make_up_for_one_passed_over(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    count: int,
) -> None:
    """A list passes a record over while one that it gave is archived: HubSpot counts as many as were
    read, and the first is found all the same, by its id or by the part of the ids that lacks it."""
    contact = {
        "createdate": "2026-10-01T08:00:00.000Z",
        "lastmodifieddate": "2026-10-02T08:00:00.000Z",
        "lifecyclestage": "lead",
    }
    rows = [{**contact, "hs_object_id": str(n)} for n in range(1, count + 1)]
    pages: list[str] = []

    with Faulty(hs_account({"contacts": rows}, portal_id=7), rate_limits=False) as sandbox:

        def alter(request: Request, response: Response) -> Response:
            if not _is_list(request):
                return response
            pages.append(request.target)
            if len(pages) != 4:
                return response
            sandbox.account.archive("contacts", 9)
            kept = [row for row in _body(response)["results"] if row["id"] != "390"]
            return _with(response, results=kept)

        sandbox.alter = alter
        result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows, result.rows_expected) == (None, count - 1, count - 1)
    wanted = {str(n) for n in range(1, count + 1)} - {"9"}
    assert hs_mirror(sqlite_warehouse, "contacts").keys() == wanted


def test_short_pages_lose_nothing(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """Pages that are shorter than asked for, with or without a cursor, don't end the reading."""

    def shorter(request: Request, response: Response) -> Response:
        if _is_search(request) and orjson.loads(request.body)["limit"] > 1:
            content = _body(response)
            return _with(response, results=content["results"][:70], paging=None)
        return response

    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    for n in range(1, 451):
        sandbox.account.update("contacts", n, {"lifecyclestage": "customer"})
    sandbox.alter = shorter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows) == (None, 450)
    stored = hs_mirror(sqlite_warehouse, "contacts").values()
    assert {row["f_lifecyclestage"] for row in stored} == {"customer"}


def test_repeated_and_empty_list_pages(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A page that comes twice counts once, and an empty page with a cursor is not the end."""
    pages: list[dict[str, Any]] = []

    def alter(request: Request, response: Response) -> Response:
        if not _is_list(request) or request.value("archived") == "true":
            return response
        if request.value("after") == "empty":
            return json_response(200, {"results": [], "paging": {"next": {"after": "again"}}})
        if request.value("after") == "again":
            return json_response(200, pages[0])
        content = _body(response)
        pages.append(content)
        if len(pages) == 1:
            return _with(response, paging={"next": {"after": "empty"}})
        return response

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.error, result.rows, result.rows_expected) == (None, 450, 450)


def test_search_that_gives_nothing_ends(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A search that speaks of records and gives none is refused instead of asked for ever."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")

    def alter(request: Request, response: Response) -> Response:
        return _with(response, results=[], total=5) if _is_search(request) else response

    sandbox.alter = alter
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert not result.is_complete
    assert "again and again" in (result.error or "")


# --- refusals -------------------------------------------------------------------------------------


def test_revoked_token(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """A token that is refused is read again once, then told with its variable; the mirror stays
    (airbyte 62467)."""
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    sandbox.faults.switch_on("hubspot.401")
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert (result.is_complete, result.is_transient, result.requests) == (False, False, 2)
    assert "HUBSPOT_ACCESS_TOKEN" in (result.error or "")
    assert SANDBOX_TOKEN not in (result.error or "")
    assert len(hs_mirror(sqlite_warehouse, "contacts")) == 450


def test_missing_scope(hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull) -> None:
    """What a scope is missing for fails and names the scope; the other object is read (airbyte
    12484)."""
    rows = [{"hs_object_id": "1", "createdate": "2026-10-01T08:00:00.000Z"}]
    account = hs_account({"contacts": rows, "deals": rows}, scopes=["crm.objects.contacts.read"])
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        assert hs_pull(sandbox, sqlite_warehouse, "lifecyclestage").rows == 1
        result = hs_pull(sandbox, sqlite_warehouse, "dealstage", dataset="deals")
    assert (result.is_complete, result.is_transient) == (False, False)
    assert "crm.objects.deals.read" in (result.error or "")
    with sqlite_warehouse.read() as connection:
        assert state_of(connection, "hubspot", "deals") is None


def test_unknown_object(sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull) -> None:
    """An object that the account does not have is an error in words, not an empty dataset."""
    result = hs_pull(sandbox, sqlite_warehouse, "name", dataset="unicorns")
    assert (result.is_complete, result.is_transient) == (False, False)
    assert "unicorns" in (result.error or "")


@pytest.mark.parametrize(
    ("fault", "values", "requests", "rows"),
    [
        ("hubspot.429_burst", {"retry_after": 0}, 2, 450),
        ("hubspot.502", {}, 2, 450),
        ("hubspot.521", {}, 2, 450),
        ("hubspot.429_burst", {"retry_after": 61}, 1, 0),
        ("hubspot.302", {}, 1, 0),
        ("hubspot.400", {}, 1, 0),
    ],
)
def test_refused_once(
    sandbox: Faulty,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    fault: str,
    values: dict[str, Any],
    requests: int,
    rows: int,
) -> None:
    """A passing refusal is waited for; a long wait, a redirect and a wrong request burn no tries."""
    seen: list[str] = []

    def alter(request: Request, response: Response) -> Response:
        if _is_list(request):
            seen.append(request.target)
        return response

    sandbox.alter = alter
    sandbox.faults.switch_on(fault, times=1, after=1, on="list", **values)
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert result.rows == rows
    assert result.is_complete is (rows > 0)
    assert seen.count(seen[1]) == requests


def test_no_token_comes_back_in_a_text(
    sandbox: Faulty, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """An error that repeats the token is shown without it."""
    refusal = json_response(400, {"message": f"bad token {SANDBOX_TOKEN}"})
    sandbox.alter = lambda request, response: refusal if _is_list(request) else response
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
    assert "bad token" in (result.error or "")
    assert SANDBOX_TOKEN not in (result.error or "")


def test_daily_limit_of_the_account(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A used-up day is told as such and left to a later run, without asking HubSpot again."""
    rows = [{"hs_object_id": str(n)} for n in range(1, 500)]
    with HubSpotSandbox(hs_account({"contacts": rows}, daily_limit=4)) as sandbox:
        for _ in range(2):
            result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage")
        assert sandbox.server.requests(status=429) == 0
        assert (result.requests, sandbox.server.requests()) == (0, 4)
    assert result.is_transient
    assert "daily request limit" in (result.error or "")


# --- connections ----------------------------------------------------------------------------------


def test_server_is_down(sqlite_warehouse: Warehouse, hs_quick: ClientSettings) -> None:
    """A server that can't be reached is told with its address after a bounded number of tries."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = _address(listener)
    environ = {"HUBSPOT_ACCESS_TOKEN": "t", "OKR_SYNC_HUBSPOT_ENDPOINT": address}
    connector = HubSpotConnector(HubSpotSource(name="crm"), environ, hs_quick)
    result = connector.pull(_need(), sqlite_warehouse, datetime.now(UTC))
    connector.close()
    assert (result.is_complete, result.is_transient, result.requests) == (False, True, 3)
    assert address in (result.error or "")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "CRM_TOKEN is not set"),
        ({"CRM_TOKEN": "  "}, "CRM_TOKEN is not set"),
        ({"CRM_TOKEN": "pat\nX-Injected: 1"}, "Copy it again"),
        (
            {"CRM_TOKEN": "pat-secret", "OKR_SYNC_HUBSPOT_ENDPOINT": "http://evil.example"},
            "plain text",
        ),
    ],
)
def test_nothing_is_sent_without_a_usable_token_and_endpoint(
    sqlite_warehouse: Warehouse, environ: dict[str, str], words: str
) -> None:
    """A missing or mangled token and a plain-text endpoint are told before any request."""
    source = HubSpotSource(name="crm", token_env="CRM_TOKEN")
    connector = HubSpotConnector(source, environ)
    result = connector.pull(_need(), sqlite_warehouse, datetime.now(UTC))
    assert (result.requests, result.is_complete, result.is_transient) == (0, False, False)
    assert words in (result.error or "")
    assert "pat" not in (result.error or "").replace("path", "")


def _address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _need() -> RecordsNeed:
    return RecordsNeed("crm", "contacts", frozenset({"lifecyclestage"}))
