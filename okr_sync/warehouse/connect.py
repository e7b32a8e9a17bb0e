"""Opening a warehouse: from a URL to a connected, migrated database.

Belongs here: engines, connection settings, transactions and clear errors about them. Does not
belong here: which URL (address), the tables (tables), what is written (publish, mirror) or read
(reads).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from okr_sync.errors import NoWarehouseError, WarehouseError
from okr_sync.warehouse.address import (
    OWN_FOLDER,
    WAREHOUSE_VARIABLE,
    label_of,
    parse_url,
    secrets_of,
)
from okr_sync.warehouse.failures import explain
from okr_sync.warehouse.filesystem import network_file_system

HEAD = "0011"
"""The newest migration (migrations/versions)."""

VERSION_TABLE = "okr_sync_version"
"""Not Alembic's usual name: a team may keep its own migrated tables in the same database."""

_CONNECT_SECONDS = 10

_IDLE_SECONDS = 600
"""A worker that is silent for this long inside a transaction is gone (its machine is paused or off),
and must not hold the others up: the server ends its session, and nothing of the write is kept."""


@dataclass(frozen=True)
class Warehouse:
    """A warehouse that is reachable and whose tables are of this version.

    Driver errors inside `write` and `read` come out as WarehouseError with what to do next.
    """

    engine: Engine
    label: str
    """The URL without its password, for people."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection inside one write transaction: all of it is kept at the end, or nothing.

        On SQLite it waits for its turn at the beginning, as the only writer (BEGIN IMMEDIATE): a
        transaction that reads first and writes later could be refused half-way.
        """
        with self._explained(), self.engine.connect() as connection:
            connection.execution_options(okr_sync_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection inside one read transaction: every statement sees the same instant."""
        with self._explained(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise explain(error, self.label, secrets_of(self.engine.url)) from None


def open_warehouse(url: str, *, migrate: bool = True, lock_wait_seconds: float = 60.0) -> Warehouse:
    """Connect to `sqlite:///path` or `postgresql://…` and bring its tables to this version.

    Without `migrate` nothing is created: tables that are missing or older are an error that says
    which command makes them. `lock_wait_seconds` is how long a write waits for another process.
    Raises WarehouseError.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        _check_file(Path(str(parsed.database)), may_create=migrate)
        engine = _sqlite_engine(parsed, lock_wait_seconds)
    else:
        engine = _postgresql_engine(parsed, lock_wait_seconds)
    warehouse = Warehouse(engine, label_of(parsed))
    try:
        _bring_up_to_date(warehouse, migrate)
    except WarehouseError:
        warehouse.close()
        raise
    return warehouse


# --- the tables' version --------------------------------------------------------------------------


def _bring_up_to_date(warehouse: Warehouse, migrate: bool) -> None:
    with warehouse.read() as connection:
        version = _installed_version(connection)
    if version == HEAD:
        return
    # Imported here because Alembic takes a while to import and is needed once a release.
    from okr_sync.warehouse.migrate import is_known, upgrade

    if version is not None and not is_known(version):
        raise WarehouseError(
            f"The warehouse {warehouse.label} was written by a newer okr-sync (its tables are of "
            f"version {version}, this one knows up to {HEAD}). Upgrade okr-sync."
        )
    if not migrate:
        kind = NoWarehouseError if version is None else WarehouseError
        raise kind(
            f"The warehouse {warehouse.label} "
            + ("has no tables yet." if version is None else "is of an older okr-sync.")
            + " Run `okr-sync sync` first: it makes them and fills them."
        )
    with warehouse.write() as connection:
        upgrade(connection)


def _installed_version(connection: Connection) -> str | None:
    """The migration that the tables are of; None in a database without okr-sync's tables."""
    try:
        version = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    except (OperationalError, ProgrammingError) as error:
        if _is_missing_table(error):
            return None
        raise
    return None if version is None else str(version)


def _is_missing_table(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return "no such table" in str(error.orig)
    return getattr(error.orig, "sqlstate", None) == "42P01"  # undefined_table


# --- SQLite ---------------------------------------------------------------------------------------


def _check_file(path: Path, *, may_create: bool) -> None:
    if path.is_dir():
        raise WarehouseError(f"The warehouse {path} is a folder. Name a file inside it.")
    network = network_file_system(path)
    if network is not None:
        kind, point = network
        raise WarehouseError(
            f"The warehouse {path} lies on a network file system ({kind} at {point}), where SQLite "
            f"can't keep several processes apart and may lose data. Set {WAREHOUSE_VARIABLE} to a "
            "file on a local disk, or to a PostgreSQL database if several machines need it."
        )
    if path.exists():
        return
    if not may_create:
        raise NoWarehouseError(
            f"There is no warehouse at {path} yet. Run `okr-sync sync` first: it makes and fills it."
        )
    if path.parent.is_dir():
        return
    if path.parent.name != OWN_FOLDER:
        raise WarehouseError(
            f"The folder {path.parent} for the warehouse doesn't exist. Make it, or set "
            f"{WAREHOUSE_VARIABLE} to another place."
        )
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise WarehouseError(
            f"The warehouse can't be kept in {path.parent.parent}, because that folder is "
            f"read-only or missing. Set {WAREHOUSE_VARIABLE} to a file elsewhere, for example "
            f"`export {WAREHOUSE_VARIABLE}=~/okr-warehouse.sqlite`.",
            str(error),
        ) from None


def _as_it_is(nothing: None) -> None:
    return nothing


def _sqlite_engine(url: URL, lock_wait_seconds: float) -> Engine:
    engine = create_engine(url, hide_parameters=True)
    # Without it the driver looks in four places for how to adapt None, each time that it stores one.
    sqlite3.register_adapter(type(None), _as_it_is)

    # https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#sqlite-enabling-transactions: the
    # driver must not begin transactions by itself, then every BEGIN is ours.
    def settle(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(lock_wait_seconds * 1000)}")
        connection.execute("PRAGMA foreign_keys = ON")
        # FULL: a publish that was reported as done survives a power cut also in WAL mode.
        connection.execute("PRAGMA synchronous = FULL")
        # WAL stays in the file, so this changes something once in its life. It needs the file for
        # itself; if another process is in, that one has done it or a later opening will.
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_READONLY")):
                raise

    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(options.get("okr_sync_begin", "BEGIN"))

    event.listen(engine, "connect", settle)
    event.listen(engine, "begin", begin)
    return engine


# --- PostgreSQL -----------------------------------------------------------------------------------


def _postgresql_engine(url: URL, lock_wait_seconds: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        # A daemon keeps connections for hours; a restarted server must not fail the next run.
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "okr-sync"},
    )

    def settle(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {int(lock_wait_seconds * 1000)}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {_IDLE_SECONDS * 1000}")
        connection.commit()

    event.listen(engine, "connect", settle)
    return engine
