"""PostgreSQL as a source: transactions that the server itself keeps from writing.

Belongs here: the connection, its settings and time-outs. Does not belong here: which statements are
run (connector).

The transaction is READ ONLY, which can't be taken back once a query has run in it. A statement of
the project is declared as a cursor over the extended protocol, which takes one statement and only
queries (https://www.postgresql.org/docs/current/sql-declare.html), and its rows come as they are
read. The session's time zone is UTC, so that `ts >= :window_start` doesn't hang on a server's setting.
"""

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from connectors.sql.address import Address
from connectors.sql.binds import numbered
from connectors.sql.reading import Rows, StatementError
from okr_sync.config.models import SqlSource
from okr_sync.errors import SourceError, TransientSourceError

_CONNECT_SECONDS: Final = 10
_ROWS_A_FETCH: Final = 2_000
_GRACE_SECONDS: Final = 10.0
"""How long after the server's own time-out an answer is waited for: a server, or a way to it, that is
stuck says nothing at all."""
_SETTINGS: Final = sa.text(
    "SELECT set_config('statement_timeout', :milliseconds, true), "
    "set_config('timezone', 'UTC', true), current_setting('transaction_read_only')"
)


class PostgresqlReading:
    """A read-only transaction of a PostgreSQL server; a Reading."""

    infers_times = False

    def __init__(self, connection: sa.Connection, source: SqlSource, address: Address) -> None:
        self.connection = connection
        self._source = source
        self._address = address

    @contextmanager
    def run(self, statement: str, days: Mapping[str, date]) -> Iterator[Rows]:
        """Run one query; see Reading."""
        text, names = numbered(statement)
        driver: psycopg.Connection[Any] = _driver(self.connection)
        seconds = self._source.timeout.total_seconds() + _GRACE_SECONDS
        try:
            # A refused statement ends its savepoint, and the transaction goes on.
            with (
                driver.transaction(),
                psycopg.RawServerCursor(driver, "okr_sync") as cursor,
            ):
                with _answering(driver, seconds):
                    cursor.execute(text.encode(), [days[name] for name in names])
                columns = [column.name for column in cursor.description or ()]
                yield Rows(columns, _rows(driver, cursor, seconds))
        except psycopg.errors.QueryCanceled as error:
            raise StatementError(
                f"it took longer than {self._source.timeout.total_seconds():g} s, the source's "
                "`timeout`",
                is_transient=True,
            ) from error
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise StatementError("only reading is allowed: write one SELECT") from error
        except psycopg.OperationalError as error:
            if driver.closed:
                raise _failed(self._source, self._address, error) from error
            raise StatementError(self._said(error), is_transient=True) from error
        except psycopg.Error as error:
            raise StatementError(self._said(error)) from error

    def _said(self, error: psycopg.Error) -> str:
        return self._address.clean(error.diag.message_primary or error)


@contextmanager
def read_postgresql(source: SqlSource, address: Address) -> Iterator[PostgresqlReading]:
    """Connect to a PostgreSQL server for one read-only transaction. Raises SourceError."""
    engine = sa.create_engine(
        address.url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "okr-sync"},
    )
    try:
        with engine.connect() as connection:
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            # A query, so that the transaction has its snapshot and can't be made to write any more.
            milliseconds = max(1, int(source.timeout.total_seconds() * 1000))
            settings = connection.execute(_SETTINGS, {"milliseconds": str(milliseconds)}).one()
            if settings[2] != "on":
                raise SourceError(
                    f"Source {source.name}: {address.label} did not begin a read-only transaction, "
                    "so nothing was read."
                )
            yield PostgresqlReading(connection, source, address)
    except sa.exc.DBAPIError as error:
        raise _failed(source, address, error.orig) from error


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def _rows(
    driver: psycopg.Connection[Any], cursor: psycopg.RawServerCursor[Any], seconds: float
) -> Iterator[Sequence[Any]]:
    rows: list[Sequence[Any]] | None = None
    while rows is None or len(rows) == _ROWS_A_FETCH:
        with _answering(driver, seconds):
            rows = cursor.fetchmany(_ROWS_A_FETCH)
        yield from rows


@contextmanager
def _answering(driver: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """End the connection when the server takes longer to answer what is done in the block."""
    timer = threading.Timer(seconds, _cut_off, [driver.fileno()])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut_off(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _failed(source: SqlSource, address: Address, error: BaseException | None) -> SourceError:
    if isinstance(error, psycopg.errors.QueryCanceled):
        text = f"reading took longer than {source.timeout.total_seconds():g} s, its `timeout`."
        return TransientSourceError(f"Source {source.name}: {text} The next run tries again.")
    said = address.clean(error)
    if isinstance(error, psycopg.OperationalError):
        refused = "password" in said or "authentication" in said or "does not exist" in said
        kind = SourceError if refused else TransientSourceError
        return kind(
            f"Source {source.name}: the database {address.label} can't be reached: {said}. Check the "
            f"URL in {address.variable}, and that the server lets this machine in."
        )
    return SourceError(f"Source {source.name}: the database {address.label} refused: {said}.")
