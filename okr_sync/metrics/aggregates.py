"""One aggregation as SQL columns, and those columns' figures as a number again.

Belongs here: count, sum, average, min, max and count_distinct over the records that satisfy a
condition, exact in every engine. Does not belong here: medians and percentiles (quantiles), which
records are joined to which window (evaluate_records).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, case, distinct, func

from okr_sync.config.models import Aggregation
from okr_sync.errors import SourceError
from okr_sync.metrics.filters import Filterable
from okr_sync.warehouse.encoding import MICROS, from_micros
from okr_sync.warehouse.mirror import FieldType

Figures = Sequence[Any]
"""One row's results for the columns of one aggregate; None or 0 where no record matched."""


@dataclass(frozen=True)
class Amount:
    """A number from many records: None where there is none, with the counts it rests on."""

    number: Decimal | None
    sample_size: int
    missing: int = 0
    """Records that matched but whose field was empty."""


@dataclass(frozen=True)
class AggregateColumns:
    """The SQL columns of one aggregation, and how their figures are read."""

    columns: tuple[ColumnElement[Any], ...]
    read: Callable[[Figures], Amount]


def count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many records satisfy a condition."""
    return func.sum(case((condition, 1), else_=0))


def number_column(field: str | None, agg: str, source: Filterable) -> ColumnElement[Any]:
    """The column of a field that is to be added, averaged or ranked; SourceError if not a number."""
    if field is None:
        raise SourceError(f"`agg: {agg}` needs a `field`.")
    kind = source.types[field]
    if kind is not FieldType.NUMBER:
        raise SourceError(
            f"`agg: {agg}` needs a number, but {field} is of type {kind.value}. "
            "Choose a number field, or use count or count_distinct."
        )
    return source.column(field)


def aggregate_columns(
    aggregation: Aggregation, condition: ColumnElement[bool], source: Filterable
) -> AggregateColumns:
    """The columns for an aggregation over the records that satisfy `condition`."""
    agg, field = aggregation.agg, aggregation.field
    if agg == "count":
        return AggregateColumns((count_where(condition),), _read_count)
    if agg == "count_distinct":
        if field is None:
            raise SourceError("`agg: count_distinct` needs a `field`.")
        column = source.column(field)
        filled = and_(condition, column.is_not(None))
        different = func.count(distinct(case((condition, column))))
        return AggregateColumns((different, count_where(filled)), _read_distinct)
    x = number_column(field, agg, source)
    filled = and_(condition, x.is_not(None))
    counts = (count_where(filled), count_where(and_(condition, x.is_(None))))
    if agg in ("sum", "average"):
        # Two sums, because one over many millionths could pass what SQLite's integers hold.
        wholes = func.sum(case((filled, x // MICROS), else_=0))
        rests = func.sum(case((filled, x % MICROS), else_=0))
        return AggregateColumns(
            (wholes, rests, *counts), _read_sum if agg == "sum" else _read_average
        )
    if agg in ("min", "max"):
        extreme = (func.min if agg == "min" else func.max)(case((filled, x)))
        return AggregateColumns((extreme, *counts), _read_extreme)
    raise SourceError(
        f"`agg: {agg}` can't be used inside a ratio. Use count, sum, average, min, max or "
        "count_distinct."
    )


def _read_count(figures: Figures) -> Amount:
    n = int(figures[0] or 0)
    return Amount(Decimal(n), n)


def _read_distinct(figures: Figures) -> Amount:
    return Amount(Decimal(int(figures[0] or 0)), int(figures[1] or 0))


def _total(figures: Figures) -> Decimal:
    return from_micros(int(figures[0] or 0) * MICROS + int(figures[1] or 0))


def _read_sum(figures: Figures) -> Amount:
    return Amount(_total(figures), int(figures[2] or 0), int(figures[3] or 0))


def _read_average(figures: Figures) -> Amount:
    n = int(figures[2] or 0)
    return Amount(_total(figures) / n if n else None, n)


def _read_extreme(figures: Figures) -> Amount:
    extreme = None if figures[0] is None else from_micros(int(figures[0]))
    return Amount(extreme, int(figures[1] or 0))
