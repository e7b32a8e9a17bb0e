"""A reading: what one metric reads from a scan of records, and how that becomes a measurement.

Belongs here: the shape that scans and all kinds of readings share, percentiles beside a scan, the
division. Does not belong here: the columns of each kind of metric (record_readings, time_readings,
mean_readings, currency_readings).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Select, select

from okr_sync.config.models import AggMetric, SnapshotMetric
from okr_sync.metrics.aggregates import Amount
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.measures import Daily, Figures
from okr_sync.metrics.quantiles import quantile_query, quantiles

MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Cells:
    """What records are counted in: the windows, or each group in each window.

    `table` has a row a cell, whose number is `span`; `inside` holds for the records of a cell.
    `anchor` is the time field that lies in the window, from first_day to last_day over all cells.
    """

    source: Filterable
    table: CTE
    inside: ColumnElement[bool]
    count: int
    anchor: str | None
    first_day: date
    last_day: date

    def select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """A query for the cell's number and these columns, of every record in every cell."""
        joined = self.table.join(self.source.table, self.inside)
        return select(self.table.c.span, *columns).select_from(joined)


Beside = Callable[[Connection, Cells], dict[int, Any]]
"""A query of a reading's own, whose results go by cell number to its `finish`."""


@dataclass(frozen=True)
class Reading:
    """A metric's columns in the scan, its own query if any, and how both become a measurement.

    `finish` gets the figures of its columns (None each where no record is in the cell) and what
    `beside` found for the cell (None where it found nothing). A reading whose figures can be added up
    day by day says in `daily` how.
    """

    columns: Callable[[CTE], tuple[ColumnElement[Any], ...]]
    finish: Callable[[Figures, Any], Measurement]
    beside: Beside | None = None
    daily: Daily | None = None


def percentile_beside(
    percent: int, x: ColumnElement[Any], condition: Callable[[CTE], ColumnElement[bool]]
) -> Beside:
    """By cell the percentile of x (in the column's unit) over the records that satisfy a condition.

    What is found is a pair of the percentile and the number of records it rests on.
    """

    def read(connection: Connection, cells: Cells) -> dict[int, Any]:
        ranked = x.label("x")
        rows = cells.select(ranked).where(condition(cells.table), x.is_not(None))
        return dict(
            quantiles(
                connection, quantile_query(cells.table.c.span, ranked, rows, percent), percent
            )
        )

    return read


def quotient(
    numerator: Decimal | None, denominator: Decimal | None, empty: str | None
) -> Decimal | None:
    """Numerator ÷ denominator; over nothing there is no value, unless `empty: zero` asks for 0."""
    if numerator is None or not denominator:
        return Decimal(0) if empty == "zero" and not denominator else None
    return numerator / denominator


def measure_agg(metric: AggMetric | SnapshotMetric, amount: Amount) -> Measurement:
    """The measurement that an amount means, by what `empty` says of nothing."""
    value = amount.number
    agg = metric.aggregation.agg
    if amount.sample_size == 0 and amount.missing == 0:
        if metric.empty == "null":
            value = None
        elif metric.empty == "zero" and value is None:
            value = Decimal(0)
    quality: list[str] = []
    if agg == "sum" and amount.missing:
        quality.append(missing_flag(metric.aggregation.field, amount.missing))
        if is_unknown(agg, amount):
            value = None
    return Measurement(value, sample_size=amount.sample_size, quality=tuple(quality))


def is_unknown(agg: str, amount: Amount) -> bool:
    """Whether records matched but none has an amount to add: that is not knowing, not zero."""
    return agg == "sum" and amount.sample_size == 0 and amount.missing > 0


def missing_flag(field: str | None, count: int) -> str:
    """The flag for records that match but whose amount is empty."""
    name = "missing_home_currency" if field == "amount_in_home_currency" else "missing_value"
    return f"{name}:{count}"
