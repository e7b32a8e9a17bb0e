"""Workers that publish at the same time: whole publishes, in the order in which the runs began."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import find_run, last_runs
from okr_sync.warehouse.runs import mark_dead_runs
from okr_sync.warehouse.tables import key_result_current, key_result_history, lease, sync_run

WORKER = Path(__file__).with_name("worker.py")
PROCESSES, PUBLISHES, KEY_RESULTS, DAYS = 8, 50, 5, 3
LEASE_LOST = 7

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """The file whose making lets waiting workers go on."""
    return tmp_path / "go"


@pytest.fixture
def start(warehouse: Warehouse, warehouse_url: str, go: Path) -> Start:
    """Start a worker: `start(task, name, skew_hours=0)`; it has begun when `go.<name>` is there."""

    def begin(task: str, name: str, skew_hours: int = 0) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable,
                str(WORKER),
                task,
                warehouse_url,
                name,
                str(go),
                str(PUBLISHES),
                str(skew_hours),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


def wait_for(go: Path, workers: list[subprocess.Popen[str]]) -> None:
    """Wait until all workers have begun."""
    while len(list(go.parent.glob("go.*"))) < len(workers):
        assert all(worker.poll() is None for worker in workers)
        time.sleep(0.01)


def ended(worker: subprocess.Popen[str]) -> tuple[int, str]:
    """How a worker ended, and what it said."""
    said, errors = worker.communicate(timeout=300)
    return worker.returncode, said + errors


def audited(warehouse: Warehouse) -> list[str]:
    """What the audit finds."""
    with warehouse.read() as connection:
        return violations(connection)


def test_many_processes_publish_for_the_same_key_results(
    warehouse: Warehouse, start: Start, go: Path
) -> None:
    """8 processes × 50 runs, their clocks hours apart: no reader ever sees a mixture of two.

    The last word is the last run's that began, whatever its clock says.
    """
    skews = [3 * number - 10 for number in range(PROCESSES)]
    workers = [start("many", str(n), skew) for n, skew in enumerate(skews)]
    wait_for(go, workers)
    go.touch()
    looks = 0
    while any(worker.poll() is None for worker in workers):
        with warehouse.read() as connection:
            seen = set(connection.scalars(select(key_result_current.c.value)))
        assert len(seen) <= 1, "half a publish was seen"
        looks += 1
        time.sleep(0.02)
    assert [ended(worker) for worker in workers] == [(0, "")] * PROCESSES
    assert looks > 0
    assert audited(warehouse) == []
    with warehouse.read() as connection:
        newest = select(lease.c.run_id).order_by(lease.c.token.desc()).limit(1)
        last = connection.scalar(newest)
        tokens = list(connection.scalars(select(lease.c.token).order_by(lease.c.token)))
        current = set(connection.execute(select(key_result_current.c.run_id)).scalars())
        rows = connection.scalar(select(func.count()).select_from(key_result_history)) or 0
        distinct = connection.scalar(select(func.count(key_result_history.c.run_id.distinct())))
        statuses = set(connection.scalars(select(sync_run.c.status)))
    assert tokens == list(range(1, PROCESSES * PUBLISHES + 1))
    assert current == {last}
    # A run wrote all of its rows or, overtaken by a newer one, none.
    assert rows == (distinct or 0) * KEY_RESULTS * DAYS
    assert statuses == {"success"}


def test_runs_over_the_same_window_write_it_once(
    warehouse: Warehouse, start: Start, go: Path
) -> None:
    """Two workers find the same numbers at the same time: each is in the history once."""
    workers = [start("window", "first"), start("window", "second", -5)]
    wait_for(go, workers)
    go.touch()
    assert [ended(worker) for worker in workers] == [(0, "")] * 2
    assert audited(warehouse) == []
    with warehouse.read() as connection:
        rows = connection.execute(select(key_result_history)).all()
    assert len(rows) == KEY_RESULTS * DAYS
    assert {row.revision for row in rows} == {1}
    assert {run.status for run in last_runs(warehouse)} == {"success"}


def test_a_paused_worker_that_wakes_too_late(warehouse: Warehouse, start: Start, go: Path) -> None:
    """Its lease has expired and another run has published: what it has in hand is not written."""
    paused = start("paused", "sleeper")
    wait_for(go, [paused])
    os.kill(paused.pid, signal.SIGSTOP)
    while mark_dead_runs(warehouse, now=datetime.now(UTC)) == 0:
        time.sleep(0.05)
    go.touch()
    other = start("window", "other")
    assert ended(other) == (0, "")
    os.kill(paused.pid, signal.SIGCONT)
    status, said = ended(paused)
    assert status == LEASE_LOST
    assert "Run it again" in said
    assert audited(warehouse) == []
    sleeper = find_run(warehouse, "sleeper")
    assert sleeper is not None
    assert (sleeper.status, sleeper.key_results_ok) == ("failed", 0)
    with warehouse.read() as connection:
        values = set(connection.scalars(select(key_result_history.c.value)))
    assert values == {Decimal(5)}


def test_a_lease_that_expired_with_nobody_there(
    warehouse: Warehouse, start: Start, go: Path
) -> None:
    """An expired lease is no right to write, also while nobody has noticed that it expired."""
    paused = start("paused", "sleeper")
    wait_for(go, [paused])
    os.kill(paused.pid, signal.SIGSTOP)
    time.sleep(1.5)
    go.touch()
    os.kill(paused.pid, signal.SIGCONT)
    assert ended(paused)[0] == LEASE_LOST
    with warehouse.read() as connection:
        assert connection.execute(select(key_result_history)).all() == []
