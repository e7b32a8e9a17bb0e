"""Failures and staleness: the last good number stays, and everyone can see that it is old."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.definitions import retire
from okr_sync.warehouse.observations import (
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
)
from okr_sync.warehouse.publish import PublishOutcome
from okr_sync.warehouse.reads import history, last_runs
from okr_sync.warehouse.status import status

Observe = Callable[..., KeyResultObservation]
Send = Callable[..., PublishOutcome]
Define = Callable[..., KeyResultRow]

LEADS = "growth/leads"
HOUR = timedelta(hours=1)
REFUSED = KeyResultFailure(LEADS, "HubSpot refused the token.")


def test_a_failure_keeps_the_last_good_number(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """A failed pull shows neither a zero nor yesterday's green: freshness and error change."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    (before,) = status(warehouse, now=noon)
    outcome = send(failures=[REFUSED], run_id="run-2", at=noon + HOUR)
    assert (outcome.failed, outcome.new, outcome.changes) == (1, 0, ())
    assert status(warehouse, now=noon) == [
        dataclasses.replace(before, freshness="failed", error=REFUSED.error, run_id="run-2")
    ]
    assert len(history(warehouse, LEADS)) == 1


def test_a_failure_stays_failed_when_the_number_is_old(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Failed is not hidden behind stale."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    send(failures=[REFUSED])
    (row,) = status(warehouse, now=noon + 100 * HOUR)
    assert row.freshness == "failed"


def test_a_success_clears_a_failure(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """The next good run makes the key result fresh again, also when the number is the same."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    (before,) = status(warehouse, now=noon)
    send(failures=[REFUSED], run_id="run-2")
    send(observe(LEADS, "2026-10-05", "1.5"), run_id="run-3")
    assert status(warehouse, now=noon) == [dataclasses.replace(before, run_id="run-3")]


def test_a_settled_key_result_recovers_from_a_failure(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Settled means nothing to write when all is well, not that a failure sticks."""
    settled = {"stale_after": {LEADS: None}}
    send(observe(LEADS, "2026-10-05", "1.5"), **settled)
    send(failures=[REFUSED])
    send(observe(LEADS, "2026-10-05", "1.5"), **settled)
    (row,) = status(warehouse, now=noon + 1000 * HOUR)
    assert (row.freshness, row.error) == ("fresh", None)


def test_a_backfill_does_not_hide_a_failure(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """A past day that could be computed says nothing of whether the present number is kept up."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    send(failures=[REFUSED])
    send(observe(LEADS, "2026-10-01", "1"))
    (row,) = status(warehouse, now=noon)
    assert (row.freshness, row.error, row.value) == ("failed", REFUSED.error, Decimal("1.5"))


def test_a_failure_before_the_first_number(
    warehouse: Warehouse, send: Send, define: Define, observe: Observe, noon: datetime
) -> None:
    """A key result that never had a number is `never`, with the reason, and not zero."""
    send(failures=[REFUSED], key_results=[define(LEADS)])
    (row,) = status(warehouse, now=noon)
    assert (row.freshness, row.error, row.status) == ("never", REFUSED.error, "no_data")
    assert (row.value, row.as_of, row.is_final, row.quality) == (None, None, False, ())
    send(failures=[KeyResultFailure(LEADS, "Again.")])
    (row,) = status(warehouse, now=noon)
    assert (row.freshness, row.error) == ("never", "Again.")
    send(observe(LEADS, "2026-10-05", None))
    (row,) = status(warehouse, now=noon)
    assert (row.freshness, row.error, row.run_id) == ("fresh", None, "run-1")
    send(failures=[REFUSED])
    (row,) = status(warehouse, now=noon)
    assert row.freshness == "failed"  # an observation without a value is an observation


def test_a_failure_of_a_key_result_that_was_never_defined(
    warehouse: Warehouse, send: Send, noon: datetime
) -> None:
    """A key result that was invalid from the start has no row, and is counted in the run."""
    assert send(failures=[REFUSED]).failed == 1
    assert status(warehouse, now=noon) == []
    assert last_runs(warehouse)[0].key_results_failed == 1


def test_a_number_and_a_failure_in_one_publish(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """A backfill where one day failed keeps the others, and the failure shows."""
    outcome = send(observe(LEADS, "2026-10-05", "1.5"), failures=[REFUSED])
    assert (outcome.new, outcome.failed) == (1, 1)
    (row,) = status(warehouse, now=noon)
    assert (row.freshness, row.error) == ("failed", REFUSED.error)
    run = last_runs(warehouse)[0]
    assert (run.key_results_ok, run.key_results_failed) == (0, 1)


def test_a_number_that_was_not_confirmed_in_time_is_stale(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Stale is worked out when reading: no process has to run for a number to be called old."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    assert status(warehouse, now=noon + 3 * HOUR)[0].freshness == "fresh"
    late = noon + 3 * HOUR + timedelta(microseconds=1)
    assert status(warehouse, now=late)[0].freshness == "stale"


def test_key_results_leave_and_come_back(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    noon: datetime,
    dump: Callable[..., dict[str, list[tuple[Any, ...]]]],
) -> None:
    """What is no longer in the project leaves the status and keeps its history; it may return."""
    send(observe(LEADS, "2026-10-05", "1"), observe("growth/x", "2026-10-05", "2"))
    assert retire(warehouse, present=[LEADS, "growth/unknown"], retired_at=noon) == ["growth/x"]
    assert [row.key_result_id for row in status(warehouse, now=noon)] == [LEADS]
    assert len(history(warehouse, "growth/x")) == 1
    before = dump()
    assert retire(warehouse, present=[LEADS], retired_at=noon + HOUR) == []
    assert dump() == before  # it stays retired, since then
    assert retire(warehouse, present=[LEADS, "growth/x"], retired_at=noon + HOUR) == []
    rows = status(warehouse, now=noon)
    assert [(row.key_result_id, row.retired_at) for row in rows] == [
        (LEADS, None),
        ("growth/x", None),
    ]
