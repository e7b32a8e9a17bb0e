"""Marketing e-mails with their counters, pulled through the real client."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from connectors.base import PullResult
from connectors.sandbox.account import Account
from connectors.sandbox.account_files import load_account
from connectors.sandbox.http_server import Request, Response
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType, fields_of, state_of

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]

_LIST = "GET /marketing/v3/emails"
_FIELDS = ("published_at", "sent", "delivered", "open", "click", "campaign_id", "subject", "state")


class Altered(HubSpotSandbox):
    """A sandbox whose answers pass through `alter`, while there is one."""

    alter: Callable[[Request, dict[str, Any]], dict[str, Any]] | None = None

    def answer(self, request: Request) -> Response:
        """The sandbox's answer, altered."""
        response = super().answer(request)
        if self.alter is None or "/emails" not in request.path:
            return response
        body = self.alter(request, orjson.loads(response.body))
        return replace(response, body=orjson.dumps(body))


@pytest.fixture
def account(hs_account: MakeAccount) -> Account:
    """230 e-mails sent in October 2026, a draft, and one in the archive."""
    folder = hs_account({"contacts": []}).folder
    lines = ["id,published_at,sent,delivered,open,click,campaign_id,subject,archived"]
    lines += [f"{n},2026-10-01T09:00:03Z,100,90,{n % 50},5,7,Hello,false" for n in range(1, 231)]
    lines += ["900,,0,0,0,0,,Draft,false", "901,2026-10-01T09:00:00Z,9,9,9,9,,Gone,true"]
    (folder / "hubspot" / "marketing_emails.csv").write_text("\n".join(lines) + "\n")
    return load_account(folder)


@pytest.fixture
def sandbox(account: Account) -> Iterator[Altered]:
    """The account, served without rate limits and, so far, unaltered."""
    with Altered(account, rate_limits=False) as running:
        yield running


def _pulled(sandbox: HubSpotSandbox, warehouse: Warehouse, hs_pull: Pull, **how: Any) -> PullResult:
    return hs_pull(
        sandbox,
        warehouse,
        *_FIELDS,
        dataset="marketing_emails",
        times=["published_at"],
        numbers=["sent", "delivered", "open", "click"],
        **how,
    )


@pytest.mark.parametrize("api", ["v3", "2026-03"])
def test_one_record_an_email(
    sandbox: Altered, warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror, api: str
) -> None:
    """All that are not archived, with counters as numbers and the send time as an instant."""
    result = _pulled(sandbox, warehouse, hs_pull, api=api)
    assert (result.error, result.rows, result.rows_expected) == (None, 231, 231)
    assert result.requests == 4  # the account and three pages
    mirror = hs_mirror(warehouse, "marketing_emails")
    sent_ms = int(datetime(2026, 10, 1, 9, 0, 3, tzinfo=UTC).timestamp() * 1000)
    email = mirror["7"]
    assert (email["f_published_at"], email["f_open"], email["f_sent"]) == (
        sent_ms,
        7_000_000,
        100_000_000,
    )
    assert (email["f_campaign_id"], email["f_subject"], email["f_state"]) == (
        "7",
        "Hello",
        "PUBLISHED",
    )
    assert mirror["900"]["f_published_at"] is None and "901" not in mirror
    with warehouse.read() as connection:
        types = {
            name: one.type
            for name, one in fields_of(connection, "hubspot", "marketing_emails").items()
        }
        state = state_of(connection, "hubspot", "marketing_emails")
    assert types["published_at"] is FieldType.INSTANT and types["open"] is FieldType.NUMBER
    assert state is not None and (state.account, state.time_zone) == ("4711", "Europe/Berlin")


def test_restated_counters_are_seen(
    sandbox: Altered,
    account: Account,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
) -> None:
    """A late open of an old e-mail changes its record in the next run."""
    _pulled(sandbox, sqlite_warehouse, hs_pull)
    account.update_email(7, {"open": 60})
    assert _pulled(sandbox, sqlite_warehouse, hs_pull).error is None
    assert hs_mirror(sqlite_warehouse, "marketing_emails")["7"]["f_open"] == 60_000_000


def test_a_list_that_does_not_add_up(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """The number read is held against HubSpot's own; short of it nothing is stored."""
    _pulled(sandbox, sqlite_warehouse, hs_pull)
    before = hs_mirror(sqlite_warehouse, "marketing_emails")
    sandbox.alter = lambda request, body: {**body, "results": body["results"][1:]}
    result = _pulled(sandbox, sqlite_warehouse, hs_pull)
    assert result.error == (
        "Source hubspot: 228 marketing e-mails could be read, but HubSpot counts 231. Nothing of "
        "this read was used; the next run tries again."
    )
    assert (result.is_complete, result.is_transient) == (False, True)
    assert hs_mirror(sqlite_warehouse, "marketing_emails") == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"results": None},
        {"total": None},
        {"total": "231"},
        {"results": [{"name": "no id"}]},
        {"paging": {"next": {}}},
    ],
)
def test_answers_that_are_wrong(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, wrong: dict[str, Any]
) -> None:
    """An answer of another form is never taken for an account without e-mails."""
    sandbox.alter = lambda request, body: {**body, **wrong}
    result = _pulled(sandbox, sqlite_warehouse, hs_pull)
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "while marketing e-mails was read" in (result.error or "")


def test_missing_statistics_are_not_zero(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """An e-mail without statistics has unknown counters."""

    def without(request: Request, body: dict[str, Any]) -> dict[str, Any]:
        for one in body["results"]:
            if one["id"] == "7":
                del one["stats"]
        return body

    sandbox.alter = without
    assert _pulled(sandbox, sqlite_warehouse, hs_pull).error is None
    mirror = hs_mirror(sqlite_warehouse, "marketing_emails")
    assert (mirror["7"]["f_sent"], mirror["8"]["f_sent"]) == (None, 100_000_000)


def test_a_wrong_field_stops_no_other(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """An unknown field is told of with the near miss, a text can't be summed, the rest is read."""
    result = hs_pull(
        sandbox,
        sqlite_warehouse,
        *("opens", "subject", "sent"),
        dataset="marketing_emails",
        numbers=["opens", "subject", "sent"],
    )
    assert (result.error, result.rows) == (None, 231)
    with sqlite_warehouse.read() as connection:
        fields = fields_of(connection, "hubspot", "marketing_emails")
    assert fields["opens"].error == (
        "HubSpot's marketing e-mails have no field opens. Did you mean open?"
    )
    assert "bound as a number, but it holds text" in (fields["subject"].error or "")
    assert fields["sent"].error is None


def test_an_account_without_emails(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """None is a complete read of nothing."""
    with HubSpotSandbox(hs_account({"contacts": []}), rate_limits=False) as sandbox:
        result = _pulled(sandbox, sqlite_warehouse, hs_pull)
        assert sandbox.server.requests(_LIST) == 1
    assert (result.is_complete, result.rows, result.rows_expected) == (True, 0, 0)


def test_a_token_without_the_scope(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """The scope that is missing is named."""
    account = hs_account({"contacts": []}, scopes=["crm.objects.contacts.read"])
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        result = _pulled(sandbox, sqlite_warehouse, hs_pull)
    assert "lacks the scope marketing-email" in (result.error or "")
    assert not result.is_transient
