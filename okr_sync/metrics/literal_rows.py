"""Rows that a query brings along, such as the windows it counts in, in each engine's own words.

Belongs here: the one construct for them. Does not belong here: which rows (scans).

Standard SQL has `(VALUES …) AS name (columns)`, which PostgreSQL and Snowflake take. SQLite takes no
names for the columns there, and BigQuery has no VALUES at all.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, ColumnClause, Values, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


def literal_rows(
    name: str, columns: Sequence[ColumnClause[Any]], rows: Sequence[tuple[Any, ...]]
) -> CTE:
    """The rows as a table `name` of these columns, to join others to."""
    brought = _BroughtRows(*columns, name=f"{name}_rows").data(rows)
    return select(*brought.c).cte(name)


class _BroughtRows(Values):
    inherit_cache = True


@compiles(_BroughtRows, "sqlite")
def _for_sqlite(element: Values, compiler: SQLCompiler, **options: Any) -> str:
    names = ", ".join(
        f"column{number} AS {compiler.preparer.quote(each.name)}"
        for number, each in enumerate(element.c, 1)
    )
    return f"(SELECT {names} FROM ({_tuples(element, compiler)})) AS {element.name}"


@compiles(_BroughtRows, "bigquery")
def _for_bigquery(element: Values, compiler: SQLCompiler, **options: Any) -> str:
    types = compiler.dialect.type_compiler_instance
    fields = ", ".join(
        f"{compiler.preparer.quote(each.name)} {types.process(each.type)}" for each in element.c
    )
    rows = _tuples(element, compiler).removeprefix("VALUES ")
    return f"UNNEST(ARRAY<STRUCT<{fields}>>[{rows}]) AS {element.name}"


@compiles(_BroughtRows, "snowflake")
def _for_snowflake(element: Values, compiler: SQLCompiler, **options: Any) -> str:
    types = compiler.dialect.type_compiler_instance
    names = [compiler.preparer.quote(each.name) for each in element.c]
    # Its driver sends days as text, which Snowflake doesn't compare with days by itself.
    typed = ", ".join(
        f"CAST({name} AS {types.process(each.type)}) AS {name}"
        for name, each in zip(names, element.c, strict=True)
    )
    rows = f"({_tuples(element, compiler)}) AS brought ({', '.join(names)})"
    return f"(SELECT {typed} FROM {rows}) AS {element.name}"


def _tuples(element: Values, compiler: SQLCompiler) -> str:
    """`VALUES (…), (…)`, with the parameters named as the compiler names them."""
    rows: str = compiler.visit_values(element)  # type: ignore[no-untyped-call] # SQLAlchemy has none
    return rows
