"""Insert or update, the same for SQLite and PostgreSQL.

Belongs here: the one statement that the engines' dialects spell differently. Does not belong here:
deciding what has changed (publish, mirror).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
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


def _insert(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    # Imported here because PostgreSQL's dialect takes a while to import, and reading needs neither.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
