"""Opening a warehouse: created, migrated, shared, or refused with a text that helps."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text, update
from sqlalchemy.engine import make_url

from okr_sync.errors import WarehouseError
from okr_sync.warehouse import migrate
from okr_sync.warehouse.address import default_url
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import HEAD, VERSION_TABLE, Warehouse, open_warehouse
from okr_sync.warehouse.migrate import is_known
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.renames import Rename, apply_renames
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import key_result, metadata

CANARY = "s3cr3t-canary"


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's right to write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can look into."""
    folder = Path(tempfile.mkdtemp(prefix="okr", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_migrations_make_the_tables_of_the_metadata(warehouse: Warehouse) -> None:
    """tables.py and the migrations say the same, on both engines."""
    with warehouse.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        inspector = inspect(connection)
        for table in metadata.sorted_tables:  # what compare_metadata doesn't look at
            keys = inspector.get_pk_constraint(table.name)["constrained_columns"]
            assert keys == [column.name for column in table.primary_key]
            foreign = {key["referred_table"] for key in inspector.get_foreign_keys(table.name)}
            assert foreign == {key.column.table.name for key in table.foreign_keys}


def test_head_is_the_newest_migration(warehouse: Warehouse) -> None:
    """connect.HEAD, which spares the import of Alembic, is what the migrations lead to."""
    with warehouse.read() as connection:
        assert connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == HEAD
    assert is_known(HEAD)
    assert not is_known("9999")


def test_a_warehouse_that_is_up_to_date_opens_without_alembic(warehouse_url: str) -> None:
    """Every command opens the warehouse; only the first one pays for the migrations."""
    open_warehouse(warehouse_url).close()
    code = (
        "import sys; from okr_sync.warehouse.connect import open_warehouse;"
        "open_warehouse(sys.argv[1]); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, warehouse_url], check=True)


def test_reading_imports_no_migrations_and_no_binding_language() -> None:
    """Reading commands start fast: okr_sync.warehouse.status and reads need SQLAlchemy only."""
    code = (
        "import sys; import okr_sync.warehouse.reads, okr_sync.warehouse.status;"
        "sys.exit(' '.join({'alembic', 'pydantic', 'psycopg', 'dagster'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_several_processes_open_a_new_warehouse_at_once(warehouse_url: str, tmp_path: Path) -> None:
    """Whoever comes second waits and finds the tables made: nobody fails."""
    code = (
        "import os, sys, time\n"
        "from okr_sync.warehouse.connect import open_warehouse\n"
        "import okr_sync.warehouse.migrate\n"
        "open(sys.argv[2] + '.' + str(os.getpid()), 'w').close()\n"
        "while not os.path.exists(sys.argv[2]): time.sleep(0.001)\n"
        "open_warehouse(sys.argv[1]).close()\n"
    )
    go = tmp_path / "go"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", code, warehouse_url, str(go)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    while len(list(tmp_path.glob("go.*"))) < len(others):
        assert all(other.poll() is None for other in others)
        time.sleep(0.01)
    go.touch()
    for other in others:
        _, errors = other.communicate(timeout=120)
        assert other.returncode == 0, errors
    open_warehouse(warehouse_url, migrate=False).close()


def test_a_migration_that_is_interrupted_leaves_nothing(warehouse_url: str) -> None:
    """All migrations are one transaction: killed before its end, the next opening starts anew."""
    code = (
        "import os, signal, sys\n"
        "from sqlalchemy import event, Engine\n"
        "from okr_sync.warehouse.connect import open_warehouse\n"
        "def die(connection, cursor, statement, *rest):\n"
        "    if 'CREATE TABLE source_pull' in statement: os.kill(os.getpid(), signal.SIGKILL)\n"
        "event.listen(Engine, 'before_cursor_execute', die)\n"
        "open_warehouse(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, warehouse_url], check=False)
    assert done.returncode == -9
    with pytest.raises(WarehouseError, match="has no tables yet"):
        open_warehouse(warehouse_url, migrate=False)
    open_warehouse(warehouse_url).close()


def test_without_migrate_nothing_is_made(warehouse_url: str, tmp_path: Path) -> None:
    """A reading command on a project that was never synced says so and leaves no file behind."""
    with pytest.raises(WarehouseError, match="Run `okr-sync sync` first"):
        open_warehouse(warehouse_url, migrate=False)
    with pytest.raises(WarehouseError, match="Run `okr-sync sync` first"):
        open_warehouse(default_url(tmp_path), migrate=False)
    assert list(tmp_path.iterdir()) == []


def test_tables_of_a_newer_version_are_refused(warehouse: Warehouse, warehouse_url: str) -> None:
    """An old okr-sync must not write into tables that it doesn't know."""
    with warehouse.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(WarehouseError, match="Upgrade okr-sync"):
        open_warehouse(warehouse_url)


def test_the_default_folder_is_made(tmp_path: Path) -> None:
    """A project needs no preparation: .okr_sync is made when it is missing."""
    open_warehouse(default_url(tmp_path)).close()
    assert (tmp_path / ".okr_sync" / "warehouse.sqlite").is_file()


def test_a_path_with_signs_of_urls_is_a_file(tmp_path: Path) -> None:
    """A folder's name may hold ?, #, % and spaces."""
    folder = tmp_path / "50% of #1? yes"
    folder.mkdir()
    open_warehouse(default_url(folder)).close()
    assert (folder / ".okr_sync" / "warehouse.sqlite").is_file()


def test_sqlite_settings(sqlite_url: str) -> None:
    """Each connection waits for locks, checks foreign keys, and syncs its writes to the disk."""
    warehouse = open_warehouse(sqlite_url)
    with warehouse.read() as connection:
        names = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert found == ["wal", 1, 2, 60_000]
    warehouse.close()


def test_a_missing_folder(tmp_path: Path) -> None:
    """A folder that is not ours is not made: a typing error would scatter files."""
    with pytest.raises(WarehouseError, match="doesn't exist. Make it") as caught:
        open_warehouse(f"sqlite:///{tmp_path}/nowhere/w.sqlite")
    assert str(tmp_path / "nowhere") in caught.value.user_text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """Naming the folder instead of the file is told apart from other trouble."""
    with pytest.raises(WarehouseError, match="is a folder"):
        open_warehouse(f"sqlite:///{tmp_path}")


def test_something_else_in_place_of_a_database(tmp_path: Path) -> None:
    """Another file is refused and left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(WarehouseError, match="is not a SQLite database"):
        open_warehouse(f"sqlite:///{path}")
    assert path.read_text() == "not a database, " * 100


def test_a_project_folder_that_is_read_only(open_folder: Path) -> None:
    """A project may be read-only; the text then says which variable to set."""
    open_folder.chmod(0o555)
    with unprivileged(), pytest.raises(WarehouseError, match="Set OKR_SYNC_WAREHOUSE to a file"):
        open_warehouse(default_url(open_folder))


def test_a_warehouse_file_that_is_read_only(open_folder: Path) -> None:
    """A warehouse that can't be written says so instead of a driver's error."""
    path = open_folder / "w.sqlite"
    open_warehouse(f"sqlite:///{path}").close()
    path.chmod(0o444)
    open_folder.chmod(0o777)
    with unprivileged():
        warehouse = open_warehouse(f"sqlite:///{path}")
        with (
            pytest.raises(WarehouseError, match="read-only"),
            warehouse.write() as connection,
        ):
            connection.execute(text("DELETE FROM sync_run"))
        warehouse.close()


def test_a_server_that_is_down() -> None:
    """Nothing listens there: the text names host and port and not the password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(WarehouseError, match="can't be reached") as caught:
        open_warehouse(f"postgresql://u:{CANARY}@127.0.0.1:{port}/db")
    assert f"127.0.0.1:{port}" in caught.value.user_text
    assert CANARY not in f"{caught.value.user_text} {caught.value.detail}"


def test_a_database_that_does_not_exist(postgresql_server: str) -> None:
    """A wrong name of the database is told apart from a server that is down."""
    with pytest.raises(WarehouseError, match="is not on that server"):
        open_warehouse(postgresql_server.replace("/postgres?", "/nowhere?"))


def as_user(url: str, name: str, password: str | None = None) -> str:
    """The same server's URL for somebody else."""
    other = make_url(url)._replace(username=name, password=password)
    return other.render_as_string(hide_password=False)


def test_a_user_that_does_not_exist(postgresql_server: str) -> None:
    """A wrong user name is told apart from a server that is down."""
    with pytest.raises(WarehouseError, match="doesn't know that user"):
        open_warehouse(as_user(postgresql_server, "nobody"))


@pytest.fixture
def guarded_url(postgresql_server: str) -> Iterator[str]:
    """A URL with a wrong password, for a user whose password the server checks."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        found = connection.execute("SHOW hba_file").fetchone()
        assert found is not None
        rules = Path(found[0])
        before = rules.read_text()
        rules.write_text(f"local all guarded scram-sha-256\n{before}")
        _reload(postgresql_server)
        yield as_user(postgresql_server, "guarded", CANARY)
        rules.write_text(before)
        _reload(postgresql_server)
        connection.execute("DROP ROLE guarded")


def _reload(server: str) -> None:
    loaded = "SELECT pg_conf_load_time()"
    with psycopg.connect(server, autocommit=True) as connection:
        before = connection.execute(loaded).fetchone()
        connection.execute("SELECT pg_reload_conf()")
    while True:
        with psycopg.connect(server, autocommit=True) as connection:
            if connection.execute(loaded).fetchone() != before:
                return


def test_a_wrong_password(guarded_url: str) -> None:
    """The refusal says what to check and never shows the password."""
    with pytest.raises(WarehouseError, match="refused the user name or password") as caught:
        open_warehouse(guarded_url)
    shown = f"{caught.value!r} {caught.value.user_text} {caught.value.detail}"
    assert CANARY not in shown
    assert "guarded@" in shown
    assert caught.value.__cause__ is None


VERSIONS = [f"{number:04}" for number in range(1, int(HEAD))]
"""Every earlier version of the tables."""


def _tables_of(connection: Connection, version: str) -> None:
    config = Config()
    folder = Path(migrate.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, version)


_NUMBERS = (
    """
    INSERT INTO sync_run (run_id, started_at, finished_at, status, "trigger", config_hash,
    key_results_expected, key_results_ok, key_results_failed, key_results_unchanged) VALUES
    ('r', '2026-02-02T00:00:00.000000+00:00', '2026-02-02T00:01:00.000000+00:00', 'success',
    'schedule', 'c', 1, 1, 0, 0)
    """,
    """
    INSERT INTO key_result (key_result_id, objective_id, team, cycle, cycle_start, cycle_end, title,
    metric, target, goal_kind, commitment, family, definition_hash, config_hash, defined_in) VALUES
    ('t/kr', 't/o', 't', '2026-Q1', '2026-01-01', '2026-03-31', 'Lift it', 'leads', '0.270',
    'from_to', 'committed', 'funnel', 'd', 'c', 'okrs.yaml:1')
    """,
    """
    INSERT INTO key_result_history (key_result_id, as_of, revision, value, status, is_final, origin,
    quality, definition_hash, recorded_at, superseded_at, run_id) VALUES
    ('t/kr', '2026-02-01', 1, '0.123456789012345678901', 'lagging', false, 'backfill', '[]', 'd',
    '2026-02-01T00:00:00.000000+00:00', '2026-02-02T00:00:00.000000+00:00', 'r'),
    ('t/kr', '2026-02-01', 2, '0.2', 'lagging', true, 'automatic', '[]', 'd',
    '2026-02-02T00:00:00.000000+00:00', NULL, 'r')
    """,
    """
    INSERT INTO key_result_current (key_result_id, value, status, freshness, quality, as_of,
    is_final, measured_at, run_id) VALUES ('t/kr', '0.2', 'lagging', 'fresh', '[]', '2026-02-01',
    true, '2026-02-02T00:00:00.000000+00:00', 'r')
    """,
)
"""What a warehouse of any version may hold, in the columns that all of them have."""


@pytest.fixture(params=VERSIONS)
def older(request: pytest.FixtureRequest, warehouse_url: str) -> tuple[str, str]:
    """A warehouse of an earlier version, with a run, a key result and two revisions; and the version."""
    version = str(request.param)
    # The settings of a connection are made here; the tables are made anew as that version had them.
    engine = open_warehouse(warehouse_url).engine
    with engine.begin() as connection:
        for view in inspect(connection).get_view_names():
            connection.execute(text(f"DROP VIEW {view}"))
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DROP TABLE {table.name}"))
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    with engine.begin() as connection:
        _tables_of(connection, version)
        for statement in _NUMBERS:
            connection.execute(text(statement))
        if version >= "0003":
            connection.execute(
                text(
                    "INSERT INTO lease VALUES ('r', 1, NULL, true)"
                )  # 0003 gives older runs theirs
            )
    engine.dispose()
    return warehouse_url, version


def test_a_warehouse_of_any_earlier_version_keeps_its_numbers(older: tuple[str, str]) -> None:
    """Rows, digits, revisions and references survive every migration, and can be renamed and read."""
    url, version = older
    with pytest.raises(WarehouseError, match="older okr-sync"):
        open_warehouse(url, migrate=False)
    warehouse = open_warehouse(url)
    with warehouse.write() as connection:
        assert connection.scalars(select(key_result.c.target)).all() == [Decimal("0.270")]
        connection.execute(update(key_result).values(target=None))
        assert violations(connection) == []
    first, second = history(warehouse, "t/kr")
    assert (first.value, str(first.as_of)) == (Decimal("0.123456789012345678901"), "2026-02-01")
    assert (first.superseded_at, second.value) == (second.recorded_at, Decimal("0.2"))
    # What can be told of numbers from before causes were kept is told; 0005 began to keep them.
    assert (first.cause, second.cause) == ("backfill" if version < "0005" else None, None)
    (current,) = status(warehouse, now=datetime.now(UTC))
    assert (current.target, current.title, current.value) == (None, "Lift it", Decimal("0.2"))
    at = datetime.now(UTC)
    renames = [Rename("t/kr", "t/other")]
    assert apply_renames(warehouse, renames, renamed_at=at, config_hash="c") == renames
    assert len(history(warehouse, "t/other")) == 2
    known = text("SELECT count(*) FROM key_result_as_known WHERE key_result_id = 't/other'")
    with warehouse.read() as connection:
        assert connection.scalar(known) == 2
    warehouse.close()
