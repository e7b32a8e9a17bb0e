"""Readings of amounts in several currencies, converted at the rate of each record's day.

Belongs here: sums per day and currency in SQL, multiplied by the day's rate once. Does not belong
here: which rate a day has (fx), amounts in one currency (aggregates).
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from okr_sync.config.models import AggMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.aggregates import Amount, number_column
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.fx import Rates
from okr_sync.metrics.local_days import local_day
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.measures import Figures
from okr_sync.metrics.readings import Cells, Reading, measure_agg
from okr_sync.metrics.whole_numbers import rest, whole_quotient
from okr_sync.warehouse.encoding import MICROS, from_micros


@dataclass
class _Converted:
    """What the records of a cell come to, and how many of them are left out."""

    total: Decimal = Decimal(0)
    count: int = 0
    missing_value: int = 0
    missing_rate: int = 0


def currency_reading(
    metric: AggMetric,
    where: ColumnElement[bool],
    source: Filterable,
    rates_into: Callable[[str], Rates],
) -> Reading:
    """The sum or average of amounts in the metric's currency; SourceError for other aggregations.

    A record without an amount, a currency or a rate for its day is left out and flagged.
    """
    aggregation = metric.aggregation
    if aggregation.agg not in ("sum", "average"):
        raise SourceError(
            f"`agg: {aggregation.agg}` can't be taken over several currencies. Use sum or average, "
            "or a field that is in one currency already."
        )
    if metric.currency is None or metric.currency_field is None or metric.time is None:
        raise ValueError(f"metric {metric.name} converts nothing")
    rates = rates_into(metric.currency)
    amount = number_column(aggregation.field, aggregation.agg, source)
    code = source.column(metric.currency_field)
    condition = and_(where, condition_sql(aggregation.where, source))

    def beside(connection: Connection, cells: Cells) -> dict[int, Any]:
        if cells.anchor is None:
            raise ValueError("records without a time have no day")
        on_day = local_day(cells.source, cells.anchor, cells.first_day, cells.last_day)
        day = on_day.label("day")
        rows = cells.select(day, code.label("code"), amount.label("x")).where(condition).subquery()
        x = rows.c.x
        query = (
            select(
                rows.c.span,
                rows.c.day,
                rows.c.code,
                func.sum(whole_quotient(x, MICROS)),
                func.sum(rest(x, MICROS)),
                func.count(x),
                func.count(),
            )
            .group_by(rows.c.span, rows.c.day, rows.c.code)
            .order_by(rows.c.span, rows.c.day, rows.c.code)
        )
        found: dict[int, Any] = {}
        for span, on, currency, wholes, rests, filled, count in connection.execute(query):
            converted = found.setdefault(span, _Converted())
            converted.missing_value += count - filled
            rate = None if currency is None else rates.rate(currency.strip().upper(), on)
            if rate is None:
                converted.missing_rate += filled
            elif filled:
                converted.total += from_micros(int(wholes) * MICROS + int(rests)) * rate
                converted.count += filled
        return found

    def finish(figures: Figures, beside: Any) -> Measurement:
        return _measure(metric, beside or _Converted())

    return Reading(lambda windows: (), finish, beside)


def _measure(metric: AggMetric, converted: _Converted) -> Measurement:
    number: Decimal | None = converted.total
    if metric.aggregation.agg == "average":
        number = converted.total / converted.count if converted.count else None
    found = measure_agg(metric, Amount(number, converted.count, converted.missing_value))
    if not converted.missing_rate:
        return found
    # Where nothing could be converted, the amount is not known; it is not zero.
    value = found.value if converted.count else None
    flags = sorted((*found.quality, f"missing_rate:{converted.missing_rate}"))
    return Measurement(value, sample_size=found.sample_size, quality=tuple(flags))
