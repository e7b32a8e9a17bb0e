"""Scans of records: which records lie in which window, for many windows and metrics in one statement.

Belongs here: the table of windows (or of windows and groups) that every query joins the records to,
and the one pass for metrics that look at the same time field. Does not belong here: what the columns
are (record_readings) or which metrics go together (evaluate_records).
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Text,
    and_,
    column,
    select,
    true,
)

from okr_sync.metrics.aggregates import count_where
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.grouping import Group
from okr_sync.metrics.literal_rows import literal_rows
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.measures import Figures
from okr_sync.metrics.readings import Cells, Reading
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.encoding import day_number, epoch_ms
from okr_sync.warehouse.mirror import FieldType


def cells_of_spans(source: Filterable, anchor: str | None, spans: Sequence[Span]) -> Cells:
    """A cell for each span, numbered in order; without an anchor every record lies in each."""
    windows = _windows_table(spans, source.zone)
    return _cells(source, anchor, spans, windows, _in_window(source, anchor, windows), len(spans))


def cells_of_groups(
    source: Filterable, anchor: str | None, by: str, spans: Sequence[Span], groups: Sequence[Group]
) -> Cells:
    """A cell for each span and group: number = number of the span × groups + number of the group."""
    windows = _windows_table(spans, source.zone)
    kind = BigInteger() if isinstance(groups[0].value, int) else Text()
    named = literal_rows(
        "named",
        [column("number", Integer), column("value", kind)],
        [(number, group.value) for number, group in enumerate(groups)],
    )
    others = [each for each in windows.c if each.name != "span"]
    cells = (
        select(
            (windows.c.span * len(groups) + named.c.number).label("span"), *others, named.c.value
        )
        .select_from(windows.join(named, true()))
        .cte("cells")
    )
    in_cell = and_(_in_window(source, anchor, cells), source.column(by) == cells.c.value)
    return _cells(source, anchor, spans, cells, in_cell, len(spans) * len(groups))


def _cells(
    source: Filterable,
    anchor: str | None,
    spans: Sequence[Span],
    table: CTE,
    inside: ColumnElement[bool],
    count: int,
) -> Cells:
    first_day = min(span.window.start_day for span in spans)
    last_day = max(span.window.end_day for span in spans) - timedelta(days=1)
    return Cells(source, table, inside, count, anchor, first_day, last_day)


def scan(
    connection: Connection, cells: Cells, readings: Sequence[Reading]
) -> list[list[Measurement]]:
    """One pass over the records: for each reading, its measurements in the order of the cells."""
    columns = [reading.columns(cells.table) for reading in readings]
    labelled = [each.label(f"c{i}") for i, each in enumerate(chain(*columns))]
    query = cells.select(*labelled).group_by(cells.table.c.span)
    rows = {row[0]: row[1:] for row in connection.execute(query)}
    nothing: Figures = [None] * len(labelled)
    found: list[list[Measurement]] = []
    start = 0
    for reading, own in zip(readings, columns, strict=True):
        end = start + len(own)
        beside: dict[int, Any] = {} if reading.beside is None else reading.beside(connection, cells)
        found.append(
            [
                reading.finish(rows.get(number, nothing)[start:end], beside.get(number))
                for number in range(cells.count)
            ]
        )
        start = end
    return found


def count_in_cells(
    connection: Connection, cells: Cells, condition: ColumnElement[bool]
) -> dict[int, int]:
    """By cell how many records satisfy a condition; cells without any are left out."""
    query = cells.select(count_where(condition)).group_by(cells.table.c.span)
    return {number: int(count) for number, count in connection.execute(query) if count}


def _windows_table(spans: Sequence[Span], zone: ZoneInfo) -> CTE:
    """The spans as rows: number, window in milliseconds and in days, and up to when things are known.

    That is the as-of instant, and the first day that has not wholly passed by then.
    """
    rows = [
        (
            number,
            epoch_ms(span.window.start_at),
            epoch_ms(span.window.end_at),
            day_number(span.window.start_day),
            day_number(span.window.end_day),
            epoch_ms(span.as_of_at),
            day_number(span.as_of_at.astimezone(zone).date()),
        )
        for number, span in enumerate(spans)
    ]
    return literal_rows(
        "windows",
        [
            column("span", Integer),
            column("start_ms", BigInteger),
            column("end_ms", BigInteger),
            column("start_day", Integer),
            column("end_day", Integer),
            column("as_of_ms", BigInteger),
            column("open_day", BigInteger),
        ],
        rows,
    )


def _in_window(source: Filterable, anchor: str | None, windows: CTE) -> ColumnElement[bool]:
    if anchor is None:
        return true()
    at = source.column(anchor)
    if source.types[anchor] is FieldType.DAY:
        return and_(at >= windows.c.start_day, at < windows.c.end_day)
    return and_(at >= windows.c.start_ms, at < windows.c.end_ms)
