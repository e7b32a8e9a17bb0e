"""What was known at an instant: the revisions that held then.

Belongs here: the condition, and the numbers of all key results by it. Does not belong here: the rows
that readers get (reads), nor the view of the same (migrations).
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from okr_sync.warehouse.chunks import among
from okr_sync.warehouse.tables import key_result_history


def was_known(instant: datetime) -> ColumnElement[bool]:
    """Whether a revision was what was known at an instant: from its recording until the next one's."""
    table = key_result_history.c
    return (table.recorded_at <= instant) & (
        table.superseded_at.is_(None) | (table.superseded_at > instant)
    )


def numbers_known(
    connection: Connection,
    instant: datetime,
    as_of: date | None = None,
    key_result_ids: Collection[str] | None = None,
) -> dict[str, Mapping[Any, Any] | None]:
    """The number of a day as it was known at an instant, for each key result that had any then.

    Without `as_of` it is the newest day that had a number then; None where the day had none.
    """
    table = key_result_history.c
    found: dict[str, Mapping[Any, Any] | None] = {}
    for chosen in among(table.key_result_id, key_result_ids):
        condition = was_known(instant) & chosen
        newest = (
            select(table.key_result_id, func.max(table.as_of).label("as_of"))
            .where(condition)
            .group_by(table.key_result_id)
        )
        days = {row.key_result_id: row.as_of for row in connection.execute(newest)}
        found |= dict.fromkeys(days)
        statement = select(key_result_history).where(condition)
        if as_of is not None:
            statement = statement.where(table.as_of == as_of)
        else:
            last = newest.subquery().c
            statement = statement.where(
                table.key_result_id == last.key_result_id, table.as_of == last.as_of
            )
        rows = connection.execute(statement).mappings()
        found |= {row["key_result_id"]: row for row in rows}
    return found
