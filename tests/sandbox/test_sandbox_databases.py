"""The databases that an account folder brings along: made for a run, named in its environment."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from connectors.sandbox.serve import Sandbox
from okr_sync.errors import OkrSyncError


def test_a_database_of_the_account_is_made_named_and_removed(tmp_path: Path) -> None:
    """A folder under databases/ becomes a SQLite file, whose URL stands in the variable of its name."""
    folder = tmp_path / "account"
    tables = folder / "databases" / "TEAM_URL"
    tables.mkdir(parents=True)
    (folder / "account.yaml").write_text(
        "hubspot: {portal_id: 1, time_zone: UTC, currency: EUR}\n", encoding="utf-8"
    )
    (folder / "hubspot").mkdir()
    (tables / "schema.sql").write_text("CREATE TABLE staff (id INTEGER, left_on DATE);")
    (tables / "staff.csv").write_text("id,left_on\n1,\n2,2026-01-31\n")
    with Sandbox(folder) as sandbox:
        url = sandbox.environment()["TEAM_URL"]
        file = Path(url.removeprefix("sqlite:///"))
        with contextlib.closing(sqlite3.connect(file)) as connection:
            rows = connection.execute("SELECT id, left_on FROM staff ORDER BY id").fetchall()
    assert rows == [(1, None), (2, "2026-01-31")]
    assert not file.exists()


@pytest.mark.parametrize(
    ("schema", "rows", "text"),
    [
        (None, "id\n1\n", "schema.sql: it is missing"),
        ("CREATE TABEL staff (id);", "id\n1\n", "SQLite says"),
        ("CREATE TABLE staff (id);", "name\nAnn\n", "Make it fit schema.sql"),
    ],
)
def test_a_database_that_cannot_be_made_is_told_by_its_file(
    tmp_path: Path, schema: str | None, rows: str, text: str
) -> None:
    """A missing or wrong schema, or rows that don't fit it, end the start with the file's name."""
    folder = tmp_path / "account"
    tables = folder / "databases" / "TEAM_URL"
    tables.mkdir(parents=True)
    (folder / "hubspot").mkdir()
    (folder / "account.yaml").write_text(
        "hubspot: {portal_id: 1, time_zone: UTC, currency: EUR}\n", encoding="utf-8"
    )
    if schema is not None:
        (tables / "schema.sql").write_text(schema)
    (tables / "staff.csv").write_text(rows)
    with pytest.raises(OkrSyncError) as told:
        Sandbox(folder).start()
    assert text in told.value.user_text
