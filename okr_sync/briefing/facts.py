"""Where every key result stands, how it came there, what moved and what needs a decision.

Belongs here: gathering that from the warehouse, once, for the report and the digest alike. Does not
belong here: which things need a decision (decisions), charts (chart), or how it is laid out (page,
digest).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, select

from okr_sync.briefing.decisions import decisions_of, why_not_fresh
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.flags import Weight, flag_in_words, share_in_words, weighing
from okr_sync.numbers import show_number
from okr_sync.warehouse.check_ins import CheckIn, check_in_on, check_ins_of
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.goals import RecordedGoal, agreed_on, recorded_goals
from okr_sync.warehouse.overrides import OVERRIDE, override_on, overrides_of
from okr_sync.warehouse.status import StatusRow, status
from okr_sync.warehouse.tables import key_result_history, objective
from okr_sync.wording import ends_in_words

LOOKED_BACK = timedelta(days=7)
"""Over which time the report and the digest say what moved."""

_FIRST_WORDS = ("checked_in", "confidence", "provisional")
"""Flags that are said in another way, or of nearly every number."""


@dataclass(frozen=True)
class Point:
    """The number that holds for a day, and the goal that it is judged by."""

    as_of: date
    value: Decimal | None
    progress: Decimal | None
    status: str
    baseline: Decimal | None
    target: Decimal | None
    origin: str
    quality: tuple[str, ...]
    definition_hash: str


@dataclass(frozen=True)
class Event:
    """Something that a reader of the curve has to know: `kind` is definition, goal, restated or override."""

    day: date
    kind: str
    text: str


@dataclass(frozen=True)
class Move:
    """How a number differs from the one `since` a day; `points` are those of progress, in per cent."""

    since: date
    value_before: Decimal | None
    value: Decimal | None
    points: Decimal | None
    status_before: str

    @property
    def is_any(self) -> bool:
        """Whether the value or the status is another."""
        return self.value != self.value_before or bool(self.points)


@dataclass(frozen=True)
class Standing:
    """A key result: its current number with goal, curve and events, and all that is to be said of it.

    `doubts` are flags, in words, by which the number may be off; `notes` the others. `stale` says why
    the number is not fresh, where it isn't. `said` is the check-in that the number rests on.
    """

    row: StatusRow
    goal: str
    paced: bool
    points: tuple[Point, ...]
    events: tuple[Event, ...]
    move: Move | None
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    stale: str | None
    decisions: tuple[str, ...]
    said: CheckIn | None


@dataclass(frozen=True)
class ObjectiveStanding:
    """An objective with its key results."""

    objective_id: str
    title: str
    owner: str | None
    supports: tuple[str, ...]
    key_results: tuple[Standing, ...]


@dataclass(frozen=True)
class TeamCycle:
    """A team's objectives of one cycle."""

    team: str
    cycle: str
    cycle_start: date
    cycle_end: date
    is_over: bool
    objectives: tuple[ObjectiveStanding, ...]

    @property
    def key_results(self) -> tuple[Standing, ...]:
        """All key results of the cycle, in order."""
        return tuple(one for objective in self.objectives for one in objective.key_results)


@dataclass(frozen=True)
class Briefing:
    """All there is to tell at an instant; `unpublished` are quarantined key results without any row."""

    made_at: datetime
    zone: ZoneInfo
    cycles: tuple[TeamCycle, ...]
    unpublished: Mapping[str, str]

    @property
    def today(self) -> date:
        """The project's day."""
        return self.made_at.astimezone(self.zone).date()

    @property
    def running(self) -> tuple[Standing, ...]:
        """The key results of cycles that are not over."""
        return tuple(one for cycle in self.cycles if not cycle.is_over for one in cycle.key_results)


def brief(warehouse: Warehouse, bundle: Bundle, now: datetime) -> Briefing:
    """Gather everything, teams in order of name, each team's newest cycle first."""
    rows = status(warehouse, now=now)
    zone = ZoneInfo(bundle.project.time_zone)
    today = now.astimezone(zone).date()
    ids = [row.key_result_id for row in rows]
    with warehouse.read() as connection:
        points = _points(connection, rows)
        overridden = _override_events(connection, points)
        check_ins = _check_ins(connection, ids)
        goals = recorded_goals(connection, ids)
        aims = {
            one["objective_id"]: one for one in connection.execute(select(objective)).mappings()
        }
    standings = {
        row.key_result_id: _standing(
            row,
            bundle.key_results.get(row.key_result_id),
            points.get(row.key_result_id, ()),
            overridden.get(row.key_result_id, []),
            check_ins.get(row.key_result_id, []),
            goals.get(row.key_result_id, []),
            today,
            zone,
        )
        for row in rows
    }
    published = set(ids)
    return Briefing(
        made_at=now,
        zone=zone,
        cycles=tuple(_cycles(rows, standings, aims, today)),
        unpublished={
            name: text for name, text in sorted(bundle.quarantined.items()) if name not in published
        },
    )


def _cycles(
    rows: Sequence[StatusRow],
    standings: Mapping[str, Standing],
    aims: Mapping[str, RowMapping],
    today: date,
) -> Iterable[TeamCycle]:
    def of_cycle(row: StatusRow) -> tuple[str, date, date, str]:
        return row.team, row.cycle_end, row.cycle_start, row.cycle

    newest_first = sorted(rows, key=lambda row: (row.cycle_end, row.cycle_start), reverse=True)
    ordered = sorted(newest_first, key=lambda row: row.team)
    for (team, cycle_end, cycle_start, cycle), group in groupby(ordered, of_cycle):
        by_objective: dict[str, list[Standing]] = {}
        for row in sorted(group, key=lambda row: row.defined_in.partition(":")[0]):
            by_objective.setdefault(row.objective_id, []).append(standings[row.key_result_id])
        found = []
        for name, own in by_objective.items():
            aim = aims.get(name)
            title, owner, supports = (
                (name, None, ()) if aim is None else (aim["title"], aim["owner"], aim["supports"])
            )
            found.append(ObjectiveStanding(name, title, owner, supports, tuple(own)))
        yield TeamCycle(team, cycle, cycle_start, cycle_end, cycle_end < today, tuple(found))


def _standing(
    row: StatusRow,
    key_result: KeyResult | None,
    points: Sequence[Point],
    overridden: Sequence[Event],
    check_ins: Sequence[CheckIn],
    goals: Sequence[RecordedGoal],
    today: date,
    zone: ZoneInfo,
) -> Standing:
    agreed = agreed_on(goals, row.cycle_start, row.as_of or today)
    show = partial(show_number, unit=row.unit)
    said = None
    if row.as_of is not None and row.value is not None and "override" not in row.quality:
        said = check_in_on(check_ins, row.as_of, row.cycle_start)
    flags = [flag for flag in row.quality if flag.partition(":")[0] not in _FIRST_WORDS]
    doubts = (*weighing(flags, Weight.DOUBT), *weighing(flags, Weight.REFUSED))
    move = _move(row, points, today)
    return Standing(
        row=row,
        goal=ends_in_words(row.goal_kind, row.baseline, row.target, row.low, show),
        paced=agreed is None or agreed.pace != "none",
        points=tuple(points),
        events=tuple(
            sorted(
                (
                    *_changes(row, points, [one.agreed.effective_from for one in goals]),
                    *overridden,
                ),
                key=lambda one: one.day,
            )
        ),
        move=move,
        doubts=_in_words(doubts),
        notes=_in_words(flag for flag in flags if flag not in doubts),
        stale=why_not_fresh(
            row, said, zone, is_manual=key_result is not None and key_result.is_manual
        ),
        decisions=decisions_of(row, said, today),
        said=said,
    )


def _in_words(flags: Iterable[str]) -> tuple[str, ...]:
    """Flags as sentences, without the marks that documentation puts around names."""
    return tuple(flag_in_words(flag).replace("`", "") for flag in flags)


def _points(connection: Connection, rows: Sequence[StatusRow]) -> dict[str, tuple[Point, ...]]:
    """The numbers that hold, of each key result's cycle, in order of day."""
    table = key_result_history.c
    starts = {row.key_result_id: row.cycle_start for row in rows}
    columns = [table[name] for name in Point.__dataclass_fields__]
    found: dict[str, list[Point]] = {}
    for ids in in_chunks(sorted(starts)):
        statement = (
            select(table.key_result_id, *columns)
            .where(
                table.key_result_id.in_(ids),
                table.superseded_at.is_(None),
                table.as_of >= min(starts[name] for name in ids),
            )
            .order_by(table.key_result_id, table.as_of)
        )
        for name, *values in connection.execute(statement):
            point = Point(*values)
            if point.as_of >= starts[name]:
                found.setdefault(name, []).append(point)
    return {name: tuple(points) for name, points in found.items()}


def _changes(
    row: StatusRow, points: Sequence[Point], first_days: Collection[date]
) -> Iterable[Event]:
    """Where the curve's definition or goal changes, and which of its numbers were restated.

    `first_days` are the days from which on a goal was agreed.
    """

    def ends(point: Point) -> str:
        target = show_number(point.target, row.unit)
        if point.baseline is None:
            return target
        return f"{show_number(point.baseline, row.unit)} → {target}"

    for before, after in pairwise(points):
        if before.definition_hash == after.definition_hash:
            continue
        goals = [(point.baseline, point.target) for point in (before, after)]
        if goals[0] != goals[1]:
            text = f"the goal changed from {ends(before)} to {ends(after)}"
            yield Event(after.as_of, "goal", text)
        elif any(before.as_of < day <= after.as_of for day in first_days):
            text = "the goal's bounds, commitment or pace changed"
            yield Event(after.as_of, "goal", text)
        else:
            text = "the definition changed: earlier days were measured by another one"
            yield Event(after.as_of, "definition", text)
    for point in points:
        for flag in point.quality:
            name, _, share = flag.partition(":")
            if name == "restated" and share:
                text = f"the reported number was restated by {share_in_words(share)}"
                yield Event(point.as_of, "restated", text)


def _override_events(
    connection: Connection, points: Mapping[str, Sequence[Point]]
) -> dict[str, list[Event]]:
    """The first of the days that each override has set."""
    names = [name for name, own in points.items() if any(p.origin == OVERRIDE for p in own)]
    set_by_hand = overrides_of(connection, names) if names else []
    found: dict[str, list[Event]] = {}
    for name in names:
        own = [one for one in set_by_hand if one.key_result_id == name]
        told: set[int] = set()
        for point in points[name]:
            if point.origin != OVERRIDE:
                continue
            override = override_on(own, point.as_of)
            number = 0 if override is None else override.override_id
            if number not in told:
                why = "" if override is None else f" by {override.author}: {override.reason}"
                event = Event(point.as_of, "override", f"the number was set by hand{why}")
                found.setdefault(name, []).append(event)
            told.add(number)
    return found


def _check_ins(connection: Connection, ids: Collection[str]) -> dict[str, list[CheckIn]]:
    found: dict[str, list[CheckIn]] = {}
    for one in check_ins_of(connection, ids):
        found.setdefault(one.key_result_id, []).append(one)
    return found


def _move(row: StatusRow, points: Sequence[Point], today: date) -> Move | None:
    """How the current number differs from the one that held a week ago."""
    if row.as_of is None:
        return None
    earlier = [point for point in points if point.as_of <= today - LOOKED_BACK]
    if not earlier:
        return None
    then = earlier[-1]
    points_moved = None
    if row.progress is not None and then.progress is not None:
        points_moved = (row.progress - then.progress) * 100
    return Move(then.as_of, then.value, row.value, points_moved, then.status)
