"""HubSpot: a first sync of 100,000 contacts with 20 bound properties, and what it costs to be polite.

Belongs here: the rows. Does not belong here: the pages that are served (hubspot_pages), both sides
(hubspot_sides, hubspot_dlt).

Pages are prepared and served by a process of its own, so no sandbox is measured. Imports are not
counted, nor is making the warehouse's tables, which happens once in its life; dlt's imports are
taken off by running it on one page as well.
"""

import multiprocessing
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks import hubspot_sides as sides
from benchmarks.harness import (
    Bench,
    Comparison,
    Usage,
    at_least,
    at_most,
    in_child,
    row,
    run_command,
)
from benchmarks.hubspot_pages import FIELDS, PAGE, serve
from benchmarks.peers import peer_python
from benchmarks.servers import postgresql
from connectors.sandbox.account import Account, HubSpotSettings
from connectors.sandbox.http_server import Request, Response
from connectors.sandbox.hubspot_server import HubSpotSandbox
from connectors.sandbox.records import RecordTable

_CONTACTS: Final = 100_000
_MANY, _FEW = 1_000_000, 50_000
_LOCK: Final = Path(__file__).with_name("requirements-dlt.lock")
_BURST, _WINDOW, _MINUTE = 190, 10.0, 60.0
_numbers = count()


def _server(bench: Bench, contacts: int) -> int:
    """The port of a new server of so many contacts, which ends with the benchmark."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(contacts, sender), daemon=True)
    process.start()
    bench.closing.callback(process.terminate)
    port: int = receiver.recv()
    return port


def contacts_server(bench: Bench) -> int:
    """The server that the rows share."""
    return _server(bench, _CONTACTS)


def _new_path(bench: Bench) -> Path:
    return bench.folder / f"hubspot{next(_numbers)}"


def _on_sqlite(bench: Bench, port: int) -> Usage:
    url = f"sqlite:///{_new_path(bench)}.sqlite"
    in_child(sides.migrated, url)
    usage, _ = in_child(sides.synced, port, url)
    return usage


def _on_postgresql(bench: Bench, side: Callable[[int, str], int], port: int) -> float:
    """CPU seconds of a side and of the server that it writes to."""
    server = bench.once(postgresql)
    url = server.new_database()
    if side is sides.synced:
        in_child(sides.migrated, url)
    before = server.cpu_seconds()
    usage, _ = in_child(side, port, url)
    return usage.cpu_seconds + server.cpu_seconds() - before


@row("hubspot: first sync of 100,000 × 20", at_most(1.5), of="our CPU ÷ socket, orjson, insert")
def first_sync(bench: Bench) -> dict[str, Comparison]:
    """The same bytes over one socket, parsed, and inserted as they are, is the floor."""
    port = bench.once(contacts_server)
    found = bench.usages(
        lambda: _on_sqlite(bench, port),
        lambda: in_child(sides.floor_sqlite, port, str(_new_path(bench)))[0],
    )
    return {
        "SQLite": found["CPU"],
        "PostgreSQL": bench.pairs(
            lambda: _on_postgresql(bench, sides.synced, port),
            lambda: _on_postgresql(bench, sides.floor_postgresql, port),
        ),
    }


@row("hubspot: first sync against dlt", at_least(5), of="dlt's CPU ÷ ours")
def against_dlt(bench: Bench) -> dict[str, Comparison]:
    """dlt's rest_api source into DuckDB against ours into SQLite, and both into PostgreSQL."""
    python = peer_python("dlt", _LOCK)
    port, single = bench.once(contacts_server), _server(bench, PAGE)

    def dlt(where: str) -> float:
        whole = _dlt(bench, python, port, _CONTACTS, where)
        return whole - _dlt(bench, python, single, PAGE, where)

    def dlt_on_postgresql() -> float:
        server = bench.once(postgresql)
        before = server.cpu_seconds()
        used = dlt(server.new_database())
        return used + server.cpu_seconds() - before

    return {
        "DuckDB": bench.pairs(
            lambda: _on_sqlite(bench, port).cpu_seconds, lambda: dlt("duckdb")
        ).inverted(),
        "PostgreSQL": bench.pairs(
            lambda: _on_postgresql(bench, sides.synced, port), dlt_on_postgresql
        ).inverted(),
    }


def _dlt(bench: Bench, python: Path, port: int, contacts: int, where: str) -> float:
    script = Path(__file__).with_name("hubspot_dlt.py")
    folder = _new_path(bench)
    folder.mkdir()
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
    server = (str(port), str(contacts))
    command: list[str | Path] = [python, script, *server, folder, where, *FIELDS]
    return run_command(command, quiet, folder).cpu_seconds


@row("hubspot: memory, 1,000,000 contacts", at_most(1.3), of="peak ÷ that of 50,000 contacts")
def flat_memory(bench: Bench) -> Comparison:
    """Each in a fresh process, into SQLite."""
    many, few = _server(bench, _MANY), _server(bench, _FEW)
    peaks = [(_on_sqlite(bench, many).peak_mb, _on_sqlite(bench, few).peak_mb)]
    return Comparison(tuple(peaks), "MB")


@row("hubspot: requests of a sync in which nothing changed", at_most(2), of="requests ÷ dataset")
def idle_requests(bench: Bench) -> Comparison:
    """In a new process, of a dataset that was read before."""
    port = bench.once(contacts_server)
    url = f"sqlite:///{_new_path(bench)}.sqlite"
    sides.synced(port, url)
    return Comparison(((float(sides.requests_of_a_sync(port, url)), 1.0),), "requests")


class _Counted(HubSpotSandbox):
    """A sandbox that notes when a page of the list was asked for."""

    seen: list[float]

    def answer(self, request: Request) -> Response:
        if request.path.endswith("/contacts"):
            self.seen.append(time.monotonic())
        return super().answer(request)


@row("hubspot: requests under the limit", at_least(0.95), of="sent in a minute ÷ permitted")
def permitted_rate(bench: Bench) -> Comparison:
    """A first sync in pages of ten against the sandbox's 190 in 10 seconds; a refusal is an error."""
    table = RecordTable("contacts", ["hs_object_id", "lifecyclestage"])
    for number in range(1, 13_001):
        table.load({"hs_object_id": str(number), "lifecyclestage": "lead"})
    portal = HubSpotSettings(portal_id=1, time_zone="UTC", currency="EUR")
    account = Account(bench.folder, portal, tables={"contacts": table})
    with _Counted(account, rate_limits=True) as sandbox:
        sandbox.seen = []
        url = f"sqlite:///{_new_path(bench)}.sqlite"
        in_child(sides.synced_in_small_pages, sandbox.url, url)
        if sandbox.server.requests(status=429):
            raise RuntimeError("the sandbox refused requests as too many")
        start = sandbox.seen[0]
        sent = sum(start <= at < start + _MINUTE for at in sandbox.seen)
    return Comparison(((float(sent), _BURST * _MINUTE / _WINDOW),), "requests")
