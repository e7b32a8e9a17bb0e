"""A first read that is cut off: the next run goes on from the last page that was kept."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.base import PullResult
from connectors.sandbox.account import Account
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.checkpoints import Block, append, open_stage
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.mirror import FieldType, state_of
from okr_sync.warehouse.tables import source_checkpoint

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]

_WORKER = Path(__file__).with_name("pull_worker.py")
_COUNT = 4_000
_PAGES = _COUNT // 100
_NOW = datetime.now(UTC)


class Interrupted(HubSpotSandbox):
    """A sandbox that waits, or refuses, when the page of the list with the number `stop_at` is asked
    for; `pages` are the places that were asked for."""

    stop_at = 0
    reached: threading.Event
    go_on: threading.Event
    pages: list[str | None]
    refuse: Response | None = None

    def answer(self, request: Request) -> Response:
        if request.method == "GET" and request.path.endswith("/objects/contacts"):
            self.pages.append(request.value("after"))
            if len(self.pages) == self.stop_at:
                self.reached.set()
                self.go_on.wait(250)
                if self.refuse is not None:
                    return self.refuse
        return super().answer(request)


@pytest.fixture
def account(hs_account: MakeAccount) -> Account:
    """Contacts for forty pages of the list."""
    contact = {
        "createdate": "2026-10-01T08:00:00.000Z",
        "lastmodifieddate": "2026-10-02T08:00:00.000Z",
        "lifecyclestage": "lead",
        "plan": "pro",
    }
    rows = [{**contact, "hs_object_id": str(n)} for n in range(1, _COUNT + 1)]
    return hs_account({"contacts": rows})


@pytest.fixture
def sandbox(account: Account) -> Iterator[Interrupted]:
    """The account, served; a page that still waits at the end of the test is let go."""
    with Interrupted(account, rate_limits=False) as running:
        running.reached, running.go_on = threading.Event(), threading.Event()
        running.pages = []
        yield running
        running.go_on.set()


def _worker(
    sandbox: HubSpotSandbox, url: str, fields: Sequence[str] = ("lifecyclestage",)
) -> subprocess.Popen[str]:
    command = [sys.executable, str(_WORKER), url, sandbox.url, _NOW.isoformat(), *fields]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _killed(sandbox: Interrupted, url: str, at_page: int) -> None:
    """A worker that is killed while it waits for a page."""
    sandbox.stop_at = at_page
    worker = _worker(sandbox, url)
    assert sandbox.reached.wait(30)
    worker.kill()
    worker.communicate(timeout=60)
    sandbox.stop_at = 0
    sandbox.go_on.set()
    sandbox.pages.clear()


def _finished(
    sandbox: HubSpotSandbox, url: str, fields: Sequence[str] = ("lifecyclestage",)
) -> dict[str, Any]:
    said, _ = _worker(sandbox, url, fields).communicate(timeout=120)
    result: dict[str, Any] = json.loads(said)
    return result


def _stages(warehouse: Warehouse) -> list[str]:
    with warehouse.read() as connection:
        return [name for name in sa.inspect(connection).get_table_names() if "__g" in name]


def test_a_killed_first_sync_goes_on(
    sandbox: Interrupted, account: Account, warehouse_url: str, hs_mirror: Mirror
) -> None:
    """The process is killed in the 31st page of 40; the next one reads from the 20th, which was kept
    last, and has what changed, came and went in between."""
    _killed(sandbox, warehouse_url, 31)
    account.update("contacts", 3, {"lifecyclestage": "customer"})
    account.delete("contacts", 4)
    account.add("contacts", {"hs_object_id": "99999", "lifecyclestage": "other"})
    result = _finished(sandbox, warehouse_url)
    assert (result["error"], result["rows"]) == (None, _COUNT)
    assert len(sandbox.pages) == _PAGES + 1 - 20
    assert None not in sandbox.pages
    warehouse = open_warehouse(warehouse_url)
    stored = hs_mirror(warehouse, "contacts")
    assert stored.keys() == {str(n) for n in range(1, _COUNT + 1) if n != 4} | {"99999"}
    assert stored["3"]["f_lifecyclestage"] == "customer"
    assert _stages(warehouse) == []
    warehouse.close()


def test_other_fields_begin_anew(sandbox: Interrupted, sqlite_url: str, hs_mirror: Mirror) -> None:
    """What was read without a field is of no use for it, and is removed."""
    _killed(sandbox, sqlite_url, 31)
    result = _finished(sandbox, sqlite_url, ("lifecyclestage", "plan"))
    assert (result["error"], result["rows"]) == (None, _COUNT)
    assert len(sandbox.pages) == _PAGES
    warehouse = open_warehouse(sqlite_url)
    assert hs_mirror(warehouse, "contacts")["1"]["f_plan"] == "pro"
    assert _stages(warehouse) == []
    warehouse.close()


def test_another_run_at_work_is_left_alone(sandbox: Interrupted, sqlite_url: str) -> None:
    """A second process reads for itself; the first then finds that it came too late, and says so."""
    sandbox.stop_at = 31
    first = _worker(sandbox, sqlite_url)
    assert sandbox.reached.wait(30)
    sandbox.stop_at = 0
    sandbox.pages.clear()
    second = _finished(sandbox, sqlite_url)
    assert (second["error"], second["rows"]) == (None, _COUNT)
    assert sandbox.pages[0] is None
    sandbox.go_on.set()
    said, _ = first.communicate(timeout=60)
    assert "another run wrote contacts" in json.loads(said)["error"]
    warehouse = open_warehouse(sqlite_url)
    assert _stages(warehouse) == []
    warehouse.close()


@pytest.mark.parametrize(
    "refusal",
    [
        json_response(400, {"message": "The cursor has expired", "category": "VALIDATION_ERROR"}),
        json_response(410, {"message": "Gone"}),
        json_response(200, {"results": []}),
    ],
    ids=["400", "410", "nothing"],
)
def test_a_forgotten_place_begins_anew(
    sandbox: Interrupted, sqlite_warehouse: Warehouse, hs_pull: Pull, refusal: Response
) -> None:
    """HubSpot need not remember where an earlier read was left: refused or empty, all is read again."""
    sandbox.go_on.set()
    sandbox.stop_at = 31
    sandbox.refuse = json_response(403, {"message": "revoked"})
    now = datetime.now(UTC)
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=now)
    assert not result.is_complete
    sandbox.pages.clear()
    sandbox.stop_at, sandbox.refuse = 1, refusal
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=now)
    assert (result.error, result.rows) == (None, _COUNT)
    # An empty answer hides only a quarter, which is found by counting.
    assert len(sandbox.pages) == (1 if refusal.status == 200 else _PAGES + 1)
    assert _stages(sqlite_warehouse) == []


def test_a_refused_read_keeps_every_page(
    sandbox: Interrupted, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """When HubSpot itself stops a read, the next run goes on at the very page."""
    sandbox.go_on.set()
    sandbox.stop_at = 31
    sandbox.refuse = json_response(403, {"message": "revoked"})
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=_NOW)
    assert not result.is_complete
    sandbox.stop_at = 0
    sandbox.pages.clear()
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=_NOW)
    assert (result.error, result.rows) == (None, _COUNT)
    assert len(sandbox.pages) == _PAGES - 30


def test_an_old_beginning_is_not_gone_on_with(
    sandbox: Interrupted, sqlite_warehouse: Warehouse, hs_pull: Pull
) -> None:
    """What was read more than a day ago would be as old in the mirror."""
    sandbox.go_on.set()
    sandbox.stop_at, sandbox.refuse = 31, json_response(401, {"message": "revoked"})
    hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=_NOW - timedelta(hours=25))
    sandbox.stop_at = 0
    sandbox.pages.clear()
    result = hs_pull(sandbox, sqlite_warehouse, "lifecyclestage", now=_NOW)
    assert (result.error, len(sandbox.pages)) == (None, _PAGES)


def test_a_reader_that_was_taken_for_dead_writes_no_more(warehouse: Warehouse) -> None:
    """A machine that sleeps in the middle of a read wakes to find that another has gone on."""
    types = {"plan": FieldType.TEXT}
    block = Block(
        ("id", "f_plan", "bad_fields", "created_ms", "updated_ms"), [["1"], ["a"], [None], [1], [1]]
    )
    with warehouse.write() as connection:
        asleep = open_stage(connection, "hubspot", "contacts", types, "1", _NOW)
        append(connection, asleep, block, "2", False)
        away = sa.update(source_checkpoint).values(
            reader="elsewhere 1 x y", beat_at=_NOW - timedelta(hours=1)
        )
        connection.execute(away)
        asleep.reader = "elsewhere 1 x y"
    with warehouse.write() as connection:
        awake = open_stage(connection, "hubspot", "contacts", types, "1", _NOW)
    assert (awake.position, awake.rows, awake.table.name) == ("2", 1, asleep.table.name)
    more = replace(block, values=[["2", "1"], ["b", "c"], [None, None], [1, 1], [1, 2]])
    with (
        pytest.raises(IncompletePullError, match="another one goes on"),
        warehouse.write() as connection,
    ):
        append(connection, asleep, more, "3", False)
    with warehouse.write() as connection:
        append(connection, awake, more, None, True)
    with warehouse.read() as connection:
        rows = connection.execute(sa.select(awake.table.c.id, awake.table.c.f_plan)).all()
        assert sorted((row.id, row.f_plan) for row in rows) == [("1", "c"), ("2", "b")]
        assert state_of(connection, "hubspot", "contacts") is None
