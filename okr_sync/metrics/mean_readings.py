"""Readings of ratios pooled as a mean: the mean of each record's own rate.

Belongs here: the SQL columns of `pool: mean`. Does not belong here: sums divided by sums
(record_readings).

Each record's rate is worked out to 12 decimal places (the places in double precision) and added up
as whole numbers, so that the order of records does not matter; the mean is rounded to 12
significant digits.
"""

from decimal import Context, Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Double, Numeric, and_, case, cast, func

from okr_sync.config.models import RatioMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.aggregates import number_column
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.measures import Figures, Measure, Part, over_window
from okr_sync.metrics.readings import Reading
from okr_sync.metrics.whole_numbers import rest, whole_quotient

_PLACES: Final = 10**12
_ROUNDED: Final = Context(prec=12)


def mean_reading(metric: RatioMetric, where: ColumnElement[bool], source: Filterable) -> Reading:
    """The mean of numerator ÷ denominator of each record; SourceError unless both are sums.

    Records whose denominator is 0 or empty, or whose numerator is empty, are left out and flagged.
    """
    if metric.numerator.agg != "sum" or metric.denominator.agg != "sum":
        raise SourceError(
            "`pool: mean` takes each record's own rate, so both halves must be `agg: sum` of a "
            "field. Use `pool: sums` for counts."
        )
    above = number_column(metric.numerator.field, "sum", source)
    below = number_column(metric.denominator.field, "sum", source)
    asked = and_(where, condition_sql(metric.denominator.where, source))
    if metric.numerator.where.tests:
        # As in a sum, a record that the numerator does not look at contributes nothing to it.
        above = case((condition_sql(metric.numerator.where, source), above), else_=0)
    has_rate = and_(below != 0, above.is_not(None))
    divisor = func.nullif(below, 0, type_=BigInteger())
    part = cast(rest(above, divisor), Double) / cast(divisor, Double) * _PLACES
    # Halves of a NUMERIC are rounded away from zero in every engine; those of a double are not.
    rounded = cast(func.round(cast(part, Numeric)), BigInteger)
    fields = (metric.numerator.field, metric.denominator.field, metric.numerator.where.key())
    name = " ".join(str(field) for field in fields)
    measures = (
        Measure(f"rate wholes {name}", has_rate, whole_quotient(above, divisor)),
        Measure(f"rate places {name}", has_rate, rounded),
        Measure(f"rates {name}", has_rate),
        Measure(f"rates over 0 {name}", func.coalesce(below, 0) == 0),
        Measure(f"rates of none {name}", and_(below != 0, above.is_(None))),
    )

    def finish(figures: Figures, beside: Any) -> Measurement:
        total, places, n, empty, missing = (int(figure or 0) for figure in figures)
        value = _ROUNDED.plus((total + Decimal(places) / _PLACES) / n) if n else None
        if value is None and metric.empty == "zero" and not empty and not missing:
            value = Decimal(0)
        flags = [f"zero_denominator:{empty}"] if empty else []
        flags += [f"missing_value:{missing}"] if missing else []
        return Measurement(value, sample_size=n, quality=tuple(sorted(flags)))

    columns = tuple(measure.column(asked) for measure in measures)
    parts = [Part((metric.where, metric.denominator.where), each) for each in measures]
    daily = over_window(parts, source, metric.time)
    return Reading(lambda windows: columns, finish, daily=daily)
