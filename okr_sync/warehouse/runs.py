"""The record of what was run: runs, their pulls, and the configuration they ran with.

Belongs here: writing sync_run, source_pull and config_version. Does not belong here: the numbers of
a run, which are counted where they are published (publish).
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, or_, select, update

from okr_sync.checks.results import CheckResult
from okr_sync.warehouse import lease
from okr_sync.warehouse.check_results import write_checks
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.reads import RunRow
from okr_sync.warehouse.tables import (
    config_version,
    evaluation,
    run_outcome,
    run_step,
    source_pull,
    sync_run,
)
from okr_sync.warehouse.turns import clear_confirmations, take_turn_to_note
from okr_sync.warehouse.upsert import insert_missing, upsert

_GIT_SECONDS = 5


@dataclass(frozen=True)
class PullRecord:
    """What one pull of one dataset did: the columns of `source_pull` without the run.

    `quota` is what the API said is left, by name. `error` is for people and without secrets.
    """

    source: str
    dataset: str
    requests: int
    rows: int
    rows_expected: int | None
    is_complete: bool
    seconds: float
    cursor_from: datetime | None = None
    cursor_to: datetime | None = None
    quota: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None


def start_run(
    warehouse: Warehouse,
    *,
    run_id: str,
    trigger: str,
    dagster_run_id: str | None,
    config_hash: str,
    expected: int,
    started_at: datetime,
    lasting: timedelta = lease.LEASE,
) -> RunRow:
    """Record that a run has begun, and return it; the first call for a Dagster run decides.

    `trigger` is manual, schedule, backfill or dagster; `expected` is how many key results will be
    published or fail. The run gets its place in the order of runs, and a lease that is `lasting`.
    """
    row = {
        "run_id": run_id,
        "started_at": started_at,
        "status": "running",
        "trigger": trigger,
        "dagster_run_id": dagster_run_id,
        "config_hash": config_hash,
        "key_results_expected": expected,
        "key_results_ok": 0,
        "key_results_failed": 0,
        "key_results_unchanged": 0,
    }
    with warehouse.write() as connection:
        insert_missing(connection, sync_run, [row])
        mine = sync_run.c.run_id == run_id
        if dagster_run_id is not None:
            mine = or_(mine, sync_run.c.dagster_run_id == dagster_run_id)
        found = connection.execute(select(sync_run).where(mine)).mappings().one()
        lease.grant(connection, found["run_id"], lasting)
        return RunRow(**found)


def record_pull(
    warehouse: Warehouse,
    run_id: str,
    pull: PullRecord,
    *,
    checks: Iterable[CheckResult] = (),
    recorded_at: datetime | None = None,
) -> None:
    """Record a pull, and what the `checks` of its dataset found at `recorded_at`.

    A later pull of the same dataset in the same run takes its place. With checks, raises LeaseLostError
    for a run that is over or taken for dead.
    """
    row = asdict(pull) | {
        "run_id": run_id,
        "quota": json.dumps(dict(pull.quota), sort_keys=True) if pull.quota else None,
    }
    with warehouse.write() as connection:
        if recorded_at is not None:
            turn = take_turn_to_note(connection, run_id)
            write_checks(connection, checks, run_id=run_id, recorded_at=recorded_at, turn=turn)
        upsert(connection, source_pull, [row])


def report_step(
    warehouse: Warehouse,
    run_id: str,
    *,
    step: str,
    steps: int,
    finished_at: datetime,
    error: str | None = None,
) -> None:
    """Note that a step of a run that publishes nothing has ended; the last of `steps` ends the run.

    Such a run has no publish that could end it. It is `failed`, with the first error, if a step was.
    """
    row = {"run_id": run_id, "step": step, "error": error}
    with warehouse.write() as connection:
        hold(connection, Lock.PUBLISH)
        upsert(connection, run_step, [row])
        ended = connection.execute(
            select(run_step.c.error).where(run_step.c.run_id == run_id).order_by(run_step.c.step)
        ).scalars()
        errors = list(ended)
        if len(errors) >= steps:
            first = next((one for one in errors if one is not None), None)
            end_run(connection, run_id, finished_at=finished_at, error=first)
            lease.give_up(connection, run_id)


def finish_run(
    warehouse: Warehouse, run_id: str, *, finished_at: datetime, error: str | None = None
) -> RunRow:
    """End a run if its last publish has not ended it, and return it.

    A run that ends with an error, or before every expected key result was reported, is `partial`
    when some of them succeeded and `failed` otherwise. A run that has ended is left as it is. It
    publishes nothing more.
    """
    with warehouse.write() as connection:
        hold(connection, Lock.PUBLISH)
        end_run(connection, run_id, finished_at=finished_at, error=error)
        lease.give_up(connection, run_id)
        found = connection.execute(select(sync_run).where(sync_run.c.run_id == run_id))
        return RunRow(**found.mappings().one())


def end_run(
    connection: Connection, run_id: str, *, finished_at: datetime, error: str | None = None
) -> None:
    """Set a running run's end from its counters, inside the caller's transaction."""
    run = connection.execute(
        select(sync_run).where(sync_run.c.run_id == run_id, sync_run.c.status == "running")
    ).one_or_none()
    if run is None:
        return
    good = run.key_results_ok + run.key_results_unchanged
    if error is None and run.key_results_failed == 0 and good >= run.key_results_expected:
        status = "success"
    else:
        status = "partial" if good else "failed"
    connection.execute(
        update(sync_run)
        .where(sync_run.c.run_id == run_id)
        .values(status=status, finished_at=finished_at, error=error)
    )
    clear_staging(connection)


def mark_dead_runs(warehouse: Warehouse, *, now: datetime) -> int:
    """Mark running runs whose lease has expired as failed, at `now`; how many they were."""
    with warehouse.read() as connection:
        if not lease.has_expired_leases(connection):
            return 0
    marked = 0
    with warehouse.write() as connection:
        for run_ids in in_chunks(lease.end_expired(connection)):
            marked += connection.execute(
                update(sync_run)
                .where(sync_run.c.run_id.in_(run_ids), sync_run.c.status == "running")
                .values(
                    status="failed",
                    finished_at=now,
                    error="The run never reported its end: its process was stopped or killed.",
                )
            ).rowcount
        clear_staging(connection)
    return marked


def clear_staging(connection: Connection) -> None:
    """Delete what was kept for runs that have ended: only a running run can use it."""
    running = select(sync_run.c.run_id).where(sync_run.c.status == "running")
    for table in (evaluation, run_outcome, run_step):
        connection.execute(delete(table).where(table.c.run_id.not_in(running)))
    clear_confirmations(connection)


def record_config_version(
    warehouse: Warehouse,
    *,
    config_hash: str,
    loaded_at: datetime,
    files: Mapping[str, str],
    folder: Path,
) -> None:
    """Keep the project's files as they are now, once per hash; `files` maps a path to its text."""
    known = select(config_version.c.config_hash).where(config_version.c.config_hash == config_hash)
    with warehouse.read() as connection:
        if connection.execute(known).first() is not None:
            return
    row = {
        "config_hash": config_hash,
        "loaded_at": loaded_at,
        "git_sha": git_sha(folder),
        "body": json.dumps(dict(files), sort_keys=True, ensure_ascii=False),
    }
    with warehouse.write() as connection:
        insert_missing(connection, config_version, [row])


def git_sha(folder: Path) -> str | None:
    """The commit that the folder's checkout is at; None outside of one or without git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
