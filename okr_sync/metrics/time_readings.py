"""Readings of two times of the same record: conversions of a cohort, and durations.

Belongs here: their SQL columns and what the figures mean. Does not belong here: the scan (scans),
other kinds (record_readings).
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, case, func, literal

from okr_sync.config.models import ConversionMetric, DurationMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.aggregates import Figures, count_where
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.quantiles import percent_of
from okr_sync.metrics.readings import MS_PER_DAY, Reading, percentile_beside, quotient
from okr_sync.warehouse.mirror import FieldType


def _milliseconds(source: Filterable, field: str) -> ColumnElement[Any]:
    """A time field in milliseconds; a calendar day counts from its UTC midnight."""
    at = source.column(field)
    return at * literal(MS_PER_DAY) if source.types[field] is FieldType.DAY else at


def _same_clock(metric: ConversionMetric | DurationMetric, source: Filterable) -> None:
    kinds = {source.types[metric.from_time], source.types[metric.to_time]}
    if len(kinds) > 1:
        raise SourceError(
            f"{metric.from_time} and {metric.to_time} can't be subtracted: one is a day, the other "
            "a time of day. Use two fields of the same type."
        )


def _as_of(metric: ConversionMetric | DurationMetric, source: Filterable, windows: CTE) -> Any:
    """The instant up to which things are known, on the clock of the metric's times.

    For calendar days that is the start of the first day that has not wholly passed, so that a day
    after the as-of day is never looked at, whatever the project's distance from UTC.
    """
    is_day = source.types[metric.from_time] is FieldType.DAY
    return windows.c.open_day * literal(MS_PER_DAY) if is_day else windows.c.as_of_ms


def conversion_reading(
    metric: ConversionMetric, where: ColumnElement[bool], source: Filterable
) -> Reading:
    """The share of a cohort that converted; SourceError where its times can't be subtracted."""
    _same_clock(metric, source)
    first, second = _milliseconds(source, metric.from_time), _milliseconds(source, metric.to_time)
    within = metric.within // timedelta(milliseconds=1)
    is_day = source.types[metric.from_time] is FieldType.DAY

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        as_of = _as_of(metric, source, windows)
        # A day is still open at its own midnight; an instant is over at once.
        has_passed = first + within < as_of if is_day else first + within <= as_of
        mature = and_(where, has_passed)
        in_time = and_(second >= first, second <= first + within)
        converted = and_(mature, in_time, second < as_of)
        return (
            count_where(mature),
            count_where(converted),
            count_where(where),
            count_where(and_(mature, second < first)),
        )

    def finish(figures: Figures, beside: Any) -> Measurement:
        mature, converted, cohort, negative = (int(figure or 0) for figure in figures)
        quality = []
        if mature < cohort:
            share = (Decimal(cohort - mature) / cohort).quantize(Decimal("0.01"))
            quality.append(f"immature:{share}")
        if negative:
            quality.append(f"negative_duration:{negative}")
        above, below = Decimal(converted), Decimal(mature)
        return Measurement(
            quotient(above, below, metric.empty), above, below, mature, tuple(quality)
        )

    return Reading(columns, finish)


def duration_reading(
    metric: DurationMetric, where: ColumnElement[bool], source: Filterable
) -> Reading:
    """The days between two times; SourceError where they can't be subtracted."""
    _same_clock(metric, source)
    first, second = _milliseconds(source, metric.from_time), _milliseconds(source, metric.to_time)
    valid = and_(where, first.is_not(None), second >= first)

    def arrived(windows: CTE) -> ColumnElement[bool]:
        # By the day it started, only those that had arrived by the as-of instant are known.
        return (
            and_(valid, second < _as_of(metric, source, windows))
            if metric.cohort == "start"
            else valid
        )

    elapsed = second - first
    percent = percent_of(metric.agg)

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        condition = arrived(windows)
        return (
            count_where(condition),
            func.sum(case((condition, elapsed), else_=0)),
            func.min(case((condition, elapsed))),
            func.max(case((condition, elapsed))),
            # A start after the as-of instant is not known yet, nor that it comes too late.
            count_where(and_(where, second < first, first < _as_of(metric, source, windows))),
        )

    def finish(figures: Figures, beside: Any) -> Measurement:
        n, negative = int(figures[0] or 0), int(figures[4] or 0)
        milliseconds = {
            "average": None if not n else Decimal(int(figures[1])) / n,
            "min": None if not n else Decimal(int(figures[2])),
            "max": None if not n else Decimal(int(figures[3])),
        }.get(metric.agg, beside[0] if beside else None)
        value = None if milliseconds is None else milliseconds / MS_PER_DAY
        if value is None and metric.empty == "zero":
            value = Decimal(0)
        quality = (f"negative_duration:{negative}",) if negative else ()
        return Measurement(value, sample_size=n, quality=quality)

    ranked = None if percent is None else percentile_beside(percent, elapsed, arrived)
    return Reading(columns, finish, ranked)
