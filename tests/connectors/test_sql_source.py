"""Databases as sources: tables and statements of real SQLite files and a real PostgreSQL."""

import gc
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from connectors.base import PullResult
from connectors.sql.connector import SqlConnector
from okr_sync.config.models import SqlSource
from okr_sync.metrics.needs import QueriesNeed, QueryNeed, RecordsNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType, fields_of, record_table
from okr_sync.warehouse.query_store import query_key, query_refusals, query_result

_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_DAY, _FIRST, _AFTER = date(2026, 10, 31), date(2026, 10, 1), date(2026, 11, 1)

_STAFF = """
CREATE TABLE staff (
    id INTEGER PRIMARY KEY, name VARCHAR(50), hired_on DATE, certified BOOLEAN,
    salary NUMERIC(14, 4), seen_at TIMESTAMP, team TEXT
);
INSERT INTO staff VALUES
    (1, 'Ann', '2026-10-05', {true}, 1000.1001, '2026-10-05 09:30:00', 'web'),
    (2, 'Bob', '2026-10-06', {false}, 2000.2, NULL, 'web'),
    (3, 'Cem', NULL, NULL, NULL, '2026-10-07 00:00:00.5', 'ads');
CREATE VIEW web_staff AS SELECT id, name, salary * 2 AS pay, hired_on FROM staff WHERE team = 'web';
CREATE TABLE twins (colour TEXT);
INSERT INTO twins VALUES ('red'), ('red'), ('blue');
"""


@dataclass
class People:
    """A source database: its engine's name, its URL, and how to change it."""

    engine: str
    url: str

    def run(self, *statements: str) -> None:
        """Change the database, as its owner would."""
        if self.engine == "sqlite":
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
            for statement in statements:
                connection.executescript(statement)
            connection.commit()
            connection.close()
            return
        with psycopg.connect(self.url, autocommit=True) as server:
            for statement in statements:
                server.execute(statement.encode())

    def connector(self, **settings: Any) -> SqlConnector:
        """A connector for it."""
        source = SqlSource(name="people", url_env="PEOPLE_URL", **settings)
        return SqlConnector(source, {"PEOPLE_URL": self.url})


@pytest.fixture(params=["sqlite", "postgresql"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[People]:
    """Three members of staff in SQLite, then in PostgreSQL."""
    if request.param == "sqlite":
        made = People("sqlite", f"sqlite:///{tmp_path / 'people db.sqlite'}")
        made.run(_STAFF.format(true=1, false=0))
    else:
        made = People("postgresql", str(request.getfixturevalue("postgresql_url")))
        made.run(_STAFF.format(true="true", false="false"))
    yield made


def _need(
    *fields: str, dataset: str = "staff", times: Sequence[str] = (), numbers: Sequence[str] = ()
) -> RecordsNeed:
    return RecordsNeed("people", dataset, frozenset(fields), frozenset(times), frozenset(numbers))


def _stored(warehouse: Warehouse, dataset: str = "staff") -> list[dict[str, Any]]:
    with warehouse.read() as connection:
        name = record_table("people", dataset, {}).name
        table = sa.Table(name, sa.MetaData(), autoload_with=connection)
        rows = [dict(row._mapping) for row in connection.execute(sa.select(table))]
    return sorted(rows, key=str)


def _column(warehouse: Warehouse, name: str, dataset: str = "staff") -> list[Any]:
    return sorted((row[f"f_{name}"] for row in _stored(warehouse, dataset)), key=str)


def _query(
    people: People, warehouse: Warehouse, *texts: str, **settings: Any
) -> tuple[PullResult, dict[str, str]]:
    needs = tuple(QueryNeed(f"m{i}", text, _DAY, _FIRST, _AFTER) for i, text in enumerate(texts))
    result = people.connector(**settings).pull(QueriesNeed("people", needs), warehouse, _NOW)
    with warehouse.read() as connection:
        refusals = query_refusals(connection, "people")
    return result, {text: refusals.get(query_key(text), "") for text in texts}


def _figures(warehouse: Warehouse, text: str) -> tuple[Decimal | None, ...] | None:
    with warehouse.read() as connection:
        found = query_result(connection, "people", text, _DAY, _FIRST, _AFTER)
    return None if found is None else (found.value, found.numerator, found.denominator)


# --- tables and views -----------------------------------------------------------------------------


def test_a_table_is_mirrored_by_its_column_types(
    people: People, sqlite_warehouse: Warehouse
) -> None:
    """Days, times, flags and exact numbers arrive as in any dataset, and only bound columns do."""
    need = _need(
        "hired_on", "certified", "salary", "seen_at", times=["hired_on"], numbers=["salary"]
    )
    result = people.connector().pull(need, sqlite_warehouse, _NOW)
    assert (result.is_complete, result.error) == (True, None)
    assert (result.rows, result.rows_expected, result.cursor_to) == (3, 3, _NOW)
    with sqlite_warehouse.read() as connection:
        types = {name: one.type for name, one in fields_of(connection, "people", "staff").items()}
    assert types == {
        "hired_on": FieldType.DAY,
        "certified": FieldType.FLAG,
        "salary": FieldType.NUMBER,
        "seen_at": FieldType.INSTANT,
    }
    october_5 = (date(2026, 10, 5) - date(1970, 1, 1)).days
    assert _column(sqlite_warehouse, "hired_on") == [october_5, october_5 + 1, None]
    assert _column(sqlite_warehouse, "certified") == [None, "false", "true"]
    assert _column(sqlite_warehouse, "salary") == [1_000_100_100, 2_000_200_000, None]
    noon = datetime(2026, 10, 5, 9, 30, tzinfo=UTC).timestamp() * 1000
    assert noon in _column(sqlite_warehouse, "seen_at")
    assert "f_name" not in _stored(sqlite_warehouse)[0]


def test_a_view_is_read_like_a_table(people: People, sqlite_warehouse: Warehouse) -> None:
    """A view's expressions, which have no type in SQLite, are typed by their values."""
    need = _need("pay", "hired_on", dataset="web_staff", times=["hired_on"], numbers=["pay"])
    result = people.connector().pull(need, sqlite_warehouse, _NOW)
    assert (result.is_complete, result.rows) == (True, 2)
    assert _column(sqlite_warehouse, "pay", "web_staff") == [2_000_200_200, 4_000_400_000]


def test_rows_that_are_alike_are_all_kept(people: People, sqlite_warehouse: Warehouse) -> None:
    """A table without a key may hold a row twice; both count, with ids that stay."""
    connector = people.connector()
    connector.pull(_need("colour", dataset="twins"), sqlite_warehouse, _NOW)
    before = _stored(sqlite_warehouse, "twins")
    assert _column(sqlite_warehouse, "colour", "twins") == ["blue", "red", "red"]
    people.run("INSERT INTO twins VALUES ('green')")
    later = _NOW + timedelta(hours=1)
    assert connector.pull(_need("colour", dataset="twins"), sqlite_warehouse, later).rows == 4
    after = _stored(sqlite_warehouse, "twins")
    assert {row["id"] for row in before} < {row["id"] for row in after}


def test_rows_that_left_the_table_leave_the_mirror(
    people: People, sqlite_warehouse: Warehouse
) -> None:
    """A table is read whole: what was deleted there is gone here."""
    people.connector().pull(_need("name"), sqlite_warehouse, _NOW)
    people.run("DELETE FROM staff WHERE id = 2")
    people.connector().pull(_need("name"), sqlite_warehouse, _NOW + timedelta(hours=1))
    assert _column(sqlite_warehouse, "name") == ["Ann", "Cem"]


def test_an_empty_table_and_no_fields(people: People, sqlite_warehouse: Warehouse) -> None:
    """No rows is a complete read of nothing, and rows are counted without any column."""
    people.run("CREATE TABLE nobody (id INTEGER)")
    empty = people.connector().pull(_need("id", dataset="nobody"), sqlite_warehouse, _NOW)
    assert (empty.is_complete, empty.rows) == (True, 0)
    counted = people.connector().pull(_need(dataset="twins"), sqlite_warehouse, _NOW)
    assert (counted.is_complete, counted.rows) == (True, 3)


def test_more_rows_than_the_cap(people: People, sqlite_warehouse: Warehouse) -> None:
    """Beyond the cap nothing is stored, and the error names both numbers."""
    people.connector().pull(_need("name"), sqlite_warehouse, _NOW)
    before = _stored(sqlite_warehouse)
    result = people.connector(row_cap=2).pull(_need("name"), sqlite_warehouse, _NOW)
    assert result.error == (
        "Source people: staff has 3 rows, and at most 2 are read. Bind a view with fewer rows, use "
        "a `sql` metric, or raise `row_cap`."
    )
    assert _stored(sqlite_warehouse) == before
    assert not result.is_complete and not result.is_transient


def test_an_unknown_table_names_the_near_miss(people: People, sqlite_warehouse: Warehouse) -> None:
    """Only tables and views of the catalogue are read; a name is never put into SQL unchecked."""
    need = _need("name", dataset="stafff")
    assert people.connector().pull(need, sqlite_warehouse, _NOW).error == (
        "Source people: the database has no table or view stafff. Did you mean staff?"
    )
    hostile = _need("name", dataset='staff"; DROP TABLE staff; --')
    assert not people.connector().pull(hostile, sqlite_warehouse, _NOW).is_complete
    assert people.connector().pull(_need("name"), sqlite_warehouse, _NOW).rows == 3


def test_a_wrong_column_stops_no_other(people: People, sqlite_warehouse: Warehouse) -> None:
    """An unknown column and one of the wrong type are told of by field; the others are read."""
    need = _need("nam", "name", "team", times=["team"], numbers=["name"])
    assert people.connector().pull(need, sqlite_warehouse, _NOW).is_complete
    with sqlite_warehouse.read() as connection:
        errors = {name: one.error for name, one in fields_of(connection, "people", "staff").items()}
    assert errors["nam"] == "people.staff has no column nam. Did you mean name?"
    assert errors["name"] == "people.staff: name is bound as a number, but it holds text."
    assert (errors["team"] or "").startswith("people.staff: team is bound as a time, but it holds")


def test_tables_of_other_schemas(postgresql_url: str, sqlite_warehouse: Warehouse) -> None:
    """A table outside the default schema is named with its schema; materialized views count too."""
    people = People("postgresql", postgresql_url)
    people.run(
        "CREATE SCHEMA hr",
        'CREATE TABLE hr."Odd Name" ("a""b" integer)',
        'INSERT INTO hr."Odd Name" VALUES (7)',
        'CREATE MATERIALIZED VIEW odd AS SELECT * FROM hr."Odd Name"',
    )
    for dataset in ("hr.Odd Name", "odd"):
        result = people.connector().pull(_need('a"b', dataset=dataset), sqlite_warehouse, _NOW)
        assert (result.error, result.rows) == (None, 1)


def test_texts_as_times_in_sqlite(tmp_path: Path, sqlite_warehouse: Warehouse) -> None:
    """SQLite has no types for times: a text column is a time if all its values are."""
    people = People("sqlite", f"sqlite:///{tmp_path / 'people.sqlite'}")
    people.run(
        "CREATE TABLE staff (day TEXT, bad TEXT)",
        "INSERT INTO staff VALUES ('2026-10-05', '2026-10-05'), ('2026-10-06', '5.10.2026')",
    )
    need = _need("day", "bad", times=["day", "bad"])
    assert people.connector().pull(need, sqlite_warehouse, _NOW).is_complete
    with sqlite_warehouse.read() as connection:
        fields = fields_of(connection, "people", "staff")
    assert fields["day"].type is FieldType.DAY
    assert fields["bad"].error == (
        "people.staff: bad is bound as a time, but it holds text. The first other value is "
        "'5.10.2026' in the column bad: write it as 2026-01-31 or 2026-01-31T09:00:00Z."
    )


# --- statements -----------------------------------------------------------------------------------


def test_statements_get_their_days(people: People, sqlite_warehouse: Warehouse) -> None:
    """The three days are bound wherever they are names, and results are stored by statement."""
    counted = (
        "SELECT count(*) AS value FROM staff -- :as_of in a comment; and more\n"
        "WHERE hired_on >= :window_start AND hired_on < :window_end AND ':as_of' <> '100%' "
        "AND :window_start < :window_end;"
    )
    share = "SELECT 1.5 AS denominator, sum(salary) AS numerator FROM staff WHERE id < 3"
    nothing = "SELECT NULL AS value FROM staff WHERE :as_of = '2026-10-31' LIMIT 1"
    result, refusals = _query(people, sqlite_warehouse, counted, share, nothing)
    assert (result.is_complete, result.error, result.rows, result.requests) == (True, None, 3, 3)
    assert set(refusals.values()) == {""}
    assert _figures(sqlite_warehouse, counted) == (Decimal(2), None, None)
    assert _figures(sqlite_warehouse, share) == (None, Decimal("3000.3001"), Decimal("1.5"))
    assert _figures(sqlite_warehouse, nothing) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("SELECT 1 AS value WHERE 1 = 0", "it gives no row; a metric's statement gives one row"),
        ("SELECT 1 AS value UNION SELECT 2", "it gives more than one row"),
        ("SELECT 1 AS value, 2 AS extra", "it gives value, extra; a metric's statement gives"),
        ("SELECT 1 AS numerator", "it gives numerator; a metric's"),
        ("SELECT 'x' AS value", "its value is of the type str, and not a number"),
        ("SELECT * FROM stff", "stff"),
        ("SELECT :nobody AS value", ""),
        ("SELECT", ""),
    ],
)
def test_statements_that_give_something_else(
    people: People, sqlite_warehouse: Warehouse, text: str, part: str
) -> None:
    """What is wrong is said for the statement, and the others are run all the same."""
    good = "SELECT 41 + 1 AS value"
    result, refusals = _query(people, sqlite_warehouse, text, good)
    assert (result.is_complete, result.rows) == (True, 1)
    assert part in refusals[text]
    assert refusals[text].startswith("Source people: the statement of m0 failed for 2026-10-31: ")
    assert _figures(sqlite_warehouse, text) is None
    assert _figures(sqlite_warehouse, good) == (Decimal(42), None, None)


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM staff",
        "DELETE FROM staff RETURNING id AS value",
        "INSERT INTO twins VALUES ('x') RETURNING 1 AS value",
        "DROP TABLE staff",
        "SELECT 1 AS value; DELETE FROM staff",
        "COMMIT; DELETE FROM staff",
        "ROLLBACK",
        "COMMIT",
    ],
)
def test_nothing_is_ever_written(people: People, sqlite_warehouse: Warehouse, text: str) -> None:
    """A statement that writes, or that would end the transaction, is refused."""
    _, refusals = _query(people, sqlite_warehouse, text, "SELECT count(*) AS value FROM staff")
    assert refusals[text]
    assert _figures(sqlite_warehouse, "SELECT count(*) AS value FROM staff") is not None
    assert people.connector().pull(_need("name"), sqlite_warehouse, _NOW).rows == 3
    assert people.connector().pull(_need(dataset="twins"), sqlite_warehouse, _NOW).rows == 3


@pytest.mark.parametrize(
    "text",
    [
        "ATTACH DATABASE '{other}' AS other",
        "PRAGMA query_only = OFF",
        "VACUUM INTO '{other}'",
        "WITH x AS (SELECT 1 AS value) INSERT INTO twins SELECT value FROM x RETURNING 1 AS value",
    ],
)
def test_sqlite_can_not_be_talked_into_writing(
    tmp_path: Path, sqlite_warehouse: Warehouse, text: str
) -> None:
    """Neither settings can be changed nor other files opened or made."""
    people = People("sqlite", f"sqlite:///{tmp_path / 'people.sqlite'}")
    people.run("CREATE TABLE twins (colour TEXT)")
    other = tmp_path / "other.sqlite"
    _, refusals = _query(people, sqlite_warehouse, text.format(other=other), "SELECT 1 AS value")
    assert refusals[text.format(other=other)]
    assert not other.exists()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT set_config('transaction_read_only', 'off', false)::int AS value",
        "COPY staff TO '{other}'",
        "WITH gone AS (DELETE FROM staff RETURNING 1) SELECT count(*) AS value FROM gone",
        "SELECT nextval('counter') AS value",
        "SELECT 1) ; DELETE FROM staff; --",
        "SELECT 1 AS value FROM staff FOR UPDATE",
    ],
)
def test_postgresql_can_not_be_talked_into_writing(
    postgresql_url: str, sqlite_warehouse: Warehouse, tmp_path: Path, text: str
) -> None:
    """The server refuses it, whatever the statement is dressed as."""
    other = tmp_path / "other.csv"
    text = text.format(other=other)
    people = People("postgresql", postgresql_url)
    people.run("CREATE TABLE staff (id integer)", "INSERT INTO staff VALUES (1)")
    people.run("CREATE SEQUENCE counter")
    _, refusals = _query(people, sqlite_warehouse, text, "SELECT count(*) AS value FROM staff")
    assert refusals[text]
    assert _figures(sqlite_warehouse, "SELECT count(*) AS value FROM staff") == (1, None, None)
    assert not other.exists()


def test_a_statement_that_takes_too_long(people: People, sqlite_warehouse: Warehouse) -> None:
    """It is stopped by the time-out, is not tried for further days, and the others are run."""
    slow = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) "
        "SELECT count(*) AS value FROM n"
    )
    result, refusals = _query(
        people,
        sqlite_warehouse,
        slow,
        "SELECT 7 AS value",
        timeout=timedelta(milliseconds=200),
    )
    assert "it took longer than 0.2 s, the source's `timeout`" in refusals[slow]
    assert result.is_complete
    assert _figures(sqlite_warehouse, "SELECT 7 AS value") == (Decimal(7), None, None)


def test_a_server_that_is_stuck_is_not_waited_for(
    postgresql_url: str, sqlite_warehouse: Warehouse
) -> None:
    """A server that says nothing, not even that the time is over, ends the pull all the same."""
    people = People("postgresql", postgresql_url)
    stopped: list[int] = []
    is_over = threading.Event()

    def stop() -> None:
        # A cursor's rows are computed when they are fetched, by its name.
        query = (
            b"SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'FETCH%okr_sync%' "
            b"AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        found = None
        with psycopg.connect(postgresql_url, autocommit=True) as server:
            while found is None and not is_over.wait(0.01):
                found = server.execute(query).fetchone()
        if found is None:
            return
        os.kill(found[0], signal.SIGSTOP)
        stopped.append(found[0])
        is_over.wait(60)
        os.kill(found[0], signal.SIGCONT)

    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    text = "SELECT count(pg_sleep(3)) AS value"
    result, _ = _query(people, sqlite_warehouse, text, timeout=timedelta(seconds=2))
    is_over.set()
    stopping.join()
    assert stopped
    assert "the connection is lost" in (result.error or "")
    assert (result.is_complete, result.is_transient) == (False, True)


def test_a_view_that_takes_too_long(people: People, sqlite_warehouse: Warehouse) -> None:
    """The time-out holds for tables and views as well."""
    people.run(
        "CREATE VIEW slow AS WITH RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT i FROM n"
    )
    connector = people.connector(timeout=timedelta(milliseconds=200))
    result = connector.pull(_need("i", dataset="slow"), sqlite_warehouse, _NOW)
    assert "it took longer than 0.2 s" in (result.error or "")
    assert result.is_transient


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "the environment variable PEOPLE_URL is not set"),
        ("mysql://u:hunter2@h/db", "a database of the kind mysql can't be read"),
        ("duckdb:///x", "a database of the kind duckdb can't be read"),
        ("sqlite://", "names no SQLite file"),
        ("sqlite:////nowhere/at/all.sqlite", "there is no file /nowhere/at/all.sqlite"),
        ("hunter2", "can't be read. Write"),
        ("postgresql://u:hun@ter2@h/db", "can't be read. Write"),
        ("postgresql://u:hunter2@127.0.0.1:1/db", "postgresql://u@127.0.0.1:1/db can't be reached"),
        ("postgresql://u:hunter2@127.0.0.1:1/db", "connections. Check the URL in PEOPLE_URL"),
    ],
)
def test_addresses_that_can_not_be_used(sqlite_warehouse: Warehouse, url: str, part: str) -> None:
    """Each says what to do, and none shows a password."""
    source = SqlSource(name="people", url_env="PEOPLE_URL")
    result = SqlConnector(source, {"PEOPLE_URL": url}).pull(_need("x"), sqlite_warehouse, _NOW)
    assert part in (result.error or "")
    assert "hunter2" not in (result.error or "") and "ter2" not in (result.error or "")
    assert not result.is_complete


def test_a_read_that_breaks_off_leaves_no_lock(tmp_path: Path, sqlite_warehouse: Warehouse) -> None:
    """The owner of a SQLite file can go on writing, however a read of it has ended."""
    people = People("sqlite", f"sqlite:///{tmp_path / 'people.sqlite'}")
    people.run(_STAFF.format(true=1, false=0), "INSERT INTO twins VALUES (CAST(x'ff41' AS TEXT))")
    gc.disable()  # as it is when a cycle of frames and errors has just come about
    try:
        result = people.connector().pull(_need("colour", dataset="twins"), sqlite_warehouse, _NOW)
        assert "Could not decode to UTF-8" in (result.error or "")
        people.run("INSERT INTO twins VALUES ('green')")
        text = "SELECT id AS value FROM staff"
        _, refusals = _query(people, sqlite_warehouse, text)
        assert "more than one row" in refusals[text]
        people.run("INSERT INTO twins VALUES ('grey')")
    finally:
        gc.enable()


def test_a_file_that_is_no_database(tmp_path: Path, sqlite_warehouse: Warehouse) -> None:
    """A file of another kind is told of, not read as an empty database."""
    file = tmp_path / "people.sqlite"
    file.write_text("id,name\n" * 1000)
    connector = People("sqlite", f"sqlite:///{file}").connector()
    result = connector.pull(_need("x"), sqlite_warehouse, _NOW)
    assert "can't be read as a SQLite database: file is not a database" in (result.error or "")


def test_a_file_that_may_only_be_read(tmp_path: Path, sqlite_warehouse: Warehouse) -> None:
    """Reading needs no right to write and leaves nothing beside the file."""
    folder = tmp_path / "locked"
    folder.mkdir()
    people = People("sqlite", f"sqlite:///{folder / 'people.sqlite'}")
    people.run("CREATE TABLE staff (name TEXT)", "INSERT INTO staff VALUES ('Ann')")
    (folder / "people.sqlite").chmod(0o444)
    folder.chmod(0o555)
    try:
        assert people.connector().pull(_need("name"), sqlite_warehouse, _NOW).rows == 1
        assert [file.name for file in folder.iterdir()] == ["people.sqlite"]
    finally:
        folder.chmod(0o755)
