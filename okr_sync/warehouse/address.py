"""Where the warehouse is: from the project and the environment to a URL, and its name for people.

Belongs here: choosing and reading URLs, without opening anything. Does not belong here: connecting
(connect) and what a failed connection means (failures).
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from okr_sync.errors import WarehouseError

WAREHOUSE_VARIABLE = "OKR_SYNC_WAREHOUSE"
OWN_FOLDER = ".okr_sync"
"""The folder inside a project that okr-sync makes for itself."""

_EXAMPLES = "`sqlite:////path/to/warehouse.sqlite` or `postgresql://user:password@host:5432/name`"
_POSTGRESQL_DRIVERS = frozenset({"", "psycopg", "psycopg2"})


def default_url(folder: Path) -> str:
    """The URL of the SQLite file that a project has when nothing else is said."""
    return _sqlite_url(folder.absolute() / OWN_FOLDER / "warehouse.sqlite")


def warehouse_url(project_url_env: str | None, folder: Path, environ: Mapping[str, str]) -> str:
    """The URL of a project's warehouse.

    The variable that the project names (`warehouse: {url_env: NAME}`) comes first, then
    OKR_SYNC_WAREHOUSE, then a SQLite file in the project's folder. Both variables may hold a URL or
    the path of a SQLite file; a relative path starts at the working directory. Raises
    WarehouseError when the project names a variable that is not set.
    """
    if project_url_env is not None:
        given = environ.get(project_url_env, "").strip()
        if not given:
            raise WarehouseError(
                f"The project keeps its warehouse's URL in the environment variable "
                f"{project_url_env}, which is not set. Set it to {_EXAMPLES}, or take "
                f"`warehouse:` out of okr_sync.yaml to use a file in the project's folder."
            )
    else:
        given = environ.get(WAREHOUSE_VARIABLE, "").strip()
        if not given:
            return default_url(folder)
    if re.match(r"[A-Za-z][A-Za-z0-9+_.-]*:(//|$)", given):
        return given
    return _sqlite_url(Path(given).expanduser().absolute())


def parse_url(url: str) -> URL:
    """The URL with the driver that is used: pysqlite or psycopg 3.

    Raises WarehouseError, without any part of the URL that could be a password, when it can't be
    read or names another kind of database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # SQLAlchemy's own text may quote the part where it gave up, so it is not passed on.
        raise WarehouseError(_unreadable()) from None
    if "@" in (parsed.host or ""):
        raise WarehouseError(_unreadable())
    backend, _, driver = parsed.drivername.partition("+")
    if backend == "sqlite" and driver in ("", "pysqlite"):
        if not parsed.database or parsed.database == ":memory:":
            raise WarehouseError(
                "A SQLite warehouse needs a file, because several processes read it. "
                "Write `sqlite:////path/to/warehouse.sqlite`."
            )
        return parsed.set(drivername="sqlite+pysqlite")
    if backend in ("postgresql", "postgres") and driver in _POSTGRESQL_DRIVERS:
        return parsed.set(drivername="postgresql+psycopg")
    raise WarehouseError(
        f"`{parsed.drivername}` is not a database that okr-sync can keep a warehouse in. "
        f"Use {_EXAMPLES}."
    )


def label_of(url: URL) -> str:
    """The URL for people: without password and options, with the socket's folder if there is one."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        return f"sqlite:///{url.database}"
    socket = url.query.get("host")
    shown = URL.create(
        backend,
        username=url.username or None,
        host=url.host,
        port=url.port,
        database=url.database,
        query={"host": socket} if socket else {},
    )
    return shown.render_as_string()


def secrets_of(url: URL) -> tuple[str, ...]:
    """What must never be shown: every password in the URL, longest first."""
    found = {str(url.password)} if url.password else set()
    for name, value in url.query.items():
        if "password" in name:
            found.update((value,) if isinstance(value, str) else value)
    return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))


def _sqlite_url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def _unreadable() -> str:
    return (
        f"The warehouse's URL can't be read. Write {_EXAMPLES}; in a password, signs such as "
        "@ : / ? # must be written as %40 %3A %2F %3F %23."
    )
