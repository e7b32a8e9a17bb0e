"""What each kind of metric reads from a scan of records, and what the figures mean.

Belongs here: the SQL columns of agg, ratio, conversion and duration, and how a row of figures becomes
a measurement. Does not belong here: the scan itself (evaluate_records), single aggregations
(aggregates), percentiles (quantiles).

Division happens once, at the end, on exact numbers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, and_, case, func, literal, or_, select

from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    RatioMetric,
)
from okr_sync.errors import SourceError
from okr_sync.metrics.aggregates import (
    AggregateColumns,
    Amount,
    Figures,
    aggregate_columns,
    count_where,
    number_column,
)
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.quantiles import percent_of, quantile_query, quantiles
from okr_sync.metrics.record_fields import fields_of_metric
from okr_sync.warehouse.encoding import MICROS
from okr_sync.warehouse.mirror import FieldType

_MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Reading:
    """A metric's columns in the scan, its ranked rows if any, and how both become a measurement."""

    columns: Callable[[CTE], tuple[ColumnElement[Any], ...]]
    finish: Callable[[Figures, tuple[Decimal, int] | None], Measurement]
    percent: int | None = None
    x: ColumnElement[Any] | None = None
    condition: Callable[[CTE], ColumnElement[bool]] | None = None

    def ranked(
        self,
        connection: Connection,
        source: Filterable,
        windows: CTE,
        in_window: ColumnElement[bool],
    ) -> dict[int, tuple[Decimal, int]]:
        """Per span number the percentile (in the column's unit) and its sample, where one is wanted."""
        if self.percent is None or self.x is None or self.condition is None:
            return {}
        span, x = windows.c.span, self.x.label("x")
        rows = (
            select(span, x)
            .select_from(windows.join(source.table, in_window))
            .where(self.condition(windows), self.x.is_not(None))
        )
        return quantiles(connection, quantile_query(span, x, rows, self.percent), self.percent)


def reading_of(metric: AnyMetric, source: Filterable, bad_fields: frozenset[str]) -> Reading:
    """What a metric reads of a table's records; SourceError where it can't be read from them.

    `bad_fields` are the fields of which some record holds an unreadable value.
    """
    where = condition_sql(metric.where, source)
    if isinstance(metric, AggMetric):
        reading = _agg_reading(metric, where, source)
    elif isinstance(metric, RatioMetric):
        reading = _ratio_reading(metric, where, source)
    elif isinstance(metric, ConversionMetric):
        reading = _conversion_reading(metric, where, source)
    else:
        reading = _duration_reading(metric, where, source)
    bad = sorted(fields_of_metric(metric) & bad_fields)
    return _with_bad_values(reading, bad, where, source) if bad else reading


def _agg_reading(metric: AggMetric, where: ColumnElement[bool], source: Filterable) -> Reading:
    aggregation = metric.aggregation
    condition = and_(where, condition_sql(aggregation.where, source))
    percent = percent_of(aggregation.agg)
    if percent is not None:
        x = number_column(aggregation.field, aggregation.agg, source)
        return Reading(
            lambda windows: (count_where(condition),),
            lambda figures, ranked: _measure_agg(
                metric, Amount(ranked[0] / MICROS, ranked[1]) if ranked else Amount(None, 0)
            ),
            percent,
            x,
            lambda windows: condition,
        )
    columns = aggregate_columns(aggregation, condition, source)
    return Reading(
        lambda windows: columns.columns,
        lambda figures, ranked: _measure_agg(metric, columns.read(figures)),
    )


def _measure_agg(metric: AggMetric, amount: Amount) -> Measurement:
    value = amount.number
    agg = metric.aggregation.agg
    if amount.sample_size == 0 and amount.missing == 0:
        if metric.empty == "null":
            value = None
        elif metric.empty == "zero" and value is None:
            value = Decimal(0)
    quality: list[str] = []
    if agg == "sum" and amount.missing:
        quality.append(_missing_flag(metric.aggregation.field, amount.missing))
        if _is_unknown(agg, amount):
            value = None
    return Measurement(value, sample_size=amount.sample_size, quality=tuple(quality))


def _is_unknown(agg: str, amount: Amount) -> bool:
    """Whether records matched but none has an amount to add: that is not knowing, not zero."""
    return agg == "sum" and amount.sample_size == 0 and amount.missing > 0


def _missing_flag(field: str | None, count: int) -> str:
    name = "missing_home_currency" if field == "amount_in_home_currency" else "missing_value"
    return f"{name}:{count}"


def _ratio_reading(metric: RatioMetric, where: ColumnElement[bool], source: Filterable) -> Reading:
    parts: list[AggregateColumns] = []
    for part in (metric.numerator, metric.denominator):
        condition = and_(where, condition_sql(part.where, source))
        parts.append(aggregate_columns(part, condition, source))
    top, bottom = parts
    split = len(top.columns)

    def finish(figures: Figures, ranked: tuple[Decimal, int] | None) -> Measurement:
        above, below = top.read(figures[:split]), bottom.read(figures[split:])
        quality = [
            _missing_flag(part.field, amount.missing)
            for part, amount in ((metric.numerator, above), (metric.denominator, below))
            if part.agg == "sum" and amount.missing
        ]
        if _is_unknown(metric.numerator.agg, above) or _is_unknown(metric.denominator.agg, below):
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


def quotient(
    numerator: Decimal | None, denominator: Decimal | None, empty: str | None
) -> Decimal | None:
    """Numerator ÷ denominator; over nothing there is no value, unless `empty: zero` asks for 0."""
    if numerator is None or not denominator:
        return Decimal(0) if empty == "zero" and not denominator else None
    return numerator / denominator


def _milliseconds(source: Filterable, field: str) -> ColumnElement[Any]:
    """A time field in milliseconds; a calendar day counts from its UTC midnight."""
    at = source.column(field)
    return at * literal(_MS_PER_DAY) if source.types[field] is FieldType.DAY else at


def _same_clock(metric: ConversionMetric | DurationMetric, source: Filterable) -> None:
    kinds = {source.types[metric.from_time], source.types[metric.to_time]}
    if len(kinds) > 1:
        raise SourceError(
            f"{metric.from_time} and {metric.to_time} can't be subtracted: one is a day, the other "
            "a time of day. Use two fields of the same type."
        )


def _conversion_reading(
    metric: ConversionMetric, where: ColumnElement[bool], source: Filterable
) -> Reading:
    _same_clock(metric, source)
    first, second = _milliseconds(source, metric.from_time), _milliseconds(source, metric.to_time)
    by_day = source.types[metric.from_time] is FieldType.DAY
    days = metric.within // timedelta(days=1)
    within = days * _MS_PER_DAY if by_day else metric.within // timedelta(milliseconds=1)

    def had_its_time(windows: CTE) -> ColumnElement[bool]:
        if by_day:
            # Its last day counts to the end, by the project's clock: a day has no time of day.
            return source.column(metric.from_time) + literal(days) < windows.c.open_day
        return first + within <= windows.c.as_of_ms

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        mature = and_(where, had_its_time(windows))
        converted = and_(mature, second >= first, second <= first + within)
        return (
            count_where(mature),
            count_where(converted),
            count_where(where),
            count_where(and_(mature, second < first)),
        )

    def finish(figures: Figures, ranked: tuple[Decimal, int] | None) -> Measurement:
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


def _duration_reading(
    metric: DurationMetric, where: ColumnElement[bool], source: Filterable
) -> Reading:
    _same_clock(metric, source)
    first, second = _milliseconds(source, metric.from_time), _milliseconds(source, metric.to_time)
    valid = and_(where, first.is_not(None), second >= first)

    def arrived(windows: CTE) -> ColumnElement[bool]:
        if metric.cohort != "start":
            return valid
        # By the day it started, only those that had arrived by the as-of instant are known.
        if source.types[metric.to_time] is FieldType.DAY:
            return and_(valid, source.column(metric.to_time) <= windows.c.as_of_day)
        return and_(valid, second < windows.c.as_of_ms)

    elapsed = second - first
    percent = percent_of(metric.agg)

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        condition = arrived(windows)
        return (
            count_where(condition),
            func.sum(case((condition, elapsed), else_=0)),
            func.min(case((condition, elapsed))),
            func.max(case((condition, elapsed))),
            count_where(and_(where, second < first)),
        )

    def finish(figures: Figures, ranked: tuple[Decimal, int] | None) -> Measurement:
        n, negative = int(figures[0] or 0), int(figures[4] or 0)
        milliseconds = {
            "average": None if not n else Decimal(int(figures[1])) / n,
            "min": None if not n else Decimal(int(figures[2])),
            "max": None if not n else Decimal(int(figures[3])),
        }.get(metric.agg, ranked[0] if ranked else None)
        value = None if milliseconds is None else milliseconds / _MS_PER_DAY
        if value is None and metric.empty == "zero":
            value = Decimal(0)
        quality = (f"negative_duration:{negative}",) if negative else ()
        return Measurement(value, sample_size=n, quality=quality)

    return Reading(columns, finish, percent, elapsed, arrived)


def holds_bad_value(source: Filterable, field: str) -> ColumnElement[bool]:
    """Whether a record's value of a field could not be read."""
    names: ColumnElement[str] = source.table.c.bad_fields
    return names.contains(f",{field},", autoescape=True)


def _with_bad_values(
    reading: Reading, bad: Iterable[str], where: ColumnElement[bool], source: Filterable
) -> Reading:
    """The same reading, flagged with the records in the window whose values could not be read."""
    is_bad = or_(*(holds_bad_value(source, field) for field in bad))

    def columns(windows: CTE) -> tuple[ColumnElement[Any], ...]:
        return (*reading.columns(windows), count_where(is_bad))

    def finish(figures: Figures, ranked: tuple[Decimal, int] | None) -> Measurement:
        found = reading.finish(figures[:-1], ranked)
        count = int(figures[-1] or 0)
        if not count:
            return found
        quality = tuple(sorted((*found.quality, f"bad_value:{count}")))
        return Measurement(
            found.value, found.numerator, found.denominator, found.sample_size, quality
        )

    return Reading(columns, finish, reading.percent, reading.x, reading.condition)
