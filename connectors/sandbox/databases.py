"""The databases of an account folder: SQLite files made of a schema and CSV files, for `sql` sources.

    databases/<VARIABLE>/schema.sql     CREATE TABLE statements (and indexes, views)
    databases/<VARIABLE>/<table>.csv    the table's rows; an empty cell is NULL

The URL of each is what the environment variable of the folder's name must hold.

Belongs here: making and removing these files. Does not belong here: reading them as a source
(connectors.sql).
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from connectors.sandbox.file_rows import bad_file, read_header, read_rows
from okr_sync.errors import OkrSyncError

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)


class SandboxDatabases:
    """The databases of one account, in a folder that goes when they stop; a context manager.

    Raises OkrSyncError that names the file which can't be used.
    """

    def __init__(self, account: Path) -> None:
        folder = account / "databases"
        self._folders = sorted(each for each in folder.glob("*") if each.is_dir())
        self._made: TemporaryDirectory[str] | None = None

    def start(self) -> None:
        """Make the databases."""
        if not self._folders:
            return
        self._made = TemporaryDirectory(prefix="okr-sync-databases-")
        try:
            for folder in self._folders:
                _make(folder, self._file(folder))
        except OkrSyncError:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the databases."""
        if self._made is not None:
            self._made.cleanup()
            self._made = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The URL of each database by the variable that names it."""
        return {folder.name: f"sqlite:///{self._file(folder)}" for folder in self._folders}

    def _file(self, folder: Path) -> Path:
        if self._made is None:
            raise RuntimeError("the databases have not been started")
        return Path(self._made.name) / f"{folder.name}.sqlite"


def _make(folder: Path, file: Path) -> None:
    if not _VARIABLE.fullmatch(folder.name):
        raise bad_file(
            folder,
            "its name is not that of an environment variable",
            "Name the folder as the variable that a source's url_env names, in capitals",
        )
    schema = folder / "schema.sql"
    if not schema.is_file():
        raise bad_file(schema, "it is missing", "Write the CREATE TABLE statements into it")
    with closing(sqlite3.connect(file)) as connection, connection:
        try:
            connection.executescript(schema.read_text(encoding="utf-8"))
        except sqlite3.Error as error:
            raise bad_file(schema, f"SQLite says: {error}", "Mend the statement") from error
        for rows_file in sorted(folder.glob("*.csv")):
            _fill(connection, rows_file)


def _fill(connection: sqlite3.Connection, file: Path) -> None:
    header = read_header(file)
    rows = [[row[name] or None for name in header] for _, row in read_rows(file, ())]
    columns = ", ".join(_quoted(name) for name in header)
    places = ", ".join("?" * len(header))
    statement = f"INSERT INTO {_quoted(file.stem)} ({columns}) VALUES ({places})"
    try:
        connection.executemany(statement, rows)
    except sqlite3.Error as error:
        raise bad_file(file, f"SQLite says: {error}", "Make it fit schema.sql") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
