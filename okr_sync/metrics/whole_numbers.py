"""Division of whole numbers in SQL, exact in every engine: the quotient, cut towards 0, and the rest.

Belongs here: the two operations. Does not belong here: what is divided.

SQLite and PostgreSQL cut a quotient of whole numbers off. Snowflake rounds it to six places and
BigQuery makes it a float, so that a floor of it can be the next day's number for the last
milliseconds of a day.
"""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import truediv


def whole_quotient(x: ColumnElement[Any], divisor: ColumnElement[Any] | int) -> ColumnElement[int]:
    """How often the divisor goes into x."""
    return _WholeQuotient(x, _number(divisor))


def rest(x: ColumnElement[Any], divisor: ColumnElement[Any] | int) -> ColumnElement[int]:
    """What is left of x then, with the sign of x."""
    return _Rest(x, _number(divisor))


def _number(divisor: ColumnElement[Any] | int) -> ColumnElement[Any]:
    return literal(divisor, BigInteger()) if isinstance(divisor, int) else divisor


class _WholeQuotient(FunctionElement[int]):
    type = BigInteger()
    inherit_cache = True


class _Rest(FunctionElement[int]):
    type = BigInteger()
    inherit_cache = True


@compiles(_WholeQuotient)
def _plain_quotient(element: _WholeQuotient, compiler: SQLCompiler, **options: Any) -> str:
    x, divisor = element.clauses
    return compiler.process((x // divisor).self_group(), **options)


@compiles(_Rest)
def _plain_rest(element: _Rest, compiler: SQLCompiler, **options: Any) -> str:
    x, divisor = element.clauses
    return compiler.process((x % divisor).self_group(), **options)


@compiles(_WholeQuotient, "snowflake")
def _snowflake_quotient(element: _WholeQuotient, compiler: SQLCompiler, **options: Any) -> str:
    # Grouped for a divisor that is itself a sum; within MOD and DIV commas do that.
    x, divisor = (
        compiler.process(each.self_group(against=truediv), **options) for each in element.clauses
    )
    return f"CAST(({x} - MOD({x}, {divisor})) / {divisor} AS BIGINT)"


@compiles(_WholeQuotient, "bigquery")
def _bigquery_quotient(element: _WholeQuotient, compiler: SQLCompiler, **options: Any) -> str:
    x, divisor = (compiler.process(each, **options) for each in element.clauses)
    return f"DIV({x}, {divisor})"


@compiles(_Rest, "snowflake")
@compiles(_Rest, "bigquery")
def _rest_by_name(element: _Rest, compiler: SQLCompiler, **options: Any) -> str:
    x, divisor = (compiler.process(each, **options) for each in element.clauses)
    return f"MOD({x}, {divisor})"
