"""Leases and the order of runs: who may still publish, and what an older run leaves alone."""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from okr_sync.errors import LeaseLostError
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.lease import beating, database_now, renew, resume
from okr_sync.warehouse.observations import KeyResultFailure, KeyResultObservation, KeyResultRow
from okr_sync.warehouse.publish import PublishOutcome
from okr_sync.warehouse.reads import find_run, history
from okr_sync.warehouse.runs import finish_run, mark_dead_runs, start_run
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import confirmation, lease

Observe = Callable[..., KeyResultObservation]
Send = Callable[..., PublishOutcome]

LEADS = "growth/leads"
HOUR = timedelta(hours=1)
NONE = timedelta(0)


def begin(
    warehouse: Warehouse, run_id: str, at: datetime, lasting: timedelta = timedelta(minutes=15)
) -> None:
    """Begin a run of two key results."""
    start_run(
        warehouse,
        run_id=run_id,
        trigger="manual",
        dagster_run_id=None,
        config_hash="c",
        expected=2,
        started_at=at,
        lasting=lasting,
    )


def expires_at(warehouse: Warehouse, run_id: str) -> datetime | None:
    """Until when the run's lease holds; None if it was ended."""
    with warehouse.read() as connection:
        found = connection.execute(select(lease.c.expires_at).where(lease.c.run_id == run_id))
        at: datetime | None = found.scalar_one()
        return at


def expire(warehouse: Warehouse, run_id: str) -> None:
    """Let a run's lease have expired."""
    with warehouse.write() as connection:
        past = database_now(connection) - HOUR
        connection.execute(lease.update().where(lease.c.run_id == run_id).values(expires_at=past))


def test_tokens_order_runs_whatever_clocks_say(warehouse: Warehouse, noon: datetime) -> None:
    """A run that begins later has the greater token, also when its worker's clock is behind."""
    for name, at in (("first", noon), ("second", noon - 9 * HOUR), ("third", noon + HOUR)):
        begin(warehouse, name, at)
    begin(warehouse, "first", noon + 9 * HOUR)
    with warehouse.read() as connection:
        rows = connection.execute(select(lease.c.run_id, lease.c.token).order_by(lease.c.token))
        assert [tuple(row) for row in rows] == [("first", 1), ("second", 2), ("third", 3)]


def test_only_a_lease_that_holds_is_renewed(warehouse: Warehouse, noon: datetime) -> None:
    """A heartbeat extends a lease; it can't bring back one that expired, was ended or never was."""
    begin(warehouse, "run-1", noon)
    before = expires_at(warehouse, "run-1")
    assert renew(warehouse, "run-1", HOUR)
    after = expires_at(warehouse, "run-1")
    assert before is not None and after is not None and after > before
    expire(warehouse, "run-1")
    assert not renew(warehouse, "run-1")
    assert not renew(warehouse, "run-9")
    resume(warehouse, "run-1")  # nobody has taken it for dead
    assert renew(warehouse, "run-1")
    finish_run(warehouse, "run-1", finished_at=noon)
    assert not renew(warehouse, "run-1")
    with pytest.raises(LeaseLostError, match="Run it again"):
        resume(warehouse, "run-1")


def test_a_heartbeat_keeps_a_working_run_alive(warehouse: Warehouse, noon: datetime) -> None:
    """While the block works, its lease is renewed; afterwards no more."""
    begin(warehouse, "run-1", noon)
    first = expires_at(warehouse, "run-1")
    with beating(warehouse, "run-1", every_seconds=0.01):
        while expires_at(warehouse, "run-1") == first:
            time.sleep(0.01)
    last = expires_at(warehouse, "run-1")
    time.sleep(0.1)
    assert expires_at(warehouse, "run-1") == last


@pytest.mark.parametrize("end", ["expired", "taken for dead", "finished"])
def test_a_run_without_a_lease_publishes_nothing(
    warehouse: Warehouse,
    observe: Observe,
    noon: datetime,
    publish_as: Callable[..., PublishOutcome],
    define: Callable[..., KeyResultRow],
    dump: Callable[..., Any],
    end: str,
) -> None:
    """Expired, taken for dead by another run, or over: refused, and nothing of it is written."""
    begin(warehouse, "run-1", noon)
    if end != "finished":
        expire(warehouse, "run-1")
    if end == "taken for dead":
        assert mark_dead_runs(warehouse, now=noon) == 1
        with pytest.raises(LeaseLostError):
            resume(warehouse, "run-1")
    if end == "finished":
        finish_run(warehouse, "run-1", finished_at=noon)
    before = dump()
    with pytest.raises(LeaseLostError, match="nothing of this step was written"):
        publish_as(
            warehouse, "run-1", observe(LEADS, "2026-10-05", "1"), key_results=[define(LEADS)]
        )
    assert dump() == before


def test_the_next_run_marks_a_dead_one(warehouse: Warehouse, noon: datetime) -> None:
    """It is failed at once and not after a day; a run that had ended keeps its status."""
    begin(warehouse, "dead", noon, NONE)
    begin(warehouse, "alive", noon - 30 * HOUR)
    assert mark_dead_runs(warehouse, now=noon) == 1
    dead, alive = find_run(warehouse, "dead"), find_run(warehouse, "alive")
    assert dead is not None and (dead.status, dead.finished_at) == ("failed", noon)
    assert alive is not None and alive.status == "running"
    assert expires_at(warehouse, "dead") is None


def test_an_older_run_changes_nothing_that_a_newer_one_has_said(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    publish_as: Callable[..., PublishOutcome],
    define: Callable[..., KeyResultRow],
    noon: datetime,
) -> None:
    """Written or found unchanged, the newer run's word holds; days that it left out are written."""
    send(observe(LEADS, "2026-10-04", "1"), observe(LEADS, "2026-10-05", "1"), run_id="run-0")
    begin(warehouse, "older", noon)
    begin(warehouse, "newer", noon - HOUR)  # its clock is an hour behind
    said = publish_as(
        warehouse,
        "newer",
        observe(LEADS, "2026-10-04", "1"),
        observe(LEADS, "2026-10-05", "2"),
        key_results=[define(LEADS, title="The new title")],
        published_at=noon - HOUR,
    )
    assert (said.revised, said.unchanged) == (1, 1)
    late = publish_as(
        warehouse,
        "older",
        observe(LEADS, "2026-10-03", "7"),
        observe(LEADS, "2026-10-04", "7"),
        observe(LEADS, "2026-10-05", "7"),
        key_results=[define(LEADS, title="The old title")],
    )
    assert (late.new, late.revised, late.unchanged, late.outdated) == (1, 0, 0, 2)
    found = [(row.as_of.day, row.revision, row.value) for row in history(warehouse, LEADS)]
    assert found == [(3, 1, 7), (4, 1, 1), (5, 1, 1), (5, 2, 2)]
    (row,) = status(warehouse, now=noon)
    assert (row.value, row.run_id, row.title) == (2, "newer", "The new title")
    with warehouse.read() as connection:
        assert violations(connection) == []


@pytest.mark.parametrize("settled", [False, True])
def test_an_older_runs_failure_says_nothing_of_now(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    publish_as: Callable[..., PublishOutcome],
    noon: datetime,
    settled: bool,
) -> None:
    """A newer run had a number, so the older one's trouble is past; also if nothing was written."""
    after = None if settled else noon + HOUR
    send(observe(LEADS, "2026-10-05", "1"), run_id="run-0", stale_after={LEADS: after})
    begin(warehouse, "older", noon)
    begin(warehouse, "newer", noon)
    publish_as(warehouse, "newer", observe(LEADS, "2026-10-05", "1"), stale_after={LEADS: after})
    publish_as(warehouse, "older", failures=[KeyResultFailure(LEADS, "refused")])
    (row,) = status(warehouse, now=noon)
    assert (row.freshness, row.error) == ("fresh", None)


def test_a_newer_runs_failure_stays(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    publish_as: Callable[..., PublishOutcome],
    noon: datetime,
) -> None:
    """An older run's number is taken over, and readers still see that the latest run had none."""
    send(observe(LEADS, "2026-10-05", "1"), run_id="run-0")
    begin(warehouse, "older", noon)
    begin(warehouse, "newer", noon)
    publish_as(warehouse, "newer", failures=[KeyResultFailure(LEADS, "refused")])
    publish_as(warehouse, "older", observe(LEADS, "2026-10-05", "2"))
    (row,) = status(warehouse, now=noon)
    assert (row.value, row.freshness, row.error) == (2, "failed", "refused")
    assert row.run_id == "newer"


def test_confirmations_are_kept_only_while_they_matter(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    publish_as: Callable[..., PublishOutcome],
    noon: datetime,
) -> None:
    """Without an older run that could publish, an unchanged number writes no note."""

    def notes() -> list[tuple[str, date, int]]:
        with warehouse.read() as connection:
            columns = (confirmation.c.series, confirmation.c.as_of, confirmation.c.token)
            return [tuple(row) for row in connection.execute(select(*columns))]

    same = observe(LEADS, "2026-10-05", "1")
    send(same, run_id="run-0")
    finish_run(warehouse, "run-0", finished_at=noon)
    begin(warehouse, "older", noon)
    publish_as(warehouse, "older", same)
    assert notes() == []
    begin(warehouse, "newer", noon)
    publish_as(warehouse, "newer", same)
    assert notes() == [(LEADS, date(2026, 10, 5), 3)]
    finish_run(warehouse, "newer", finished_at=noon)
    assert len(notes()) == 1
    finish_run(warehouse, "older", finished_at=noon)
    begin(warehouse, "last", noon)
    finish_run(warehouse, "last", finished_at=noon)
    assert notes() == []
