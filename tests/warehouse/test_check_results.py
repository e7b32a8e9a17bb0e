"""Results of checks: kept when they change, in the order of runs, whoever writes at the same time."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from okr_sync.checks.results import CheckName, CheckResult, Subject, failed, passed
from okr_sync.errors import LeaseLostError
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.check_results import checks_now, end_checks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.runs import PullRecord, finish_run, record_pull, start_run
from okr_sync.warehouse.tables import check_result

DATASET = "hubspot.contacts"
HOUR = timedelta(hours=1)


def begin(warehouse: Warehouse, *run_ids: str) -> None:
    """Begin runs, one after another."""
    for run_id in run_ids:
        start_run(
            warehouse,
            run_id=run_id,
            trigger="manual",
            dagster_run_id=None,
            config_hash="c1",
            expected=1,
            started_at=datetime.fromisoformat("2026-10-06T12:00:00Z"),
        )


def good() -> CheckResult:
    """A dataset that was read."""
    return passed(Subject.DATASET, DATASET, CheckName.COMPLETE, "Everything was read.")


def bad(why: str = "It was not.") -> CheckResult:
    """A dataset that was not."""
    return failed(Subject.DATASET, DATASET, CheckName.COMPLETE, why)


def record(warehouse: Warehouse, run_id: str, result: CheckResult, at: datetime) -> None:
    """Record a pull with what its check has found."""
    pull = PullRecord("hubspot", "contacts", 1, 2, 2, result.passed, 0.5)
    record_pull(warehouse, run_id, pull, checks=[result], recorded_at=at)


def told(warehouse: Warehouse) -> list[tuple[int, bool, str]]:
    """Every revision: its number, whether it passed, and the run that found it."""
    table = check_result.c
    with warehouse.read() as connection:
        assert violations(connection) == []
        rows = connection.execute(
            select(table.revision, table.passed, table.run_id).order_by(table.revision)
        )
        return [tuple(row) for row in rows]


def test_a_result_is_kept_when_it_changes(warehouse: Warehouse, noon: datetime) -> None:
    """The same again writes nothing; another one takes its place from then on."""
    begin(warehouse, "run-1")
    for hour, result in enumerate((good(), good(), bad(), bad("Still not."), good())):
        record(warehouse, "run-1", result, noon + hour * HOUR)
    assert [passed for _, passed, _ in told(warehouse)] == [True, False, False, True]
    (now,) = checks_now(warehouse, subjects=[DATASET])
    assert (now.result, now.recorded_at) == (good(), noon + 4 * HOUR)


@pytest.mark.parametrize("found_by_newer", ["changed", "unchanged"])
def test_what_a_newer_run_has_found_stays(
    warehouse: Warehouse, noon: datetime, found_by_newer: str
) -> None:
    """A slow pull of a run that began earlier says nothing of what was read after it."""
    begin(warehouse, "first", "slow", "fast")
    record(warehouse, "first", good() if found_by_newer == "unchanged" else bad(), noon)
    record(warehouse, "fast", good(), noon)
    record(warehouse, "slow", bad("It had timed out."), noon + HOUR)
    assert checks_now(warehouse)[0].result == good()
    told(warehouse)


def test_a_clock_that_goes_back(warehouse: Warehouse, noon: datetime) -> None:
    """No result holds before the one that it replaces."""
    begin(warehouse, "run-1", "run-2")
    record(warehouse, "run-1", good(), noon)
    record(warehouse, "run-2", bad(), noon - HOUR)
    assert told(warehouse) == [(1, True, "run-1"), (2, False, "run-2")]
    (now,) = checks_now(warehouse)
    assert now.recorded_at == noon


def test_two_runs_at_the_same_time(warehouse: Warehouse, noon: datetime) -> None:
    """Pulls of two runs note their checks one after the other, and neither of them fails."""
    begin(warehouse, "run-1", "run-2")
    record(warehouse, "run-1", good(), noon)
    errors: list[BaseException] = []

    def other() -> None:
        try:
            record(warehouse, "run-2", bad(), noon)
        except BaseException as error:  # noqa: BLE001 - it is told below, in the test's thread
            errors.append(error)

    thread = threading.Thread(target=other)
    with warehouse.write() as connection:
        hold(connection, Lock.PUBLISH)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join()
    assert not errors
    assert told(warehouse) == [(1, True, "run-1"), (2, False, "run-2")]


def test_a_run_that_is_over_notes_nothing(warehouse: Warehouse, noon: datetime) -> None:
    """A process that wakes up after its run was ended changes nothing that others have found."""
    begin(warehouse, "run-1")
    record(warehouse, "run-1", good(), noon)
    finish_run(warehouse, "run-1", finished_at=noon)
    with pytest.raises(LeaseLostError, match="Run it again"):
        record(warehouse, "run-1", bad(), noon + HOUR)
    assert told(warehouse) == [(1, True, "run-1")]


def test_what_is_gone_is_gone_for_older_runs_too(warehouse: Warehouse, noon: datetime) -> None:
    """A slow run brings back nothing of what a newer one found last; a new run does, whatever its clock."""
    begin(warehouse, "slow", "fast")
    record(warehouse, "fast", bad(), noon)
    end_checks(warehouse, present={Subject.METRIC: ()}, run_id="fast", ended_at=noon + HOUR)
    assert [one.result for one in checks_now(warehouse)] == [bad()]
    end_checks(warehouse, present={Subject.DATASET: ()}, run_id="slow", ended_at=noon + HOUR)
    assert [one.result for one in checks_now(warehouse)] == [bad()]
    end_checks(warehouse, present={Subject.DATASET: ()}, run_id="fast", ended_at=noon + HOUR)
    assert checks_now(warehouse) == []
    record(warehouse, "slow", good(), noon + 2 * HOUR)
    assert checks_now(warehouse) == []
    begin(warehouse, "next")
    record(warehouse, "next", bad(), noon)
    assert told(warehouse) == [(1, False, "fast"), (2, False, "next")]
    (now,) = checks_now(warehouse)
    assert now.recorded_at == noon + HOUR
