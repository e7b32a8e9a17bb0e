"""The definitions in the warehouse: objectives and key results as the project's files say now.

Belongs here: keeping `objective` and `key_result` up to date, and retiring what has left the
project. Does not belong here: numbers (publish).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select, update

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.revisions import Row
from okr_sync.warehouse.tables import key_result
from okr_sync.warehouse.upsert import upsert


def write_changed(
    connection: Connection, table: Table, rows: Sequence[Row], *, ignored: Collection[str] = ()
) -> None:
    """Upsert the rows that differ from what is stored in a column that is not `ignored`."""
    (key,) = (column.name for column in table.primary_key)
    stored: dict[str, Any] = {}
    for ids in in_chunks(sorted(row[key] for row in rows)):
        found = connection.execute(select(table).where(table.c[key].in_(ids))).mappings()
        stored |= {row[key]: row for row in found}
    changed = [
        row
        for row in rows
        if row[key] not in stored
        or any(stored[row[key]][name] != row[name] for name in row if name not in ignored)
    ]
    upsert(connection, table, changed)


def retire(warehouse: Warehouse, *, present: Collection[str], retired_at: datetime) -> list[str]:
    """Mark the key results that are no longer in the project; return their ids.

    `present` are the ids that the project defines, quarantined ones too. A key result that has come
    back is no longer marked. Their numbers stay. Writes nothing when nothing has changed.
    """
    with warehouse.read() as connection:
        stored = connection.execute(select(key_result.c.key_result_id, key_result.c.retired_at))
        marks = {row.key_result_id: row.retired_at for row in stored}
    kept = set(present)
    gone = sorted(name for name, at in marks.items() if at is None and name not in kept)
    back = sorted(name for name, at in marks.items() if at is not None and name in kept)
    if gone or back:
        statement = (
            update(key_result)
            .where(key_result.c.key_result_id == bindparam("id"))
            .values(retired_at=bindparam("at"))
        )
        changes: list[dict[str, Any]] = [{"id": name, "at": retired_at} for name in gone]
        changes += [{"id": name, "at": None} for name in back]
        with warehouse.write() as connection:
            connection.execute(statement, changes)
    return gone
