"""What a key result, as the files define it now, gives on chosen days; nothing is written.

Belongs here: days into observations exactly as publishing would make them, from what the source
tables hold. Does not belong here: pulling what is missing (commands), or publishing (sync,
warehouse.publish).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from okr_sync.config.bundle import Bundle
from okr_sync.config.hashes import definition_hash
from okr_sync.config.models import AnyMetric, KeyResult
from okr_sync.metrics.dependencies import datasets_read, is_live, with_inputs
from okr_sync.metrics.evaluate import evaluate
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.plan import Plan, make_plan
from okr_sync.metrics.spans import Span, newest_day
from okr_sync.metrics.windows import as_of_instant, resolve_window
from okr_sync.sync.baselines import (
    BaselineSpan,
    baseline_spans,
    baselines_of,
    find_baseline,
    plan_with_baselines,
)
from okr_sync.sync.goals import goals_of
from okr_sync.sync.observe import calendar_of, observe
from okr_sync.warehouse.baselines import MeasuredBaseline
from okr_sync.warehouse.metric_values import published_measurements
from okr_sync.warehouse.mirror import state_of
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.overrides import overrides_of

DRAFT = "draft"
"""The origin of observations that are only looked at."""


@dataclass(frozen=True)
class Curve:
    """A draft's observations in order of day, or why there are none (`error`, for people).

    Both are empty where the key result has nothing to measure on the days asked for, because its
    cycle has not begun.
    """

    observations: tuple[KeyResultObservation, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Drafted:
    """What must be computed for a draft: its plan, and the span of a baseline not measured yet."""

    key_result: KeyResult
    plan: Plan
    days: tuple[date, ...]
    baseline: BaselineSpan | None


def last_day(bundle: Bundle, key_result: KeyResult, now: datetime) -> date:
    """The newest day that a key result can speak of: today, or its closing day once that is over."""
    metric = bundle.metrics[key_result.metric]
    return newest_day(key_result, metric, bundle.metrics, calendar_of(bundle.project), now)


def definition_hash_of(bundle: Bundle, key_result: KeyResult) -> str:
    """The fingerprint of a key result as a project's files define it."""
    return definition_hash(key_result, bundle.metrics[key_result.metric], bundle.metrics)


def days_between(first: date, last: date) -> list[date]:
    """Every day from the first to the last, both included."""
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def draft_of(
    connection: Connection,
    bundle: Bundle,
    key_result: KeyResult,
    days: Collection[date],
    now: datetime,
) -> Drafted:
    """What must be computed for a key result on these days, its baseline included."""
    calendar = calendar_of(bundle.project)
    plan = make_plan(bundle, {key_result.key_result_id: days}, calendar, now)
    asked = baseline_spans(connection, bundle, [key_result], calendar, now)
    return Drafted(
        key_result,
        plan_with_baselines(plan, bundle, asked),
        tuple(sorted(days)),
        asked.get(key_result.key_result_id),
    )


def draft_curve(connection: Connection, bundle: Bundle, drafted: Drafted, now: datetime) -> Curve:
    """Evaluate and judge a draft over its days, from what the warehouse holds.

    A past level can't be measured, so of levels those are taken that runs have published.
    """
    key_result = drafted.key_result
    spans = drafted.plan.by_key_result[key_result.key_result_id]
    metric = bundle.metrics[key_result.metric]
    measured = _past_levels(connection, bundle, drafted, now)
    if not spans and not measured:
        return Curve()
    unread = next(_unread_datasets(connection, bundle, metric), None)
    if unread is not None:
        return Curve((), f"{unread} has not been read completely yet.")
    answers, refusals = evaluate(connection, bundle, drafted.plan.by_metric)
    if metric.name in refusals:
        return Curve((), refusals[metric.name])
    measured |= {span: answers[metric.name, span] for span in spans}
    everything = {span: one for (name, span), one in answers.items() if name == metric.name}
    observations = observe(
        bundle,
        key_result,
        dict(sorted(measured.items(), key=lambda item: item[0].as_of)),
        DRAFT,
        now,
        goals=goals_of(connection, bundle, [key_result], calendar_of(bundle.project), now)[
            key_result.key_result_id
        ],
        baseline=_baseline(connection, bundle, drafted, everything, now),
        overrides=overrides_of(connection, [key_result.key_result_id]),
    )
    return Curve(tuple(observations))


def datasets_of(bundle: Bundle, metric: AnyMetric) -> list[str]:
    """The datasets that a number rests on, also through formulas, as `source.dataset`."""
    found: dict[str, None] = {}
    for one in with_inputs(bundle.metrics, [metric.name]):
        found |= dict.fromkeys(datasets_read(bundle.project, one))
    return list(found)


def _past_levels(
    connection: Connection, bundle: Bundle, drafted: Drafted, now: datetime
) -> dict[Span, Measurement]:
    """What runs have published of a level on past days; nothing for what can be measured anew."""
    key_result = drafted.key_result
    metric = bundle.metrics[key_result.metric]
    if not is_live(bundle.metrics, metric):
        return {}
    calendar = calendar_of(bundle.project)
    today = now.astimezone(calendar.zone).date()
    spans = []
    for day in drafted.days:
        window = resolve_window(key_result.over, key_result.cycle, day, calendar, now)
        if day < today and window is not None:
            spans.append(Span(day, as_of_instant(day, calendar.zone, now), window))
    return published_measurements(connection, metric.name, spans)


def _baseline(
    connection: Connection,
    bundle: Bundle,
    drafted: Drafted,
    measured: dict[Span, Measurement],
    now: datetime,
) -> MeasuredBaseline | None:
    """The measured baseline: the frozen one, or what would be frozen if this draft were published."""
    key_result = drafted.key_result
    frozen = baselines_of(connection, [key_result]).get(key_result.key_result_id)
    if frozen is not None or drafted.baseline is None:
        return frozen
    calendar = calendar_of(bundle.project)
    return find_baseline(
        connection, bundle, key_result, drafted.baseline, measured, calendar, now, DRAFT
    )


def _unread_datasets(connection: Connection, bundle: Bundle, metric: AnyMetric) -> Iterator[str]:
    for dataset in datasets_of(bundle, metric):
        source, _, name = dataset.partition(".")
        state = state_of(connection, source, name)
        if state is None or state.complete_at is None:
            yield dataset
