"""Medians and percentiles, exact: the engine picks two neighbours, we interpolate between them.

Belongs here: the one definition of a percentile (linear interpolation between order statistics, as
PostgreSQL's percentile_cont and pandas' default) in SQL that every engine runs alike. Does not
belong here: which records are looked at (evaluate).
"""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import CTE, ColumnElement, Connection, Select, func, select

from okr_sync.metrics.whole_numbers import whole_quotient


def percent_of(agg: str) -> int | None:
    """The percentile that an aggregation's name means: 50 for `median`, 90 for `p90`, else None."""
    if agg == "median":
        return 50
    if agg.startswith("p") and agg[1:].isdigit():
        return int(agg[1:])
    return None


def quantile_query(
    span: ColumnElement[int], x: ColumnElement[int], rows: Select[tuple[int, int]], percent: int
) -> Select[tuple[int, int, int, int]]:
    """A query for (span, n, rank, x): per span the one or two ranks that the percentile lies between.

    `rows` selects `span` and a non-null whole number `x`.
    """
    base = rows.subquery("q")
    ranked: CTE = select(
        base.c[span.name].label("span"),
        base.c[x.name].label("x"),
        func.row_number()
        .over(partition_by=base.c[span.name], order_by=base.c[x.name])
        .label("rank"),
        func.count().over(partition_by=base.c[span.name]).label("n"),
    ).cte("ranked")
    lower = whole_quotient((ranked.c.n - 1) * percent, 100) + 1
    return select(ranked.c.span, ranked.c.n, ranked.c.rank, ranked.c.x).where(
        ranked.c.rank >= lower, ranked.c.rank <= lower + 1
    )


def quantiles(
    connection: Connection, query: Select[tuple[int, int, int, int]], percent: int
) -> dict[int, tuple[Decimal, int]]:
    """Per span the interpolated percentile, in the unit of x, and the number of rows it rests on."""
    picked: dict[int, dict[int, int]] = {}
    counts: dict[int, int] = {}
    for row in connection.execute(query):
        picked.setdefault(row.span, {})[row.rank] = int(row.x)
        counts[row.span] = row.n
    found: dict[int, tuple[Decimal, int]] = {}
    for span, ranks in picked.items():
        lower, hundredths = _rank(counts[span], percent)
        low = ranks[lower]
        found[span] = _between(low, ranks.get(lower + 1, low), hundredths), counts[span]
    return found


def quantile(values: Sequence[int], percent: int) -> tuple[Decimal, int] | None:
    """The same of sorted values that are at hand; None where there are none."""
    if not values:
        return None
    lower, hundredths = _rank(len(values), percent)
    low = values[lower - 1]
    high = values[lower] if lower < len(values) else low
    return _between(low, high, hundredths), len(values)


def _rank(count: int, percent: int) -> tuple[int, int]:
    """The rank (from 1) of the lower neighbour, and hundredths of the way to the next."""
    whole, hundredths = divmod((count - 1) * percent, 100)
    return whole + 1, hundredths


def _between(low: int, high: int, hundredths: int) -> Decimal:
    return low + Decimal((high - low) * hundredths) / 100
