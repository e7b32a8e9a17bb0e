"""Messages to people: queued once, sent until they have arrived.

Belongs here: the rows of `message`, which remember what was told, to whom and whether it arrived. Does
not belong here: what is worth telling (briefing) or sending (connectors.telling).

A message is queued in the transaction that decides on it. Its sender takes it for a while, sends it and
then records that: a crash in between sends it once more, and none is ever lost.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, insert, select, update

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.tables import message

TAKEN_FOR: timedelta = timedelta(minutes=10)
"""How long a sender has a message to itself; after that another may send it."""

_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360))
"""How long a message waits after each failed attempt; the last goes on."""


class Kind(StrEnum):
    """What a message is."""

    BROKEN = "broken"
    MENDED = "mended"
    DIGEST = "digest"


@dataclass(frozen=True)
class Draft:
    """A message to be queued. `occasion` tells messages of one kind and subject apart."""

    kind: Kind
    subject: str
    occasion: str
    channel: str
    title: str
    body: str
    html: str | None = None


@dataclass(frozen=True)
class Message:
    """A message as it is kept. `reached` numbers the channel's addresses that have it, from 0."""

    message_id: int
    kind: str
    subject: str
    occasion: str
    channel: str
    title: str
    body: str
    html: str | None
    queued_at: datetime
    due_at: datetime
    attempts: int
    reached: tuple[str, ...]
    sent_at: datetime | None
    error: str | None


Told = Mapping[tuple[str, str], str]
"""By subject and channel the kind of the last message about whether it is broken: broken or mended."""


def queue(
    warehouse: Warehouse, drafts_of: Callable[[Told], Iterable[Draft]], now: datetime
) -> list[Message]:
    """Queue what `drafts_of` makes of what was told before, all in one transaction.

    A draft whose kind, subject, occasion and channel are known is left out: it was told already.
    """
    with warehouse.write() as connection:
        hold(connection, Lock.TELL)  # two at once must not tell the same
        known = connection.execute(
            select(
                message.c.kind, message.c.subject, message.c.occasion, message.c.channel
            ).order_by(message.c.message_id)
        ).all()
        told = {
            (subject, channel): kind
            for kind, subject, _, channel in known
            if kind in (Kind.BROKEN, Kind.MENDED)
        }
        taken = {tuple(row) for row in known}
        number = connection.scalar(select(func.max(message.c.message_id))) or 0
        added: list[Message] = []
        for draft in drafts_of(told):
            key = draft.kind.value, draft.subject, draft.occasion, draft.channel
            if key in taken:
                continue
            taken.add(key)
            number += 1
            plain = asdict(draft) | {"kind": draft.kind.value}
            added.append(
                Message(
                    message_id=number,
                    **plain,
                    queued_at=now,
                    due_at=now,
                    attempts=0,
                    reached=(),
                    sent_at=None,
                    error=None,
                )
            )
        if added:
            connection.execute(insert(message), [asdict(one) for one in added])
    return added


def take_due(warehouse: Warehouse, now: datetime, limit: int) -> list[Message]:
    """Take the oldest messages that are due, so that no other sender takes them meanwhile."""
    with warehouse.write() as connection:
        hold(connection, Lock.TELL)
        rows = connection.execute(
            select(message)
            .where(message.c.sent_at.is_(None), message.c.due_at <= now)
            .order_by(message.c.message_id)
            .limit(limit)
        ).mappings()
        found = [Message(**row) for row in rows]
        if found:
            ids = [one.message_id for one in found]
            connection.execute(
                update(message).where(message.c.message_id.in_(ids)).values(due_at=now + TAKEN_FOR)
            )
    return found


def record_attempt(
    warehouse: Warehouse, one: Message, reached: Collection[str], error: str | None, now: datetime
) -> None:
    """Record whom a message has reached; with an `error` it is due again after a pause."""
    attempts = one.attempts + 1
    pause = _PAUSES[min(attempts, len(_PAUSES)) - 1]
    with warehouse.write() as connection:
        connection.execute(
            update(message)
            .where(message.c.message_id == one.message_id)
            .values(
                attempts=attempts,
                reached=tuple(sorted(reached)),
                error=error,
                sent_at=now if error is None else None,
                due_at=now + pause,
            )
        )


def waiting(warehouse: Warehouse) -> Sequence[Message]:
    """The messages that have not arrived everywhere yet, oldest first."""
    statement = select(message).where(message.c.sent_at.is_(None)).order_by(message.c.message_id)
    with warehouse.read() as connection:
        return [Message(**row) for row in connection.execute(statement).mappings()]
