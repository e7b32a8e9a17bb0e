"""Simulated workers on one warehouse, step by step in an order that a seed decides.

Run by test_simulation.py. Two to four workers sync the same key results from a source whose numbers
change, one step at a time: begin, read, renew the lease, publish (in one or two parts), finish. Time
is simulated: the database's clock is a function that this file gives to SQLite, and each worker's
own clock is wrong in its own way. Faults: a worker vanishes between two steps, a publish breaks
half-way, a worker sleeps for longer than its lease lasts, a pull fails.

After every step that writes numbers the tables are compared with an oracle, a model in plain Python of what they must
hold, written from the rules (docs/adr) and not from the code.
"""

import random
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import delete, event, select

from okr_sync.errors import LeaseLostError, WarehouseError
from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.windows import Window
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.lease import LEASE, renew
from okr_sync.warehouse.observations import KeyResultFailure, KeyResultObservation, KeyResultRow
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.runs import finish_run, mark_dead_runs, start_run
from okr_sync.warehouse.tables import (
    confirmation,
    key_result_current,
    key_result_history,
    metadata,
    metric_value,
    sync_run,
)

IDS = ("growth/a", "growth/b", "growth/c")
FIRST_DAY = date(2026, 10, 1)
STEPS = 28
Key = tuple[str, date]


class InjectedFault(sqlite3.OperationalError):
    """The disk fails under a statement."""

    sqlite_errorname = "SQLITE_IOERR_WRITE"


# --- the oracle -----------------------------------------------------------------------------------


@dataclass
class Run:
    """What is known of a run: where it stands among the others, and until when it may write."""

    number: int
    expires_at: datetime | None
    status: str = "running"
    reported: dict[str, str] = field(default_factory=dict)


@dataclass
class Shown:
    """What a reader sees of a key result: a day's number, or that a run had none."""

    day: date | None
    value: Decimal | None
    is_failed: bool
    run: str


class Oracle:
    """The published tables as they must be."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.history: dict[Key, list[tuple[Decimal, str]]] = {}
        self.metrics: dict[date, list[tuple[Decimal, str]]] = {}
        self.current: dict[str, Shown] = {}
        self._spoken: dict[Any, int] = {}

    def begin(self, run_id: str, now: datetime) -> None:
        for run in self.runs.values():
            if run.expires_at is not None and run.expires_at <= now:
                run.expires_at = None
                run.status = "failed" if run.status == "running" else run.status
        self.runs[run_id] = Run(len(self.runs) + 1, now + LEASE)

    def renew(self, run_id: str, now: datetime) -> None:
        run = self.runs[run_id]
        if run.expires_at is not None and run.expires_at > now:
            run.expires_at = now + LEASE

    def may_publish(self, run_id: str, now: datetime) -> bool:
        until = self.runs[run_id].expires_at
        return until is not None and until > now

    def publish(self, run_id: str, found: dict[Key, Decimal], failed: list[str]) -> None:
        run = self.runs[run_id]
        written = set()
        accepted: dict[Key, Decimal] = {}
        for key, value in found.items():
            if self._is_outspoken(key, run):
                continue
            accepted[key] = value
            if self._add(self.history.setdefault(key, []), value, run_id):
                written.add(key[0])
        for day, value in _metric_of(found).items():
            if not self._is_outspoken(day, run):
                self._add(self.metrics.setdefault(day, []), value, run_id)
        for name in {name for name, _ in accepted}:
            self._show(name, accepted, run_id)
        for name in failed:
            self._fail(name, run_id)
        names = {name for name, _ in found}
        run.reported |= {n: "ok" if n in written else "unchanged" for n in sorted(names)}
        run.reported |= dict.fromkeys(failed, "failed")
        if len(run.reported) == len(IDS) and run.status == "running":
            run.status = self._verdict(run)

    def finish(self, run_id: str) -> None:
        run = self.runs[run_id]
        run.expires_at = None
        if run.status == "running":
            run.status = self._verdict(run)

    def _verdict(self, run: Run) -> str:
        good = sum(outcome != "failed" for outcome in run.reported.values())
        return "success" if good == len(IDS) else "partial" if good else "failed"

    def _is_outspoken(self, key: Any, run: Run) -> bool:
        """Whether a newer run has spoken of it; if not, this one now has."""
        if self._spoken.get(key, 0) > run.number:
            return True
        self._spoken[key] = run.number
        return False

    def _add(self, revisions: list[tuple[Decimal, str]], value: Decimal, run_id: str) -> bool:
        if revisions and revisions[-1][0] == value:
            return False
        revisions.append((value, run_id))
        return True

    def _show(self, name: str, accepted: dict[Key, Decimal], run_id: str) -> None:
        day = max(day for known, day in accepted if known == name)
        shown = self.current.get(name)
        if shown is not None and shown.day is not None and shown.day > day:
            return
        if shown is not None and shown.is_failed and self._is_newer(shown.run, run_id):
            self.current[name] = Shown(day, accepted[name, day], True, shown.run)
        else:
            self.current[name] = Shown(day, accepted[name, day], False, run_id)

    def _fail(self, name: str, run_id: str) -> None:
        shown = self.current.get(name)
        if shown is None:
            self.current[name] = Shown(None, None, True, run_id)
        elif not self._is_newer(shown.run, run_id):
            self.current[name] = Shown(shown.day, shown.value, True, run_id)

    def _is_newer(self, one: str, other: str) -> bool:
        return self.runs[one].number > self.runs[other].number


def _metric_of(found: dict[Key, Decimal]) -> dict[date, Decimal]:
    """The metric's own values: those of the first key result."""
    return {day: value for (name, day), value in found.items() if name == IDS[0]}


# --- the world ------------------------------------------------------------------------------------


class World:
    """A warehouse, a source, a clock, and workers that take steps."""

    def __init__(self, warehouse: Warehouse, seed: int) -> None:
        self.draw = random.Random(seed)
        self.warehouse = warehouse
        self.oracle = Oracle()
        self.now = datetime(2026, 10, 6, 12, tzinfo=UTC)
        self.truth: dict[Key, Decimal] = {}
        self.is_broken_after: int | None = None
        self._runs = 0
        self.log: list[str] = []
        event.listen(warehouse.engine, "connect", self._give_clock)
        event.listen(warehouse.engine, "before_cursor_execute", self._maybe_fail)
        warehouse.engine.dispose()  # connections that were made before know another clock

    def close(self) -> None:
        """Leave an empty warehouse for the next history."""
        event.remove(self.warehouse.engine, "connect", self._give_clock)
        event.remove(self.warehouse.engine, "before_cursor_execute", self._maybe_fail)
        with self.warehouse.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))

    def play(self) -> None:
        """Take the steps of one history; AssertionError when tables and oracle part."""
        workers = [self._worker(n) for n in range(self.draw.randint(2, 4))]
        for _ in range(STEPS):
            self._pass_time()
            self._change_source()
            number = self.draw.randrange(len(workers))
            if self.draw.random() < 0.05:
                self.log.append(f"worker {number} vanishes")
                workers[number] = self._worker(number)
            if next(workers[number]):
                self._compare()
        with self.warehouse.read() as connection:
            assert violations(connection) == []

    def _worker(self, number: int) -> Iterator[bool]:
        """A worker's steps, each with whether it could have changed what the oracle knows of."""
        skew = timedelta(minutes=self.draw.randint(-600, 600))
        while True:
            yield from self._run(number, skew)

    def _run(self, number: int, skew: timedelta) -> Iterator[bool]:
        self._runs += 1
        run_id = f"run-{self._runs}"
        self.log.append(f"worker {number} begins {run_id}")
        mark_dead_runs(self.warehouse, now=self.now + skew)
        start_run(
            self.warehouse,
            run_id=run_id,
            trigger="schedule",
            dagster_run_id=None,
            config_hash="c",
            expected=len(IDS),
            started_at=self.now + skew,
        )
        self.oracle.begin(run_id, self.now)
        yield False
        first = self.draw.randint(0, 2)
        read = {
            (name, day): self._truth_of(name, day)
            for name in IDS
            for day in (FIRST_DAY + timedelta(days=n) for n in range(first, first + 3))
        }
        failed = [name for name in IDS if self.draw.random() < 0.15]
        self.log.append(f"worker {number} reads from day {first}, without {failed}")
        yield False
        if self.draw.random() < 0.5:
            renew(self.warehouse, run_id)
            self.oracle.renew(run_id, self.now)
            yield False
        parts = [IDS] if self.draw.random() < 0.5 else [IDS[:1], IDS[1:]]
        for part in parts:
            found = {k: v for k, v in read.items() if k[0] in part and k[0] not in failed}
            without = [name for name in failed if name in part]
            if not self._publish(run_id, found, without, skew):
                yield True
                return
            yield True
        if self.draw.random() < 0.8:
            self.log.append(f"worker {number} finishes {run_id}")
            finish_run(self.warehouse, run_id, finished_at=self.now + skew)
            self.oracle.finish(run_id)
            yield True

    def _publish(
        self, run_id: str, found: dict[Key, Decimal], failed: list[str], skew: timedelta
    ) -> bool:
        """Publish; whether the run may go on. A publish that breaks is tried once more."""
        may = self.oracle.may_publish(run_id, self.now)
        if self.draw.random() < 0.2:
            self.is_broken_after = self.draw.randint(1, 14)
        try:
            self._write(run_id, found, failed, skew)
        except LeaseLostError:
            self.log.append(f"{run_id} has lost its lease")
            assert not may, f"{run_id} was refused and had a lease"
            return False
        except WarehouseError:
            self.log.append(f"{run_id} breaks while it publishes")
            self._compare()
            return self._publish(run_id, found, failed, skew)
        finally:
            self.is_broken_after = None
        self.log.append(f"{run_id} publishes {len(found)} numbers, {failed} failed")
        assert may, f"{run_id} published without a lease"
        self.oracle.publish(run_id, found, failed)
        return True

    def _write(
        self, run_id: str, found: dict[Key, Decimal], failed: list[str], skew: timedelta
    ) -> None:
        names = sorted({name for name, _ in found} | set(failed))
        publish(
            self.warehouse,
            run_id=run_id,
            published_at=self.now + skew,
            measured_at=self.now + skew,
            objectives=[],
            key_results=[_defined(name) for name in names],
            observations=[_observed(name, day, value) for (name, day), value in found.items()],
            metric_observations=[_measured(d, v) for d, v in _metric_of(found).items()],
            failures=[KeyResultFailure(name, "refused") for name in failed],
            stale_after=dict.fromkeys(names, self.now + timedelta(hours=2)),
        )

    def _pass_time(self) -> None:
        is_long = self.draw.random() < 0.1
        self.now += timedelta(minutes=self.draw.randint(10, 25) if is_long else 1)

    def _change_source(self) -> None:
        if self.draw.random() < 0.4:
            day = FIRST_DAY + timedelta(days=self.draw.randint(0, 4))
            self.truth[self.draw.choice(IDS), day] = Decimal(self.draw.randint(0, 3))

    def _truth_of(self, name: str, day: date) -> Decimal:
        return self.truth.get((name, day), Decimal(0))

    def _give_clock(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")  # no power fails in a simulation
        # The warehouse asks SQLite what time it is; here SQLite asks the simulation.
        connection.create_function(
            "strftime", 2, lambda _form, _when: self.now.strftime("%Y-%m-%dT%H:%M:%S.000")
        )

    def _maybe_fail(self, *given: Any) -> None:
        if self.is_broken_after is not None and given[2].startswith(("INSERT", "UPDATE", "SELECT")):
            self.is_broken_after -= 1
            if self.is_broken_after < 0:
                self.is_broken_after = None
                given[1].connection.rollback()
                raise InjectedFault("disk I/O error")

    def _compare(self) -> None:
        with self.warehouse.read() as connection:
            history: dict[Key, list[tuple[Decimal, str]]] = {}
            table = key_result_history
            for row in connection.execute(select(table).order_by(table.c.revision)):
                history.setdefault((row.key_result_id, row.as_of), []).append(
                    (row.value, row.run_id)
                )
            metrics: dict[date, list[tuple[Decimal, str]]] = {}
            for row in connection.execute(select(metric_value).order_by(metric_value.c.revision)):
                metrics.setdefault(row.as_of, []).append((row.value, row.run_id))
            shown = {
                row.key_result_id: Shown(row.as_of, row.value, row.error is not None, row.run_id)
                for row in connection.execute(select(key_result_current))
            }
            statuses = {row.run_id: row.status for row in connection.execute(select(sync_run))}
            notes = connection.execute(select(confirmation)).all()
        assert history == {k: v for k, v in self.oracle.history.items() if v}
        assert metrics == {k: v for k, v in self.oracle.metrics.items() if v}
        assert shown == self.oracle.current
        assert statuses == {name: run.status for name, run in self.oracle.runs.items()}
        assert len(notes) <= 2 * len(IDS) * 5


def _defined(name: str) -> KeyResultRow:
    return KeyResultRow(
        key_result_id=name,
        objective_id="growth/aim",
        team="growth",
        cycle="2026-Q4",
        cycle_start=date(2026, 10, 1),
        cycle_end=date(2026, 12, 31),
        title="t",
        metric="leads",
        unit=None,
        baseline=None,
        target=Decimal(1),
        goal_kind="from_to",
        commitment="committed",
        indicator=None,
        owner=None,
        family="funnel",
        definition_hash="d1",
        config_hash="c1",
        defined_in="okrs.yaml:3",
    )


def _observed(name: str, day: date, value: Decimal) -> KeyResultObservation:
    measurement = Measurement(value)
    return KeyResultObservation(
        name, day, measurement, None, None, None, "on_track", False, (), "automatic", "d1"
    )


def _measured(day: date, value: Decimal) -> MetricObservation:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    window = Window(day, day + timedelta(days=1), at, at + timedelta(days=1))
    return MetricObservation("leads", day, window, Measurement(value))


def main() -> int:
    """Play the histories of some seeds; print the first that goes wrong, and what happened in it."""
    path, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warehouse = open_warehouse(f"sqlite:///{path}")
    for seed in range(first, first + count):
        world = World(warehouse, seed)
        try:
            world.play()
        except (AssertionError, WarehouseError, LookupError) as error:
            print("\n".join(world.log))
            print(f"seed {seed}: {type(error).__name__}: {error}")
            return 1
        finally:
            world.close()
    warehouse.close()
    print(f"{count} histories")
    return 0


if __name__ == "__main__":
    sys.exit(main())
