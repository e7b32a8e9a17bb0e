"""What a mirror holds, or would hold: the view of it that the proof asks.

Belongs here: a mirror under changes that are not written yet, and a stage. Does not belong here: the
proof (proof) or the course of a pull (pull).
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Table

from connectors.hubspot.proof import Holding
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import Row, count_records, ids_present, recent_ids


def overlaid(
    warehouse: Warehouse, table: Table, rows: Sequence[Row], gone: Collection[str]
) -> Holding:
    """What a mirror would hold with changed records written and others gone."""
    changed = {str(row["id"]): row for row in rows}
    without = set(gone)

    def present(ids: Collection[str]) -> set[str]:
        with warehouse.read() as connection:
            stored = ids_present(connection, table, ids)
        return (stored | (changed.keys() & set(ids))) - without

    def changed_since(at: datetime) -> set[str]:
        with warehouse.read() as connection:
            stored = recent_ids(connection, table, at)
        recent = {one for one, row in changed.items() if _is_since(row, at)}
        return (stored | recent) - without

    with warehouse.read() as connection:
        stored = count_records(connection, table)
        new = len(changed.keys() - without - ids_present(connection, table, changed.keys()))
        left = len(ids_present(connection, table, without))
    return Holding(stored + new - left, present, changed_since)


def staged(warehouse: Warehouse, stage: Table) -> Holding:
    """What a stage holds."""

    def present(ids: Collection[str]) -> set[str]:
        with warehouse.read() as connection:
            return ids_present(connection, stage, ids)

    def changed_since(at: datetime) -> set[str]:
        with warehouse.read() as connection:
            return recent_ids(connection, stage, at)

    with warehouse.read() as connection:
        return Holding(count_records(connection, stage), present, changed_since)


def _is_since(row: Row, at: datetime) -> bool:
    times = (row["created_ms"], row["updated_ms"])
    return any(isinstance(ms, int) and ms >= epoch_ms(at) for ms in times)
