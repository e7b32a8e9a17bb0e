"""Which goal a day is judged by: goals change in mid-quarter, and the days before keep theirs.

Belongs here: a key result's goals over time, with the one that the files have now. Does not belong
here: keeping them (warehouse.goals) or judging by them (progress, observe).

The goal of a day is the last one recorded of those that count by then. A goal that changes counts
from the day on that a run first finds it, or from `since`. One that is mended on the day that it was
recorded takes that one's place. The first goal of a cycle counts from the cycle's start.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.hashes import definition_hash
from okr_sync.config.models import Goal, GoalKind, KeyResult
from okr_sync.warehouse.goals import RecordedGoal, counting_on, recorded_goals
from okr_sync.warehouse.observations import AgreedGoal


@dataclass(frozen=True)
class Terms:
    """What a number is judged by, beside its definition."""

    goal: Goal
    commitment: str
    pace: str


@dataclass(frozen=True)
class Goals:
    """A key result's goals in the order they were recorded, each with its first day; the last is the files'.

    `unrecorded` is the last one as it is to be recorded, None where it has been.
    """

    changes: tuple[tuple[date, Terms], ...]
    unrecorded: AgreedGoal | None = None

    def on(self, day: date) -> Terms:
        """What a day is judged by; a day before all of them by the first."""
        return counting_on(self.changes, day)

    @property
    def terms(self) -> tuple[Terms, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(terms for _, terms in self.changes))


def terms_of(key_result: KeyResult) -> Terms:
    """What the files say that a key result is judged by."""
    return Terms(key_result.goal, key_result.commitment, key_result.pace)


def terms_recorded(agreed: AgreedGoal) -> Terms:
    """What a key result was judged by according to a record of its goal."""
    return Terms(goal_of(agreed), agreed.commitment, agreed.pace)


def judged_by(key_result: KeyResult, terms: Terms) -> KeyResult:
    """The key result with the goal of another day."""
    return key_result.model_copy(
        update={"goal": terms.goal, "commitment": terms.commitment, "pace": terms.pace}
    )


def goals_of(
    connection: Connection,
    bundle: Bundle,
    key_results: Iterable[KeyResult],
    calendar: Calendar,
    now: datetime,
) -> dict[str, Goals]:
    """The goals of key results over time, by id, as they are once the files' ones are recorded `now`."""
    chosen = list(key_results)
    known = recorded_goals(connection, [one.key_result_id for one in chosen])
    today = now.astimezone(calendar.zone).date()
    found = {}
    for one in chosen:
        recorded = [
            goal
            for goal in known.get(one.key_result_id, [])
            if goal.agreed.cycle_start == one.cycle.start
        ]
        changes = [(goal.agreed.effective_from, terms_recorded(goal.agreed)) for goal in recorded]
        start = _new_start(one, recorded, today, calendar)
        if start is None:
            found[one.key_result_id] = Goals(tuple(changes))
            continue
        agreed = _agreed(one, start, bundle.config_hash)
        changes.append((start, terms_of(one)))
        found[one.key_result_id] = Goals(tuple(changes), agreed)
    return found


def definition_hashes(bundle: Bundle, key_result: KeyResult, goals: Goals) -> dict[Terms, str]:
    """The fingerprint that the key result's definition has with each of its goals."""
    metric = bundle.metrics[key_result.metric]
    return {
        terms: definition_hash(judged_by(key_result, terms), metric, bundle.metrics)
        for terms in goals.terms
    }


def goal_of(agreed: AgreedGoal) -> Goal:
    """A recorded goal as the language has it."""
    return Goal(
        kind=GoalKind(agreed.goal_kind),
        baseline=agreed.baseline,
        target=agreed.target,
        low=agreed.low,
        high=agreed.high,
        measured_baseline=agreed.baseline_is_measured,
        relative_target=agreed.target_share,
    )


def _new_start(
    key_result: KeyResult, recorded: Sequence[RecordedGoal], today: date, calendar: Calendar
) -> date | None:
    """The first day of the files' goal where it has to be recorded, else None."""
    since = key_result.goal_since
    if not recorded:
        return since or key_result.cycle.start
    last = recorded[-1]
    if terms_recorded(last.agreed) == terms_of(key_result):
        return None if since in (None, last.agreed.effective_from) else since
    if since is not None:
        return since
    recorded_on = last.recorded_at.astimezone(calendar.zone).date()
    return last.agreed.effective_from if recorded_on == today else today


def _agreed(key_result: KeyResult, start: date, config_hash: str) -> AgreedGoal:
    goal = key_result.goal
    return AgreedGoal(
        key_result_id=key_result.key_result_id,
        cycle_start=key_result.cycle.start,
        effective_from=start,
        goal_kind=goal.kind.value,
        baseline=goal.baseline,
        target=goal.target,
        low=goal.low,
        high=goal.high,
        baseline_is_measured=goal.measured_baseline,
        target_share=goal.relative_target,
        commitment=key_result.commitment,
        pace=key_result.pace,
        config_hash=config_hash,
    )
