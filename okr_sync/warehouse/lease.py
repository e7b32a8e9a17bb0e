"""Leases: which runs may still publish, in which order they began, and which have died.

Belongs here: granting, renewing and ending leases, and the heartbeat. Does not belong here: what an
older run may still write (turns) or the runs' own record (runs). docs/adr says why it is so.

A lease belongs to a run. Its token says when the run began: a number that only grows, given out
under a lock, so that no machine's clock orders runs. Whether it has expired is judged by the
database's clock alone, the one clock that all workers share.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, insert, select, text, update

from okr_sync.errors import LeaseLostError, WarehouseError
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.tables import lease

LEASE = timedelta(minutes=15)
"""How long a run may be silent before the next one takes it for dead. Nobody waits for this."""

_BEAT_SECONDS = 60.0

_NOW = {
    # clock_timestamp and not now: a transaction that waited for a lock began long before.
    "postgresql": "SELECT clock_timestamp()",
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')",
}


def database_now(connection: Connection) -> datetime:
    """What time the database has."""
    found = connection.scalar(text(_NOW[connection.dialect.name]))
    if isinstance(found, datetime):
        return found.astimezone(UTC)
    return datetime.fromisoformat(str(found)).replace(tzinfo=UTC)


def grant(connection: Connection, run_id: str, lasting: timedelta = LEASE) -> None:
    """Give a run its lease and the next token; renew the lease of one that has it already."""
    hold(connection, Lock.LEASE)
    if connection.scalar(select(lease.c.token).where(lease.c.run_id == run_id)) is not None:
        _extend(connection, run_id, lasting, even_expired=True)
        return
    last = connection.scalar(select(func.max(lease.c.token))) or 0
    expires_at = database_now(connection) + lasting
    row = {"run_id": run_id, "token": last + 1, "expires_at": expires_at, "has_published": False}
    connection.execute(insert(lease), [row])


def renew(warehouse: Warehouse, run_id: str, lasting: timedelta = LEASE) -> bool:
    """Extend a lease that has not expired (a heartbeat); whether there was one."""
    with warehouse.write() as connection:
        return _extend(connection, run_id, lasting, even_expired=False)


def resume(warehouse: Warehouse, run_id: str, lasting: timedelta = LEASE) -> None:
    """Extend a run's lease at the beginning of a step: also an expired one that nobody has ended.

    A step may wait long for its turn, and nobody renews the lease then. Raises LeaseLostError when
    another run has meanwhile taken this one for dead, or the run is over.
    """
    with warehouse.write() as connection:
        if not _extend(connection, run_id, lasting, even_expired=True):
            raise lease_lost(run_id)


def give_up(connection: Connection, run_id: str) -> None:
    """End a run's lease: it publishes nothing more."""
    connection.execute(update(lease).where(lease.c.run_id == run_id).values(expires_at=None))


def has_expired_leases(connection: Connection) -> bool:
    """Whether a lease has expired and was not ended yet."""
    expired = select(lease.c.token).where(lease.c.expires_at <= database_now(connection))
    return connection.execute(expired.limit(1)).first() is not None


def end_expired(connection: Connection) -> list[str]:
    """End all expired leases for good, and return their runs.

    Waits for a publish that is going on: it began with a lease that held, and is let finish.
    """
    hold(connection, Lock.PUBLISH)
    ended = (
        update(lease)
        .where(lease.c.expires_at <= database_now(connection))
        .values(expires_at=None)
        .returning(lease.c.run_id)
    )
    return sorted(connection.scalars(ended))


def lease_lost(run_id: str) -> LeaseLostError:
    """What a run is told that may not write any more."""
    minutes = int(LEASE.total_seconds() // 60)
    return LeaseLostError(
        f"This run was paused or cut off from the warehouse for more than {minutes} minutes, or "
        "has ended, and another run may have gone on without it. So nothing of this step was "
        "written. Run it again.",
        f"lease of run {run_id}",
    )


@contextmanager
def beating(
    warehouse: Warehouse,
    run_id: str,
    *,
    every_seconds: float = _BEAT_SECONDS,
    lasting: timedelta = LEASE,
) -> Iterator[None]:
    """Renew a run's lease now and then, in a thread, while the block works.

    A run that has not begun yet has no lease; it is renewed once it has one. A beat that fails is
    made up for by the next one: if none succeeds, the run's publish says that the lease is lost.
    """
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(every_seconds):
            try:
                renew(warehouse, run_id, lasting)
            except WarehouseError:
                continue

    thread = threading.Thread(target=beat, name="okr-sync lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _extend(connection: Connection, run_id: str, lasting: timedelta, *, even_expired: bool) -> bool:
    now = database_now(connection)
    statement = (
        update(lease)
        .where(lease.c.run_id == run_id, lease.c.expires_at.is_not(None))
        .values(expires_at=now + lasting)
    )
    if not even_expired:
        statement = statement.where(lease.c.expires_at > now)
    return connection.execute(statement).rowcount == 1
