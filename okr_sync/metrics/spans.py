"""When to look and at what: the as-of days and windows that a key result asks its metric for.

Belongs here: which days a run evaluates for a key result. Does not belong here: how `over` becomes
a window (windows) or what is pulled for it (plan).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from okr_sync.config.cycles import Calendar
from okr_sync.config.models import (
    AnyMetric,
    ConversionMetric,
    KeyResult,
)
from okr_sync.metrics.dependencies import is_live, leaf_metrics
from okr_sync.metrics.windows import Window, as_of_instant, local_midnight, resolve_window


@dataclass(frozen=True)
class Span:
    """One question to a metric: its figure over `window`, as known at `as_of_at`.

    The two differ where a cycle is over: its window stands still while its cohorts mature.
    """

    as_of: date
    as_of_at: datetime
    window: Window


Metrics = Mapping[str, AnyMetric]
"""The project's metrics by name, in which the inputs of formulas are found."""


def closing_day(key_result: KeyResult, metric: AnyMetric, metrics: Metrics) -> date:
    """The last as-of day on which the number can still change by itself.

    That is the cycle's last day or, for a conversion, the day on which its last cohort is mature;
    for a formula, the latest of its inputs'.
    """
    last_day = key_result.cycle.end - timedelta(days=1)
    maturing = [
        -(-leaf.within // timedelta(days=1))
        for leaf in leaf_metrics(metrics, metric)
        if isinstance(leaf, ConversionMetric)
    ]
    return last_day + timedelta(days=max(maturing, default=0))


def newest_day(
    key_result: KeyResult,
    metric: AnyMetric,
    metrics: Metrics,
    calendar: Calendar,
    now: datetime,
) -> date:
    """The newest day that a key result can speak of: today, or its closing day once that is over."""
    today = now.astimezone(calendar.zone).date()
    return min(today, closing_day(key_result, metric, metrics))


def span_for(
    key_result: KeyResult,
    metric: AnyMetric,
    metrics: Metrics,
    day: date,
    calendar: Calendar,
    now: datetime,
) -> Span | None:
    """The span of a key result as of one day, if there is one."""
    found = spans_for(key_result, metric, metrics, [day], calendar, now)
    return found[0] if found else None


def spans_for(
    key_result: KeyResult,
    metric: AnyMetric,
    metrics: Metrics,
    days: Iterable[date],
    calendar: Calendar,
    now: datetime,
) -> tuple[Span, ...]:
    """The spans of a key result for several days, each as-of day once, in order.

    There is none before its cycle (or that day) has begun. A day after the closing day is read as the
    closing day: nothing moves any more. What can only be had today has no span for any other day.
    """
    last = closing_day(key_result, metric, metrics)
    wanted = {min(day, last) for day in days}
    if is_live(metrics, metric):
        wanted &= {now.astimezone(calendar.zone).date()}
    spans = []
    for as_of in sorted(wanted):
        window = resolve_window(key_result.over, key_result.cycle, as_of, calendar, now)
        if window is not None and now > local_midnight(as_of, calendar.zone):
            spans.append(Span(as_of, as_of_instant(as_of, calendar.zone, now), window))
    return tuple(spans)


def is_final(key_result: KeyResult, as_of: date, calendar: Calendar, now: datetime) -> bool:
    """Whether `settle` has passed since the as-of day ended."""
    return now >= local_midnight(as_of + timedelta(days=1), calendar.zone) + key_result.settle


def is_closed(
    key_result: KeyResult,
    metric: AnyMetric,
    metrics: Metrics,
    calendar: Calendar,
    now: datetime,
) -> bool:
    """Whether the number is left alone: its closing day is over, settled and past revising."""
    return now >= left_alone_from(key_result, metric, metrics, calendar)


def left_alone_from(
    key_result: KeyResult, metric: AnyMetric, metrics: Metrics, calendar: Calendar
) -> datetime:
    """The instant from which the number is left alone."""
    after = closing_day(key_result, metric, metrics) + timedelta(days=1)
    ended_at = local_midnight(after, calendar.zone)
    return ended_at + key_result.settle + key_result.revise
