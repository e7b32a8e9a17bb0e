"""Published measurements of metrics, for what can't be measured again.

Belongs here: finding the latest revision of a metric's value for a day and a window. Does not belong
here: publishing (publish) or which days are asked for (sync).
"""

from collections.abc import Collection

from sqlalchemy import Connection, select

from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.tables import metric_value


def published_measurements(
    connection: Connection, metric: str, spans: Collection[Span]
) -> dict[Span, Measurement]:
    """What is published of a metric for these days and windows; a span without a row is absent."""
    if not spans:
        return {}
    days = [span.as_of for span in spans]
    table = metric_value.c
    rows = connection.execute(
        select(metric_value).where(
            table.metric == metric,
            table.as_of.between(min(days), max(days)),
            table.superseded_at.is_(None),
        )
    ).mappings()
    stored = {
        (row["as_of"], row["window_start"], row["window_end"]): Measurement(
            row["value"], row["numerator"], row["denominator"], row["sample_size"], row["quality"]
        )
        for row in rows
    }
    keys = {span: (span.as_of, span.window.start_day, span.window.end_day) for span in spans}
    return {span: stored[key] for span, key in keys.items() if key in stored}
