"""Transactions of the warehouse: all or nothing, and what people read when the database refuses."""

import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.engine import make_url

from okr_sync.errors import WarehouseError
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.tables import objective

ROW = {"objective_id": "a/b", "team": "a", "cycle": "2026", "title": "t", "supports": ()}


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(objective)) or 0


def test_a_write_is_kept_whole_or_not_at_all(warehouse: Warehouse) -> None:
    """An error inside a write leaves nothing of it; without one it is all there."""
    with pytest.raises(ZeroDivisionError), warehouse.write() as connection:
        connection.execute(insert(objective), [ROW])
        raise ZeroDivisionError
    with warehouse.read() as connection:
        assert _count(connection) == 0
    with warehouse.write() as connection:
        connection.execute(insert(objective), [ROW])
    with warehouse.read() as connection:
        assert _count(connection) == 1


def test_a_read_sees_one_instant(warehouse: Warehouse, warehouse_url: str) -> None:
    """Statements of one read agree with each other while another process publishes."""
    other = open_warehouse(warehouse_url)
    with warehouse.read() as reading:
        assert _count(reading) == 0
        with other.write() as writing:
            writing.execute(insert(objective), [ROW])
        assert _count(reading) == 0
    with warehouse.read() as reading:
        assert _count(reading) == 1
    other.close()


def test_reading_then_writing_never_meets_a_stale_snapshot(
    warehouse: Warehouse, warehouse_url: str
) -> None:
    """Two writers that read first take turns: BEGIN IMMEDIATE, where BEGIN would fail one."""
    other = open_warehouse(warehouse_url)
    errors: list[BaseException] = []

    def add(opened: Warehouse, prefix: str) -> None:
        try:
            for number in range(20):
                with opened.write() as connection:
                    _count(connection)
                    row = ROW | {"objective_id": f"{prefix}/{number}"}
                    connection.execute(insert(objective), [row])
        except WarehouseError as error:
            errors.append(error)

    threads = [threading.Thread(target=add, args=pair) for pair in ((warehouse, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with warehouse.read() as connection:
        assert _count(connection) == 40
    other.close()


def test_a_lock_that_is_held_too_long(warehouse: Warehouse, warehouse_url: str) -> None:
    """Waiting ends with a text that says why and what to do."""
    impatient = open_warehouse(warehouse_url, lock_wait_seconds=0.1)
    with warehouse.write() as holding:
        hold(holding, Lock.PUBLISH)
        with (
            pytest.raises(WarehouseError, match=r"(is locked|is busy).*run it again"),
            impatient.write() as waiting,
        ):
            hold(waiting, Lock.PUBLISH)
    impatient.close()


def test_a_disk_that_is_full(sqlite_url: str) -> None:
    """A full disk is named, and nothing of the write stays."""
    warehouse = open_warehouse(sqlite_url)
    with (
        pytest.raises(WarehouseError, match="the disk is full"),
        warehouse.write() as connection,
    ):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        rows = [ROW | {"objective_id": f"a/{n}", "title": "x" * 1000} for n in range(100)]
        connection.execute(insert(objective), rows)
    with warehouse.read() as connection:
        assert _count(connection) == 0
    warehouse.close()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("53100", "disk is full"),
        ("53300", "has no room"),
        ("42501", "doesn't permit"),
        ("25006", "is read-only"),
        ("40P01", "is busy"),
        ("XX000", "refused a statement"),
    ],
)
def test_refusals_of_postgresql(postgresql_url: str, state: str, words: str) -> None:
    """The server's codes become texts that say what to do."""
    warehouse = open_warehouse(postgresql_url)
    statement = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(WarehouseError, match=words), warehouse.write() as connection:
        connection.execute(text(statement))
    warehouse.close()


def test_a_connection_that_is_lost(postgresql_url: str, postgresql_server: str) -> None:
    """A server that goes away mid-write: a clear text, and the next write works again."""
    warehouse = open_warehouse(postgresql_url)
    with (
        pytest.raises(WarehouseError, match="closed the connection"),
        warehouse.write() as connection,
    ):
        connection.execute(insert(objective), [ROW])
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(postgresql_server, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        _count(connection)
    with warehouse.write() as connection:
        assert _count(connection) == 0
        connection.execute(insert(objective), [ROW])
    warehouse.close()


def test_a_damaged_file(tmp_path: Path) -> None:
    """A damaged file is called damaged, not a fault of okr-sync."""
    path = tmp_path / "w.sqlite"
    open_warehouse(f"sqlite:///{path}").close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(WarehouseError, match=r"is damaged"):
        open_warehouse(f"sqlite:///{path}")


def test_errors_show_no_password(postgresql_url: str) -> None:
    """Whatever the driver says, the URL's password is cut out of it."""
    canary = "s3cr3t-canary"
    url = make_url(postgresql_url).set(password=canary)
    warehouse = open_warehouse(url.render_as_string(hide_password=False))
    with pytest.raises(WarehouseError) as caught, warehouse.write() as connection:
        connection.execute(text(f"SELECT {canary!r} FROM nowhere WHERE x = '{canary}' +"))
    assert "***" in caught.value.detail
    assert canary not in f"{caught.value.user_text} {caught.value.detail} {caught.value!r}"
    assert canary not in warehouse.label
    warehouse.close()
