"""Measured baselines: what a key result started from, measured once and then kept.

Belongs here: reading and freezing rows of measured_baseline. Does not belong here: which
measurement a baseline is (sync.baselines) or what follows from it (progress).
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.tables import measured_baseline
from okr_sync.warehouse.upsert import insert_missing


@dataclass(frozen=True)
class MeasuredBaseline:
    """A key result's baseline for the cycle that begins on `cycle_start`, measured as of a day.

    `definition_hash` is the metric's (config.hashes.metric_hash).
    """

    key_result_id: str
    cycle_start: date
    baseline: Decimal
    as_of: date
    definition_hash: str
    measured_at: datetime
    run_id: str


def frozen_baselines(
    connection: Connection, cycle_starts: Iterable[tuple[str, date]]
) -> dict[str, MeasuredBaseline]:
    """The baselines that are kept of key results, given with the first day of their cycle, by id."""
    wanted = dict(cycle_starts)
    found: dict[str, MeasuredBaseline] = {}
    for ids in in_chunks(sorted(wanted)):
        statement = select(measured_baseline).where(measured_baseline.c.key_result_id.in_(ids))
        for row in connection.execute(statement).mappings():
            if row["cycle_start"] == wanted[row["key_result_id"]]:
                found[row["key_result_id"]] = MeasuredBaseline(**row)
    return found


def freeze_baselines(
    warehouse: Warehouse, measured: Collection[MeasuredBaseline]
) -> dict[str, MeasuredBaseline]:
    """Keep baselines for good, and return what is kept, by key result id.

    One that another run has frozen meanwhile stays as that run measured it.
    """
    if not measured:
        return {}
    with warehouse.write() as connection:
        insert_missing(connection, measured_baseline, [asdict(one) for one in measured])
        return frozen_baselines(
            connection, ((one.key_result_id, one.cycle_start) for one in measured)
        )
