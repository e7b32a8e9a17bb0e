"""Putting a whole table into the mirror, all at once or not at all.

Belongs here: rows to records, their ids, and the one transaction. Does not belong here: reading a
table (connectors.sql, connectors.files) or tables of the warehouse (okr_sync.warehouse).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from connectors.base import Progress
from connectors.tabular.columns import BoundColumn
from connectors.tabular.values import read_text
from okr_sync.errors import IncompletePullError
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.checkpoints import bare_stage, drop_stage
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import DatasetState, FieldState, FieldType, Row, column_name
from okr_sync.warehouse.mirror_writes import commit_changes, commit_full_read, store

TextRow = Mapping[str, str | None]
"""A row as texts by column."""

_ROWS_PER_WRITE: Final = 2_000
_ID_DIGITS: Final = 24


def replace_records(
    warehouse: Warehouse,
    need: RecordsNeed,
    columns: Mapping[str, BoundColumn],
    records: Iterable[Row],
    *,
    expected: Callable[[], int],
    known: DatasetState | None,
    state: DatasetState,
    now: datetime,
    progress: Progress,
) -> int:
    """Put these records in the place of a dataset's; gives how many records it then has.

    `expected` is asked after the last record how many there must be. Raises IncompletePullError, and
    then changes nothing.
    """
    types = types_of(columns)
    with warehouse.write() as connection:
        stage = bare_stage(connection, need.source, need.dataset, types, now)
    is_kept = False
    try:
        waiting: list[Row] = []
        read = 0
        for record in records:
            waiting.append(record)
            read += 1
            if len(waiting) >= _ROWS_PER_WRITE:
                progress(read)
                with warehouse.write() as connection:
                    store(connection, stage.table, waiting)
                waiting = []
        count = expected()
        with warehouse.write() as connection:
            store(connection, stage.table, waiting)
            held = commit_full_read(
                connection,
                need.source,
                need.dataset,
                stage=stage.table,
                fields=_states(columns, now),
                known=known,
                state=state,
            )
            if held != count:
                raise IncompletePullError(
                    f"Source {need.source}: {held:,} rows of {need.dataset} could be read, but it "
                    f"has {count:,}. Nothing of this read was used; the next run tries again."
                )
        progress(read)
        is_kept = True
        return held
    finally:
        if not is_kept:
            with warehouse.write() as connection:
                drop_stage(connection, stage)


def types_of(columns: Mapping[str, BoundColumn]) -> dict[str, FieldType]:
    """The columns that can be had, with their types."""
    return {name: one.type for name, one in columns.items() if one.type is not None}


def records_of(rows: Iterable[TextRow], types: Mapping[str, FieldType]) -> Iterator[Row]:
    """The records of rows without ids of their own.

    A record's id is made of its row's bound values and counts rows that are the same in all of them,
    so an unchanged row keeps its id.
    """
    names = sorted(types)
    times_seen: Counter[str] = Counter()
    for row in rows:
        digest = _digest([row.get(name) for name in names])
        times_seen[digest] += 1
        yield record_of(f"{digest}-{times_seen[digest]}", row, types)


def record_of(record_id: str, row: TextRow, types: Mapping[str, FieldType]) -> Row:
    """One record, with the fields whose value can't be read told in `bad_fields`."""
    record: Row = {"id": record_id}
    bad: list[str] = []
    for name in sorted(types):
        record[column_name(name)], is_bad = read_text(row.get(name), types[name])
        if is_bad:
            bad.append(name)
    record["bad_fields"] = f",{','.join(bad)}," if bad else None
    record["created_ms"] = record["updated_ms"] = None
    return record


def confirm_dataset(
    warehouse: Warehouse,
    need: RecordsNeed,
    fields: Mapping[str, FieldState],
    known: DatasetState,
    state: DatasetState,
) -> int:
    """Record that a dataset is as it was; gives how many records it has."""
    with warehouse.write() as connection:
        return commit_changes(
            connection,
            need.source,
            need.dataset,
            rows=(),
            gone=(),
            fields=fields,
            known=known,
            state=state,
        )


def _states(columns: Mapping[str, BoundColumn], now: datetime) -> dict[str, FieldState]:
    return {
        name: FieldState(one.type, now if one.type else None, one.error)
        for name, one in columns.items()
    }


def _digest(values: Sequence[str | None]) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "replace")).hexdigest()[:_ID_DIGITS]
