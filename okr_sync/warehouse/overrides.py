"""Overrides: numbers that people set in the place of measured ones, for some days and a reason.

Belongs here: adding, withdrawing and reading rows of value_override. Does not belong here: what is
published instead of the measured number (sync.observe) or the command.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, insert, select, update

from okr_sync.warehouse.chunks import among
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.tables import value_override

OVERRIDE = "override"
"""The origin of published numbers that people have set, and the quality flag that goes with them."""


@dataclass(frozen=True)
class Override:
    """A number for the as-of days from_day..until_day (inclusive), who set it, when and why.

    `override_id` counts a key result's overrides from 1. One that is withdrawn counts for no day.
    """

    key_result_id: str
    override_id: int
    value: Decimal
    reason: str
    author: str
    from_day: date
    until_day: date
    recorded_at: datetime
    withdrawn_at: datetime | None = None


def add_override(
    warehouse: Warehouse,
    *,
    key_result_id: str,
    value: Decimal,
    reason: str,
    author: str,
    from_day: date,
    until_day: date,
    recorded_at: datetime,
) -> Override:
    """Record an override and return it; it shows with the next run. ValueError if it has no day.

    The same again, as after a command that was killed before it could answer, is the same override.
    """
    if until_day < from_day:
        raise ValueError(f"an override until {until_day} can't begin on {from_day}")
    table = value_override
    own = select(table).where(table.c.key_result_id == key_result_id)
    with warehouse.write() as connection:
        hold(connection, Lock.PUBLISH)  # two at once must not take the same number
        found = connection.execute(own.order_by(table.c.override_id.desc()).limit(1)).mappings()
        last = next((Override(**row) for row in found), None)
        added = Override(
            key_result_id,
            last.override_id + 1 if last else 1,
            value,
            reason,
            author,
            from_day,
            until_day,
            recorded_at,
        )
        if last is not None and added == replace(
            last, override_id=added.override_id, recorded_at=recorded_at
        ):
            return last
        connection.execute(insert(table), [asdict(added)])
    return added


def withdraw_override(
    warehouse: Warehouse, key_result_id: str, override_id: int, withdrawn_at: datetime
) -> bool:
    """Take an override back, from the next run on; False if there is none that still counts."""
    table = value_override
    with warehouse.write() as connection:
        done = connection.execute(
            update(table)
            .where(
                table.c.key_result_id == key_result_id,
                table.c.override_id == override_id,
                table.c.withdrawn_at.is_(None),
            )
            .values(withdrawn_at=withdrawn_at)
        )
        return done.rowcount > 0


def overrides_of(
    connection: Connection, key_result_ids: Collection[str] | None = None
) -> list[Override]:
    """All overrides, withdrawn ones too, in order of key result and number."""
    statement = select(value_override)
    found = [
        Override(**row)
        for chosen in among(value_override.c.key_result_id, key_result_ids)
        for row in connection.execute(statement.where(chosen)).mappings()
    ]
    return sorted(found, key=lambda one: (one.key_result_id, one.override_id))


def override_on(overrides: Iterable[Override], day: date) -> Override | None:
    """Of one key result's overrides the one that counts on an as-of day: the last recorded."""
    active = [
        one
        for one in overrides
        if one.withdrawn_at is None and one.from_day <= day <= one.until_day
    ]
    return max(active, key=lambda one: one.override_id, default=None)
