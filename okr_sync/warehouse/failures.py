"""What a database's refusal means to people, and what they can do about it.

Belongs here: turning driver errors of SQLite and PostgreSQL into WarehouseError. Does not belong
here: where connections are made (connect).
"""

import re
import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError

from okr_sync.errors import WarehouseError

_NOTHING_KEPT = "Nothing of this write was kept; run it again"

# SQLite result codes by the start of their extended name: https://www.sqlite.org/rescode.html
_SQLITE = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        "is locked: another process has been writing to it for too long",
        f"{_NOTHING_KEPT} when the other okr-sync (or database tool) has finished.",
    ),
    (
        ("SQLITE_FULL",),
        "can't grow: the disk is full",
        "Free some space; then run it again. Nothing of this write was kept.",
    ),
    (
        ("SQLITE_READONLY",),
        "can't be written: the file or its folder is read-only",
        "Give yourself write permission, or set OKR_SYNC_WAREHOUSE to a place you can write.",
    ),
    (
        ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"),
        "can't be opened: the file or its folder is missing or not permitted",
        "Check the path and its permissions, or set OKR_SYNC_WAREHOUSE to another place.",
    ),
    (
        ("SQLITE_NOTADB",),
        "is not a SQLite database",
        "Check the path: the file there is something else and was left as it is.",
    ),
    (
        ("SQLITE_CORRUPT",),
        "is damaged",
        "Restore the file from a backup, or move it away and run a backfill.",
    ),
    (
        ("SQLITE_IOERR",),
        "can't be read or written: the disk reports an error",
        "Check the disk; then run it again.",
    ),
)

# PostgreSQL SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = (
    (
        ("55P03", "40P01", "40001"),
        "is busy: another process holds what this one needs",
        f"{_NOTHING_KEPT} when the other okr-sync has finished.",
    ),
    (
        ("53100",),
        "can't grow: the server's disk is full",
        "Free some space there; then run it again. Nothing of this write was kept.",
    ),
    (
        ("53",),
        "has no room for this connection",
        "Close other connections or raise the server's limits; then run it again.",
    ),
    (
        ("54",),
        "can't hold so much in one row",
        "Bind fewer fields of one object: PostgreSQL has room for some 400 texts in a row.",
    ),
    (
        ("42501",),
        "doesn't permit this user to do that",
        "Ask its administrator for CREATE on the schema and write access to its tables.",
    ),
    (
        ("25006",),
        "is read-only",
        "Use the primary server's address, not a replica's.",
    ),
    (
        ("57", "08", "25P03"),
        "closed the connection",
        f"{_NOTHING_KEPT}; if it happens often, look at the server's log.",
    ),
)

# libpq gives no code for a connection that was never made, only these words.
_CONNECTING = (
    (
        "password authentication failed|no password supplied",
        "refused the user name or password",
        "Check both in the warehouse's URL.",
    ),
    (
        'database ".*" does not exist',
        "is not on that server",
        "Check the database's name in the URL, or create it with `createdb`.",
    ),
    (
        'role ".*" does not exist',
        "doesn't know that user",
        "Check the user name in the warehouse's URL.",
    ),
    (
        "no pg_hba.conf entry",
        "doesn't let this machine in",
        "Ask its administrator to allow this user and machine (pg_hba.conf).",
    ),
    (
        "too many clients|remaining connection slots",
        "has no room for this connection",
        "Close other connections or raise the server's limits; then run it again.",
    ),
)


_FAULT = (
    "refused a statement",
    (
        f"{_NOTHING_KEPT}. If it fails again, a table was changed by hand or okr-sync has a fault: "
        "please report it with the technical detail."
    ),
)


def explain(error: DBAPIError, label: str, secrets: tuple[str, ...]) -> WarehouseError:
    """The error as people should meet it: `label` names the warehouse, `secrets` are cut out."""
    original = error.orig
    detail = f"{type(original).__name__}: {original}"
    for secret in secrets:
        detail = detail.replace(secret, "***")
    what, remedy = _meaning(error)
    return WarehouseError(f"The warehouse {label} {what}. {remedy}", detail)


def _meaning(error: DBAPIError) -> tuple[str, str]:
    original = error.orig
    if isinstance(original, sqlite3.Error):
        name = getattr(original, "sqlite_errorname", "") or ""
        for starts, what, remedy in _SQLITE:
            if name.startswith(starts):
                return what, remedy
    else:
        state = getattr(original, "sqlstate", None)  # psycopg.Error has it
        if state is None and isinstance(error, OperationalError):
            return _connection_meaning(error)
        for starts, what, remedy in _POSTGRESQL:
            if (state or "").startswith(starts):
                return what, remedy
    return _FAULT


def _connection_meaning(error: DBAPIError) -> tuple[str, str]:
    for words, what, remedy in _CONNECTING:
        if re.search(words, str(error.orig)):
            return what, remedy
    if error.connection_invalidated:
        return "closed the connection", f"{_NOTHING_KEPT}."
    return (
        "can't be reached",
        "Check that the server runs and that host and port in the URL are right.",
    )
