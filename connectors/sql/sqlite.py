"""SQLite as a source: a file that is opened so that nothing can be written.

Belongs here: the connection, what statements are allowed, and the time-out. Does not belong here:
which statements are run (connector).

Three things keep a statement from writing: the file is opened with `mode=ro`
(https://www.sqlite.org/uri.html), `PRAGMA query_only` holds for attached files too, and while a
statement of the project is run an authorizer allows reading only, so it can't attach or set anything.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from connectors.sql.address import Address
from connectors.sql.reading import Rows, StatementError
from okr_sync.config.models import SqlSource
from okr_sync.errors import SourceError, TransientSourceError

_ALLOWED: Final = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)
_STEPS_BETWEEN_LOOKS: Final = 5_000
_LOCK_SECONDS: Final = 10.0


class SqliteReading:
    """A read transaction of a SQLite file; a Reading."""

    infers_times = True

    def __init__(self, connection: sa.Connection, source: SqlSource, address: Address) -> None:
        self.connection = connection
        self._source = source
        self._address = address
        self._deadline = float("inf")
        self._driver: sqlite3.Connection = _driver(connection)
        self._driver.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)

    @contextmanager
    def run(self, statement: str, days: Mapping[str, date]) -> Iterator[Rows]:
        """Run one query; see Reading."""
        self._deadline = time.monotonic() + self._source.timeout.total_seconds()
        self._driver.set_authorizer(_authorize)
        cursor = self._driver.cursor()
        try:
            binds = {name: day.isoformat() for name, day in days.items()}
            cursor.execute(statement, binds)
            yield Rows([column[0] for column in cursor.description or ()], cursor)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._refused(error) from error
        finally:
            # Rows that nobody has read to their end would keep the file locked for its owner, also
            # after the connection is closed.
            cursor.close()
            self._deadline = float("inf")
            self._driver.set_authorizer(None)

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _refused(self, error: Exception) -> StatementError:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_INTERRUPT":
            return StatementError(
                f"it took longer than {self._source.timeout.total_seconds():g} s, the source's "
                "`timeout`",
                is_transient=True,
            )
        if name.startswith(("SQLITE_READONLY", "SQLITE_AUTH")):
            return StatementError("only reading is allowed: write one SELECT")
        return StatementError(
            self._address.clean(error), is_transient=name.startswith("SQLITE_BUSY")
        )


@contextmanager
def read_sqlite(source: SqlSource, address: Address) -> Iterator[SqliteReading]:
    """Open a SQLite file for one read transaction. Raises SourceError."""
    path = address.path
    if not path.is_file():
        raise SourceError(
            f"Source {source.name}: there is no file {path}. Check the URL in {address.variable}."
        )

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_SECONDS, isolation_level=None
        )
        connection.execute("PRAGMA query_only = ON")
        return connection

    engine = sa.create_engine(
        "sqlite+pysqlite://", creator=connect, poolclass=NullPool, hide_parameters=True
    )
    try:
        with engine.connect() as connection:
            # The driver begins nothing by itself here, and one snapshot is wanted.
            connection.exec_driver_sql("BEGIN")
            yield SqliteReading(connection, source, address)
    except sa.exc.DBAPIError as error:
        raise _failed(source, address, error.orig) from error
    except sqlite3.Error as error:
        raise _failed(source, address, error) from error


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def _authorize(action: int, *_about: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _failed(source: SqlSource, address: Address, error: BaseException | None) -> SourceError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return TransientSourceError(
            f"Source {source.name}: {address.path} is locked by another programme. The next run "
            "tries again."
        )
    return SourceError(
        f"Source {source.name}: {address.path} can't be read as a SQLite database: "
        f"{address.clean(error)}."
    )
