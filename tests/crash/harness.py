"""Kills a process that writes to a warehouse, again and again, and looks at what it has left.

Run by the tests beside it as a process of its own, because it forks: each trial is a child that works on
a fresh copy of a prepared warehouse and dies by SIGKILL at one boundary of its writing (before a
statement, before a commit, after a commit that nobody was told of yet) or at a random instant. The
hooks are SQLAlchemy's events, and one in psycopg's COPY; nothing of okr-sync is replaced.

What must then hold: the numbers are as they are between two commits of a run that isn't disturbed,
the audit finds nothing, running again ends with the same numbers, and once more adds nothing.
"""

import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.pool import NullPool, Pool

from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.windows import Window
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.check_ins import Said, add_check_in
from okr_sync.warehouse.connect import VERSION_TABLE, Warehouse, open_warehouse
from okr_sync.warehouse.current import refresh_current
from okr_sync.warehouse.definitions import write_changed
from okr_sync.warehouse.observations import (
    AgreedGoal,
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
    ObjectiveRow,
)
from okr_sync.warehouse.overrides import add_override
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.renames import Rename, apply_renames
from okr_sync.warehouse.revisions import append_revisions
from okr_sync.warehouse.runs import finish_run, mark_dead_runs, start_run
from okr_sync.warehouse.tables import key_result, key_result_history
from okr_sync.warehouse.turns import take_turn

WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "COPY")
NUMBERS = (
    "objective",
    "key_result",
    "key_result_current",
    "key_result_history",
    "metric_value",
    "measured_baseline",
    "value_override",
    "key_result_goal",
    "key_result_rename",
    "check_in",
)
VOLATILE = frozenset(
    {"recorded_at", "run_id", "measured_at", "stale_after", "withdrawn_at", "config_hash"}
)
NOW = datetime(2026, 10, 6, 13, tzinfo=UTC)
IDS = ("growth/a", "growth/b", "growth/c")
NEVER = -1


# --- the warehouses that trials work on -----------------------------------------------------------


class Copies:
    """Fresh copies of a prepared warehouse: files of SQLite, databases of PostgreSQL."""

    def __init__(self, server: str, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._number = 0

    def new(self, of: str | None = None) -> str:
        """The URL of an empty warehouse, or of a copy of another that nobody has open."""
        self._number += 1
        if not self._server:
            path = self._folder / f"w{self._number}.sqlite"
            if of is None:
                path.touch()
            else:
                shutil.copy(of.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        name = f"crash{os.getpid()}_{self._number}"
        template = "template1" if of is None else make_url(of).database
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._server.replace("/postgres?", f"/{name}?")

    def drop(self, url: str) -> None:
        """Remove a copy that is no longer looked at."""
        if not self._server:
            for path in self._folder.glob(Path(url.removeprefix("sqlite:///")).name + "*"):
                path.unlink()
            return
        name = make_url(url).database
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def observer(url: str) -> Engine:
    """An engine that only looks, and keeps no connection open."""
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def state_of(connection: Connection, *, with_schema: bool) -> str:
    """A digest of the numbers and definitions: alike when they are, whenever they were written."""
    tables = set(inspect(connection).get_table_names())
    found: dict[str, Any] = {}
    for name in NUMBERS:
        if name in tables:
            rows = connection.execute(text(f"SELECT * FROM {name}")).mappings()
            found[name] = sorted(repr(sorted(_settled(dict(row)).items())) for row in rows)
    if with_schema:
        columns = {name: inspect(connection).get_columns(name) for name in sorted(tables)}
        found["schema"] = {k: sorted(str(c["name"]) for c in v) for k, v in columns.items()}
        if VERSION_TABLE in tables:
            version = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
            found["version"] = str(version)
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def _settled(row: dict[str, Any]) -> dict[str, str]:
    for name in ("superseded_at", "retired_at"):
        if name in row:
            row[name] = row[name] is not None
    return {name: str(value) for name, value in row.items() if name not in VOLATILE}


# --- what is done to a warehouse ------------------------------------------------------------------


def definition(name: str, target: str = "0.27") -> KeyResultRow:
    """A key result as its definition is stored; a target may differ from run to run."""
    return KeyResultRow(
        key_result_id=name,
        objective_id="growth/pipeline",
        team="growth",
        cycle="2026-Q4",
        cycle_start=date(2026, 10, 1),
        cycle_end=date(2026, 12, 31),
        title="Lift the number",
        metric="leads",
        unit=None,
        baseline=Decimal("0.18"),
        target=Decimal(target),
        goal_kind="from_to",
        commitment="committed",
        indicator=None,
        owner=None,
        family="funnel",
        definition_hash="d1",
        config_hash="c1",
        defined_in="okrs.yaml:3",
    )


def agreed(name: str, target: str) -> AgreedGoal:
    """The goal of a key result, agreed from the first day of its cycle on."""
    return AgreedGoal(
        key_result_id=name,
        cycle_start=date(2026, 10, 1),
        effective_from=date(2026, 10, 1),
        goal_kind="from_to",
        baseline=Decimal("0.18"),
        target=Decimal(target),
        low=None,
        high=None,
        baseline_is_measured=False,
        target_share=None,
        commitment="committed",
        pace="linear",
        config_hash="c1",
    )


def observation(name: str, day: date, value: int) -> KeyResultObservation:
    return KeyResultObservation(
        name,
        day,
        Measurement(Decimal(value)),
        Decimal("0.5"),
        Decimal("0.5"),
        Decimal("0.4"),
        "on_track",
        False,
        (),
        "automatic",
        "d1",
    )


def metric(day: date, value: int) -> MetricObservation:
    """What a metric was on a day."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    window = Window(day, day + timedelta(days=1), at, at + timedelta(days=1))
    return MetricObservation("leads", day, window, Measurement(Decimal(value)))


def days(first: int, last: int) -> list[date]:
    """The days of September 2026 and after, counted from the first as 0, both ends included."""
    return [date(2026, 9, 1) + timedelta(days=n) for n in range(first, last + 1)]


def run_of(
    warehouse: Warehouse,
    parts: list[list[KeyResultObservation]],
    metrics: list[MetricObservation],
    failures: list[KeyResultFailure],
    trigger: str = "manual",
    target: str = "0.27",
) -> None:
    """A run that publishes its parts one after the other, as teams do."""
    run_id = f"run-{os.getpid()}-{time.monotonic_ns()}"
    mark_dead_runs(warehouse, now=NOW)
    start_run(
        warehouse,
        run_id=run_id,
        trigger=trigger,
        dagster_run_id=None,
        config_hash="c1",
        expected=len({one.key_result_id for part in parts for one in part}) + len(failures),
        started_at=NOW,
    )
    for number, part in enumerate(parts):
        names = sorted({one.key_result_id for one in part})
        publish(
            warehouse,
            run_id=run_id,
            published_at=datetime.now(UTC),
            measured_at=NOW,
            objectives=[ObjectiveRow("growth/pipeline", "growth", "2026-Q4", "Aim", None, ())],
            key_results=[definition(name, target) for name in names],
            observations=part,
            metric_observations=metrics if number == 0 else [],
            failures=failures if number == 0 else [],
            stale_after=dict.fromkeys(names, NOW + timedelta(hours=2)),
            goals=[agreed(name, target) for name in names],
        )
    finish_run(warehouse, run_id, finished_at=NOW)


def first_numbers(url: str) -> None:
    """What most trials begin with: three days of three key results, each day 1."""
    warehouse = open_warehouse(url)
    known = [observation(name, day, 1) for name in IDS for day in days(1, 3)]
    run_of(warehouse, [known], [metric(day, 1) for day in days(1, 3)], [])
    warehouse.close()


def second_numbers() -> tuple[list[KeyResultObservation], list[MetricObservation]]:
    """One number that changes, one that stays, and a new day of both; the third fails.

    The goal of both is another one from now on.
    """
    changed = [observation(IDS[0], day, 2) for day in days(2, 4)]
    same = [observation(IDS[1], day, 1) for day in days(2, 4)]
    return [*changed, *same], [metric(day, 2) for day in days(3, 4)]


def do_publish(url: str) -> None:
    """One publish with every kind of change: see second_numbers."""
    warehouse = open_warehouse(url)
    observations, metrics = second_numbers()
    failures = [KeyResultFailure(IDS[2], "refused")]
    run_of(warehouse, [observations], metrics, failures, target="0.3")
    warehouse.close()


def do_split_publish(url: str) -> None:
    """The negative control: the same numbers, published in three transactions instead of one."""
    warehouse = open_warehouse(url)
    observations, _ = second_numbers()
    run_id = f"run-{os.getpid()}"
    start_run(
        warehouse,
        run_id=run_id,
        trigger="manual",
        dagster_run_id=None,
        config_hash="c1",
        expected=2,
        started_at=NOW,
    )
    rows = [history_row(one) for one in observations]
    with warehouse.write() as connection:
        changed = [vars(definition(name)) | {"title": "Another title"} for name in IDS]
        write_changed(connection, key_result, changed)
    with warehouse.write() as connection:
        append_revisions(
            connection,
            key_result_history,
            rows,
            compared=("value",),
            recorded_at=datetime.now(UTC),
            run_id=run_id,
            turn=take_turn(connection, run_id),
        )
    with warehouse.write() as connection:
        refresh_current(
            connection,
            rows,
            stale_after=dict.fromkeys(IDS, NOW),
            measured_at=NOW,
            run_id=run_id,
            newer=(),
        )
    warehouse.close()


def history_row(one: KeyResultObservation) -> dict[str, Any]:
    """An observation as a row of key_result_history."""
    measured = ("value", "numerator", "denominator", "sample_size")
    row = {name: getattr(one.measurement, name) for name in measured}
    columns = {column.name for column in key_result_history.columns}
    return row | {name: value for name, value in vars(one).items() if name in columns}


def do_backfill(url: str) -> None:
    """Fifteen days of each key result, published one key result after the other."""
    warehouse = open_warehouse(url)
    parts = [[observation(name, day, day.day) for day in days(0, 14)] for name in IDS]
    run_of(warehouse, parts, [metric(day, 7) for day in days(0, 14)], [], "backfill")
    warehouse.close()


def do_override(url: str) -> None:
    """Somebody says another value for seven days."""
    warehouse = open_warehouse(url)
    add_override(
        warehouse,
        key_result_id=IDS[0],
        value=Decimal(9),
        reason="the tracker was off",
        author="ana",
        from_day=days(3, 3)[0],
        until_day=days(9, 9)[0],
        recorded_at=NOW,
    )
    warehouse.close()


def do_check_in(url: str) -> None:
    """Somebody says a number for a day."""
    warehouse = open_warehouse(url)
    said = Said(IDS[0], days(3, 3)[0], Decimal(9), 7, "two pilots signed", "ana")
    add_check_in(warehouse, said, NOW)
    warehouse.close()


def do_rename(url: str) -> None:
    """Onto an id that has numbers of its own: the rename with the most statements."""
    warehouse = open_warehouse(url)
    apply_renames(warehouse, [Rename(IDS[0], IDS[1])], renamed_at=NOW, config_hash="c1")
    warehouse.close()


def do_migrate(url: str) -> None:
    """Bring the tables to the newest version."""
    open_warehouse(url).close()


def nothing(url: str) -> None:
    """Leave the warehouse as it is: an empty database."""


_NUMBERS_OF_0001 = (
    """
    INSERT INTO sync_run VALUES ('old', '2026-10-05 12:00:00+00:00', NULL, 'running', 'manual',
    NULL, 'c', 1, 0, 0, 0, NULL)
    """,
    """
    INSERT INTO key_result VALUES ('g/a', 'g/o', 'g', '2026-Q4', '2026-10-01', '2026-12-31', 't',
    'm', NULL, '0.5', '1.5', 'from_to', 'committed', NULL, NULL, 'funnel', 'd', 'c', 'f:1', NULL)
    """,
    """
    INSERT INTO key_result_history (key_result_id, as_of, revision, value, status, is_final,
    origin, quality, definition_hash, recorded_at, run_id) VALUES ('g/a', '2026-10-05', 1, '1.25',
    'on_track', false, 'automatic', '[]', 'd', '2026-10-05T12:00:00.000000+00:00', 'old')
    """,
    """
    INSERT INTO key_result_current (key_result_id, value, status, freshness, quality, as_of,
    is_final, run_id) VALUES ('g/a', '1.25', 'on_track', 'fresh', '[]', '2026-10-05', false, 'old')
    """,
)


def released_0001(url: str) -> None:
    """A warehouse as the first release left it, with numbers."""
    from alembic import command

    from okr_sync.warehouse import migrate

    engine = observer(url)
    with engine.connect() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in _NUMBERS_OF_0001:
            connection.execute(text(statement))
        connection.commit()
    engine.dispose()


def do_sync(url: str) -> None:
    """The whole command for one day, pulls included."""
    from okr_sync.commands.sync import run_sync

    os.environ["OKR_SYNC_WAREHOUSE"] = url
    day = date(2026, 3, 20)
    if run_sync(Path(os.environ["CRASH_PROJECT"]), [], day, None) != 0:
        raise SystemExit(3)


def do_sync_backfill(url: str) -> None:
    """The whole command for twenty days, pulls included."""
    from okr_sync.commands.sync import run_sync

    os.environ["OKR_SYNC_WAREHOUSE"] = url
    first, last = date(2026, 3, 1), date(2026, 3, 20)
    if run_sync(Path(os.environ["CRASH_PROJECT"]), [], None, (first, last)) != 0:
        raise SystemExit(3)


@dataclass(frozen=True)
class Scenario:
    """What is prepared, what is done while it is killed, and against what it is held."""

    prepare: Callable[[str], None]
    act: Callable[[str], None]
    reference: Callable[[str], None]
    with_schema: bool = False


SCENARIOS = {
    "publish": Scenario(first_numbers, do_publish, do_publish),
    "split": Scenario(first_numbers, do_split_publish, do_publish),
    "backfill": Scenario(first_numbers, do_backfill, do_backfill),
    "override": Scenario(first_numbers, do_override, do_override),
    "check_in": Scenario(first_numbers, do_check_in, do_check_in),
    "rename": Scenario(first_numbers, do_rename, do_rename),
    "migration": Scenario(nothing, do_migrate, do_migrate, with_schema=True),
    "upgrade": Scenario(released_0001, do_migrate, do_migrate, with_schema=True),
    "sync": Scenario(do_migrate, do_sync, do_sync),
    "sync_backfill": Scenario(do_migrate, do_sync_backfill, do_sync_backfill),
}


# --- trials ---------------------------------------------------------------------------------------


class Boundaries:
    """The boundaries of a process's writing to the warehouse; it is killed at one of them.

    `kinds` are those that it has passed: a statement's verb and table, a commit, its end.
    """

    def __init__(
        self, url: str, fatal: int, after_commit: Callable[[], None] = lambda: None
    ) -> None:
        self.kinds: list[str] = []
        self._database = make_url(url).database  # Dagster writes to databases of its own
        self._fatal = fatal
        self._after_commit = after_commit
        self._has_written = False
        self._is_looking = False
        event.listen(Engine, "before_cursor_execute", self._before_statement)
        event.listen(Engine, "commit", self._before_commit)
        event.listen(Pool, "checkin", self._after)
        copy = psycopg.Cursor.copy

        @contextmanager
        def watched(cursor: psycopg.Cursor[Any], statement: str) -> Iterator[psycopg.Copy]:
            self._writes(statement)
            with copy(cursor, statement) as copying:
                yield copying

        psycopg.Cursor.copy = watched  # type: ignore[assignment]  # SQLAlchemy knows no COPY

    def _pass(self, kind: str) -> None:
        if len(self.kinds) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.kinds.append(kind)

    def _before_statement(self, connection: Connection, *given: Any) -> None:
        if connection.engine.url.database == self._database:
            self._writes(given[1])

    def _writes(self, statement: str) -> None:
        if not self._is_looking and statement.lstrip().upper().startswith(WRITES):
            self._has_written = True
            # Tables that a sync makes for a moment have the time in their names.
            self._pass(re.sub(r"__g\d+", "", " ".join(statement.split()[:3])))

    def _before_commit(self, connection: Connection) -> None:
        if connection.engine.url.database == self._database and self._is_written():
            self._pass("commit")

    def _after(self, *_given: Any) -> None:
        """The connection is given back: the transaction has ended and its caller isn't told yet."""
        if self._is_written():
            self._has_written = False
            self._pass("committed")
            self._is_looking = True
            self._after_commit()
            self._is_looking = False

    def _is_written(self) -> bool:
        return self._has_written and not self._is_looking


def in_child(work: Callable[[], None], kill_after: float | None = None) -> int:
    """Do something in a forked process; its exit status, negative for the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            if status != 0:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Trials:
    """The trials of one scenario."""

    def __init__(self, scenario: Scenario, copies: Copies, folder: Path) -> None:
        self._scenario = scenario
        self._copies = copies
        self._notes = folder / "notes"
        self.problems: list[str] = []
        self._base = copies.new()
        if in_child(lambda: scenario.prepare(self._base)) != 0:
            raise SystemExit("the preparation failed")
        self._allowed, self._final = self._undisturbed()

    def _undisturbed(self) -> tuple[set[str], str]:
        """The states between the commits of a run that nobody kills, and the last one."""
        url = self._copies.new(self._base)
        states = [self._look(url)[0]]

        def work() -> None:
            def note() -> None:
                with self._notes.open("a") as file:
                    file.write(self._look(url)[0] + "\n")

            Boundaries(url, NEVER, note)
            self._scenario.reference(url)

        self._notes.write_text("")
        if in_child(work) != 0:
            raise SystemExit("the undisturbed run failed")
        states += self._notes.read_text().split()
        self.commits = len(states) - 1
        final = self._look(url)[0]
        self._copies.drop(url)
        return {*states, final}, final

    def kinds(self) -> list[str]:
        """The boundaries that there are, in their order."""
        url = self._copies.new(self._base)

        def work() -> None:
            boundaries = Boundaries(url, NEVER)
            self._scenario.act(url)
            self._notes.write_text("\n".join(boundaries.kinds))

        if in_child(work) != 0:
            raise SystemExit("counting failed")
        self._copies.drop(url)
        return self._notes.read_text().splitlines()

    def kill_at(self, boundary: int) -> None:
        """One trial that ends at a boundary."""
        url = self._copies.new(self._base)

        def work() -> None:
            Boundaries(url, boundary)
            self._scenario.act(url)

        ended = in_child(work)
        if ended != -signal.SIGKILL:
            self.problems.append(f"boundary {boundary}: it was not killed ({ended})")
        # That running once more adds nothing is seen at every fourth: a sync takes a second.
        self._mended(f"boundary {boundary}", url, twice=boundary % 4 == 0)

    def kill_at_instants(self, wanted: int, draw: random.Random) -> int:
        """So many trials that end while the process is at work; how many did.

        An instant at which it had already ended is drawn again, a little earlier.
        """
        killed, latest = 0, self._seconds_of_one()
        for _ in range(10 * wanted):
            if killed == wanted:
                break
            seconds = draw.uniform(0, latest)
            url = self._copies.new(self._base)
            if in_child(lambda url=url: self._scenario.act(url), seconds) == -signal.SIGKILL:  # type: ignore[misc]
                killed += 1
                self._mended(f"{seconds:.4f} s", url)
            else:
                latest *= 0.95
                self._copies.drop(url)
        return killed

    def _seconds_of_one(self) -> float:
        url = self._copies.new(self._base)
        started = time.monotonic()
        if in_child(lambda: self._scenario.act(url)) != 0:
            raise SystemExit("the undisturbed run failed")
        self._copies.drop(url)
        return time.monotonic() - started

    def _mended(self, name: str, url: str, *, twice: bool = True) -> None:
        """Look at what a killed process has left, and whether running again mends it."""
        state, broken = self._look(url)
        if state not in self._allowed:
            self.problems.append(f"{name}: half of something was written ({state})")
        self.problems += [f"{name}: {one}" for one in broken]
        for attempt in ("again", "once more") if twice else ("again",):
            if in_child(lambda: self._scenario.act(url)) != 0:
                self.problems.append(f"{name}: running {attempt} failed")
            state, broken = self._look(url)
            if state != self._final:
                self.problems.append(f"{name}: after running {attempt}, the numbers are others")
            self.problems += [f"{name}, {attempt}: {one}" for one in broken]
        self._copies.drop(url)

    def _look(self, url: str) -> tuple[str, list[str]]:
        engine = observer(url)
        with engine.connect() as connection:
            state = state_of(connection, with_schema=self._scenario.with_schema)
            is_current = "lease" in inspect(connection).get_table_names()
            broken = violations(connection) if is_current else []
        engine.dispose()
        return state, broken


def chosen(kinds: Sequence[str], at_most: int, draw: random.Random) -> list[int]:
    """Boundaries to die at: one of each kind before another of the same, a commit's first of all."""
    order = list(range(len(kinds)))
    draw.shuffle(order)
    seen: Counter[str] = Counter()
    ranked = []
    for number in order:
        kind = kinds[number]
        ranked.append((seen[kind], not kind.startswith("commit"), number))
        seen[kind] += 1
    return sorted(number for *_, number in sorted(ranked)[:at_most])


def main() -> None:
    """Print what came of a scenario's trials, as JSON."""
    name, server, folder, at_most, instants, seed = sys.argv[1:]
    # Imported once here instead of once in each child.
    importlib.import_module("okr_sync.warehouse.migrate")
    if name.startswith("sync"):
        importlib.import_module("okr_sync.commands.sync")
        for module in ("google.analytics.data_v1beta", "hubspot"):
            importlib.import_module(module)
    path = Path(folder)
    trials = Trials(SCENARIOS[name], Copies(server, path), path)
    kinds = trials.kinds()
    draw = random.Random(int(seed))
    counts = {"all": len(kinds), "kinds": len(set(kinds))}
    died_at = chosen(kinds, counts.get(at_most) or int(at_most), draw)
    for boundary in died_at:
        trials.kill_at(boundary)
    print(
        json.dumps(
            {
                "boundaries": len(kinds),
                "kinds": sorted(set(kinds)),
                "kinds_died_at": sorted({kinds[number] for number in died_at}),
                "commits": trials.commits,
                "killed_at_instants": trials.kill_at_instants(int(instants), draw),
                "problems": trials.problems,
            }
        )
    )


if __name__ == "__main__":
    main()
