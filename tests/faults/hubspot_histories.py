"""Histories of a small HubSpot account and a worker that mirrors it, drawn from a seed.

Run by the test files beside it; `python -m tests.faults.hubspot_histories FOLDER SEED 1` plays one seed
again. The real connector reads the real sandbox over loopback, with pages of a few records and a search
cap of some twenty. While it reads, records are created, modified, calculated, archived, restored,
deleted and merged; answers are refused, cut, dropped, repeated, reordered, shortened or lie; and the
worker is killed (SIGKILL, at any request) and begins again on the same warehouse. Time is simulated.

After each pull the mirror is held against what the account has held, record by record. A pull that
says it is complete has as many records as there were, and shows each as it was at some instant of the
pull (or before, as far as the index lagged). Only of a change that leaves no trace but a count (a
calculated property, or a deletion beside a restoration) may a record be as it was before. A pull that
failed has changed nothing, and none goes on for ever. In the end, when nothing goes wrong any more and a
day has passed, the mirror is the account.

A seed that fails is told with the smallest schedule found that still fails.
"""

import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from connectors.clock import Clock
from connectors.errors import RetryPolicy
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account, HubSpotSettings, PropertyOverride
from connectors.sandbox.http_server import LoopbackServer, Request, Response
from connectors.sandbox.hubspot_properties import PropertyType
from connectors.sandbox.hubspot_server import HubSpotSandbox
from connectors.sandbox.records import RecordTable, iso_millis
from connectors.shared_state import STATE_VARIABLE
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import record_table
from tests.faults.hubspot_schedules import FOUND, STAGES, Schedule, drawn

OBJECT = "contacts"
BEGIN = datetime(2026, 11, 2, 9, tzinfo=UTC)
MOST_REQUESTS = 1_500
"""No pull of a dozen records needs as many, whatever goes wrong: one that does is called endless."""
_LAST_PULLS = 2
"""A killed full read is taken up within a day; what had changed silently behind it comes a day later."""


# --- the account, and all that it has been ----------------------------------------------------------


HIDDEN = "hidden"
"""What stands for the values of a property that the mirror lacks: the token could not see it."""


class Content(NamedTuple):
    """A record as a mirror holds it."""

    stage: str | None
    score: int | str | None
    updated_ms: int


class NotedTable(RecordTable):
    """Records whose every change is told: two in one request are two."""

    tell: Callable[[], None] = staticmethod(lambda: None)

    def _changed(self, *what: Any) -> None:
        super()._changed(*what)
        self.tell()


class World:
    """The account, the sandbox that serves it, its time and its past."""

    def __init__(self, schedule: Schedule) -> None:
        self.now = BEGIN
        self.account = Account(
            Path("history"), HubSpotSettings(4711, "Etc/UTC", "EUR"), clock=lambda: self.now
        )
        self.account.overrides[OBJECT] = {"score": PropertyOverride(PropertyType.NUMBER)}
        table = NotedTable(OBJECT, ["hs_object_id", "lifecyclestage"])
        self.account.tables[OBJECT] = table
        table.columns += ["createdate", "lastmodifieddate", "score"]
        born = iso_millis(BEGIN - timedelta(days=30))
        for number, record_id in enumerate(schedule.ids):
            table.load(
                {
                    "hs_object_id": str(record_id),
                    "createdate": born,
                    "lastmodifieddate": born,
                    "lifecyclestage": STAGES[number % 3],
                    "score": str(number),
                }
            )
        self.sandbox = HubSpotSandbox(self.account, rate_limits=False)
        self.requests = 0
        self.kill: tuple[int, int] | None = None
        # What each record has been, and from when on.
        self.past: dict[str, list[tuple[datetime, Content | None]]] = {}
        self._seen = -1
        self.note()
        table.tell = self.note

    def answer(self, request: Request) -> Response:
        """Answer the worker, unless it shall die of this request."""
        self.requests += 1
        self.now += timedelta(milliseconds=7)
        if self.kill is not None and self.requests >= self.kill[0]:
            os.kill(self.kill[1], signal.SIGKILL)
            self.kill = None
            raise ConnectionResetError
        if self.requests > MOST_REQUESTS:
            return Response(400, b"{}")
        return self.sandbox.answer(request)

    def note(self) -> None:
        """Write down what has changed in the account."""
        table = self.account.tables[OBJECT]
        if table.version == self._seen:
            return
        self._seen = table.version
        held = self.held()
        for record_id in held.keys() | self.past.keys():
            past = self.past.setdefault(record_id, [])
            content = held.get(record_id)
            if not past or past[-1][1] != content:
                past.append((self.now, content))

    def held(self) -> dict[str, Content]:
        """The live records as they are."""
        alive, _ = self.account.tables[OBJECT].page(0, sys.maxsize, archived=False)
        return {
            str(record.id): Content(
                record.properties.get("lifecyclestage"),
                int(record.properties["score"]) if "score" in record.properties else None,
                epoch_ms(datetime.fromisoformat(record.updated_at)),
            )
            for record in alive
        }

    def was(self, record_id: str, since: datetime) -> set[Content | None]:
        """All that a record has been at and after an instant."""
        past = self.past.get(record_id, [])
        before = [content for at, content in past if at <= since] or [None]
        return {before[-1], *(content for at, content in past if at > since)}

    def was_without_a_trace(self, record_id: str, since: datetime) -> set[Content | None]:
        """What it was before changes that left its modified date as it was, or took it away."""
        found = self.was(record_id, since)
        # Of one that was gone all the time no date tells how it had changed before.
        known = [one.updated_ms for one in found if one is not None]
        for at, content in reversed(self.past.get(record_id, [])):
            if at > since:
                continue
            if content is not None and known and content.updated_ms < min(known):
                break
            found.add(content)
        return found

    def change(self, what: str, where: float) -> None:
        """Something that happens while nobody reads."""
        account, table = self.account, self.account.tables[OBJECT]
        alive = [record.id for record in table.page(0, sys.maxsize, archived=False)[0]]
        gone = [record.id for record in table.page(0, sys.maxsize, archived=True)[0]]
        self.now += timedelta(seconds=1)
        if what == "create":
            free = sorted(set(range(1, 1_200)) - {int(one) for one in self.past})
            account.add(OBJECT, {"hs_object_id": str(_at(free, where)), "lifecyclestage": "lead"})
        elif what == "restore" and gone:
            account.restore(OBJECT, _at(gone, where))
        elif what == "merge" and len(alive) > 1:
            account.merge(OBJECT, alive[0], _at(alive[1:], where))
        elif what == "touch all":
            for record_id in alive:
                account.update(OBJECT, record_id, {}, at=self.now)
        elif alive and what in ("update", "calculate", "archive", "delete"):
            record_id = _at(alive, where)
            if what == "archive":
                account.archive(OBJECT, record_id)
            elif what == "delete":
                account.delete(OBJECT, record_id)
            else:
                name = "lifecyclestage" if what == "update" else "score"
                value = STAGES[int(where * 3)] if what == "update" else str(int(where * 100))
                account.update(OBJECT, record_id, {name: value}, touch=what == "update")


def _at(ids: Sequence[int], where: float) -> int:
    return ids[int(where * len(ids))]


# --- the worker -------------------------------------------------------------------------------------

_MIRROR = record_table("crm", OBJECT, {}).name
_NEED = RecordsNeed(
    "crm", OBJECT, frozenset({"lifecyclestage", "score"}), number_fields=frozenset({"score"})
)


_DONE, _FAILED, _CRASHED = 17, 18, 19


class Pulled(NamedTuple):
    """What a pull came to; the numbers are None where it was another process's."""

    is_complete: bool
    error: str
    rows: int | None = None
    rows_expected: int | None = None


class Stage:
    """One server and one warehouse for all histories; each finds the warehouse empty."""

    def __init__(self, folder: Path) -> None:
        self.world: World | None = None
        self._folder = folder
        self._server = LoopbackServer(self._answer)
        self._server.start()
        os.environ[STATE_VARIABLE] = str(folder / "state")
        self._file = folder / "warehouse.sqlite"
        self._warehouse = open_warehouse(self._url)
        self._empty = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(self._file)) as opened:
            opened.backup(self._empty)
        self._played = 0
        self._connector: HubSpotConnector | None = None

    @property
    def _url(self) -> str:
        return f"sqlite:///{self._file}"

    def close(self) -> None:
        """Stop the server and close the warehouse."""
        self._disconnect()
        self._warehouse.close()
        self._empty.close()
        self._server.stop()

    def _answer(self, request: Request) -> Response:
        if self.world is None:
            raise ConnectionResetError
        return self.world.answer(request)

    def fresh(self, world: World) -> None:
        """Begin another history."""
        self._disconnect()
        with closing(sqlite3.connect(self._file)) as opened:
            self._empty.backup(opened)
        self._played += 1
        # What the limiter knows of an account, it knows by the token.
        world.sandbox.token = f"pat-na1-history-{self._played}"
        self.world = world

    def _disconnect(self) -> None:
        if self._connector is not None:
            self._connector.close()
            self._connector = None

    def connector(self, schedule: Schedule) -> HubSpotConnector:
        """A new worker's connector: it never really sleeps."""
        world = self.world
        assert world is not None
        later = [0.0]

        def sleep(seconds: float) -> None:
            later[0] += seconds

        clock = Clock(
            epoch=lambda: world.now.timestamp() + later[0],
            monotonic=lambda: later[0],
            sleep=sleep,
        )
        settings = ClientSettings(
            retry=RetryPolicy(tries=3, total_seconds=60),
            read_seconds=5,
            answer_seconds=5,
            searches_per_second=10_000,
            search_page=schedule.search_page,
            clock=clock,
        )
        environ = {
            "HUBSPOT_ACCESS_TOKEN": world.sandbox.token,
            "OKR_SYNC_HUBSPOT_ENDPOINT": self._server.url,
        }
        return HubSpotConnector(HubSpotSource(name="crm", api=schedule.api), environ, settings)

    def pulled(self, schedule: Schedule, killed_at: int | None) -> Pulled:
        """One pull, by a worker that goes on living or by one that dies of a request."""
        world = self.world
        assert world is not None
        world.requests = 0
        if killed_at is None:
            if self._connector is None:
                self._connector = self.connector(schedule)
            result = self._connector.pull(_NEED, self._warehouse, world.now)
            return Pulled(result.is_complete, result.error or "", result.rows, result.rows_expected)
        worker = os.fork()
        if worker == 0:
            # Nothing of the parent's connections is touched: a worker of its own, begun and killed.
            code = _CRASHED
            try:
                result = self.connector(schedule).pull(_NEED, open_warehouse(self._url), world.now)
                code = _DONE if result.is_complete else _FAILED
            finally:  # whatever happens: no child may go on as a second parent
                if code == _CRASHED:
                    traceback.print_exc()
                os._exit(code)
        world.kill = (killed_at, worker)
        _, status = os.waitpid(worker, 0)
        world.kill = None
        if os.WIFSIGNALED(status):
            return Pulled(False, "killed")
        code = os.WEXITSTATUS(status)
        if code not in (_DONE, _FAILED):
            raise WrongError(f"the worker crashed with {code}")
        return Pulled(code == _DONE, "" if code == _DONE else "failed in another process")

    def mirror(self) -> dict[str, Content] | None:
        """What the mirror holds, None before the first complete pull."""
        with closing(sqlite3.connect(self._file)) as opened:
            known = "SELECT count(*) FROM sqlite_master WHERE name = ?"
            if opened.execute(known, (_MIRROR,)).fetchone() == (0,):
                return None
            columns = {row[1] for row in opened.execute(f"PRAGMA table_info({_MIRROR})")}
            stage = "f_lifecyclestage" if "f_lifecyclestage" in columns else f"'{HIDDEN}'"
            score = "f_score / 1000000" if "f_score" in columns else f"'{HIDDEN}'"
            rows = opened.execute(f"SELECT id, {stage}, {score}, updated_ms FROM {_MIRROR}")
            return {record_id: Content(*values) for record_id, *values in rows}


# --- playing ----------------------------------------------------------------------------------------


class WrongError(AssertionError):
    """The mirror is not what it must be."""


def play(stage: Stage, schedule: Schedule) -> None:
    """Play a history; raises WrongError where the mirror is wrong."""
    world = World(schedule)
    stage.fresh(world)
    lag = timedelta(seconds=schedule.lag_seconds)
    for step in schedule.steps:
        world.now += timedelta(minutes=step.minutes)
        for what, where in step.before:
            world.change(what, where)
        _switch(world, schedule, step.faults)
        before, began = stage.mirror(), world.now
        result = stage.pulled(schedule, step.killed_at)
        mirror = stage.mirror()
        _check_end(world, result)
        if result.is_complete:
            _check_mirror(world, mirror or {}, began, lag, result)
        elif not result.error:
            raise WrongError("an incomplete pull says no reason")
        elif mirror != before:
            raise WrongError(f"a pull that failed has changed the mirror: {before} {mirror}")
    _switch(world, replace(schedule, lag_seconds=0), ())
    for _ in range(_LAST_PULLS):
        world.now += timedelta(hours=25)
        result = stage.pulled(schedule, None)
        _check_end(world, result)
        if not result.is_complete:
            raise WrongError(f"nothing is wrong any more, and a pull fails: {result}")
        mirror = stage.mirror()
        if mirror == world.held():
            return
    raise WrongError(f"in the end the mirror is {mirror}, the account {world.held()}")


def _switch(world: World, schedule: Schedule, faults: Sequence[Any]) -> None:
    board = world.sandbox.faults
    board.switch_off()
    for fault in (*schedule.always, *faults):
        board.switch_on(**dict(fault))
    if schedule.lag_seconds:
        board.switch_on("hubspot.index_lag", seconds=schedule.lag_seconds)


def _check_end(world: World, result: Pulled) -> None:
    if world.requests > MOST_REQUESTS:
        raise WrongError(f"a pull did not end after {MOST_REQUESTS} requests: {result}")


def _check_mirror(
    world: World,
    mirror: dict[str, Content],
    began: datetime,
    lag: timedelta,
    result: Pulled,
) -> None:
    """A complete pull shows each record as it was at some instant of it."""
    since = began - lag
    if result.rows is not None and not len(mirror) == result.rows == result.rows_expected:
        raise WrongError(f"the mirror holds {len(mirror)} records, the pull says {result}")
    was = {record_id: world.was(record_id, since) for record_id in world.past}
    least = sum(None not in contents for contents in was.values())
    most = sum(contents != {None} for contents in was.values())
    if not least <= len(mirror) <= most:
        raise WrongError(f"a complete mirror has {len(mirror)} records of {least} to {most}")
    for record_id in mirror.keys() | was.keys():
        held = mirror.get(record_id)
        may_be = was.get(record_id, {None}) | world.was_without_a_trace(record_id, since)
        hidden = (
            [] if held is None else [name for name in held._fields if getattr(held, name) == HIDDEN]
        )
        may_be = {
            one and Content(**{**one._asdict(), **dict.fromkeys(hidden, HIDDEN)}) for one in may_be
        }
        if held not in may_be:
            raise WrongError(
                f"record {record_id} is {held} in a complete mirror; it has been "
                f"{was.get(record_id)} since {since}"
            )


# --- seeds --------------------------------------------------------------------------------------------


def shrunk(stage: Stage, schedule: Schedule) -> Schedule:
    """The smallest schedule found that still fails: parts are left out as long as it does."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(schedule):
            if _failure(stage, candidate) is not None:
                schedule, is_smaller = candidate, True
                break
    return schedule


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    steps = schedule.steps
    for place, step in enumerate(steps):
        rest = (steps[:place], steps[place + 1 :])
        yield replace(schedule, steps=(*rest[0], *rest[1]))
        smaller = [replace(step, killed_at=None)] if step.killed_at is not None else []
        for name, parts in (("before", step.before), ("faults", step.faults)):
            for one in range(len(parts)):
                smaller.append(replace(step, **{name: (*parts[:one], *parts[one + 1 :])}))  # type: ignore[arg-type]
        for candidate in smaller:
            yield replace(schedule, steps=(*rest[0], candidate, *rest[1]))
    for one in range(len(schedule.always)):
        always = (*schedule.always[:one], *schedule.always[one + 1 :])
        yield replace(schedule, always=always)
    for one in range(len(schedule.ids)):
        yield replace(schedule, ids=(*schedule.ids[:one], *schedule.ids[one + 1 :]))
    if schedule.lag_seconds:
        yield replace(schedule, lag_seconds=0)
    if schedule.search_page != 200:
        yield replace(schedule, search_page=200)


def _failure(stage: Stage, schedule: Schedule, name: str = "a smaller schedule") -> str | None:
    try:
        play(stage, schedule)
    except WrongError as error:
        return str(error)
    except BaseException as error:
        error.add_note(f"while this was played: {name}: {schedule}")
        raise
    return None


def main(folder: Path, first: int, count: int) -> int:
    """Play seeds `first` to `first + count - 1`, before the first what went wrong once; 1 at the first
    that fails, which is told. Says at last what was played."""
    folder.mkdir(parents=True, exist_ok=True)
    stage = Stage(folder)
    played = 0
    try:
        for name, schedule in FOUND.items() if first == 0 else ():
            error = _failure(stage, schedule, name)
            if error is not None:
                print(f"found before: {name}: {error}")
                return 1
        for seed in range(first, first + count):
            schedule = drawn(seed)
            error = _failure(stage, schedule, f"seed {seed}")
            if error is not None:
                print(f"seed {seed}: {error}")
                small = shrunk(stage, schedule)
                print(f"shrunk: {small}\nfails with: {_failure(stage, small)}")
                return 1
            played += 1
    finally:
        stage.close()
    print(f"played {played} from {first}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
