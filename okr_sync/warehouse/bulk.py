"""Inserting many rows in the fastest way that each engine's driver has.

Belongs here: that one way. Does not belong here: which rows are new (revisions), nor inserts that
may meet an existing key (upsert).

A long backfill adds a million rows in one transaction, and most of what SQLAlchemy's own executemany
costs is preparing each row by itself. Here values are prepared column by column, by the column's own
type, and the driver gets tuples: executemany on SQLite, COPY on PostgreSQL.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import repeat
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Date, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from okr_sync.warehouse.types import ExactDecimal


def insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, which all have the same columns; a key that exists is the driver's error.

    Errors are those that `connection.execute` would raise (DBAPIError, TypeError of a column's type).
    """
    if not rows:
        return
    names = [column.name for column in table.columns if column.name in rows[0]]
    columns = zip(*map(itemgetter(*names), rows), strict=True)
    insert_columns(connection, table, dict(zip(names, columns, strict=True)))


def insert_columns(
    connection: Connection,
    table: Table,
    columns: Mapping[str, Sequence[Any]],
    shared: Mapping[str, Any] | None = None,
) -> None:
    """As `insert_all`, of rows that are there by column already; `shared` is the same in all rows."""
    same = shared or {}
    # In the table's order, as a compiled INSERT has them.
    names = [column.name for column in table.columns if column.name in {*columns, *same}]

    def values(name: str) -> Iterable[Any]:
        column_type = table.c[name].type
        if name in columns:
            return _prepared(connection.dialect, column_type, columns[name])
        return repeat(_prepared(connection.dialect, column_type, (same[name],))[0])

    # The shortest ends the rows: what is shared would go on for ever.
    prepared = zip(*map(values, names), strict=False)
    insert_rows(connection, table, names, prepared)


def _prepared(
    dialect: Dialect, column_type: TypeEngine[Any], values: Sequence[Any]
) -> Sequence[Any]:
    """A column's values as the driver takes them."""
    if isinstance(column_type, ExactDecimal):
        return column_type.process_many(values, dialect)
    if isinstance(column_type, Date) and None not in values:
        # What SQLAlchemy makes of each for SQLite by itself, and psycopg for COPY more slowly.
        return list(map(date.isoformat, values))
    process = column_type.dialect_impl(dialect).bind_processor(dialect)
    if process is None:
        return values
    # Most of what remains comes again and again: days, flags, the instant of the publish.
    known = {value: _as_text(process(value)) for value in set(values)}
    return [known[value] for value in values]


def _as_text(value: Any) -> Any:
    """An instant as COPY reads it, made once instead of by psycopg for each row; others as they are."""
    return value.isoformat() if isinstance(value, datetime) else value


def insert_rows(
    connection: Connection, table: Table, names: Iterable[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows whose values are as the driver takes them, in the order of `names`."""
    quote = connection.dialect.identifier_preparer
    columns = [quote.quote(name) for name in names]
    into = f"{quote.format_table(table)} ({', '.join(columns)})"
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "postgresql":
        statement = f"COPY {into} FROM STDIN"
        with (
            _as_sqlalchemy_says(connection, statement),
            driver.cursor() as cursor,
            cursor.copy(statement) as copying,
        ):
            for row in rows:
                copying.write_row(row)
        return
    statement = f"INSERT INTO {into} VALUES ({', '.join('?' * len(columns))})"
    with _as_sqlalchemy_says(connection, statement):
        # The driver takes the rows one by one as they come: there need be no list of them.
        driver.executemany(statement, rows)


@contextmanager
def _as_sqlalchemy_says(connection: Connection, statement: str) -> Iterator[None]:
    """Let the driver's errors out as SQLAlchemy's, which was passed over."""
    dialect = connection.dialect
    try:
        yield
    except dialect.loaded_dbapi.Error as error:
        is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
        wrapped = DBAPIError.instance(
            statement,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=dialect,
        )
        if is_lost:
            connection.invalidate(error)
        raise wrapped from error
