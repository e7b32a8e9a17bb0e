"""Reading what is published: histories, runs and pulls, as plain typed rows.

Belongs here: SELECTs and the rows they give. Does not belong here: where key results stand (status),
how rows are shown (commands) and anything that writes. Imports SQLAlchemy only, because reading
commands should start fast.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select

from okr_sync.warehouse.as_known import was_known
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.tables import (
    key_result_history,
    source_pull,
    sync_run,
)


@dataclass(frozen=True)
class HistoryRow:
    """One revision of a key result's number for one day: the columns of `key_result_history`.

    `baseline` and `target` are those that it was judged by; they and `cause` are None in revisions
    from before okr-sync kept them.
    """

    key_result_id: str
    as_of: date
    revision: int
    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    sample_size: int | None
    progress: Decimal | None
    score: Decimal | None
    expected_progress: Decimal | None
    status: str
    baseline: Decimal | None
    target: Decimal | None
    is_final: bool
    origin: str
    cause: str | None
    quality: tuple[str, ...]
    definition_hash: str
    recorded_at: datetime
    superseded_at: datetime | None
    run_id: str


@dataclass(frozen=True)
class RunRow:
    """A run: the columns of `sync_run`."""

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    status: str
    trigger: str
    dagster_run_id: str | None
    config_hash: str
    key_results_expected: int
    key_results_ok: int
    key_results_failed: int
    key_results_unchanged: int
    error: str | None


@dataclass(frozen=True)
class PullRow:
    """A pull of a run: the columns of `source_pull`; `quota` is what the API said is left."""

    run_id: str
    source: str
    dataset: str
    requests: int
    rows: int
    rows_expected: int | None
    is_complete: bool
    cursor_from: datetime | None
    cursor_to: datetime | None
    quota: Mapping[str, int]
    seconds: float
    error: str | None


def history(
    warehouse: Warehouse, key_result_id: str, *, as_known_on: datetime | None = None
) -> list[HistoryRow]:
    """All revisions of a key result's numbers, in order of day and revision.

    With `as_known_on`, for each day only the revision that was the latest at that instant.
    """
    table = key_result_history.c
    statement = select(key_result_history).where(table.key_result_id == key_result_id)
    if as_known_on is not None:
        statement = statement.where(was_known(as_known_on))
    statement = statement.order_by(table.as_of, table.revision)
    with warehouse.read() as connection:
        return [HistoryRow(**row) for row in connection.execute(statement).mappings()]


def find_run(warehouse: Warehouse, run_id: str) -> RunRow | None:
    """One run, or None if it has not begun."""
    with warehouse.read() as connection:
        found = connection.execute(select(sync_run).where(sync_run.c.run_id == run_id))
        row = found.mappings().one_or_none()
        return None if row is None else RunRow(**row)


def last_runs(warehouse: Warehouse, limit: int = 10) -> list[RunRow]:
    """The newest runs, newest first."""
    statement = (
        select(sync_run)
        .order_by(sync_run.c.started_at.desc(), sync_run.c.run_id.desc())
        .limit(limit)
    )
    with warehouse.read() as connection:
        return [RunRow(**row) for row in connection.execute(statement).mappings()]


def pulls(warehouse: Warehouse, run_id: str) -> list[PullRow]:
    """The pulls of a run, in order of source and dataset."""
    statement = select(source_pull).where(source_pull.c.run_id == run_id)
    with warehouse.read() as connection:
        found = [
            PullRow(**dict(row) | {"quota": json.loads(row["quota"] or "{}")})
            for row in connection.execute(statement).mappings()
        ]
    return sorted(found, key=lambda row: (row.source, row.dataset))
