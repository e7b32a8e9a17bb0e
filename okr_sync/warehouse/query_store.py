"""Results of `sql` metrics: what a statement said for an as-of day and a window.

Belongs here: writing and reading source_query_result, and why a statement gave nothing. Does not
belong here: running statements (connectors.sql) or what their results mean (metrics).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, delete, insert, select

from okr_sync.warehouse.tables import source_field, source_query_result, source_state
from okr_sync.warehouse.upsert import upsert

QUERIES_DATASET = "queries"
"""The name under which a source's pulls and its state speak of all its statements."""


@dataclass(frozen=True)
class QueryResult:
    """The one row of a statement for a day and window: `value`, or `numerator` and `denominator`.

    `query` is query_key of its text; what the row did not have, or had as null, is None.
    """

    query: str
    as_of: date
    window_start: date
    window_end: date
    value: Decimal | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None


def query_key(text: str) -> str:
    """What a statement is known by: 64 hex digits of its text, so that a change is another one."""
    return hashlib.sha256(text.encode()).hexdigest()


def put_query_results(
    connection: Connection, source: str, results: Iterable[QueryResult], read_at: datetime
) -> None:
    """Store results, each in the place of what was known of the same statement, day and window."""
    latest = {(one.query, one.as_of, one.window_start, one.window_end): one for one in results}
    rows = [
        {
            "source": source,
            "query": one.query,
            "as_of": one.as_of,
            "window_start": one.window_start,
            "window_end": one.window_end,
            "value": one.value,
            "numerator": one.numerator,
            "denominator": one.denominator,
            "read_at": read_at,
        }
        for one in latest.values()
    ]
    upsert(connection, source_query_result, rows)


def query_result(
    connection: Connection,
    source: str,
    text: str,
    as_of: date,
    window_start: date,
    window_end: date,
) -> QueryResult | None:
    """What a statement said for a day and window, or None if it has not been run for them."""
    table = source_query_result
    row = connection.execute(
        select(
            table.c.query,
            table.c.as_of,
            table.c.window_start,
            table.c.window_end,
            table.c.value,
            table.c.numerator,
            table.c.denominator,
        ).where(
            table.c.source == source,
            table.c.query == query_key(text),
            table.c.as_of == as_of,
            table.c.window_start == window_start,
            table.c.window_end == window_end,
        )
    ).one_or_none()
    return None if row is None else QueryResult(*row)


def record_queries_complete(
    connection: Connection, source: str, refusals: Mapping[str, str], at: datetime
) -> None:
    """Say that all statements asked for were run, but those in `refusals`: key → why, for people.

    What was said of statements before is forgotten.
    """
    mine = (source_field.c.source == source) & (source_field.c.dataset == QUERIES_DATASET)
    connection.execute(delete(source_field).where(mine))
    if refusals:
        connection.execute(
            insert(source_field),
            [
                {"source": source, "dataset": QUERIES_DATASET, "field": key, "error": text}
                for key, text in sorted(refusals.items())
            ],
        )
    upsert(
        connection,
        source_state,
        [{"source": source, "dataset": QUERIES_DATASET, "complete_at": at}],
    )


def query_refusals(connection: Connection, source: str) -> dict[str, str]:
    """Why statements gave nothing when they were last run, by key."""
    rows = connection.execute(
        select(source_field.c.field, source_field.c.error).where(
            source_field.c.source == source,
            source_field.c.dataset == QUERIES_DATASET,
            source_field.c.error.is_not(None),
        )
    )
    return {field: error for field, error in rows}
