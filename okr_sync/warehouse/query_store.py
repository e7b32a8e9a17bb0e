"""What the statements of `sql` metrics gave, for each as-of day and window.

Belongs here: storing and finding these results. Does not belong here: running statements
(connectors.sql) or what is made of a result (metrics).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import Connection

from okr_sync.warehouse.tables import source_query_result
from okr_sync.warehouse.upsert import upsert


@dataclass(frozen=True)
class QueryResult:
    """The one row of a statement: `value`, or `numerator` and `denominator`; NULL is None.

    `query` is the statement's key (query_key); `window_end` is the first day after the window.
    """

    query: str
    as_of: date
    window_start: date
    window_end: date
    value: Decimal | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None


def query_key(text: str) -> str:
    """The name of a statement in the warehouse: the SHA-256 of its text, so a change is another."""
    return hashlib.sha256(text.encode()).hexdigest()


def put_query_results(
    connection: Connection, source: str, results: Sequence[QueryResult], read_at: datetime
) -> None:
    """Store results; one for the same statement, day and window takes the earlier one's place."""
    rows = {
        (one.query, one.as_of, one.window_start, one.window_end): {
            "source": source,
            "read_at": read_at,
            **vars(one),
        }
        for one in results
    }
    upsert(connection, source_query_result, list(rows.values()))


def query_result(
    connection: Connection,
    source: str,
    text: str,
    as_of: date,
    window_start: date,
    window_end: date,
) -> QueryResult | None:
    """What a statement gave for a day and a window, or None when it was never run for them."""
    table = source_query_result.c
    row = connection.execute(
        sa.select(
            table.query,
            table.as_of,
            table.window_start,
            table.window_end,
            table.value,
            table.numerator,
            table.denominator,
        ).where(
            table.source == source,
            table.query == query_key(text),
            table.as_of == as_of,
            table.window_start == window_start,
            table.window_end == window_end,
        )
    ).one_or_none()
    return None if row is None else QueryResult(*row)
