"""Full reads of accounts that are too large for a search of all their records: a record that the list
passes over is found also where another one goes meanwhile, which cancels it in each count."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import PullResult
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.warehouse.connect import Warehouse

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]
Contact = Callable[..., dict[str, str]]
Same = Callable[[Account, dict[str, dict[str, Any]]], None]

_COUNT = 6_000
_LIST = "GET /crm/v3/objects/{objectType}"
_SEARCH = "POST /crm/v3/objects/{objectType}/search"
_BY_ID = "POST /crm/v3/objects/{objectType}/batch/read"
_PAGES_OF_IDS = _COUNT // 200


@pytest.fixture
def account(hs_account: MakeAccount, hs_contact: Contact) -> Account:
    """Contacts whose ids have two to five digits, so that their order by text is another."""
    return hs_account({"contacts": [hs_contact(n * 7) for n in range(2, _COUNT + 2)]})


@pytest.fixture
def sandbox(account: Account) -> Iterator[HubSpotSandbox]:
    """The account, served without limits."""
    with HubSpotSandbox(account, rate_limits=False) as running:
        yield running


def _lose_and_archive(sandbox: HubSpotSandbox, account: Account) -> None:
    """The list's tenth page from here on passes its last record over; three pages later the first that
    it gave is archived: a hundred ids lie between them."""
    live = account.table("contacts").page(0, _COUNT, archived=False)[0]
    sandbox.faults.switch_on("hubspot.lost_rows", by=1, after=9, times=1, on="list")
    sandbox.faults.switch_on(
        "hubspot.record_archived", record=live[900].id, after=12, times=1, on="list"
    )


def test_a_first_read_in_which_one_is_passed_over_while_a_near_one_goes(
    sandbox: HubSpotSandbox,
    warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_quick: ClientSettings,
    hs_same: Same,
) -> None:
    """It is held against the ids that the index holds, page by page, and not listed once more."""
    _lose_and_archive(sandbox, account)
    settings = replace(hs_quick, search_page=20)
    result = hs_pull(sandbox, warehouse, "score", settings=settings)
    assert (result.error, result.rows, result.rows_expected) == (None, _COUNT - 1, _COUNT - 1)
    assert sandbox.server.requests(_LIST) == _COUNT / 100
    hs_same(account, hs_mirror(warehouse, "contacts"))


def test_a_first_read_while_nothing_comes_or_goes_needs_no_second_look(
    sandbox: HubSpotSandbox, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """The pages of ids are asked for only where counts can't prove that all is there."""
    assert hs_pull(sandbox, sqlite_warehouse, "score").rows == _COUNT
    assert sandbox.server.requests(_LIST) == _COUNT / 100
    assert sandbox.server.requests(_SEARCH) < _PAGES_OF_IDS


@pytest.mark.parametrize("how", ["made", "made and deleted"])
def test_a_first_read_beside_a_record_that_is_new(
    sandbox: HubSpotSandbox,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    how: str,
    hs_same: Same,
) -> None:
    """What comes stands in the count for what goes: here all three at once."""
    _lose_and_archive(sandbox, account)
    sandbox.faults.switch_on("hubspot.record_created", after=14, times=1, on="list")
    if how == "made and deleted":
        sandbox.faults.switch_on(
            "hubspot.record_deleted", record=7 * 500, after=16, times=1, on="list"
        )
    result = hs_pull(sandbox, sqlite_warehouse, "score")
    assert result.error is None
    sandbox.faults.switch_off()
    if how == "made":
        hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))
    hs_pull(sandbox, sqlite_warehouse, "score")
    hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))


def test_a_first_read_that_goes_on_after_a_break(
    sandbox: HubSpotSandbox,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_same: Same,
) -> None:
    """What was counted before the break says nothing of what has gone since."""
    sandbox.faults.switch_on("hubspot.lost_rows", by=1, after=9, times=1, on="list")
    sandbox.faults.switch_on("hubspot.403_scopes", after=15, on="list")
    assert not hs_pull(sandbox, sqlite_warehouse, "score").is_complete
    account.archive("contacts", 7 * 910)
    sandbox.faults.switch_off()
    result = hs_pull(sandbox, sqlite_warehouse, "score", connector="new")
    assert result.error is None
    assert sandbox.server.requests(_LIST) < 1.5 * _COUNT / 100
    hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))


def test_a_daily_read_holds_its_list_against_what_was_there_before(
    sandbox: HubSpotSandbox,
    warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_same: Same,
) -> None:
    """What the list did not give is read by id; no index is paged through for it."""
    now = datetime.now(UTC)
    hs_pull(sandbox, warehouse, "score", now=now - timedelta(hours=25))
    searches, by_id = sandbox.server.requests(_SEARCH), sandbox.server.requests(_BY_ID)
    _lose_and_archive(sandbox, account)
    result = hs_pull(sandbox, warehouse, "score", now=now, connector="new")
    assert (result.error, result.rows) == (None, _COUNT - 1)
    assert sandbox.server.requests(_LIST) == 2 * _COUNT / 100
    assert sandbox.server.requests(_SEARCH) - searches < _PAGES_OF_IDS
    assert sandbox.server.requests(_BY_ID) - by_id <= 2
    hs_same(account, hs_mirror(warehouse, "contacts"))


def test_a_daily_read_that_passes_over_what_is_new_since_the_last_one(
    sandbox: HubSpotSandbox,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    account: Account,
    hs_contact: Contact,
    hs_same: Same,
) -> None:
    """A record that no earlier read has seen is found among the changes since then."""
    now = datetime.now(UTC)
    hs_pull(sandbox, sqlite_warehouse, "score", now=now - timedelta(hours=25))
    made = (now - timedelta(hours=20)).isoformat()
    fresh_id = 7 * 1_100 + 1
    fresh = {**hs_contact(fresh_id), "createdate": made, "lastmodifieddate": made}
    account.add("contacts", fresh)
    live = account.table("contacts").page(0, _COUNT + 1, archived=False)[0]
    place = next(number for number, one in enumerate(live) if one.id == fresh_id)
    assert place % 100 == 99, "the new one is the last of its page"
    sandbox.faults.switch_on("hubspot.lost_rows", by=1, after=place // 100, times=1, on="list")
    sandbox.faults.switch_on(
        "hubspot.record_archived", record=live[place - 3].id, after=20, times=1, on="list"
    )
    result = hs_pull(sandbox, sqlite_warehouse, "score", now=now, connector="new")
    assert result.error is None
    hs_same(account, hs_mirror(sqlite_warehouse, "contacts"))
