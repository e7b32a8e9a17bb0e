"""Taking turns: what only one process may do at a time.

Belongs here: the locks of write transactions. Does not belong here: what is done under them.
"""

from enum import IntEnum

from sqlalchemy import Connection, func, select

_NAMESPACE = 0x4F4B5253  # "OKRS": keeps our numbers apart from another program's advisory locks


class Lock(IntEnum):
    """What a lock is for."""

    MIGRATION = 1
    PUBLISH = 2
    LEASE = 3
    TELL = 4


def hold(connection: Connection, lock: Lock) -> None:
    """Wait for the lock and hold it until the end of the transaction.

    On SQLite a write transaction is alone by itself. On PostgreSQL it is an advisory lock, so that
    publishes take turns while pulls go on writing source tables.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_NAMESPACE, int(lock))))
