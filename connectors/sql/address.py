"""Which database a source is: its URL from the environment, and its name for people.

Belongs here: reading the URL, and refusing what can't be read without being able to write. Does not
belong here: connecting (postgresql, sqlite).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from okr_sync.config.models import SqlSource
from okr_sync.errors import SourceError
from okr_sync.warehouse.address import label_of, secrets_of

_EXAMPLES: Final = "`postgresql://user:password@host:5432/name` or `sqlite:////path/to/file.sqlite`"
_DRIVERS: Final = frozenset({"", "psycopg", "psycopg2", "asyncpg"})
_LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True)
class Address:
    """A database that can be read: `label` is its URL without password, for people."""

    source: str
    variable: str
    url: URL
    label: str

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file; otherwise it is PostgreSQL."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path:
        """The file of a SQLite database."""
        return Path(str(self.url.database)).absolute()

    def clean(self, message: object) -> str:
        """What a driver says, on one line, to be ended by us, and without any password."""
        text = " ".join(str(message).split()).rstrip(".?! ")
        for secret in secrets_of(self.url):
            text = text.replace(secret, "…")
        return text[:_LONGEST_MESSAGE]


def read_address(source: SqlSource, environ: Mapping[str, str]) -> Address:
    """The database that a source's variable names. Raises SourceError, without any of the URL."""
    variable = source.url_env
    given = environ.get(variable, "").strip()
    if not given:
        raise SourceError(
            f"Source {source.name}: the environment variable {variable} is not set. Put the "
            f"database's URL into it, such as {_EXAMPLES}."
        )
    unreadable = SourceError(
        f"Source {source.name}: the URL in {variable} can't be read. Write {_EXAMPLES}; in a "
        "password, signs such as @ : / ? # must be written as %40 %3A %2F %3F %23."
    )
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        # SQLAlchemy's own text may quote the part where it gave up.
        raise unreadable from None
    if "@" in (url.host or ""):
        raise unreadable
    backend, _, driver = url.drivername.partition("+")
    if backend in ("postgresql", "postgres") and driver in _DRIVERS:
        url = url.set(drivername="postgresql+psycopg")
        return Address(source.name, variable, url, label_of(url))
    if backend == "sqlite":
        if not url.database or url.database == ":memory:" or url.query:
            raise SourceError(
                f"Source {source.name}: the URL in {variable} names no SQLite file. Write "
                "`sqlite:////path/to/file.sqlite`."
            )
        return Address(source.name, variable, url, label_of(url))
    shown = backend if re.fullmatch(r"[a-z0-9_]{1,30}", backend) else "that kind"
    raise SourceError(
        f"Source {source.name}: a database of the kind {shown} can't be read, because okr-sync can't "
        f"make sure that nothing is written to it. Use {_EXAMPLES}, or export the data to files."
    )
