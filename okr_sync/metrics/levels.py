"""The change of a level since the start of a window, from the levels that earlier runs have seen.

Belongs here: which earlier observation a snapshot with `change: true` is measured against. Does not
belong here: the level itself (record_readings, evaluate_queries), writing it (warehouse.publish).
"""

from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import Connection, select

from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.tables import metric_value


def changed_since(
    connection: Connection, metric: str, span: Span, level: Measurement
) -> Measurement:
    """The level's change since the window's start: numerator is the level now, denominator then.

    The level then is the latest seen before the window, or else the earliest one seen in it. Where it
    is not from the eve of the window, `level_since:<day>` says from which day it is; where there is
    none, there is no value but the flag `no_earlier_level`.
    """
    earlier = _earlier_level(connection, metric, span)
    eve = span.window.start_day - timedelta(days=1)
    if earlier is None:
        value, then, flag = None, None, "no_earlier_level"
    else:
        day, then = earlier
        value = None if level.value is None else level.value - then
        flag = "" if day == eve else f"level_since:{day}"
    quality = tuple(sorted((*level.quality, *([flag] if flag else []))))
    return Measurement(value, level.value, then, level.sample_size, quality)


def _earlier_level(connection: Connection, metric: str, span: Span) -> tuple[date, Decimal] | None:
    table = metric_value.c
    start = span.window.start_day
    seen = select(table.as_of, table.numerator).where(
        table.metric == metric, table.superseded_at.is_(None), table.numerator.is_not(None)
    )
    # Every window measured on a day saw the same level; the order makes the choice repeatable.
    windows = (table.window_start, table.window_end)
    before = seen.where(table.as_of < start).order_by(table.as_of.desc(), *windows)
    inside = seen.where(table.as_of >= start, table.as_of < span.as_of)
    for query in (before, inside.order_by(table.as_of, *windows)):
        row = connection.execute(query.limit(1)).one_or_none()
        if row is not None:
            return row.as_of, row.numerator
    return None
