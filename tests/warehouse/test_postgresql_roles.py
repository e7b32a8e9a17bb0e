"""The roles of docs/postgresql-roles.md: a worker that can sync and can't rewrite history."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from okr_sync.commands.sync import run_sync
from okr_sync.errors import WarehouseError
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.observations import KeyResultObservation, KeyResultRow
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.renames import Rename, apply_renames
from okr_sync.warehouse.runs import finish_run, start_run
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import metadata

PAGE = Path(__file__).parents[2] / "docs" / "postgresql-roles.md"
ROLES = ("okr_owner", "okr_worker", "okr_reader")


@dataclasses.dataclass(frozen=True)
class Roles:
    """The URLs of one database, by who uses it."""

    owner: str
    worker: str
    reader: str


@pytest.fixture
def roles(postgresql_server: str, postgresql_url: str) -> Iterator[Roles]:
    """A database that was set up as the page says, statement by statement."""
    once, grants, default = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    urls = [re.sub(r"//postgres:[^@]*@", f"//{role}:@", postgresql_url) for role in ROLES]
    with psycopg.connect(postgresql_url, autocommit=True) as administrator:
        administrator.execute(once)
        try:
            open_warehouse(urls[0]).close()
            for url, statements in ((urls[0], grants), (urls[1], default)):
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(statements)
            yield Roles(*urls)
        finally:
            for role in ROLES:
                administrator.execute(f"DROP OWNED BY {role} CASCADE")
                administrator.execute(f"DROP ROLE {role}")


@pytest.fixture
def worker(roles: Roles) -> Iterator[Warehouse]:
    """The warehouse as the worker has it."""
    opened = open_warehouse(roles.worker)
    yield opened
    opened.close()


def publish_one(
    warehouse: Warehouse, run_id: str, row: KeyResultRow, number: KeyResultObservation, at: datetime
) -> None:
    """A whole run that publishes one number of one key result."""
    start_run(
        warehouse,
        run_id=run_id,
        trigger="manual",
        dagster_run_id=None,
        config_hash="c",
        expected=1,
        started_at=at,
    )
    publish(
        warehouse,
        run_id=run_id,
        published_at=at,
        measured_at=at,
        objectives=[],
        key_results=[row],
        observations=[number],
        metric_observations=[],
        failures=[],
        stale_after={row.key_result_id: None},
    )
    finish_run(warehouse, run_id, finished_at=at)


def test_every_table_is_on_the_page() -> None:
    """A table that a later version adds needs its rights said."""
    page = PAGE.read_text("utf-8")
    for table in metadata.tables:
        assert re.search(rf"\b{table}\b", page), table


def test_the_worker_publishes_runs(
    worker: Warehouse,
    roles: Roles,
    noon: datetime,
    define: Callable[..., KeyResultRow],
    observe: Callable[..., KeyResultObservation],
) -> None:
    """New numbers, revisions, the run's end: all of it with the worker's rights; readers read it."""
    for number, value in enumerate(("1", "2")):
        at = noon + timedelta(hours=number)
        seen = observe("growth/a", "2026-10-05", value)
        publish_one(worker, f"run-{number}", define("growth/a"), seen, at)
    reader = open_warehouse(roles.reader, migrate=False)
    assert [row.value for row in history(reader, "growth/a")] == [1, 2]
    assert [row.value for row in status(reader, now=noon)] == [2]
    with reader.read() as connection:
        assert violations(connection) == []
    with pytest.raises(WarehouseError, match="doesn't permit"), reader.write() as connection:
        connection.execute(text("INSERT INTO config_version VALUES ('c', now(), NULL, '{}')"))
    reader.close()


def test_the_worker_renames_a_key_result(
    worker: Warehouse,
    noon: datetime,
    define: Callable[..., KeyResultRow],
    observe: Callable[..., KeyResultObservation],
) -> None:
    """A new id needs no right on history: the server carries it from key_result into the rows."""
    for number, name in enumerate(("growth/a", "growth/b")):
        seen = observe(name, f"2026-10-0{number + 4}", "1")
        publish_one(worker, f"run-{number}", define(name), seen, noon)
    renames = [Rename("growth/a", "growth/b")]  # which has numbers of its own
    done = apply_renames(worker, renames, renamed_at=noon, config_hash="c")
    assert done == renames
    assert [str(row.as_of) for row in history(worker, "growth/b")] == ["2026-10-04", "2026-10-05"]
    assert history(worker, "growth/a") == []
    assert apply_renames(worker, renames, renamed_at=noon, config_hash="c") == []
    with worker.read() as connection:
        assert violations(connection) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM key_result_history",
        "UPDATE key_result_history SET value = 1",
        "UPDATE key_result_history SET recorded_at = now()",
        "UPDATE key_result_history SET key_result_id = 'another/one'",
        "UPDATE key_result_history SET cause = 'first'",
        "TRUNCATE key_result_history",
        "DELETE FROM key_result_goal",
        "UPDATE key_result_goal SET target = 1",
        "DELETE FROM key_result_rename",
        "UPDATE key_result_rename SET new_id = 'another/one'",
        "ALTER TABLE key_result_history DISABLE TRIGGER ALL",
        "DROP TABLE key_result_history",
        "DELETE FROM metric_value",
        "UPDATE metric_value SET value = 1",
        "DELETE FROM sync_run",
        "DELETE FROM key_result",
        "DELETE FROM config_version",
        "UPDATE config_version SET body = '{}'",
        "DELETE FROM lease",
        "DELETE FROM value_override",
    ],
)
def test_the_worker_cannot_rewrite_what_was_published(worker: Warehouse, statement: str) -> None:
    """The server refuses it, whatever program asks with the worker's password."""
    with (
        pytest.raises(WarehouseError, match="doesn't permit"),
        worker.write() as connection,
    ):
        connection.execute(text(statement))


@pytest.mark.usefixtures("sandbox")
def test_a_whole_sync_with_the_workers_rights(
    roles: Roles, company: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulls, mirrors that follow the bindings, evaluation and publish: twice, from the command."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", roles.worker)
    day = date(2026, 3, 20)
    for _ in range(2):
        assert run_sync(tmp_path / "project", [], day, None) == 0
    reader = open_warehouse(roles.reader, migrate=False)
    assert len(status(reader, now=datetime.now(UTC))) == 4
    reader.close()
