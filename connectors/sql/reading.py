"""What both engines can do for a reader, inside one transaction that can't write.

Belongs here: the contract of an engine's connection, and statements over tables of the catalogue.
Does not belong here: how each engine is kept from writing (postgresql, sqlite).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import sqlalchemy as sa

from connectors.tabular.columns import near_miss
from okr_sync.errors import SourceError
from okr_sync.warehouse.mirror import FieldType


class StatementError(Exception):
    """The database refused a statement, or the statement took too long; the text is for people."""

    def __init__(self, text: str, *, is_transient: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.is_transient = is_transient


@dataclass(frozen=True)
class Rows:
    """The answer of a statement: the names of its columns, and its rows as they come."""

    columns: Sequence[str]
    rows: Iterator[Sequence[Any]]


class Reading(Protocol):
    """One read-only transaction, in which everything is as of the same instant.

    `run` raises StatementError, also while its rows are read; each statement has the source's
    time-out. What else goes wrong is a SourceError.
    """

    connection: sa.Connection
    infers_times: bool
    """Whether the engine has no types for times, so that a text may hold one."""

    def run(self, statement: str, days: Mapping[str, date]) -> AbstractContextManager[Rows]:
        """Run one query, which may name the days with a colon."""
        ...


@dataclass(frozen=True)
class CatalogueTable:
    """A table or view of the catalogue: its columns with their types, None where it has none."""

    table: sa.Table
    columns: Mapping[str, FieldType | None]


def find_table(reading: Reading, source: str, name: str) -> CatalogueTable:
    """The table or view of a name, `schema.name` outside the default schema, or SourceError."""
    inspector = sa.inspect(reading.connection)
    schema: str | None = None
    known = _names(inspector, None)
    plain = name
    if name not in known and "." in name:
        schema, _, plain = name.partition(".")
        known = _names(inspector, schema) if schema in inspector.get_schema_names() else known
    if plain not in known:
        raise SourceError(
            f"Source {source}: the database has no table or view {name}.{near_miss(plain, known)}"
        )
    described = inspector.get_columns(plain, schema)
    table = sa.Table(
        plain,
        sa.MetaData(),
        *(sa.Column(column["name"], sa.types.NullType()) for column in described),
        schema=schema,
    )
    return CatalogueTable(
        table, {column["name"]: field_type(column["type"]) for column in described}
    )


def _names(inspector: sa.Inspector, schema: str | None) -> set[str]:
    names = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
    if inspector.dialect.name == "postgresql":
        names |= {
            *inspector.get_materialized_view_names(schema),
            *inspector.get_foreign_table_names(schema),  # type: ignore[attr-defined]
        }
    return names


def field_type(kind: sa.types.TypeEngine[Any]) -> FieldType | None:
    """What the mirror makes of a column's type; None for a column without one (a view's expression)."""
    if isinstance(kind, sa.types.NullType):
        return None
    if isinstance(kind, sa.Boolean):
        return FieldType.FLAG
    if isinstance(kind, sa.Integer | sa.Numeric):
        return FieldType.NUMBER
    if isinstance(kind, sa.DateTime):
        return FieldType.INSTANT
    return FieldType.DAY if isinstance(kind, sa.Date) else FieldType.TEXT


def select_text(reading: Reading, statement: sa.Select[Any]) -> str:
    """A statement without values as text of the engine."""
    return str(statement.compile(dialect=reading.connection.dialect))
