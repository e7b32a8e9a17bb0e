"""Measured baselines: which measurement a key result starts from, and when it is known for good.

Belongs here: the previous cycle, the span to ask a metric for, and choosing the measurement to
freeze. Does not belong here: keeping it (warehouse.baselines) or what follows from it (progress).

The baseline is the metric over the previous cycle by the same binding, as of that cycle's closing
day, once that is final. Where the source has no value of that time, it is the first final value of
this cycle, whichever of its days have been published. What has been frozen is never measured again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, select

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.hashes import metric_hash
from okr_sync.config.models import Cycle, KeyResult
from okr_sync.metrics.dependencies import is_live, with_inputs
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.plan import Plan
from okr_sync.metrics.spans import Span, closing_day, is_final, newest_day, spans_for
from okr_sync.metrics.windows import as_of_instant, resolve_window
from okr_sync.sync.goals import definition_hashes, goals_of
from okr_sync.warehouse.baselines import MeasuredBaseline, frozen_baselines
from okr_sync.warehouse.metric_values import published_measurements
from okr_sync.warehouse.tables import key_result_history


@dataclass(frozen=True)
class BaselineSpan:
    """The span that a baseline is measured over; `is_past` where it can only be looked up.

    A level of a past day can't be measured, but it may have been published when it was today.
    `instead` are the final days of this cycle, of which the first with a value counts where the span
    has none; empty for what can only be looked up.
    """

    span: Span
    is_past: bool
    instead: tuple[Span, ...] = ()

    @property
    def asked(self) -> tuple[Span, ...]:
        """All that a run has to measure for it."""
        return () if self.is_past else (self.span, *self.instead)


def previous_cycle(cycle: Cycle) -> Cycle:
    """The period of the same kind that ends where a named cycle begins; else as many days before it."""
    if ".." in cycle.name:
        start = cycle.start - (cycle.end - cycle.start)
    else:
        months = (cycle.end.year - cycle.start.year) * 12 + cycle.end.month - cycle.start.month
        index = cycle.start.year * 12 + cycle.start.month - 1 - months
        start = date(index // 12, index % 12 + 1, 1)
    last_day = cycle.start - timedelta(days=1)
    return Cycle(f"{start}..{last_day}", start, cycle.start)


def baselines_of(
    connection: Connection, key_results: Iterable[KeyResult]
) -> dict[str, MeasuredBaseline]:
    """The measured baselines that are frozen of key results, by id.

    Also of those whose goal asks for none any more: the days of an earlier goal are judged by it.
    """
    return frozen_baselines(
        connection, [(one.key_result_id, one.cycle.start) for one in key_results]
    )


def baseline_spans(
    connection: Connection,
    bundle: Bundle,
    key_results: Iterable[KeyResult],
    calendar: Calendar,
    now: datetime,
) -> dict[str, BaselineSpan]:
    """What to ask of metrics for baselines that are not frozen yet, by key result id.

    A key result whose previous cycle is not final yet is absent: its baseline has to wait.
    """
    asking = [one for one in key_results if one.goal.measured_baseline]
    frozen = baselines_of(connection, asking)
    found: dict[str, BaselineSpan] = {}
    for key_result in asking:
        if key_result.key_result_id in frozen:
            continue
        before = key_result.model_copy(update={"cycle": previous_cycle(key_result.cycle)})
        metric = bundle.metrics[key_result.metric]
        as_of = closing_day(before, metric, bundle.metrics)
        window = resolve_window(before.over, before.cycle, as_of, calendar, now)
        if window is None or not is_final(before, as_of, calendar, now):
            continue
        span = Span(as_of, as_of_instant(as_of, calendar.zone, now), window)
        is_past = is_live(bundle.metrics, metric)
        instead = () if is_past else _final_spans(bundle, key_result, calendar, now)
        found[key_result.key_result_id] = BaselineSpan(span, is_past, instead)
    return found


def _final_spans(
    bundle: Bundle, key_result: KeyResult, calendar: Calendar, now: datetime
) -> tuple[Span, ...]:
    metric = bundle.metrics[key_result.metric]
    last = newest_day(key_result, metric, bundle.metrics, calendar, now)
    first = key_result.cycle.start
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    final = [day for day in days if is_final(key_result, day, calendar, now)]
    return spans_for(key_result, metric, bundle.metrics, final, calendar, now)


def plan_with_baselines(plan: Plan, bundle: Bundle, spans: Mapping[str, BaselineSpan]) -> Plan:
    """The plan, with metrics also asked for the spans of baselines that can be measured."""
    by_metric = {name: dict.fromkeys(asked) for name, asked in plan.by_metric.items()}
    for key_result_id, baseline in spans.items():
        for metric in with_inputs(bundle.metrics, [bundle.key_results[key_result_id].metric]):
            by_metric.setdefault(metric.name, {}).update(dict.fromkeys(baseline.asked))
    return Plan(plan.by_key_result, {name: tuple(asked) for name, asked in by_metric.items()})


def find_baseline(
    connection: Connection,
    bundle: Bundle,
    key_result: KeyResult,
    baseline: BaselineSpan,
    measured: Mapping[Span, Measurement],
    calendar: Calendar,
    now: datetime,
    run_id: str,
) -> MeasuredBaseline | None:
    """The baseline to freeze, or None while there is no final value of any day.

    `measured` is what this run has measured of the key result's metric.
    """
    before = measured.get(baseline.span)
    if baseline.is_past:
        stored = published_measurements(connection, key_result.metric, [baseline.span])
        before = stored.get(baseline.span)
    if before is not None and before.value is not None:
        as_of, value = baseline.span.as_of, before.value
    else:
        finals = {
            span.as_of: one.value
            for span in baseline.instead
            if (one := measured.get(span)) is not None and one.value is not None
        }
        if baseline.is_past:
            finals = _levels_seen(connection, bundle, key_result, measured, calendar, now)
        if not finals:
            return None
        as_of = min(finals)
        value = finals[as_of]
    return MeasuredBaseline(
        key_result_id=key_result.key_result_id,
        cycle_start=key_result.cycle.start,
        baseline=value,
        as_of=as_of,
        definition_hash=metric_hash(bundle.metrics[key_result.metric], bundle.metrics),
        measured_at=now,
        run_id=run_id,
    )


def _levels_seen(
    connection: Connection,
    bundle: Bundle,
    key_result: KeyResult,
    measured: Mapping[Span, Measurement],
    calendar: Calendar,
    now: datetime,
) -> dict[date, Decimal]:
    """The final values of this cycle's days that runs have looked at, this one included."""
    goals = goals_of(connection, bundle, [key_result], calendar, now)[key_result.key_result_id]
    hashes = definition_hashes(bundle, key_result, goals).values()
    history = key_result_history.c
    rows = connection.execute(
        select(history.as_of, history.value).where(
            history.key_result_id == key_result.key_result_id,
            history.as_of >= key_result.cycle.start,
            history.superseded_at.is_(None),
            history.is_final,
            history.value.is_not(None),
            history.origin != "override",
            history.definition_hash.in_(hashes),
        )
    )
    seen = {as_of: value for as_of, value in rows}
    return seen | {
        span.as_of: one.value
        for span, one in measured.items()
        if one.value is not None
        and span.as_of >= key_result.cycle.start
        and is_final(key_result, span.as_of, calendar, now)
    }
