"""Taking turns to publish: which runs are older, which newer, and what an older one leaves alone.

Belongs here: the order between overlapping runs. Does not belong here: leases themselves (lease)
and the rule of revisions (revisions).

Runs evaluate freely side by side and publish one at a time. What a run that began later has said of
a series on a day, no run that began earlier changes. Which run said it is known of a number that
was written; that a number was found unchanged is noted in `confirmation`, and only while an older
run could still publish.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, delete, func, or_, select, update

from okr_sync.warehouse.lease import database_now, lease_lost
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.tables import confirmation, lease
from okr_sync.warehouse.upsert import upsert

SeriesDay = tuple[str, date]


@dataclass(frozen=True)
class Turn:
    """A run's place among the others, as long as its publish's transaction lasts."""

    token: int
    newer: frozenset[str]
    """The runs that began after this one."""
    is_overtaken: bool
    """Whether one of them has published."""
    has_older: bool
    """Whether a run that began before this one could still publish."""


def take_turn(connection: Connection, run_id: str) -> Turn:
    """Wait until this run alone publishes, and see whether it still may.

    Raises ValueError for an unknown run, LeaseLostError when its lease has expired or was ended.
    """
    own = _own_lease(connection, run_id)
    if own.expires_at is None or own.expires_at <= database_now(connection):
        raise lease_lost(run_id)
    if not own.has_published:
        mine = update(lease).where(lease.c.run_id == run_id)
        connection.execute(mine.values(has_published=True))
    newer = _newer(connection, own.token)
    return Turn(
        token=own.token,
        newer=frozenset(row.run_id for row in newer),
        is_overtaken=any(row.has_published for row in newer),
        has_older=_has_older(connection, own.token),
    )


def take_turn_to_note(connection: Connection, run_id: str) -> Turn:
    """As `take_turn`, for what a run notes before it publishes: here any newer run may have spoken.

    An expired lease that nobody has ended will do, as it does at the beginning of a step: who waits
    long for a source is still believed. Raises ValueError and LeaseLostError as `take_turn`.
    """
    own = _own_lease(connection, run_id)
    if own.expires_at is None:
        raise lease_lost(run_id)
    newer = frozenset(row.run_id for row in _newer(connection, own.token))
    return Turn(own.token, newer, bool(newer), _has_older(connection, own.token))


def _own_lease(connection: Connection, run_id: str) -> Any:
    hold(connection, Lock.PUBLISH)
    own = connection.execute(select(lease).where(lease.c.run_id == run_id)).one_or_none()
    if own is None:
        raise ValueError(f"no run {run_id!r} was started")
    return own


def _newer(connection: Connection, token: int) -> Sequence[Any]:
    return connection.execute(
        select(lease.c.run_id, lease.c.has_published).where(lease.c.token > token)
    ).all()


def _has_older(connection: Connection, token: int) -> bool:
    older = select(lease.c.token).where(lease.c.token < token, lease.c.expires_at.is_not(None))
    return connection.execute(older.limit(1)).first() is not None


def confirmed_by_newer(connection: Connection, table: Table, turn: Turn) -> set[SeriesDay]:
    """The series and days of a table that newer runs have found unchanged."""
    if not turn.is_overtaken:
        return set()
    found = connection.execute(
        select(confirmation.c.series, confirmation.c.as_of).where(
            confirmation.c.table_name == table.name, confirmation.c.token > turn.token
        )
    )
    return {(row.series, row.as_of) for row in found}


def confirm(
    connection: Connection, table: Table, unchanged: Iterable[SeriesDay], turn: Turn
) -> None:
    """Note what this run has found unchanged, if an older run could still change it."""
    if turn.has_older:
        rows = [
            {"table_name": table.name, "series": series, "as_of": as_of, "token": turn.token}
            for series, as_of in unchanged
        ]
        upsert(connection, confirmation, rows)


def clear_confirmations(connection: Connection) -> None:
    """Delete the notes that no run needs any more: those as old as every run that may publish."""
    oldest = (
        select(func.min(lease.c.token)).where(lease.c.expires_at.is_not(None)).scalar_subquery()
    )
    connection.execute(
        delete(confirmation).where(or_(oldest.is_(None), confirmation.c.token <= oldest))
    )


def series_day(row: dict[str, Any], keys: Sequence[str]) -> SeriesDay:
    """The name of a row's series, made of its key without day and revision, and its day."""
    return " ".join(str(row[name]) for name in keys if name != "as_of"), row["as_of"]
