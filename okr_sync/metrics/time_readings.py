"""Readings of two times of the same record: conversions of a cohort, and durations.

Belongs here: their SQL columns and what the figures mean. Does not belong here: the scan (scans),
other kinds (record_readings).
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import CTE, ColumnElement, case, func

from okr_sync.config.models import ConversionMetric, DurationMetric
from okr_sync.metrics.aggregates import Figures, count_where
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.quantiles import percent_of
from okr_sync.metrics.readings import MS_PER_DAY, Reading, percentile_beside, quotient
from okr_sync.metrics.time_conditions import (
    DurationConditions,
    Horizon,
    conversion_conditions,
    duration_conditions,
    elapsed_ms,
)


def _horizon(windows: CTE) -> Horizon:
    return Horizon(windows.c.as_of_ms, windows.c.open_day)


def conversion_reading(
    metric: ConversionMetric, where: ColumnElement[bool], source: Filterable
) -> Reading:
    """The share of a cohort that converted; SourceError where its times can't be subtracted."""
    elapsed_ms(metric, source)  # refuses times that can't be compared before any scan begins

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        cohort = conversion_conditions(metric, where, source, _horizon(windows))
        return (
            count_where(cohort.mature),
            count_where(cohort.converted),
            count_where(where),
            count_where(cohort.negative),
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
    percent = percent_of(metric.agg)
    elapsed = elapsed_ms(metric, source)

    def conditions(windows: CTE) -> DurationConditions:
        return duration_conditions(metric, where, source, _horizon(windows))

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        known = conditions(windows)
        return (
            count_where(known.counted),
            func.sum(case((known.counted, elapsed), else_=0)),
            func.min(case((known.counted, elapsed))),
            func.max(case((known.counted, elapsed))),
            count_where(known.negative),
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

    ranked = (
        None
        if percent is None
        else percentile_beside(percent, elapsed, lambda windows: conditions(windows).counted)
    )
    return Reading(columns, finish, ranked)
