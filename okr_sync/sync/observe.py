"""From a metric's measurements to what is published of a key result.

Belongs here: goal arithmetic applied to spans, finality, and the rows that define a key result.
Does not belong here: the arithmetic (progress), evaluation (metrics) or writing (warehouse.publish).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import WEEKDAYS, Calendar
from okr_sync.config.hashes import definition_hash, metric_hash
from okr_sync.config.models import KeyResult, Project
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span, is_closed, is_final, newest_day
from okr_sync.metrics.windows import local_midnight
from okr_sync.progress import judge, resolve_goal
from okr_sync.sync.check_ins import due_at
from okr_sync.sync.goals import Goals, Terms, definition_hashes, judged_by
from okr_sync.warehouse.baselines import MeasuredBaseline
from okr_sync.warehouse.check_ins import MANUAL, CheckIn
from okr_sync.warehouse.observations import KeyResultObservation, KeyResultRow, ObjectiveRow
from okr_sync.warehouse.overrides import OVERRIDE, Override, override_on

_FORTNIGHT = timedelta(days=14)
_MOST_TICKS = 400  # a schedule by the minute need not be followed for a fortnight


def calendar_of(project: Project) -> Calendar:
    """What a project says of time."""
    return Calendar(
        ZoneInfo(project.time_zone),
        project.fiscal_year_start,
        WEEKDAYS.index(project.week_start),
    )


def observe(
    bundle: Bundle,
    key_result: KeyResult,
    measurements: Mapping[Span, Measurement],
    origin: str,
    now: datetime,
    *,
    goals: Goals,
    baseline: MeasuredBaseline | None = None,
    overrides: Collection[Override] = (),
) -> list[KeyResultObservation]:
    """Judge a key result's measurements, one observation an as-of day, by the goal of that day.

    `baseline` is the measured one, as far as it is known; one of another definition of the metric
    still counts, and is flagged `baseline_of_earlier_definition`. On a day of one of the key result's
    `overrides` the number that was set is judged in the place of the measured one.
    """
    calendar = calendar_of(bundle.project)
    metric = bundle.metrics[key_result.metric]
    own_origin = MANUAL if key_result.is_manual else origin
    judged = _judgements(bundle, key_result, goals, baseline)
    is_of_earlier_definition = baseline is not None and (
        baseline.definition_hash != metric_hash(metric, bundle.metrics)
    )
    observations = []
    for span, automatic in measurements.items():
        override = override_on(overrides, span.as_of)
        measurement = automatic
        if override is not None:
            measurement = Measurement(override.value, quality=(OVERRIDE,))
        terms = goals.on(span.as_of)
        by = judged[terms]
        standing = judge(by.key_result, metric, measurement, span.as_of, bundle.project.status)
        final = is_final(key_result, span.as_of, calendar, now)
        flags = {*measurement.quality, *standing.flags}
        if is_of_earlier_definition and terms.goal.measured_baseline:
            flags.add("baseline_of_earlier_definition")
        flags |= set() if final else {"provisional"}
        observations.append(
            KeyResultObservation(
                key_result_id=key_result.key_result_id,
                as_of=span.as_of,
                measurement=measurement,
                progress=standing.progress,
                score=standing.score,
                expected_progress=standing.expected_progress,
                status=standing.status.value,
                is_final=final,
                quality=tuple(sorted(flags)),
                origin=own_origin if override is None else OVERRIDE,
                definition_hash=by.definition_hash,
                baseline=by.key_result.goal.baseline,
                target=by.key_result.goal.target,
                ended_at=local_midnight(span.as_of + timedelta(days=1), calendar.zone),
                other_goals=by.other_goals,
                restated_from=key_result.restated,
            )
        )
    return observations


@dataclass(frozen=True)
class _Judgement:
    """What a day's number is judged by: the key result with that day's goal, as far as it is known."""

    key_result: KeyResult
    definition_hash: str
    other_goals: frozenset[str]


def _judgements(
    bundle: Bundle, key_result: KeyResult, goals: Goals, baseline: MeasuredBaseline | None
) -> dict[Terms, _Judgement]:
    hashes = definition_hashes(bundle, key_result, goals)
    measured = None if baseline is None else baseline.baseline
    return {
        terms: _Judgement(
            judged_by(key_result, replace(terms, goal=resolve_goal(terms.goal, measured))),
            hash_,
            frozenset(hashes.values()) - {hash_},
        )
        for terms, hash_ in hashes.items()
    }


def stale_after(
    bundle: Bundle, key_result: KeyResult, now: datetime, check_ins: Iterable[CheckIn] = ()
) -> datetime | None:
    """When a number measured now will have missed a run: at the second scheduled tick from now.

    For one that people say, when the next check-in after its `check_ins` is due. None for a key
    result whose cycle is over and settled: it can't go stale.
    """
    calendar = calendar_of(bundle.project)
    metric = bundle.metrics[key_result.metric]
    if is_closed(key_result, metric, bundle.metrics, calendar, now):
        return None
    if key_result.is_manual:
        return due_at(key_result, check_ins, calendar)
    ticks = CronSim(bundle.project.schedule, now.astimezone(calendar.zone))
    next(ticks)
    return next(ticks).astimezone(UTC)


def longest_pause(project: Project, calendar: Calendar, now: datetime) -> timedelta:
    """How old a number may get by the schedule before it has missed a run: two ticks, at their widest.

    It is looked for over the next fortnight, which has every weekday twice, and at least three ticks.
    """
    # Ticks are on minutes, so within one minute the same ones are next.
    minute = now.astimezone(calendar.zone).replace(second=0, microsecond=0)
    return _longest_pause(project.schedule, calendar.zone.key, minute)


# Every key result of a project asks for the same pause, which takes hundreds of ticks to tell.
@lru_cache(maxsize=8)
def _longest_pause(schedule: str, zone: str, after: datetime) -> timedelta:
    # The zone is named because the same instant in two zones is equal, and has other ticks.
    ticks = CronSim(schedule, after)
    times = [next(ticks) for _ in range(3)]
    while times[-1] - times[0] < _FORTNIGHT and len(times) < _MOST_TICKS:
        times.append(next(ticks))
    # In UTC: the clocks may change in between, and a pause is real time.
    instants = [time.astimezone(UTC) for time in times]
    return max(later - earlier for earlier, later in zip(instants, instants[2:], strict=False))


def objective_rows(bundle: Bundle, team: str) -> list[ObjectiveRow]:
    """The rows that define a team's objectives."""
    return [
        ObjectiveRow(
            objective_id=objective.objective_id,
            team=objective.team,
            cycle=objective.cycle.name,
            title=objective.title,
            owner=objective.owner,
            supports=objective.supports,
        )
        for objective in bundle.objectives.values()
        if objective.team == team
    ]


def key_result_rows(
    bundle: Bundle,
    key_results: Iterable[KeyResult],
    goals: Mapping[str, Goals],
    baselines: Mapping[str, MeasuredBaseline],
    now: datetime,
) -> list[KeyResultRow]:
    """The rows that define key results, as data people read them.

    Their goal is the one that the newest day is judged by, so that it stands beside the number: not
    yet one that counts from a later day, and after the cycle's end not one that no number was
    judged by. `goals` are those over time and `baselines` the measured ones that are frozen, by id.
    """
    calendar = calendar_of(bundle.project)
    rows = []
    for key_result in key_results:
        key_result_id = key_result.key_result_id
        metric = bundle.metrics[key_result.metric]
        objective = bundle.objectives.get(key_result.objective_id)
        measured = baselines.get(key_result_id)
        terms = goals[key_result_id].on(
            newest_day(key_result, metric, bundle.metrics, calendar, now)
        )
        goal = resolve_goal(terms.goal, None if measured is None else measured.baseline)
        rows.append(
            KeyResultRow(
                key_result_id=key_result_id,
                objective_id=key_result.objective_id,
                team=key_result.team,
                cycle=key_result.cycle.name,
                cycle_start=key_result.cycle.start,
                cycle_end=key_result.cycle.end - timedelta(days=1),
                title=key_result.title,
                metric=metric.name,
                unit=key_result.unit or metric.unit,
                baseline=goal.baseline,
                target=goal.target,
                goal_kind=goal.kind.value,
                commitment=terms.commitment,
                indicator=key_result.indicator,
                owner=key_result.owner or (objective.owner if objective else None),
                family=metric.family.value,
                definition_hash=definition_hash(key_result, metric, bundle.metrics),
                config_hash=bundle.config_hash,
                defined_in=f"{key_result.defined_at.file}:{key_result.defined_at.line}",
            )
        )
    return rows
