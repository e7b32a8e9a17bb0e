"""Conditions on two times of the same record: who counts in a cohort, and whose duration is known.

Belongs here: the SQL conditions that evaluation and the listing of contributing records share, so
that a number and the records behind it can't part. Does not belong here: what is counted under them
(time_readings, inspect.contributions).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, not_, or_

from okr_sync.config.models import ConversionMetric, DurationMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.readings import MS_PER_DAY
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.encoding import day_number, epoch_ms
from okr_sync.warehouse.mirror import FieldType


@dataclass(frozen=True)
class Horizon:
    """Up to when things are known: the as-of instant, and the first day that has not wholly passed.

    Columns of a scan's windows, or the numbers of one span.
    """

    as_of_ms: Any
    open_day: Any


@dataclass(frozen=True)
class ConversionConditions:
    """Who had time to convert and who did, who is too young, and whose times are the wrong way round."""

    mature: ColumnElement[bool]
    immature: ColumnElement[bool]
    converted: ColumnElement[bool]
    negative: ColumnElement[bool]


@dataclass(frozen=True)
class TimeOrder:
    """Of a conversion's two times: the second within its time, at its last moment, before the first."""

    in_time: ColumnElement[bool]
    last_moment: ColumnElement[bool]
    backwards: ColumnElement[bool]


@dataclass(frozen=True)
class DurationConditions:
    """Whose duration counts, whose times are the wrong way round, and who has not arrived yet."""

    counted: ColumnElement[bool]
    negative: ColumnElement[bool]
    not_arrived: ColumnElement[bool]


def elapsed_ms(metric: ConversionMetric | DurationMetric, source: Filterable) -> ColumnElement[Any]:
    """The milliseconds between the two times; SourceError where they can't be subtracted."""
    first, second = _times(metric, source)
    return second - first


def time_order(metric: ConversionMetric, source: Filterable) -> TimeOrder:
    """How the second time lies to the first, whenever one looks."""
    first, second = _times(metric, source)
    within = metric.within // timedelta(milliseconds=1)
    return TimeOrder(
        in_time=and_(second >= first, second <= first + within),
        last_moment=second == first + within,
        backwards=second < first,
    )


def mature_before(metric: ConversionMetric, source: Filterable, span: Span) -> int:
    """Before which first time, in its own unit, all have had their time by the as-of instant."""
    within = metric.within // timedelta(milliseconds=1)
    if _is_by_day(metric, source):
        return -(-(_open_day(span, source) * MS_PER_DAY - within) // MS_PER_DAY)
    return epoch_ms(span.as_of_at) - within + 1


def known_before(metric: DurationMetric, source: Filterable, span: Span) -> int:
    """The milliseconds before which a time is known as of a span, on the clock of the metric's times."""
    if _is_by_day(metric, source):
        return _open_day(span, source) * MS_PER_DAY
    return epoch_ms(span.as_of_at)


def start_ms(metric: DurationMetric, source: Filterable) -> ColumnElement[Any]:
    """The first time in milliseconds."""
    return _times(metric, source)[0]


def _open_day(span: Span, source: Filterable) -> int:
    return day_number(span.as_of_at.astimezone(source.zone).date())


def conversion_conditions(
    metric: ConversionMetric, where: ColumnElement[bool], source: Filterable, horizon: Horizon
) -> ConversionConditions:
    """The conditions of a cohort; SourceError where its times can't be subtracted."""
    first, second = _times(metric, source)
    within = metric.within // timedelta(milliseconds=1)
    as_of = _as_of(metric, source, horizon)
    # A day is still open at its own midnight; an instant is over at once.
    has_passed = first + within < as_of if _is_by_day(metric, source) else first + within <= as_of
    mature = and_(where, has_passed)
    order = time_order(metric, source)
    return ConversionConditions(
        mature=mature,
        immature=and_(where, not_(has_passed)),
        converted=and_(mature, order.in_time, second < as_of),
        negative=and_(mature, order.backwards),
    )


def duration_conditions(
    metric: DurationMetric, where: ColumnElement[bool], source: Filterable, horizon: Horizon
) -> DurationConditions:
    """The conditions of a duration; SourceError where its times can't be subtracted."""
    first, second = _times(metric, source)
    as_of = _as_of(metric, source, horizon)
    has_arrived = second < as_of
    counted = and_(where, first.is_not(None), second >= first)
    # By the day it started, only those that had arrived by the as-of instant are known.
    by_start = metric.cohort == "start"
    return DurationConditions(
        counted=and_(counted, has_arrived) if by_start else counted,
        # A start after the as-of instant is not known yet, nor that it comes too late.
        negative=and_(where, second < first, first < as_of),
        not_arrived=and_(where, or_(second.is_(None), not_(has_arrived))),
    )


def _times(
    metric: ConversionMetric | DurationMetric, source: Filterable
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Both times in milliseconds; a calendar day counts from its UTC midnight."""
    kinds = {source.types[metric.from_time], source.types[metric.to_time]}
    if len(kinds) > 1:
        raise SourceError(
            f"{metric.from_time} and {metric.to_time} can't be subtracted: one is a day, the other "
            "a time of day. Use two fields of the same type."
        )
    first, second = source.column(metric.from_time), source.column(metric.to_time)
    if _is_by_day(metric, source):
        return first * literal(MS_PER_DAY), second * literal(MS_PER_DAY)
    return first, second


def _is_by_day(metric: ConversionMetric | DurationMetric, source: Filterable) -> bool:
    return source.types[metric.from_time] is FieldType.DAY


def _as_of(metric: ConversionMetric | DurationMetric, source: Filterable, horizon: Horizon) -> Any:
    """The instant up to which things are known, on the clock of the metric's times.

    For calendar days that is the start of the first day that has not wholly passed, so that a day
    after the as-of day is never looked at, whatever the project's distance from UTC.
    """
    return horizon.open_day * MS_PER_DAY if _is_by_day(metric, source) else horizon.as_of_ms
