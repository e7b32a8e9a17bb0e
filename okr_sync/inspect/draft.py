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
from okr_sync.config.models import AnyMetric, DatasetMetric, FormulaMetric, KeyResult
from okr_sync.metrics.evaluate import evaluate
from okr_sync.metrics.plan import Plan, make_plan
from okr_sync.metrics.spans import Span, closing_day
from okr_sync.sync.observe import calendar_of, observe
from okr_sync.warehouse.mirror import state_of
from okr_sync.warehouse.observations import KeyResultObservation

DRAFT = "draft"
"""The origin of observations that are only looked at."""


@dataclass(frozen=True)
class Curve:
    """A draft's observations in order of day, or why there are none (`error`, for people).

    Both are empty where the key result has nothing to measure on the days asked for, because its
    cycle has not begun.
    """

    observations: tuple[KeyResultObservation, ...] = ()
    spans: tuple[Span, ...] = ()
    error: str | None = None


def last_day(bundle: Bundle, key_result: KeyResult, now: datetime) -> date:
    """The newest day that a key result can speak of: today, or its closing day once that is over."""
    today = now.astimezone(calendar_of(bundle.project).zone).date()
    metric = bundle.metrics[key_result.metric]
    return min(today, closing_day(key_result, metric, bundle.metrics))


def definition_hash_of(bundle: Bundle, key_result: KeyResult) -> str:
    """The fingerprint of a key result as a project's files define it."""
    return definition_hash(key_result, bundle.metrics[key_result.metric])


def days_between(first: date, last: date) -> list[date]:
    """Every day from the first to the last, both included."""
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def plan_of(
    bundle: Bundle, key_result: KeyResult, days: Collection[date], now: datetime
) -> Plan:
    """What must be computed for a key result on these days."""
    return make_plan(bundle, {key_result.key_result_id: days}, calendar_of(bundle.project), now)


def draft_curve(
    connection: Connection, bundle: Bundle, key_result: KeyResult, plan: Plan, now: datetime
) -> Curve:
    """Evaluate and judge a key result over a plan's spans, from what the warehouse holds."""
    spans = plan.by_key_result[key_result.key_result_id]
    if not spans:
        return Curve()
    metric = bundle.metrics[key_result.metric]
    unread = next(_unread_datasets(connection, bundle, metric), None)
    if unread is not None:
        return Curve((), spans, f"{unread} has not been read completely yet.")
    answers, refusals = evaluate(connection, bundle, plan.by_metric)
    if refusals:
        return Curve((), spans, refusals.get(metric.name) or next(iter(refusals.values())))
    measured = {span: answers[metric.name, span] for span in spans}
    observations = observe(bundle, key_result, measured, DRAFT, now)
    return Curve(tuple(observations), spans)


def datasets_of(bundle: Bundle, metric: AnyMetric) -> list[str]:
    """The datasets that a metric reads, through formulas, as `source.dataset`."""
    if isinstance(metric, FormulaMetric):
        found = (datasets_of(bundle, bundle.metrics[name]) for name in metric.inputs.values())
        return list(dict.fromkeys(name for names in found for name in names))
    if isinstance(metric, DatasetMetric):
        return [metric.dataset]
    return [f"{metric.source}.queries"]


def _unread_datasets(connection: Connection, bundle: Bundle, metric: AnyMetric) -> Iterator[str]:
    for dataset in datasets_of(bundle, metric):
        source, _, name = dataset.partition(".")
        state = state_of(connection, source, name)
        if state is None or state.complete_at is None:
            yield dataset
