"""The mirror of a source's records: one table per dataset, with the bound fields and no others.

Belongs here: names, columns and types of mirror tables, and what is known of each field and
dataset. Does not belong here: writing records (mirror_writes), reading a source (connectors), what
is counted (metrics), reading single values (record_values).
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.record_values import FieldType, Stored, parse_value
from okr_sync.warehouse.tables import source_field, source_state

__all__ = [
    "DatasetState",
    "FieldState",
    "FieldType",
    "Row",
    "Stored",
    "column_name",
    "count_records",
    "fields_of",
    "ids_present",
    "named_record_table",
    "parse_value",
    "recent_ids",
    "record_table",
    "state_of",
    "table_name",
]

Row = dict[str, Stored]
"""A record as stored: `id`, a key per column, `created_ms`, `updated_ms` and `bad_fields`."""

_INTEGERS: Final = frozenset({FieldType.NUMBER, FieldType.INSTANT, FieldType.DAY})
_PLAIN_NAME: Final = re.compile(r"[a-z0-9_]+", re.ASCII)
_LONGEST_COLUMN: Final = 55
_LONGEST_TABLE: Final = 47  # leaves room for a stage's `__g` and 13 digits within PostgreSQL's 63


@dataclass(frozen=True)
class FieldState:
    """What is known of a bound field.

    `filled_at`: every record had been read with this field by then; None: not yet. `error` says, for
    people, why the field can't be had (then `type` is None) or can't be used as it is bound, as a
    time or a number (then its values are there all the same, as `type`). `quality` are the flags that
    say it in a word.
    """

    type: FieldType | None
    filled_at: datetime | None
    error: str | None
    quality: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetState:
    """Up to where a dataset has been read, and whose it is; a row of `source_state`."""

    cursor_at: datetime | None
    complete_at: datetime | None
    account: str | None
    time_zone: str | None
    currency: str | None


# --- names and tables -----------------------------------------------------------------------------


def column_name(field: str) -> str:
    """The mirror's column for a field: `f_<field>`, or a shortened one with a hash."""
    plain = f"f_{field}"
    if len(plain) <= _LONGEST_COLUMN and _PLAIN_NAME.fullmatch(field):
        return plain
    return f"f_{_shortened(field, 40)}"


def table_name(source: str, dataset: str) -> str:
    """The mirror's table: `src_<source>__<dataset>`, or a shortened name with a hash."""
    plain = f"src_{source}__{dataset}"
    if len(plain) <= _LONGEST_TABLE and _PLAIN_NAME.fullmatch(plain):
        return plain
    return f"src_{_shortened(f'{source}__{dataset}', 30)}"


def _shortened(name: str, length: int) -> str:
    # The hash also keeps apart names that differ in case only, which SQLite's columns do not.
    kept = re.sub(r"[^a-z0-9_]", "_", name.lower()[:length])
    return f"{kept}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def record_table(source: str, dataset: str, fields: Mapping[str, FieldType]) -> Table:
    """The mirror of a dataset with these fields, as a table to build queries on.

    Columns: `id`, one per field (column_name), `bad_fields` (`,amount,closedate,` names those whose
    value could not be read; else NULL), and the private `created_ms` and `updated_ms` (when the
    source says the record was created and last changed).
    """
    return named_record_table(table_name(source, dataset), fields)


def named_record_table(name: str, fields: Mapping[str, FieldType]) -> Table:
    """A table with the columns of a mirror under any name."""
    columns: list[sa.Column[Any]] = [
        sa.Column(column_name(field), sa.BigInteger() if fields[field] in _INTEGERS else sa.Text())
        for field in sorted(fields)
    ]
    return Table(
        name,
        sa.MetaData(),
        sa.Column("id", sa.Text(), primary_key=True),
        *columns,
        sa.Column("bad_fields", sa.Text()),
        sa.Column("created_ms", sa.BigInteger()),
        sa.Column("updated_ms", sa.BigInteger()),
    )


# --- what is known --------------------------------------------------------------------------------


def fields_of(connection: Connection, source: str, dataset: str) -> dict[str, FieldState]:
    """The state of each field of a dataset that was bound when it was last read."""
    rows = connection.execute(
        sa.select(
            source_field.c.field,
            source_field.c.field_type,
            source_field.c.filled_at,
            source_field.c.error,
            source_field.c.quality,
        ).where(source_field.c.source == source, source_field.c.dataset == dataset)
    )
    return {
        field: FieldState(FieldType(kind) if kind else None, filled_at, error, quality or ())
        for field, kind, filled_at, error, quality in rows
    }


def state_of(connection: Connection, source: str, dataset: str) -> DatasetState | None:
    """Up to where a dataset has been read, or None when it never was."""
    row = connection.execute(
        sa.select(
            source_state.c.cursor_at,
            source_state.c.complete_at,
            source_state.c.account,
            source_state.c.time_zone,
            source_state.c.currency,
        ).where(source_state.c.source == source, source_state.c.dataset == dataset)
    ).one_or_none()
    return None if row is None else DatasetState(*row)


def count_records(connection: Connection, table: Table) -> int:
    """How many records a mirror or a stage holds."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def ids_present(connection: Connection, table: Table, ids: Collection[str]) -> set[str]:
    """Those of the ids that a mirror or a stage holds."""
    found: set[str] = set()
    for some in in_chunks(sorted(ids)):
        found.update(connection.scalars(sa.select(table.c.id).where(table.c.id.in_(some))))
    return found


def ids_lacking(connection: Connection, table: Table, other: Table) -> list[str]:
    """The ids of the records in one table that another one lacks."""
    is_there = sa.exists().where(other.c.id == table.c.id)
    return list(connection.scalars(sa.select(table.c.id).where(~is_there)))


def recent_ids(connection: Connection, table: Table, since: datetime) -> set[str]:
    """The ids of the records that the source says were created or changed at `since` or later."""
    since_ms = epoch_ms(since)
    recent = sa.or_(table.c.created_ms >= since_ms, table.c.updated_ms >= since_ms)
    return set(connection.scalars(sa.select(table.c.id).where(recent)))
