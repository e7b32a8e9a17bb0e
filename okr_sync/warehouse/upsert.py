"""Insert or update, the same for SQLite and PostgreSQL.

Belongs here: the one statement that the engines' dialects spell differently. Does not belong here:
deciding what has changed (publish, mirror).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keep: Collection[str] = (),
) -> None:
    """Insert the rows; where the primary key exists, overwrite its other columns except `keep`.

    All rows have the same columns. A key must not come twice: the engines differ in what they then
    do.
    """
    if not rows:
        return
    insert = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    changed = {
        name: insert.excluded[name] for name in rows[0] if name not in keys and name not in keep
    }
    statement = insert.on_conflict_do_update(index_elements=keys, set_=changed)
    connection.execute(statement, list(rows))


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that break no key, and leave those that exist as they are."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
