"""A worker's clock that is wrong, and what changes in an account without any record changing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import PullResult
from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.warehouse.connect import Warehouse

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]

_LIST = "GET /crm/v3/objects/{objectType}"
_PROPERTIES = "GET /crm/v3/properties/{objectType}"
_CHANGED = ("700", "2100", "3500", "4900")


def _contact(record_id: int, **properties: str) -> dict[str, str]:
    return {
        "hs_object_id": str(record_id),
        "createdate": "2026-10-01T08:00:00.000Z",
        "lastmodifieddate": "2026-10-02T08:00:00.000Z",
        **properties,
    }


@pytest.mark.parametrize("ahead", [timedelta(minutes=20), timedelta(hours=30)])
def test_a_clock_that_is_ahead_passes_over_no_change(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    ahead: timedelta,
) -> None:
    """Modified dates go by HubSpot's clock: what changes shortly after a run is older than the instant
    that a worker with a fast clock believes to have read up to."""
    there = [datetime.now(UTC)]
    account = hs_account({"contacts": [_contact(n, stage="a") for n in range(1, 6_001)]})
    account.clock = lambda: there[0]
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, sqlite_warehouse, "stage", now=there[0] + ahead)
        lists = sandbox.server.requests(_LIST)
        for stage in "bcd":
            there[0] += timedelta(minutes=2)
            for record_id in _CHANGED:
                account.update("contacts", int(record_id), {"stage": stage}, at=there[0])
            there[0] += timedelta(minutes=58)
            result = hs_pull(sandbox, sqlite_warehouse, "stage", now=there[0] + ahead)
            stored = hs_mirror(sqlite_warehouse, "contacts")
            assert result.error is None
            assert [stored[record_id]["f_stage"] for record_id in _CHANGED] == [stage] * 4
        assert sandbox.server.requests(_LIST) == lists


def test_a_change_while_a_list_is_read_by_a_clock_that_is_ahead(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """What changes behind the list's back is read though the list began later, by the worker's clock."""
    there = datetime.now(UTC)
    account = hs_account({"contacts": [_contact(n, stage="a") for n in range(1, 6_001)]})
    account.clock = lambda: there
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        change: dict[str, Any] = {"record": 7, "property": "stage", "value": "b"}
        sandbox.faults.switch_on("hubspot.record_updated", times=1, after=30, on="list", **change)
        result = hs_pull(sandbox, sqlite_warehouse, "stage", now=there + timedelta(hours=1))
    assert (result.error, result.rows) == (None, 6_000)
    assert hs_mirror(sqlite_warehouse, "contacts")["7"]["f_stage"] == "b"


def test_what_was_noted_by_a_clock_in_the_future_is_asked_again(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A clock that was once a year ahead does not make the properties' types known for a year."""
    now = datetime.now(UTC)
    account = hs_account({"contacts": [_contact(1, size="12")]})
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        for at in (now + timedelta(days=365), now, now):
            result = hs_pull(sandbox, sqlite_warehouse, "size", now=at, connector="new")
            assert result.error is None
        assert sandbox.server.requests(_PROPERTIES) == 2


def test_another_home_currency_is_another_amount_everywhere(
    hs_account: MakeAccount, sqlite_warehouse: Warehouse, hs_pull: Pull, hs_mirror: Mirror
) -> None:
    """An account that changes its currency recalculates all home amounts and moves no modified date:
    amounts of both must not stand side by side."""
    field = "amount_in_home_currency"
    account = hs_account({"deals": [_contact(n, **{field: "100"}) for n in range(1, 6_001)]})
    now = datetime.now(UTC)
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        hs_pull(sandbox, sqlite_warehouse, field, dataset="deals", now=now)
    assert account.hubspot is not None
    account.hubspot = replace(account.hubspot, currency="USD")
    for record_id in range(1, 6_001):
        account.update("deals", record_id, {field: "110"}, touch=False)
    with HubSpotSandbox(account, rate_limits=False) as sandbox:
        later = now + timedelta(hours=7)
        result = hs_pull(sandbox, sqlite_warehouse, field, dataset="deals", now=later)
    assert result.error is None
    stored = hs_mirror(sqlite_warehouse, "deals").values()
    assert {row[f"f_{field}"] for row in stored} == {110_000_000}
