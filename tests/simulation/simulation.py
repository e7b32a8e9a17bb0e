"""Simulated workers on one warehouse, step by step in an order that a seed decides.

Run by test_simulation.py. Two to four workers sync the same key results from a source whose numbers
change, one step at a time: begin, read, renew the lease, publish (in one or two parts), finish. People
meanwhile change goals, definitions and ids, and override numbers. Time is simulated: the database's clock is a function that this file gives to SQLite, and each worker's
own clock is wrong in its own way. Faults: a worker vanishes between two steps, a publish breaks
half-way, a worker sleeps for longer than its lease lasts, a pull fails.

After every step that writes numbers the tables are compared with an oracle, a model in plain Python of what they must
hold, written from the rules (docs/adr) and not from the code.
"""

import random
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from okr_sync.warehouse.observations import (
    AgreedGoal,
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
)
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.renames import Rename, apply_renames
from okr_sync.warehouse.runs import finish_run, mark_dead_runs, start_run
from okr_sync.warehouse.tables import (
    confirmation,
    key_result,
    key_result_current,
    key_result_goal,
    key_result_history,
    metadata,
    metric_value,
    sync_run,
)

IDS = ("growth/a", "growth/b", "growth/c")
FIRST_DAY = date(2026, 10, 1)
STEPS = 28
RESTATED_FROM = Decimal("0.5")
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
    has_published: bool = False
    reported: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Project:
    """What people have written: the definition's number and the goal's."""

    definition: int = 1
    goal: int = 1
    ids: tuple[str, ...] = IDS
    renames: tuple[Rename, ...] = ()

    @property
    def definition_hash(self) -> str:
        """Both together, as the project's own hash is of both."""
        return f"d{self.definition}g{self.goal}"

    @property
    def target(self) -> Decimal:
        """The goal that was agreed."""
        return Decimal(10 * self.goal)

    def other_goals(self) -> frozenset[str]:
        """The hashes of the same definition with earlier goals."""
        return frozenset(f"d{self.definition}g{goal}" for goal in range(1, self.goal))


@dataclass(frozen=True)
class Found:
    """What a run has found for a key result on a day: a number, and the one set in its place."""

    automatic: Decimal
    override: Decimal | None
    project: Project

    @property
    def value(self) -> Decimal:
        """The number that is published."""
        return self.automatic if self.override is None else self.override

    @property
    def origin(self) -> str:
        """Who says so."""
        return "automatic" if self.override is None else "override"

    @property
    def flags(self) -> frozenset[str]:
        """An overridden number is flagged."""
        return frozenset() if self.override is None else frozenset({"override"})


@dataclass(frozen=True)
class Revision:
    """A row of the history."""

    value: Decimal
    run: str
    cause: str
    quality: frozenset[str]
    origin: str
    definition_hash: str


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
        self.history: dict[Key, list[Revision]] = {}
        self.metrics: dict[date, list[tuple[Decimal, str]]] = {}
        self.current: dict[str, Shown] = {}
        self.goals: dict[str, list[tuple[Decimal, str]]] = {}
        self.defined: dict[str, str] = {}
        self._given_up: dict[str, int] = {}
        self._spoken: dict[Any, int] = {}

    def begin(self, run_id: str, now: datetime) -> None:
        for run in self.runs.values():
            if run.expires_at is not None and run.expires_at <= now:
                run.expires_at = None
                run.status = "failed" if run.status == "running" else run.status
        self.runs[run_id] = Run(len(self.runs) + 1, now + LEASE)

    def rename(self, renames: Sequence[Rename]) -> None:
        """Everything that is known of a key result goes on under its new id, and only there."""
        for one in renames:
            if one.old_id not in self.defined or one.old_id in self._given_up:
                continue
            self._given_up[one.old_id] = len(self.runs)
            for known in (self.defined, self.goals, self.current, self.history, self._spoken):
                _rename_keys(known, one)

    def renew(self, run_id: str, now: datetime) -> None:
        run = self.runs[run_id]
        if run.expires_at is not None and run.expires_at > now:
            run.expires_at = now + LEASE

    def may_publish(self, run_id: str, now: datetime) -> bool:
        until = self.runs[run_id].expires_at
        return until is not None and until > now

    def publish(
        self, run_id: str, found: dict[Key, Found], failed: list[str], project: Project
    ) -> None:
        run = self.runs[run_id]
        run.has_published = True
        # What a newer run keeps under another id, this one knows nothing of.
        gone = {name for name, since in self._given_up.items() if since >= run.number}
        found = {key: one for key, one in found.items() if key[0] not in gone}
        failed = [name for name in failed if name not in gone]
        names = {name for name, _ in found}
        self._define(run_id, sorted(names | set(failed)), project)
        written = set()
        accepted: dict[Key, Decimal] = {}
        for key, one in found.items():
            if self._is_outspoken(key, run):
                continue
            accepted[key] = one.value
            if self._revise(self.history.setdefault(key, []), one, run_id):
                written.add(key[0])
        for day, value in _metric_of(found).items():
            if not self._is_outspoken(day, run):
                self._add(self.metrics.setdefault(day, []), value, run_id)
        for name in {name for name, _ in accepted}:
            self._show(name, accepted, run_id)
        for name in failed:
            self._fail(name, run_id)
        run.reported |= {n: "ok" if n in written else "unchanged" for n in sorted(names)}
        run.reported |= dict.fromkeys(failed, "failed")
        if len(run.reported) == len(IDS) and run.status == "running":
            run.status = self._verdict(run)

    def _define(self, run_id: str, names: list[str], project: Project) -> None:
        """What the newest run's project says counts; an older one only says what nobody has said."""
        number = self.runs[run_id].number
        if any(one.has_published and one.number > number for one in self.runs.values()):
            for name in names:
                self.defined.setdefault(name, project.definition_hash)
            return
        for name in names:
            self.defined[name] = project.definition_hash
            self._add(self.goals.setdefault(name, []), project.target, run_id)

    def _revise(self, revisions: list[Revision], found: Found, run_id: str) -> bool:
        """Add a revision and its cause, if anything that people read has changed."""
        definition_hash, quality = found.project.definition_hash, found.flags
        if not revisions:
            cause = "override" if found.origin == "override" else "first"
            revisions.append(
                Revision(found.value, run_id, cause, quality, found.origin, definition_hash)
            )
            return True
        last = revisions[-1]
        kept = frozenset(flag for flag in last.quality if flag.startswith("restated"))
        before = (last.value, last.quality, last.definition_hash)
        if before == (found.value, quality | kept, definition_hash):
            return False
        if found.origin == "override" and (
            last.value != found.value or last.origin != found.origin
        ):
            cause = "override"
        elif last.origin == "override" and found.origin != "override":
            cause = "override_ended"
        elif last.definition_hash not in {definition_hash, *found.project.other_goals()}:
            cause = "definition"  # also a goal that this run, older than its project, can't know
        elif last.value == found.value:  # so it is only judged otherwise
            cause, quality = "goal", quality | kept
        else:
            cause = "restated"
            share = _share(_reported(revisions), found.value)
            if share >= RESTATED_FROM:
                quality |= {f"restated:{share:.2f}"}
        revisions.append(
            Revision(found.value, run_id, cause, quality, found.origin, definition_hash)
        )
        return True

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


def _rename_keys(known: Any, rename: Rename) -> None:
    """Of a dict by id, by id and day, or by day of the metric, which keeps its name."""
    for key in list(known):
        if key == rename.old_id:
            known[rename.new_id] = known.pop(key)
        elif isinstance(key, tuple) and key[0] == rename.old_id:
            known[rename.new_id, key[1]] = known.pop(key)


def _reported(revisions: list[Revision]) -> Decimal:
    """What people were told first: restatements add up, and a new goal is no new number."""
    told = [one for one in revisions if one.cause not in ("restated", "goal")]
    return told[-1].value


def _share(reported: Decimal, value: Decimal) -> Decimal:
    if reported == value:
        return Decimal(0)
    return Decimal(1) if reported == 0 else abs(value - reported) / abs(reported)


def _metric_of(found: dict[Key, Found]) -> dict[date, Decimal]:
    """The metric's own values: those of the first key result, whatever people have set."""
    return {day: one.automatic for (name, day), one in found.items() if name == IDS[0]}


# --- the world ------------------------------------------------------------------------------------


class World:
    """A warehouse, a source, a clock, and workers that take steps."""

    def __init__(self, warehouse: Warehouse, seed: int) -> None:
        self.draw = random.Random(seed)
        self.warehouse = warehouse
        self.oracle = Oracle()
        self.now = datetime(2026, 10, 6, 12, tzinfo=UTC)
        self.truth: dict[tuple[int, date], Decimal] = {}
        self.project = Project()
        self.overrides: dict[int, Decimal] = {}
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
            self._change_minds()
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
        project = self.project
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
        apply_renames(self.warehouse, project.renames, renamed_at=self.now + skew, config_hash="c")
        self.oracle.rename(project.renames)
        yield bool(project.renames)
        first = self.draw.randint(0, 2)
        read = {
            (name, day): Found(self._truth_of(slot, day), self.overrides.get(slot), project)
            for slot, name in enumerate(project.ids)
            for day in (FIRST_DAY + timedelta(days=n) for n in range(first, first + 3))
        }
        failed = [name for name in project.ids if self.draw.random() < 0.15]
        self.log.append(f"worker {number} reads from day {first}, without {failed}")
        yield False
        if self.draw.random() < 0.5:
            renew(self.warehouse, run_id)
            self.oracle.renew(run_id, self.now)
            yield False
        ids = project.ids
        parts = [ids] if self.draw.random() < 0.5 else [ids[:1], ids[1:]]
        for part in parts:
            found = {k: v for k, v in read.items() if k[0] in part and k[0] not in failed}
            without = [name for name in failed if name in part]
            if not self._publish(run_id, found, without, project, skew):
                yield True
                return
            yield True
        if self.draw.random() < 0.8:
            self.log.append(f"worker {number} finishes {run_id}")
            finish_run(self.warehouse, run_id, finished_at=self.now + skew)
            self.oracle.finish(run_id)
            yield True

    def _publish(
        self,
        run_id: str,
        found: dict[Key, Found],
        failed: list[str],
        project: Project,
        skew: timedelta,
    ) -> bool:
        """Publish; whether the run may go on. A publish that breaks is tried once more."""
        may = self.oracle.may_publish(run_id, self.now)
        if self.draw.random() < 0.2:
            self.is_broken_after = self.draw.randint(1, 14)
        try:
            self._write(run_id, found, failed, project, skew)
        except LeaseLostError:
            self.log.append(f"{run_id} has lost its lease")
            assert not may, f"{run_id} was refused and had a lease"
            return False
        except WarehouseError:
            self.log.append(f"{run_id} breaks while it publishes")
            self._compare()
            return self._publish(run_id, found, failed, project, skew)
        finally:
            self.is_broken_after = None
        self.log.append(f"{run_id} publishes {len(found)} numbers, {failed} failed")
        assert may, f"{run_id} published without a lease"
        self.oracle.publish(run_id, found, failed, project)
        return True

    def _write(
        self,
        run_id: str,
        found: dict[Key, Found],
        failed: list[str],
        project: Project,
        skew: timedelta,
    ) -> None:
        names = sorted({name for name, _ in found} | set(failed))
        publish(
            self.warehouse,
            run_id=run_id,
            published_at=self.now + skew,
            measured_at=self.now + skew,
            objectives=[],
            key_results=[_defined(name, project) for name in names],
            observations=[_observed(name, day, one) for (name, day), one in found.items()],
            metric_observations=[_measured(d, v) for d, v in _metric_of(found).items()],
            failures=[KeyResultFailure(name, "refused") for name in failed],
            stale_after=dict.fromkeys(names, self.now + timedelta(hours=2)),
            goals=[_agreed(name, project) for name in names],
        )

    def _pass_time(self) -> None:
        is_long = self.draw.random() < 0.1
        self.now += timedelta(minutes=self.draw.randint(10, 25) if is_long else 1)

    def _change_source(self) -> None:
        if self.draw.random() < 0.4:
            day = FIRST_DAY + timedelta(days=self.draw.randint(0, 4))
            self.truth[self.draw.randrange(len(IDS)), day] = Decimal(self.draw.randint(0, 3))

    def _change_minds(self) -> None:
        """Now and then people change a goal or a definition, set a number or take it back."""
        now = self.project
        if self.draw.random() < 0.05:
            self.project = replace(self.project, goal=now.goal + 1)
            self.log.append(f"the goal becomes {self.project.target}")
        if self.draw.random() < 0.03:
            self.project = replace(self.project, definition=now.definition + 1)
            self.log.append(f"the definition becomes {self.project.definition_hash}")
        if self.draw.random() < 0.03:
            self._rename(self.draw.randint(1, 2))
        slot = self.draw.randrange(len(IDS))
        if self.draw.random() < 0.05:
            self.overrides[slot] = Decimal(self.draw.randint(0, 3))
            self.log.append(f"{now.ids[slot]} is overridden: {self.overrides[slot]}")
        elif self.draw.random() < 0.1 and self.overrides.pop(slot, None) is not None:
            self.log.append(f"{now.ids[slot]} is no longer overridden")

    def _rename(self, slot: int) -> None:
        """Give a key result another id, once, and only when it has numbers to take along."""
        old = self.project.ids[slot]
        if old != IDS[slot] or old not in self.oracle.defined:
            return
        ids = tuple(f"{old}2" if name == old else name for name in self.project.ids)
        renames = (*self.project.renames, Rename(old, f"{old}2"))
        self.project = replace(self.project, ids=ids, renames=renames)
        self.log.append(f"{old} becomes {old}2")

    def _truth_of(self, slot: int, day: date) -> Decimal:
        return self.truth.get((slot, day), Decimal(0))

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
            history: dict[Key, list[Revision]] = {}
            table = key_result_history
            for row in connection.execute(select(table).order_by(table.c.revision)):
                quality = frozenset(row.quality)
                history.setdefault((row.key_result_id, row.as_of), []).append(
                    Revision(
                        row.value,
                        row.run_id,
                        row.cause,
                        quality,
                        row.origin,
                        row.definition_hash,
                    )
                )
            goals: dict[str, list[tuple[Decimal, str]]] = {}
            for row in connection.execute(
                select(key_result_goal).order_by(key_result_goal.c.change)
            ):
                goals.setdefault(row.key_result_id, []).append((row.target, row.run_id))
            defined = {
                row.key_result_id: row.definition_hash
                for row in connection.execute(select(key_result))
            }
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
        assert goals == self.oracle.goals
        assert defined == self.oracle.defined
        assert statuses == {name: run.status for name, run in self.oracle.runs.items()}
        assert len(notes) <= 2 * (len(IDS) + 2) * 5


def _defined(name: str, project: Project) -> KeyResultRow:
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
        target=project.target,
        goal_kind="from_to",
        commitment="committed",
        indicator=None,
        owner=None,
        family="funnel",
        definition_hash=project.definition_hash,
        config_hash="c1",
        defined_in="okrs.yaml:3",
    )


def _agreed(name: str, project: Project) -> AgreedGoal:
    return AgreedGoal(
        key_result_id=name,
        cycle_start=date(2026, 10, 1),
        effective_from=date(2026, 10, 1),
        goal_kind="from_to",
        baseline=Decimal(0),
        target=project.target,
        low=None,
        high=None,
        baseline_is_measured=False,
        target_share=None,
        commitment="committed",
        pace="linear",
        config_hash="c1",
    )


def _observed(name: str, day: date, found: Found) -> KeyResultObservation:
    return KeyResultObservation(
        key_result_id=name,
        as_of=day,
        measurement=Measurement(found.value),
        progress=None,
        score=None,
        expected_progress=None,
        status="on_track",
        is_final=False,
        quality=tuple(found.flags),
        origin=found.origin,
        definition_hash=found.project.definition_hash,
        target=found.project.target,
        other_goals=found.project.other_goals(),
        restated_from=RESTATED_FROM,
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
