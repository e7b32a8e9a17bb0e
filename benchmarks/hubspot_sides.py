"""Both sides of the HubSpot rows, each run in a process of its own: our connector, and the floor.

Belongs here: what is timed. Does not belong here: the server (hubspot_pages) and the rows (hubspot).
The imports at the top are those of a worker that has started; they are not counted.
"""

import socket
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import hubspot.crm.objects  # noqa: F401 (the client that the connector imports when it first asks)
import numpy as np  # noqa: F401 (likewise)
import orjson
import psycopg

from benchmarks.hubspot_pages import FIELDS, list_query
from connectors.base import PullResult
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import open_warehouse

_COLUMNS: Final = ", ".join(("id", *FIELDS))
_MARKS: Final = ", ".join("?" * (len(FIELDS) + 1))
_TABLE: Final = f"CREATE TABLE floor (id text PRIMARY KEY, {' text, '.join(FIELDS)} text)"

Row = tuple[str | None, ...]


def migrated(url: str) -> None:
    """Make a warehouse's tables: a worker does that once in its life."""
    open_warehouse(url).close()


def synced(port: int, url: str) -> int:
    """Our connector's first sync of all contacts into a warehouse; how many it has then."""
    return _pulled(f"http://127.0.0.1:{port}", url, FIELDS, ClientSettings()).rows


def requests_of_a_sync(port: int, url: str) -> int:
    """How many requests our connector sends."""
    return _pulled(f"http://127.0.0.1:{port}", url, FIELDS, ClientSettings()).requests


def synced_in_small_pages(endpoint: str, url: str) -> int:
    """A first sync that needs many requests, from a sandbox."""
    return _pulled(endpoint, url, ("lifecyclestage",), ClientSettings(list_page=10)).rows


def _pulled(endpoint: str, url: str, fields: Sequence[str], settings: ClientSettings) -> PullResult:
    environ = {"HUBSPOT_ACCESS_TOKEN": SANDBOX_TOKEN, "OKR_SYNC_HUBSPOT_ENDPOINT": endpoint}
    warehouse = open_warehouse(url)
    connector = HubSpotConnector(HubSpotSource(name="hubspot"), environ, settings)
    need = RecordsNeed("hubspot", "contacts", frozenset(fields))
    result = connector.pull(need, warehouse, datetime.now(UTC))
    connector.close()
    warehouse.close()
    if result.error:
        raise RuntimeError(result.error)
    return result


def floor_sqlite(port: int, path: str) -> int:
    """The same pages over one socket, parsed, and inserted as they are into one table."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(_TABLE)
    statement = f"INSERT INTO floor ({_COLUMNS}) VALUES ({_MARKS})"
    count = 0
    for rows in _batches(port):
        database.execute("BEGIN")
        database.executemany(statement, rows)
        database.execute("COMMIT")
        count += len(rows)
    database.close()
    return count


def floor_postgresql(port: int, url: str) -> int:
    """The same with COPY."""
    count = 0
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as database:
        database.execute(_TABLE)
        for rows in _batches(port):
            with (
                database.cursor() as cursor,
                cursor.copy(f"COPY floor ({_COLUMNS}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
            database.commit()
            count += len(rows)
    return count


def _batches(port: int) -> Any:
    """Rows of 20 pages, as the connector writes them."""
    waiting: list[Row] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        after: int | None = 0
        while after is not None:
            page = orjson.loads(_page(connection, after))
            for record in page["results"]:
                values = record["properties"]
                waiting.append((record["id"], *[values[name] for name in FIELDS]))
            paging = page.get("paging")
            after = int(paging["next"]["after"]) if paging else None
            if len(waiting) >= 2_000 or after is None:
                yield waiting
                waiting = []


def _page(connection: socket.socket, after: int) -> bytes:
    connection.sendall(f"GET {list_query(after)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    got = bytearray()
    while (end := got.find(b"\r\n\r\n")) < 0:
        got += connection.recv(1 << 18)
    start = got.index(b"Content-Length: ") + 16
    length = int(got[start : got.index(b"\r\n", start)])
    while len(got) < end + 4 + length:
        got += connection.recv(1 << 18)
    return bytes(got[end + 4 :])
