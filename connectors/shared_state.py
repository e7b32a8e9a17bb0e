"""What runs on one machine know together about an account's limits: a small document that one changes
at a time.

Belongs here: where the documents lie, and reading and writing one under a lock. Does not belong
here: what is in them (pace).

They are in a SQLite file in the user's state folder, because threads, processes and overlapping runs
of different projects must share them, and because a killed process must not leave a lock behind.
Losing the file costs nothing but a little knowledge. docs/adr/0033 weighs the alternatives.
"""

import hashlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary, finalize

import orjson
from platformdirs import user_state_path

from okr_sync.warehouse.filesystem import network_file_system

STATE_VARIABLE: Final = "OKR_SYNC_STATE"
"""The environment variable that names another folder for what runs on this machine share."""

_FILE: Final = "limits.sqlite"
_WAIT_SECONDS: Final = 10
_KEPT_SECONDS: Final = 14 * 86_400
_EMPTY: Final = b"{}"

Document = dict[str, Any]
"""Whatever JSON holds, by name; empty for an account that nobody has read yet."""


class SharedState:
    """The document of one account, shared by threads and processes.

    `secret` (a token, or whatever else names the account) is only kept as a hash.
    """

    def __init__(
        self, service: str, endpoint: str, secret: str, folder: Path | None = None
    ) -> None:
        named = f"{service}\n{endpoint}\n{secret}".encode()
        self.key = f"{service}:{hashlib.sha256(named).hexdigest()[:32]}"
        self._store = _store(folder)

    @contextmanager
    def changing(self, now: float) -> Iterator[Document]:
        """The document, for this thread alone; what it is at the end is kept.

        `now` is in seconds since 1970. An exception leaves it as it was.
        """
        with self._store.changing(self.key, now) as document:
            yield document


class _Store:
    """One file of documents, or documents in memory where no file can be had or it has broken."""

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._memory: dict[str, bytes] = {}
        self._path = None if folder is None else folder / _FILE
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._closing: finalize[[], _Store] | None = None
        if self._path is not None:
            self._open(self._path)

    def _open(self, path: Path) -> None:
        self._connection = _opened(path)
        self._file = _identity(path)
        # Not `__del__`: while that runs, another thread could still get this store from `_stores`
        # and use a connection that is being closed, which brings the process down.
        self._closing = finalize(self, self._connection.close)

    @contextmanager
    def changing(self, key: str, now: float) -> Iterator[Document]:
        with self._lock:
            document = self._begun(key)
            is_whole = False
            try:
                yield document
                is_whole = True
            finally:
                if not is_whole:
                    self._undo()
            self._keep(key, document, now)

    def _begun(self, key: str) -> Document:
        self._follow()
        if self._connection is not None:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                query = "SELECT body FROM shared WHERE name = ?"
                row = self._connection.execute(query, (key,)).fetchone()
                if row is not None:
                    self._memory[key] = row[0]
            except sqlite3.Error:
                self._go_on_in_memory()
        return _document(self._memory.get(key, _EMPTY))

    def _follow(self) -> None:
        """Make a file that somebody has deleted anew: a process that begins now would share another."""
        if self._connection is None or self._path is None or _identity(self._path) == self._file:
            return
        self._go_on_in_memory()
        with suppress(OSError, sqlite3.Error):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._open(self._path)

    def _keep(self, key: str, document: Document, now: float) -> None:
        before, body = self._memory.get(key, _EMPTY), orjson.dumps(document)
        self._memory[key] = body
        if self._connection is None:
            return
        try:
            if before == _EMPTY:
                self._connection.execute("DELETE FROM shared WHERE at < ?", (now - _KEPT_SECONDS,))
            self._connection.execute(
                "INSERT INTO shared (name, at, body) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET at = excluded.at, body = excluded.body",
                (key, now, body),
            )
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._go_on_in_memory()

    def _undo(self) -> None:
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._go_on_in_memory()

    def _go_on_in_memory(self) -> None:
        """A full disk or a damaged file must stop no pull: its threads know the limits without it."""
        self._connection = None
        if self._closing is not None:
            with suppress(sqlite3.Error):
                self._closing()


# Weak: the file is closed when the last who reads an account is done.
_stores: WeakValueDictionary[tuple[int, Path | None], _Store] = WeakValueDictionary()
_stores_lock = threading.Lock()


def _store(folder: Path | None) -> _Store:
    chosen = _usable_folder() if folder is None else folder
    # A connection must not be used on the other side of a fork, so the process is part of the key.
    key = (os.getpid(), chosen)
    with _stores_lock:
        store = _stores.get(key)
        if store is None:
            store = _stores[key] = _Store(chosen)
        return store


def _usable_folder() -> Path | None:
    """The first folder that can be written and is on this machine's own disk; None if there is none.

    A home on a network file system is passed over: SQLite's locks can't be trusted there.
    """
    named = os.environ.get(STATE_VARIABLE)
    own = Path(tempfile.gettempdir()) / f"okr-sync-{os.getuid() if hasattr(os, 'getuid') else 'me'}"
    for folder in (Path(named) if named else user_state_path("okr-sync"), own):
        if network_file_system(folder) is not None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _opened(folder / _FILE).close()
        except (OSError, sqlite3.Error):
            continue
        return folder
    return None


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _document(body: bytes) -> Document:
    """What is kept of an account; nothing where a damaged file holds anything else."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    # A power cut may lose the last second of it, which is over by then anyway.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS shared "
        "(name TEXT PRIMARY KEY, at REAL NOT NULL, body BLOB NOT NULL) WITHOUT ROWID"
    )
    return connection
