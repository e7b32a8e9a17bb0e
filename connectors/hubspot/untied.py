"""Records that were tied to one that is gone: their associations are asked for again.

Belongs here: the notes of who they are, from the pull that finds a record gone to the pull of those that
were tied to it. Does not belong here: reading associations (associations) or when a pull commits (pull).

A merge gives the associations of the record that goes to the one that stays, and moves no modified date of
the records at their other end. Until all is read again a deal would be without its contact. What a record
was tied to is kept, for what is gone may be restored.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from okr_sync.warehouse.association_store import tied_to
from okr_sync.warehouse.source_memory import recall, remember

_NOTE: Final = "untied"
_LIVES: Final = timedelta(days=2)
"""All is read again in less."""

_MOST: Final = 20_000
"""From so many on the daily read is the cheaper way."""


def note_gone(
    connection: Connection, source: str, dataset: str, gone: Collection[str], now: datetime
) -> None:
    """Note for each object whose records were tied to these which of them that are."""
    for other, ids in tied_to(connection, source, dataset, gone).items():
        noted = untied(connection, source, other, now)
        together = noted.get(dataset, set()) | ids
        if len(together) <= _MOST:
            _keep(connection, source, other, {**noted, dataset: together}, now)


def untied(connection: Connection, source: str, dataset: str, now: datetime) -> dict[str, set[str]]:
    """The records of an object whose associations are to be asked for again, by the object at the other
    end."""
    noted = recall(connection, source, dataset, _NOTE, now, _LIVES) or {}
    return {name: set(ids) for name, ids in noted.items()}


def settle(
    connection: Connection,
    source: str,
    dataset: str,
    read: Mapping[str, Collection[str]],
    now: datetime,
) -> None:
    """Forget those of the noted records whose associations have been read."""
    if any(read.values()):
        noted = untied(connection, source, dataset, now)
        rest = {name: ids - set(read.get(name, ())) for name, ids in noted.items()}
        _keep(connection, source, dataset, rest, now)


def _keep(
    connection: Connection,
    source: str,
    dataset: str,
    noted: Mapping[str, Collection[str]],
    now: datetime,
) -> None:
    body = {name: sorted(ids) for name, ids in noted.items()}
    remember(connection, source, dataset, _NOTE, body, now)
