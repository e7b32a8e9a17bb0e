"""The one row of a `sql` metric's statement.

Belongs here: what the row must look like, and the numbers in it. Does not belong here: running it
(reading) or storing it (okr_sync.warehouse.query_store).
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from connectors.sql.reading import Rows, StatementError
from okr_sync.metrics.needs import QueryNeed
from okr_sync.warehouse.query_store import QueryResult, query_key

_SHAPES: Final = (("value",), ("numerator", "denominator"))
_WANTED: Final = "one row with `value`, or with `numerator` and `denominator`"
_LARGEST: Final = Decimal("1e30")


def only_row(need: QueryNeed, answer: Rows) -> QueryResult:
    """The result in the answer of a statement. Raises StatementError."""
    columns = [name.lower() for name in answer.columns]
    if tuple(sorted(columns)) not in (tuple(sorted(shape)) for shape in _SHAPES):
        named = ", ".join(answer.columns) or "no columns"
        raise StatementError(f"it gives {named}; a metric's statement gives {_WANTED}")
    rows: list[Sequence[Any]] = list(islice(answer.rows, 2))
    if len(rows) != 1:
        what = "no row" if not rows else "more than one row"
        raise StatementError(f"it gives {what}; a metric's statement gives {_WANTED}")
    numbers = {name: _number(name, value) for name, value in zip(columns, rows[0], strict=True)}
    return QueryResult(
        query_key(need.text), need.as_of, need.window_start, need.window_end, **numbers
    )


def _number(name: str, value: object) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if number.is_finite() and abs(number) < _LARGEST:
            return number
        raise StatementError(f"its {name} is {value}, which is not a number that can be used")
    raise StatementError(f"its {name} is of the type {type(value).__name__}, and not a number")
