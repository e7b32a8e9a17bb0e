"""Publishes that are killed, and publishes at the same time: nothing lost, doubled or half done."""

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.publish import PublishOutcome
from okr_sync.warehouse.reads import history, last_runs
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import lease

Observe = Callable[..., KeyResultObservation]
Send = Callable[..., PublishOutcome]
Dump = Callable[..., dict[str, list[tuple[Any, ...]]]]

RUN_TABLES = ("sync_run", "lease", "confirmation")
"""What a run says of itself; every other table is about numbers."""

PUBLISHER = """
import os, signal, sys, time
import psycopg
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from sqlalchemy import event
from okr_sync.metrics.measurement import Measurement
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.observations import KeyResultObservation, KeyResultRow
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.runs import start_run

url, run_id, death, values, go = sys.argv[1:]
warehouse = open_warehouse(url)
NOW = datetime(2026, 10, 6, 13, tzinfo=UTC)
DAY = date(2026, 10, 5)
IDS = [f"growth/{number}" for number in range(20)]


def key_result(name):
    return KeyResultRow(name, "growth/pipeline", "growth", "2026-Q4", date(2026, 10, 1),
        date(2026, 12, 31), "t", "leads", None, None, Decimal(1), "from_to", "committed", None,
        None, "funnel", "d1", "c1", "okrs.yaml:3")


def observation(name, value):
    return KeyResultObservation(name, DAY, Measurement(Decimal(value)), None, None, None,
        "on_track", False, (), "automatic", "d1")


def die(*given):
    if death == "commit" or death in given[2]:
        os.kill(os.getpid(), signal.SIGKILL)


copy = psycopg.Cursor.copy


@contextmanager
def copy_and_die(cursor, statement):
    with copy(cursor, statement) as copying:
        yield copying
    die(cursor, None, statement.replace("COPY", "INSERT INTO"))  # what it stands in for


start_run(warehouse, run_id=run_id, trigger="manual", dagster_run_id=None, config_hash="c1",
    expected=len(IDS) if death == "never" else 1000, started_at=NOW)
if death == "commit":
    event.listen(warehouse.engine, "commit", die)
elif death != "never":
    event.listen(warehouse.engine, "after_cursor_execute", lambda *given: die(*given))
    # SQLAlchemy sees neither COPY nor rows that are handed to SQLite's driver.
    psycopg.Cursor.copy = copy_and_die
    if url.startswith("sqlite"):
        event.listen(warehouse.engine, "checkout", lambda driver, *more:
            driver.set_trace_callback(lambda statement: die(None, None, statement)))
open(f"{go}.{run_id}", "w").close()
while not os.path.exists(go):
    time.sleep(0.001)
for value in values.split(","):
    publish(warehouse, run_id=run_id, published_at=datetime.now(UTC), measured_at=NOW,
        objectives=[], key_results=[key_result(name) for name in IDS],
        observations=[observation(name, value) for name in IDS], metric_observations=[],
        failures=[], stale_after=dict.fromkeys(IDS))
"""


@pytest.mark.parametrize(
    "death",
    [
        "INSERT INTO key_result ",
        "UPDATE key_result_history",
        "INSERT INTO key_result_history",
        "INSERT INTO key_result_current",
        "UPDATE sync_run",
        "commit",
    ],
)
def test_a_publish_that_is_killed_leaves_nothing(
    warehouse: Warehouse,
    warehouse_url: str,
    observe: Observe,
    send: Send,
    dump: Dump,
    tmp_path: Path,
    death: str,
) -> None:
    """SIGKILL at any step of the transaction: the tables are as before, and running again works."""
    send(observe("growth/0", "2026-10-05", "1"))
    before = dump(*RUN_TABLES)
    (tmp_path / "go").touch()
    command = [sys.executable, "-c", PUBLISHER, warehouse_url, "run-2"]
    killed = subprocess.run([*command, death, "2", str(tmp_path / "go")], check=False)
    assert killed.returncode == -9
    assert dump(*RUN_TABLES) == before
    assert last_runs(warehouse)[0].key_results_ok == 0
    subprocess.run([*command, "never", "2", str(tmp_path / "go")], check=True)
    assert [row.value for row in history(warehouse, "growth/0")] == [1, 2]


def test_processes_that_publish_at_once(
    warehouse: Warehouse, warehouse_url: str, noon: datetime, tmp_path: Path
) -> None:
    """Three processes publish other numbers for the same keys: one line of revisions comes out.

    It is in the order in which the runs began.
    """
    go = tmp_path / "go"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, warehouse_url, f"run-{n}", "never", values, str(go)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for n, values in enumerate(("1,2,3,4,5,6", "11,12,13,14,15,16", "21,22,23,24,25,26"))
    ]
    while len(list(tmp_path.glob("go.*"))) < len(others):
        assert all(other.poll() is None for other in others)
    go.touch()
    for other in others:
        _, errors = other.communicate(timeout=120)
        assert other.returncode == 0, errors
    current = {row.key_result_id: row for row in status(warehouse, now=noon)}
    latest = set()
    with warehouse.read() as connection:
        begun = list(connection.scalars(select(lease.c.run_id).order_by(lease.c.token)))
    for number in range(20):
        rows = history(warehouse, f"growth/{number}")
        assert [row.revision for row in rows] == list(range(1, len(rows) + 1))
        # A run that began before the last to write has left the newer one's number alone.
        assert [row.run_id for row in rows] == sorted((row.run_id for row in rows), key=begun.index)
        assert [row.superseded_at for row in rows[:-1]] == [row.recorded_at for row in rows[1:]]
        assert rows[-1].superseded_at is None
        assert current[f"growth/{number}"].value == rows[-1].value
        latest.add(rows[-1].value)
    assert latest <= {6, 16, 26}  # the last of the newest run that published
    assert len(latest) == 1  # each publish is whole: no mixture of two
    for run in last_runs(warehouse):
        assert (run.key_results_ok + run.key_results_unchanged, run.status) == (20, "success")
