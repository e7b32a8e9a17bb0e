"""Runs, their counters and pulls, staged evaluations, and the configuration's versions."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.windows import Window
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.evaluations import stage, staged
from okr_sync.warehouse.observations import (
    KeyResultFailure,
    KeyResultObservation,
    MetricFailure,
)
from okr_sync.warehouse.publish import PublishOutcome
from okr_sync.warehouse.reads import RunRow, last_runs, pulls
from okr_sync.warehouse.runs import (
    PullRecord,
    finish_run,
    git_sha,
    mark_dead_runs,
    record_config_version,
    record_pull,
    start_run,
)

Observe = Callable[..., KeyResultObservation]
Send = Callable[..., PublishOutcome]
Dump = Callable[..., dict[str, list[tuple[Any, ...]]]]

HOUR = timedelta(hours=1)


def _start(warehouse: Warehouse, at: datetime, run_id: str = "run-1", **given: Any) -> RunRow:
    usual = {"trigger": "manual", "dagster_run_id": None, "config_hash": "c1", "expected": 3}
    return start_run(warehouse, run_id=run_id, started_at=at, **usual | given)


def test_a_run_starts_once(warehouse: Warehouse, noon: datetime) -> None:
    """Every step of a Dagster run may start it: they all get the one that was first."""
    first = _start(warehouse, noon, dagster_run_id="d-1")
    again = _start(warehouse, noon + HOUR, "run-2", dagster_run_id="d-1", expected=9)
    assert again == first
    assert (first.run_id, first.status, first.key_results_expected) == ("run-1", "running", 3)
    assert _start(warehouse, noon + HOUR) == first
    other = _start(warehouse, noon + HOUR, "run-3", dagster_run_id="d-3")
    assert last_runs(warehouse) == [other, first]
    assert last_runs(warehouse, 1) == [other]


@pytest.mark.parametrize(
    ("good", "bad", "status"), [(3, 0, "success"), (2, 1, "partial"), (0, 3, "failed")]
)
def test_the_last_publish_ends_the_run(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    noon: datetime,
    good: int,
    bad: int,
    status: str,
) -> None:
    """The run ends, with its status, in the transaction that reports its last key result."""
    _start(warehouse, noon)
    names = [f"growth/{number}" for number in range(3)]
    for name in names[:good]:
        assert last_runs(warehouse)[0].status == "running"
        send(observe(name, "2026-10-05", "1"), at=noon + HOUR)
    for name in names[good:]:
        assert last_runs(warehouse)[0].status == "running"
        send(failures=[KeyResultFailure(name, "no")], at=noon + HOUR)
    run = last_runs(warehouse)[0]
    assert (run.status, run.finished_at) == (status, noon + HOUR)
    assert (run.key_results_ok, run.key_results_failed) == (good, bad)


def test_new_and_unchanged_key_results_are_counted_apart(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """A key result counts once, however many days were published of it."""
    days = [observe("growth/a", f"2026-10-0{day}", "1") for day in (1, 2, 3)]
    send(*days)
    _start(warehouse, noon + HOUR, "run-2")
    send(*days[:2], observe("growth/b", "2026-10-01", "1"), run_id="run-2")
    send(*days[:2], observe("growth/c", "2026-10-01", "1"), run_id="run-2")
    run = last_runs(warehouse)[0]
    assert (run.key_results_ok, run.key_results_unchanged, run.status) == (2, 1, "success")


def test_a_step_that_is_tried_again_counts_once(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """A retry after a publish neither ends the run early nor turns ok into unchanged."""
    _start(warehouse, noon)
    step = [observe("growth/a", "2026-10-05", "1"), observe("growth/b", "2026-10-05", "1")]
    send(*step)
    send(*step)
    run = last_runs(warehouse)[0]
    assert (run.key_results_ok, run.key_results_unchanged, run.status) == (2, 0, "running")
    send(failures=[KeyResultFailure("growth/c", "no")])
    send(observe("growth/c", "2026-10-05", "1"))
    run = last_runs(warehouse)[0]
    assert (run.key_results_failed, run.status) == (1, "partial")  # the run had ended by then


def test_a_failure_that_a_retry_mends(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """While the run is going, a key result's last report is what counts."""
    _start(warehouse, noon)
    send(failures=[KeyResultFailure("growth/a", "no")])
    send(observe("growth/a", "2026-10-05", "1"))
    run = last_runs(warehouse)[0]
    assert (run.key_results_ok, run.key_results_failed, run.status) == (1, 0, "running")


def test_finish_run(warehouse: Warehouse, observe: Observe, send: Send, noon: datetime) -> None:
    """Runs that end otherwise: too early, with an error, with nothing to do, twice."""
    _start(warehouse, noon)
    send(observe("growth/a", "2026-10-05", "1"))
    early = finish_run(warehouse, "run-1", finished_at=noon + HOUR)
    assert (early.status, early.finished_at) == ("partial", noon + HOUR)
    assert finish_run(warehouse, "run-1", finished_at=noon, error="x") == early
    _start(warehouse, noon, "run-2")
    failed = finish_run(warehouse, "run-2", finished_at=noon, error="The plan failed.")
    assert (failed.status, failed.error) == ("failed", "The plan failed.")
    _start(warehouse, noon, "run-3", expected=0)
    assert finish_run(warehouse, "run-3", finished_at=noon).status == "success"


def test_runs_that_were_killed_are_marked(warehouse: Warehouse, noon: datetime) -> None:
    """A run whose lease has expired has died, whenever it began; one with a lease lives."""
    _start(warehouse, noon - timedelta(days=1), "dead", lasting=timedelta(0))
    _start(warehouse, noon - timedelta(days=1), "alive")
    assert mark_dead_runs(warehouse, now=noon) == 1
    dead, alive = last_runs(warehouse)
    assert alive.status == "running"
    assert (dead.run_id, dead.status, dead.finished_at) == ("dead", "failed", noon)
    assert dead.error is not None
    assert mark_dead_runs(warehouse, now=noon) == 0


def test_pulls_are_recorded_once_per_dataset(warehouse: Warehouse, noon: datetime) -> None:
    """A pull that is tried again in the same run takes its record's place."""
    _start(warehouse, noon)
    failed = PullRecord("hubspot", "deals", 2, 0, None, False, 0.5, error="503")
    done = PullRecord(
        "hubspot", "deals", 9, 842, 842, True, 1.25, noon - HOUR, noon, {"daily_left": 100}
    )
    other = PullRecord("hubspot", "contacts", 1, 0, 0, True, 0.1)
    for pull in (failed, done, other):
        record_pull(warehouse, "run-1", pull)
    found = pulls(warehouse, "run-1")
    assert [(row.dataset, row.rows, row.is_complete) for row in found] == [
        ("contacts", 0, True),
        ("deals", 842, True),
    ]
    deals = found[1]
    assert (deals.error, deals.quota, deals.seconds) == (None, {"daily_left": 100}, 1.25)
    assert (deals.cursor_from, deals.cursor_to) == (noon - HOUR, noon)
    assert pulls(warehouse, "run-2") == []


def test_config_versions_are_kept_once(
    warehouse: Warehouse, dump: Dump, noon: datetime, tmp_path: Path
) -> None:
    """The files of a configuration are stored with the commit, and not again for the same hash."""
    for command in (
        ["init", "-q"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    files = {"okr_sync.yaml": "version: 1\n# Zürich\n"}
    for at in (noon, noon + HOUR):
        record_config_version(
            warehouse, config_hash="c1", loaded_at=at, files=files, folder=tmp_path
        )
    ((config_hash, loaded_at, sha, body),) = dump()["config_version"]
    assert (config_hash, loaded_at, json.loads(body)) == ("c1", noon, files)
    assert sha == git_sha(tmp_path)
    assert len(sha) == 40


def test_a_folder_outside_of_a_checkout_has_no_commit(tmp_path: Path) -> None:
    """No checkout, an empty one, or no folder at all: null, not an error."""
    assert git_sha(tmp_path) is None
    assert git_sha(tmp_path / "nowhere") is None
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    assert git_sha(tmp_path) is None


# --- evaluations on their way ---------------------------------------------------------------------

WINDOW = Window(
    date(2026, 10, 1),
    date(2026, 10, 6),
    datetime(2026, 10, 1, 4, tzinfo=UTC),
    datetime(2026, 10, 6, 4, tzinfo=UTC),
)


def _evaluated(metric: str, value: str = "1.50") -> MetricObservation:
    measurement = Measurement(Decimal(value), Decimal(3), Decimal(2), 5, ("sampled",))
    return MetricObservation(metric, date(2026, 10, 5), WINDOW, measurement)


def test_staged_evaluations_come_back(warehouse: Warehouse, noon: datetime) -> None:
    """What one step evaluates, numbers and failures, the next one reads; a retry replaces it."""
    _start(warehouse, noon)
    failure = MetricFailure("b", date(2026, 10, 5), WINDOW, "The pull failed.")
    empty = MetricObservation("c", date(2026, 10, 5), WINDOW, Measurement(None))
    stage(warehouse, "run-1", [_evaluated("a", "9"), empty])
    stage(warehouse, "run-1", [failure, _evaluated("a")])
    stage(warehouse, "run-1", [])
    assert staged(warehouse, "run-1", ["c", "a", "b", "a"]) == [_evaluated("a"), failure, empty]
    assert staged(warehouse, "run-1", ["b"]) == [failure]
    assert staged(warehouse, "run-2", ["a"]) == []


def test_staging_ends_with_the_run(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime, dump: Dump
) -> None:
    """The last publish clears its run's staging and that of ended runs, and no running run's."""
    for run_id in ("run-1", "run-2", "run-3"):
        _start(warehouse, noon, run_id, expected=1)
        stage(warehouse, run_id, [_evaluated("a")])
    send(observe("growth/a", "2026-10-05", "1"))
    assert staged(warehouse, "run-1", ["a"]) == []
    assert staged(warehouse, "run-2", ["a"]) == [_evaluated("a")]
    finish_run(warehouse, "run-2", finished_at=noon)
    assert len(dump()["evaluation"]) == 1
    _start(warehouse, noon, "run-3", lasting=timedelta(0))
    mark_dead_runs(warehouse, now=noon)
    assert dump()["evaluation"] == dump()["run_outcome"] == []
