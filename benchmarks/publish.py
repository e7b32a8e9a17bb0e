"""Publishing a long backfill, against a bare bulk insert of the rows that it writes.

Belongs here: the transaction from observations in memory to committed tables. Does not belong here:
pulling and evaluating, which come before it (and have rows of their own).

Both sides work on a new, migrated warehouse in a fresh process, and only the writing is measured:
CPU seconds of the process and of PostgreSQL's server. The bare side has every row of every table that
a publish fills as the driver wants it, and hands them over as fast as the driver can: executemany in
one transaction on SQLite, COPY on PostgreSQL. The tables and their keys are the same.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import psycopg

from benchmarks.harness import Bench, Comparison, at_most, in_child, row, tree_cpu
from benchmarks.servers import postgresql
from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.windows import Window
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.observations import KeyResultObservation, KeyResultRow, ObjectiveRow
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.runs import start_run
from okr_sync.warehouse.tables import metadata

_KEY_RESULTS, _DAYS, _TEAM = 10_000, 90, 100
_FIRST, _LAST = date(2026, 7, 1), date(2026, 9, 28)
_NOW = datetime(2026, 9, 29, 12, tzinfo=UTC)
_FILLED = (
    "objective",
    "key_result",
    "key_result_history",
    "metric_value",
    "key_result_current",
)
"""In the order in which foreign keys allow to fill them."""


@row(
    "publish: 10,000 key results × 90 days, SQLite",
    at_most(3),
    of="a backfill's publish ÷ executemany of the same rows",
)
def sqlite_backfill(bench: Bench) -> Comparison:
    """The whole backfill in one publish."""
    numbers = count()

    def new() -> str:
        return f"sqlite:///{bench.folder / f'publish{next(numbers)}.sqlite'}"

    return _compared(bench, new, server=None)


@row(
    "publish: 10,000 key results × 90 days, PostgreSQL",
    at_most(3),
    of="a backfill's publish ÷ COPY of the same rows",
)
def postgresql_backfill(bench: Bench) -> Comparison:
    """The whole backfill in one publish."""
    server = bench.once(postgresql)
    return _compared(bench, server.new_database, server.pid)


def _compared(bench: Bench, new: Callable[[], str], server: int | None) -> Comparison:
    published: list[str] = []

    def ours() -> float:
        published.append(new())
        return in_child(published_in, published[-1], server, _KEY_RESULTS)[1]

    def theirs() -> float:
        return in_child(inserted_in, new(), published.pop(), server)[1]

    return bench.pairs(ours, theirs)


# --- what a child does ------------------------------------------------------------------------------


def published_in(url: str, server: int | None, key_results: int) -> float:
    """CPU seconds of a publish of so many key results' backfill into an empty warehouse."""
    warehouse = open_warehouse(url)
    start_run(
        warehouse,
        run_id="backfill",
        trigger="backfill",
        dagster_run_id=None,
        config_hash="c",
        expected=key_results,
        started_at=_NOW,
    )
    names = [f"team-{n // _TEAM:03}/key-result-{n % _TEAM:03}" for n in range(key_results)]
    definitions = [_definition(name) for name in names]
    observations = list(_observations(names))
    metrics = list(_metrics(key_results // _TEAM))
    aims = [ObjectiveRow(f"{team}/aim", team, "2026-Q3", "Aim", None, ()) for team in _teams(names)]
    with _cpu(server) as seconds:
        outcome = publish(
            warehouse,
            run_id="backfill",
            published_at=_NOW,
            measured_at=_NOW,
            objectives=aims,
            key_results=definitions,
            observations=observations,
            metric_observations=metrics,
            failures=[],
            stale_after=dict.fromkeys(names, _NOW + timedelta(hours=3)),
        )
    if outcome.new != key_results * _DAYS:
        raise RuntimeError(f"{outcome.new} observations were published")
    warehouse.close()
    return seconds[0]


def inserted_in(url: str, published: str, server: int | None) -> float:
    """CPU seconds of inserting another warehouse's rows into an empty one."""
    open_warehouse(url).close()
    if server is None:
        return _executemany(Path(url.removeprefix("sqlite:///")), published)
    columns = {name: _columns(name) for name in _FILLED}
    rows = {}
    with psycopg.connect(published) as source:
        for name in _FILLED:
            rows[name] = source.execute(f"SELECT {columns[name]} FROM {name}").fetchall()
    with psycopg.connect(url) as connection, _cpu(server) as seconds, connection.cursor() as cursor:
        for name in _FILLED:
            with cursor.copy(f"COPY {name} ({columns[name]}) FROM STDIN") as copy:
                for each in rows[name]:
                    copy.write_row(each)
        connection.commit()
    return seconds[0]


def _executemany(path: Path, published: str) -> float:
    columns = {name: _columns(name) for name in _FILLED}
    source = sqlite3.connect(published.removeprefix("sqlite:///"))
    rows = {
        name: source.execute(f"SELECT {columns[name]} FROM {name}").fetchall() for name in _FILLED
    }
    source.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    with _cpu(None) as seconds:
        connection.execute("BEGIN IMMEDIATE")
        for name in _FILLED:
            marks = ", ".join("?" * len(metadata.tables[name].columns))
            connection.executemany(
                f"INSERT INTO {name} ({columns[name]}) VALUES ({marks})", rows[name]
            )
        connection.execute("COMMIT")
    connection.close()
    return seconds[0]


@contextmanager
def _cpu(server: int | None) -> Iterator[list[float]]:
    """CPU seconds of this process and a server while the block works, once it has ended."""

    def used() -> float:
        return time.process_time() + (0 if server is None else tree_cpu(server))

    seconds: list[float] = []
    before = used()
    yield seconds
    seconds.append(used() - before)


def _columns(table: str) -> str:
    return ", ".join(column.name for column in metadata.tables[table].columns)


# --- the numbers ------------------------------------------------------------------------------------


def _teams(names: list[str]) -> list[str]:
    return sorted({name.partition("/")[0] for name in names})


def _definition(name: str) -> KeyResultRow:
    team = name.partition("/")[0]
    return KeyResultRow(
        key_result_id=name,
        objective_id=f"{team}/aim",
        team=team,
        cycle="2026-Q3",
        cycle_start=_FIRST,
        cycle_end=date(2026, 9, 30),
        title="Lift the share of leads that become opportunities",
        metric="lead_to_opportunity",
        unit="percent",
        baseline=Decimal("0.18"),
        target=Decimal("0.27"),
        goal_kind="from_to",
        commitment="committed",
        indicator="leading",
        owner="vp-marketing",
        family="conversion",
        definition_hash="d" * 64,
        config_hash="c" * 64,
        defined_in="okrs/2026-Q3/team.yaml:12",
    )


def _observations(names: list[str]) -> Iterator[KeyResultObservation]:
    for number, name in enumerate(names):
        for passed in range(_DAYS):
            measurement = _measurement(number + 7 * passed)
            progress = (Decimal(measurement.value or 0) - Decimal("0.18")) / Decimal("0.09")
            yield KeyResultObservation(
                key_result_id=name,
                as_of=_FIRST + timedelta(days=passed),
                measurement=measurement,
                progress=progress,
                score=min(max(progress, Decimal(0)), Decimal(1)),
                expected_progress=Decimal(passed + 1) / 92,
                status="on_track",
                is_final=passed < _DAYS - 2,
                quality=() if passed < _DAYS - 2 else ("provisional",),
                origin="backfill",
                definition_hash="d" * 64,
            )


def _metrics(how_many: int) -> Iterator[MetricObservation]:
    for number in range(how_many):
        for passed in range(_DAYS):
            day = _FIRST + timedelta(days=passed)
            at = datetime(day.year, day.month, day.day, tzinfo=UTC)
            window = Window(_FIRST, day + timedelta(days=1), at, at + timedelta(days=1))
            yield MetricObservation(
                f"metric_{number:03}", day, window, _measurement(number + passed)
            )


def _measurement(number: int) -> Measurement:
    numerator, denominator = Decimal(number % 613 + 20), Decimal(number % 1709 + 700)
    return Measurement(numerator / denominator, numerator, denominator, int(denominator))
