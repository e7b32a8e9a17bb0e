"""What each kind of metric reads from a scan of records, and what the figures mean.

Belongs here: the choice of the reading, agg, ratio and snapshot, and the flag of unreadable values.
Does not belong here: the scan itself (scans), single aggregations (aggregates), the readings of two
times (time_readings), of rates per record (mean_readings) and of converted amounts
(currency_readings).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, or_, true

from okr_sync.config.models import (
    AggMetric,
    ConversionMetric,
    Pool,
    RatioMetric,
    RecordMetric,
    SnapshotMetric,
)
from okr_sync.metrics.aggregates import (
    Aggregate,
    Amount,
    aggregate_of,
    count_where,
    number_column,
)
from okr_sync.metrics.currency_readings import currency_reading
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.fx import Rates
from okr_sync.metrics.mean_readings import mean_reading
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.measures import (
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
from okr_sync.metrics.readings import (
    Reading,
    is_unknown,
    measure_agg,
    missing_flag,
    percentile_beside,
    quotient,
)
from okr_sync.metrics.record_fields import anchor_field, converts_currency
from okr_sync.metrics.spans import Span
from okr_sync.metrics.time_readings import conversion_reading, duration_reading
from okr_sync.warehouse.encoding import MICROS


def reading_of(
    metric: RecordMetric,
    source: Filterable,
    bad_fields: Iterable[str],
    rates_into: Callable[[str], Rates],
) -> Reading:
    """What a metric reads of a table's records; SourceError where it can't be read from them.

    `bad_fields` are those of the metric's fields of which some record holds an unreadable value;
    `rates_into` gives the exchange rates into a currency.
    """
    where = condition_sql(metric.where, source)
    if isinstance(metric, AggMetric) and converts_currency(metric):
        reading = currency_reading(metric, where, source, rates_into)
    elif isinstance(metric, AggMetric | SnapshotMetric):
        reading = _agg_reading(metric, where, source)
    elif isinstance(metric, RatioMetric):
        is_mean = metric.pool is Pool.MEAN
        reading = (mean_reading if is_mean else _ratio_reading)(metric, where, source)
    elif isinstance(metric, ConversionMetric):
        reading = conversion_reading(metric, where, source)
    else:
        reading = duration_reading(metric, where, source)
    bad = sorted(bad_fields)
    return _with_bad_values(reading, bad, source, anchor_field(metric)) if bad else reading


def _agg_reading(
    metric: AggMetric | SnapshotMetric, where: ColumnElement[bool], source: Filterable
) -> Reading:
    aggregation = metric.aggregation
    own = condition_sql(aggregation.where, source)
    percent = percent_of(aggregation.agg)
    if percent is not None:
        x = number_column(aggregation.field, aggregation.agg, source)
        condition = and_(where, own)
        filled, values = once(
            source, f"values {aggregation.field}", lambda: _values(aggregation.field, x)
        )
        number = Part((metric.where, aggregation.where), filled)
        to_rank = Part(number.wheres, values, number)
        daily = over_window([number, to_rank], source, anchor_field(metric))
        return Reading(
            lambda windows: (count_where(condition),),
            lambda figures, beside: measure_agg(
                metric, Amount(beside[0] / MICROS, beside[1]) if beside else Amount(None, 0)
            ),
            percentile_beside(percent, x, lambda windows: condition),
            replace(daily, figures=lambda found, span: (found[:1], quantile(found[1], percent))),
        )
    aggregate = aggregate_of(aggregation, lambda: and_(where, own), source)
    wheres = (metric.where, aggregation.where)
    parts = [Part(wheres, measure) for measure in aggregate.measures]
    return Reading(
        lambda windows: aggregate.columns,
        lambda figures, beside: measure_agg(metric, aggregate.read(figures)),
        daily=over_window(parts, source, anchor_field(metric)) if parts else None,
    )


def _values(field: str | None, x: ColumnElement[Any]) -> tuple[Measure, Measure]:
    filled = x.is_not(None)
    return Measure(f"filled {field}", filled), Measure(f"values {field}", filled, x, Merge.VALUES)


def _ratio_reading(metric: RatioMetric, where: ColumnElement[bool], source: Filterable) -> Reading:
    aggregates: list[Aggregate] = []
    parts: list[Part] = []
    for half in (metric.numerator, metric.denominator):
        condition = partial(and_, where, condition_sql(half.where, source))
        aggregate = aggregate_of(half, condition, source)
        aggregates.append(aggregate)
        parts += [Part((metric.where, half.where), measure) for measure in aggregate.measures]
    top, bottom = aggregates
    split = len(top.columns)
    adds_up = top.measures and bottom.measures

    def finish(figures: Figures, beside: Any) -> Measurement:
        above, below = top.read(figures[:split]), bottom.read(figures[split:])
        quality = [
            missing_flag(part.field, amount.missing)
            for part, amount in ((metric.numerator, above), (metric.denominator, below))
            if part.agg == "sum" and amount.missing
        ]
        if is_unknown(metric.numerator.agg, above) or is_unknown(metric.denominator.agg, below):
            flags = tuple(sorted(set(quality)))
            return Measurement(None, sample_size=below.sample_size, quality=flags)
        return Measurement(
            quotient(above.number, below.number, metric.empty),
            above.number,
            below.number,
            below.sample_size,
            tuple(sorted(set(quality))),
        )

    return Reading(
        lambda windows: (*top.columns, *bottom.columns),
        finish,
        daily=over_window(parts, source, anchor_field(metric)) if adds_up else None,
    )


def holds_bad_value(source: Filterable, field: str) -> ColumnElement[bool]:
    """Whether a record's value of a field could not be read."""
    names: ColumnElement[str] = source.table.c.bad_fields
    return names.contains(f",{field},", autoescape=True)


def _with_bad_values(
    reading: Reading, bad: Sequence[str], source: Filterable, anchor: str | None
) -> Reading:
    """The same reading, flagged with the records in the window whose values could not be read."""
    measure = Measure(f"bad {','.join(bad)}", or_(*(holds_bad_value(source, one) for one in bad)))

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        return (*reading.columns(windows), measure.column(true()))

    def finish(figures: Figures, beside: Any) -> Measurement:
        found = reading.finish(figures[:-1], beside)
        count = int(figures[-1] or 0)
        if not count:
            return found
        quality = tuple(sorted((*found.quality, f"bad_value:{count}")))
        return Measurement(
            found.value, found.numerator, found.denominator, found.sample_size, quality
        )

    daily = reading.daily and _beside(reading.daily, Part((), measure), source, anchor)
    return Reading(columns, finish, reading.beside, daily)


def _beside(daily: Daily, part: Part, source: Filterable, anchor: str | None) -> Daily:
    """The same, and a part over the whole window whose figure comes last."""
    number = len(daily.parts)

    def ranges(span: Span) -> Sequence[tuple[int, int, int]]:
        return [*daily.ranges(span), (number, *window_bounds(source, anchor, span))]

    def figures(found: Figures, span: Span) -> tuple[Figures, Any] | None:
        own = daily.figures(found[:-1], span)
        if own is None:
            return None
        of_columns, beside = own
        return (*of_columns, found[-1]), beside

    return Daily((*daily.parts, part), ranges, figures)
