"""Metrics of the kind `sql`: what their statements said, as measurements.

Belongs here: what the row of a statement means. Does not belong here: running statements
(connectors.sql) or storing their rows (warehouse.query_store).
"""

from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy import Connection

from okr_sync.config.models import SqlMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.readings import quotient
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.query_store import query_key, query_refusals, query_result


def evaluate_query(
    connection: Connection, metric: SqlMetric, spans: Iterable[Span]
) -> dict[Span, Measurement]:
    """The measurements of a `sql` metric; SourceError where its statement has not been run or failed."""
    refusal = query_refusals(connection, metric.source).get(query_key(metric.text))
    if refusal is not None:
        raise SourceError(refusal)
    return {span: _measure(connection, metric, span) for span in spans}


def _measure(connection: Connection, metric: SqlMetric, span: Span) -> Measurement:
    window = span.window
    found = query_result(
        connection, metric.source, metric.text, span.as_of, window.start_day, window.end_day
    )
    if found is None:
        raise SourceError(
            f"its statement has not been run on {metric.source} for {window.start_day} to "
            f"{span.as_of}. Run `okr-sync sync` for this key result."
        )
    if found.numerator is None and found.denominator is None:
        value = found.value
        if value is None and metric.empty == "zero":
            value = Decimal(0)
        return Measurement(value)
    below = found.denominator
    is_count = below is not None and below >= 0 and below == below.to_integral_value()
    return Measurement(
        quotient(found.numerator, below, metric.empty),
        found.numerator,
        below,
        int(below) if is_count and below is not None else None,
    )
