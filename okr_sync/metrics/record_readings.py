"""What each kind of metric reads from a scan of records, and what the figures mean.

Belongs here: the choice of the reading, agg, ratio and snapshot, and the flag of unreadable values.
Does not belong here: the scan itself (scans), single aggregations (aggregates), the readings of two
times (time_readings), of rates per record (mean_readings) and of converted amounts
(currency_readings).
"""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, or_

from okr_sync.config.models import (
    AggMetric,
    ConversionMetric,
    Pool,
    RatioMetric,
    RecordMetric,
    SnapshotMetric,
)
from okr_sync.metrics.aggregates import (
    AggregateColumns,
    Amount,
    Figures,
    aggregate_columns,
    count_where,
    number_column,
)
from okr_sync.metrics.currency_readings import currency_reading
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.fx import Rates
from okr_sync.metrics.mean_readings import mean_reading
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.quantiles import percent_of
from okr_sync.metrics.readings import (
    Reading,
    is_unknown,
    measure_agg,
    missing_flag,
    percentile_beside,
    quotient,
)
from okr_sync.metrics.record_fields import converts_currency
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
    return _with_bad_values(reading, bad, source) if bad else reading


def _agg_reading(
    metric: AggMetric | SnapshotMetric, where: ColumnElement[bool], source: Filterable
) -> Reading:
    aggregation = metric.aggregation
    condition = and_(where, condition_sql(aggregation.where, source))
    percent = percent_of(aggregation.agg)
    if percent is not None:
        x = number_column(aggregation.field, aggregation.agg, source)
        return Reading(
            lambda windows: (count_where(condition),),
            lambda figures, beside: measure_agg(
                metric, Amount(beside[0] / MICROS, beside[1]) if beside else Amount(None, 0)
            ),
            percentile_beside(percent, x, lambda windows: condition),
        )
    columns = aggregate_columns(aggregation, condition, source)
    return Reading(
        lambda windows: columns.columns,
        lambda figures, beside: measure_agg(metric, columns.read(figures)),
    )


def _ratio_reading(metric: RatioMetric, where: ColumnElement[bool], source: Filterable) -> Reading:
    parts: list[AggregateColumns] = []
    for part in (metric.numerator, metric.denominator):
        condition = and_(where, condition_sql(part.where, source))
        parts.append(aggregate_columns(part, condition, source))
    top, bottom = parts
    split = len(top.columns)

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

    return Reading(lambda windows: (*top.columns, *bottom.columns), finish)


def holds_bad_value(source: Filterable, field: str) -> ColumnElement[bool]:
    """Whether a record's value of a field could not be read."""
    names: ColumnElement[str] = source.table.c.bad_fields
    return names.contains(f",{field},", autoescape=True)


def _with_bad_values(reading: Reading, bad: Iterable[str], source: Filterable) -> Reading:
    """The same reading, flagged with the records in the window whose values could not be read."""
    is_bad = or_(*(holds_bad_value(source, field) for field in bad))

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        return (*reading.columns(windows), count_where(is_bad))

    def finish(figures: Figures, beside: Any) -> Measurement:
        found = reading.finish(figures[:-1], beside)
        count = int(figures[-1] or 0)
        if not count:
            return found
        quality = tuple(sorted((*found.quality, f"bad_value:{count}")))
        return Measurement(
            found.value, found.numerator, found.denominator, found.sample_size, quality
        )

    return Reading(columns, finish, reading.beside)
