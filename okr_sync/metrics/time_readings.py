"""Readings of two times of the same record: conversions of a cohort, and durations.

Belongs here: their SQL columns and what the figures mean. Does not belong here: the scan (scans),
other kinds (record_readings).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, case, func

from okr_sync.config.models import ConversionMetric, DurationMetric
from okr_sync.metrics.aggregates import count_where
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.measures import (
    COUNT,
    Daily,
    Figures,
    Measure,
    Merge,
    Part,
    once,
    over_window,
    window_bounds,
)
from okr_sync.metrics.quantiles import percent_of, quantile
from okr_sync.metrics.readings import MS_PER_DAY, Reading, percentile_beside, quotient
from okr_sync.metrics.spans import Span
from okr_sync.metrics.time_conditions import (
    DurationConditions,
    Horizon,
    conversion_conditions,
    duration_conditions,
    elapsed_ms,
    known_before,
    mature_before,
    start_ms,
    time_order,
)
from okr_sync.warehouse.mirror import FieldType

_PLACES: Final = {"average": 1, "min": 2, "max": 3}
"""Where the figure of an aggregation is among those of a duration; percentiles are beside them."""

_MEASURED: Final = {
    "average": ("elapsed", Merge.SUM),
    "min": ("shortest", Merge.MIN),
    "max": ("longest", Merge.MAX),
    "median": ("durations", Merge.VALUES),
}
"""How what a duration's aggregation is made of is called, and how it adds up."""


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

    return Reading(columns, finish, daily=_conversion_by_day(metric, source))


def _conversion_by_day(metric: ConversionMetric, source: Filterable) -> Daily:
    """Who converts in time does so before the cohort is mature: only maturity depends on the span."""
    name = f"{metric.from_time} {metric.to_time} {metric.within // timedelta(milliseconds=1)}"

    def made() -> tuple[Measure, ...]:
        order = time_order(metric, source)
        return (
            COUNT,
            Measure(f"in time {name}", order.in_time),
            Measure(f"last moment {name}", order.last_moment),
            Measure(f"backwards {name}", order.backwards),
        )

    measures = once(source, f"conversion {name}", made)
    count, in_time, last_moment, backwards = range(len(measures))

    def ranges(span: Span) -> Sequence[tuple[int, int, int]]:
        start, end = window_bounds(source, metric.from_time, span)
        cut = mature_before(metric, source, span)
        mature = min(max(cut, start), end)
        # An event at the as-of instant is not known yet: of those who are mature since that very
        # instant, the ones who took all their time. Days that are mature have wholly passed.
        at_once = source.types[metric.from_time] is not FieldType.DAY
        edge = max(start, cut - 1) if at_once else end
        return [
            (count, start, mature),
            (in_time, start, mature),
            (last_moment, edge, min(cut, end)),
            (count, start, end),
            (backwards, start, mature),
        ]

    def figures(found: Figures, span: Span) -> tuple[Figures, Any]:
        mature, converted, too_late, cohort, negative = (int(figure or 0) for figure in found)
        return (mature, converted - too_late, cohort, negative), None

    return Daily(tuple(Part((metric.where,), each) for each in measures), ranges, figures)


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
        milliseconds: Decimal | None = beside[0] if beside else None
        if n and metric.agg in _PLACES:
            milliseconds = Decimal(int(figures[_PLACES[metric.agg]]))
            if metric.agg == "average":
                milliseconds /= n
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
    adds_up = metric.cohort != "start"
    return Reading(columns, finish, ranked, _duration_by_day(metric, source) if adds_up else None)


def _duration_by_day(metric: DurationMetric, source: Filterable) -> Daily:
    """Durations by the day of arrival; what is not known yet is looked for where it may be."""
    percent = percent_of(metric.agg)
    name = f"{metric.from_time} {metric.to_time}"

    def made() -> tuple[Measure, ...]:
        elapsed, first = elapsed_ms(metric, source), start_ms(metric, source)
        counted, negative = elapsed >= 0, elapsed < 0
        what, merge = _MEASURED[metric.agg if percent is None else "median"]
        return (
            Measure(f"arrived {name}", counted),
            Measure(f"{what} {name}", counted, elapsed, merge),
            Measure(f"negative {name}", negative),
            Measure(f"latest negative {name}", negative, first, Merge.MAX),
        )

    measures = once(source, f"duration {metric.agg} {name}", made)
    arrived, *others = (Part((metric.where,), each) for each in measures)
    if percent is not None:
        others[0] = replace(others[0], number=arrived)
    window = over_window([arrived, *others], source, metric.to_time)

    def figures(found: Figures, span: Span) -> tuple[Figures, Any] | None:
        arrived, days, backwards, latest = found
        # A start after the as-of instant is not known yet, nor that it comes too late.
        if latest is not None and int(latest) >= known_before(metric, source, span):
            return None
        by_agg = (days if metric.agg == agg else None for agg in _PLACES)
        ranked = None if percent is None else quantile(days, percent)
        return (arrived, *by_agg, backwards), ranked

    return Daily(window.parts, window.ranges, figures)
