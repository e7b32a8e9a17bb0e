"""Figures of the worker's own work, for whoever watches it: runs by outcome, and pulls by dataset.

Belongs here: reading and counting `sync_run` and `source_pull`. Does not belong here: how a collector
wants to be told (okr_sync.commands.metrics), or the key results' own numbers (reads).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import RunRow
from okr_sync.warehouse.tables import source_pull, sync_run


@dataclass(frozen=True)
class DatasetPulls:
    """The newest pull of a dataset, and what all pulls of it have asked for."""

    source: str
    dataset: str
    rows: int
    seconds: float
    is_complete: bool
    quota: Mapping[str, int]
    requests: int
    """Over all runs."""


@dataclass(frozen=True)
class WorkerFigures:
    """What the worker has done so far: ended runs by status, the newest one, and pulls by dataset."""

    runs: Mapping[str, int]
    last_run: RunRow | None
    pulls: tuple[DatasetPulls, ...]


def worker_figures(warehouse: Warehouse) -> WorkerFigures:
    """Count the worker's runs and pulls, all in one look at the warehouse."""
    # A run that is going on changes its status: a counter that had it would go back.
    has_ended = sync_run.c.finished_at.is_not(None)
    runs = select(sync_run.c.status, func.count()).where(has_ended).group_by(sync_run.c.status)
    ended = (
        select(sync_run)
        .where(has_ended)
        .order_by(sync_run.c.finished_at.desc(), sync_run.c.run_id.desc())
        .limit(1)
    )
    asked = select(
        source_pull.c.source, source_pull.c.dataset, func.sum(source_pull.c.requests)
    ).group_by(source_pull.c.source, source_pull.c.dataset)
    newest = (
        select(
            source_pull,
            func.row_number()
            .over(
                partition_by=(source_pull.c.source, source_pull.c.dataset),
                order_by=(sync_run.c.started_at.desc(), sync_run.c.run_id.desc()),
            )
            .label("age"),
        )
        .join(sync_run, sync_run.c.run_id == source_pull.c.run_id)
        .subquery()
    )
    latest = select(newest).where(newest.c.age == 1).order_by(newest.c.source, newest.c.dataset)
    with warehouse.read() as connection:
        by_status = {status: int(count) for status, count in connection.execute(runs)}
        last = connection.execute(ended).mappings().one_or_none()
        requests = {(source, name): int(n) for source, name, n in connection.execute(asked)}
        pulls = tuple(
            DatasetPulls(
                source=row["source"],
                dataset=row["dataset"],
                rows=row["rows"],
                seconds=row["seconds"],
                is_complete=row["is_complete"],
                quota=json.loads(row["quota"] or "{}"),
                requests=requests[row["source"], row["dataset"]],
            )
            for row in connection.execute(latest).mappings()
        )
    last_run = None if last is None else RunRow(**last)
    return WorkerFigures(by_status, last_run, pulls)
