"""One aggregation as SQL columns, and those columns' figures as a number again.

Belongs here: count, sum, average, min, max and count_distinct over the records that satisfy a
condition, exact in every engine. Does not belong here: medians and percentiles (quantiles), which
records are joined to which window (evaluate_records).
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, case, distinct, func

from okr_sync.config.models import Aggregation
from okr_sync.errors import SourceError
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.measures import COUNT, Figures, Measure, Merge, once
from okr_sync.metrics.whole_numbers import rest, whole_quotient
from okr_sync.warehouse.encoding import MICROS, from_micros
from okr_sync.warehouse.mirror import FieldType


@dataclass(frozen=True)
class Amount:
    """A number from many records: None where there is none, with the counts it rests on."""

    number: Decimal | None
    sample_size: int
    missing: int = 0
    """Records that matched but whose field was empty."""


@dataclass(frozen=True)
class Aggregate:
    """One aggregation as SQL, and how its figures are read.

    Either `measures`, which add up day by day, or (for distinct values) just columns of a scan. The
    condition is made where a scan asks for it: most metrics are added up and need none.
    """

    condition: Callable[[], ColumnElement[bool]]
    read: Callable[[Figures], Amount]
    measures: tuple[Measure, ...] = ()
    own_columns: tuple[ColumnElement[Any], ...] = ()

    @property
    def columns(self) -> tuple[ColumnElement[Any], ...]:
        """The columns of a scan whose figures `read` takes."""
        if self.own_columns:
            return self.own_columns
        condition = self.condition()
        return tuple(each.column(condition) for each in self.measures)


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


def aggregate_of(
    aggregation: Aggregation, condition: Callable[[], ColumnElement[bool]], source: Filterable
) -> Aggregate:
    """An aggregation over the records that satisfy `condition`; SourceError where there is none."""
    agg, field = aggregation.agg, aggregation.field
    if agg == "count":
        return Aggregate(condition, _read_count, (COUNT,))
    if agg == "count_distinct":
        if field is None:
            raise SourceError("`agg: count_distinct` needs a `field`.")
        column, holds = source.column(field), condition()
        filled = and_(holds, column.is_not(None))
        different = func.count(distinct(case((holds, column))))
        own = (different, count_where(filled))
        return Aggregate(condition, _read_distinct, own_columns=own)
    x = number_column(field, agg, source)
    if agg in ("sum", "average"):
        read = _read_sum if agg == "sum" else _read_average
        return Aggregate(condition, read, once(source, f"sum {field}", lambda: _sums(field, x)))
    if agg in ("min", "max"):
        extreme = once(source, f"{agg} {field}", lambda: _extreme(field, x, Merge(agg)))
        return Aggregate(condition, _read_extreme, extreme)
    raise SourceError(
        f"`agg: {agg}` can't be used inside a ratio. Use count, sum, average, min, max or "
        "count_distinct."
    )


def _sums(field: str | None, x: ColumnElement[Any]) -> tuple[Measure, ...]:
    # Two sums, because one over many millionths could pass what SQLite's integers hold.
    is_filled = x.is_not(None)
    return (
        Measure(f"wholes {field}", is_filled, whole_quotient(x, MICROS)),
        Measure(f"rests {field}", is_filled, rest(x, MICROS)),
        *_counts(field, x),
    )


def _extreme(field: str | None, x: ColumnElement[Any], merge: Merge) -> tuple[Measure, ...]:
    return Measure(f"{merge.value} {field}", x.is_not(None), x, merge), *_counts(field, x)


def _counts(field: str | None, x: ColumnElement[Any]) -> tuple[Measure, Measure]:
    filled = Measure(f"filled {field}", x.is_not(None))
    return filled, Measure(f"missing {field}", x.is_(None))


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
