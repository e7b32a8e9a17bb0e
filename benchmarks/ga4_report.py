"""A GA4 report of 100,000 rows into the warehouse, against the raw gRPC call and a bulk insert.

Belongs here: one pull of one long report, and the requests that a hundred bindings take. Does not
belong here: an account with everything in it (idle_sync), reading over REST.

Both sides read the same prepared bytes from a gRPC server in another process (which must not be the
bottleneck: it computes nothing), each in a fresh process and into a new, migrated warehouse. The bare
side makes rows of the protobuf message as the driver wants them and hands them over as fast as the
driver can: executemany in one transaction on SQLite, COPY on PostgreSQL. It proves nothing and keeps
nothing of quotas.
"""

import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from benchmarks.harness import Bench, Comparison, Usage, at_most, in_child, row, tree_cpu
from benchmarks.servers import postgresql
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import ReportsNeed, SeriesNeed
from okr_sync.warehouse.connect import open_warehouse

_ROWS = 100_000
_LAST = date(2026, 11, 20)
_FIRST = _LAST - timedelta(days=_ROWS - 1)
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_METRIC = "sessions"
_INSERT = (
    "INSERT INTO source_report_day "
    "(source, dataset, series, metric, day, value_micros, quality, read_at) VALUES "
)


@row("GA4: 100,000 rows to SQLite", at_most(1.5), of="a pull ÷ the gRPC call plus executemany")
def to_sqlite(bench: Bench) -> dict[str, Comparison]:
    """CPU seconds of the process that reads, and wall seconds."""
    numbers = count()
    return _compared(
        bench, lambda: f"sqlite:///{bench.folder / f'ga4_{next(numbers)}.sqlite'}", None
    )


@row("GA4: 100,000 rows to PostgreSQL", at_most(1.5), of="a pull ÷ the gRPC call plus COPY")
def to_postgresql(bench: Bench) -> dict[str, Comparison]:
    """CPU seconds of the process that reads and of PostgreSQL's, and wall seconds."""
    server = bench.once(postgresql)
    return _compared(bench, server.new_database, server.pid)


@row("GA4: 100 bindings over 20 filters", at_most(1), of="requests ÷ 4")
def requests(bench: Bench) -> Comparison:
    """Five metrics under each of twenty filters, counted by the server."""
    address = bench.once(report_server)
    url = f"sqlite:///{bench.folder / 'bindings.sqlite'}"
    seen = in_child(requests_of_bindings, address, url)[1]
    return Comparison(((float(seen), 4.0),), "requests")


def _compared(bench: Bench, new: Callable[[], str], server: int | None) -> dict[str, Comparison]:
    address = bench.once(report_server)

    def ours() -> Usage:
        return in_child(pulled, address, new(), server)[1]

    def theirs() -> Usage:
        return in_child(inserted, address, new(), server)[1]

    found = bench.usages(ours, theirs)
    return {label: found[label] for label in ("CPU", "wall")}


# --- what a child does ----------------------------------------------------------------------------


def pulled(address: str, url: str, server: int | None) -> Usage:
    """Our pull, from the request to the commit."""
    from google.analytics.data_v1beta import BetaAnalyticsDataClient  # noqa: F401

    from connectors.ga4.connector import Ga4Connector

    warehouse = open_warehouse(url)
    source = Ga4Source(name="web", property="1", endpoint=f"grpc://{address}")
    connector = Ga4Connector(source, {})
    series = SeriesNeed(Where(), frozenset({_METRIC}), _FIRST, _LAST)
    with _used(server) as seen:
        result = connector.pull(ReportsNeed("web", "report", (series,), ()), warehouse, _NOW)
    connector.close()
    warehouse.close()
    if result.error or result.rows != _ROWS:
        raise RuntimeError(result.error or f"{result.rows} rows")
    return seen[0]


def inserted(address: str, url: str, server: int | None) -> Usage:
    """The bare call and the bare insert."""
    import grpc
    from google.analytics.data_v1beta.types import BatchRunReportsRequest, BatchRunReportsResponse

    open_warehouse(url).close()
    request_type = type(BatchRunReportsRequest.pb(BatchRunReportsRequest()))
    response_type = type(BatchRunReportsResponse.pb(BatchRunReportsResponse()))
    channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
    call = channel.unary_unary(
        "/google.analytics.data.v1beta.BetaAnalyticsData/BatchRunReports",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    request = request_type(property="properties/1")
    request.requests.add(limit=_ROWS)
    with _used(server) as seen:
        report = call(request).reports[0]
        rows = [
            (
                "web",
                "report",
                "",
                _METRIC,
                f"{(label := each.dimension_values[0].value)[:4]}-{label[4:6]}-{label[6:]}",
                int(each.metric_values[0].value) * 1_000_000,
                "[]",
                "2026-11-21T12:00:00.000000+00:00",
            )
            for each in report.rows
        ]
        _insert(url, rows)
    channel.close()
    return seen[0]


def _insert(url: str, rows: list[tuple[Any, ...]]) -> None:
    if url.startswith("sqlite"):
        file = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        file.execute("PRAGMA synchronous = FULL")
        file.execute("BEGIN IMMEDIATE")
        file.executemany(f"{_INSERT}(?, ?, ?, ?, ?, ?, ?, ?)", rows)
        file.execute("COMMIT")
        file.close()
        return
    statement = _INSERT.replace("INSERT INTO", "COPY").replace(" VALUES ", " FROM STDIN")
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        for each in rows:
            copy.write_row(each)


def requests_of_bindings(address: str, url: str) -> int:
    """The requests that a pull of a hundred bindings sends."""
    from connectors.ga4.connector import Ga4Connector

    warehouse = open_warehouse(url)
    source = Ga4Source(name="web", property="1", endpoint=f"grpc://{address}")
    connector = Ga4Connector(source, {})
    metrics = ("sessions", "engagedSessions", "newUsers", "keyEvents", "eventCount")
    series = tuple(
        SeriesNeed(
            Where((Condition("landingPage", Operator.EQ, (f"/{page}",)),)),
            frozenset({metric}),
            _LAST - timedelta(days=6),
            _LAST,
        )
        for page in range(20)
        for metric in metrics
    )
    result = connector.pull(ReportsNeed("web", "report", series, ()), warehouse, _NOW)
    connector.close()
    warehouse.close()
    if result.error:
        raise RuntimeError(result.error)
    return result.requests


@contextmanager
def _used(server: int | None) -> Iterator[list[Usage]]:
    """What this process (and a database server) has used while the block ran."""
    seen: list[Usage] = []
    of_server = 0.0 if server is None else tree_cpu(server)
    started, before = time.perf_counter(), time.process_time()
    yield seen
    wall, cpu = time.perf_counter() - started, time.process_time() - before
    cpu += 0.0 if server is None else tree_cpu(server) - of_server
    seen.append(Usage(cpu, wall, 0.0))


# --- the server -----------------------------------------------------------------------------------


def report_server(bench: Bench) -> str:
    """The address of a gRPC server in a process of its own, which is stopped at the end."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender,), daemon=True)
    process.start()
    bench.closing.callback(process.join)
    bench.closing.callback(process.terminate)
    return str(receiver.recv())


def _serve(sender: Connection) -> None:
    import grpc
    from google.analytics.data_v1beta.types import BatchRunReportsRequest

    request_type = type(BatchRunReportsRequest.pb(BatchRunReportsRequest()))
    long_report = _answer([[_METRIC]], _ROWS)

    def answer(request: Any, _context: grpc.ServicerContext) -> bytes:
        if request.requests[0].dimension_filter.filter.field_name:
            return _answer([[m.name for m in one.metrics] for one in request.requests], 7)
        return long_report

    class Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                answer, request_deserializer=request_type.FromString, response_serializer=bytes
            )

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sender.send(f"127.0.0.1:{port}")
    server.wait_for_termination()


def _answer(metrics: list[list[str]], rows: int) -> bytes:
    """A BatchRunReportsResponse, as the wire has it: as many last days as there are rows."""
    from google.analytics.data_v1beta.types import BatchRunReportsResponse

    response = BatchRunReportsResponse.pb(BatchRunReportsResponse())
    days = [(_LAST - timedelta(days=rows - 1 - n)).strftime("%Y%m%d") for n in range(rows)]
    days = [day.rjust(8, "0") for day in days]
    for names in metrics:
        report = response.reports.add(row_count=rows)
        report.dimension_headers.add(name="date")
        for name in names:
            report.metric_headers.add(name=name, type_=1)
        report.metadata.time_zone = "Etc/UTC"
        report.metadata.currency_code = "EUR"
        for number, day in enumerate(days):
            one = report.rows.add()
            one.dimension_values.add(value=day)
            for _ in names:
                one.metric_values.add(value=str(1000 + number % 997))
    return bytes(response.SerializeToString())
