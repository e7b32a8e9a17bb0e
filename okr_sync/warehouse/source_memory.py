"""What a connector remembers between runs: small notes of its own about a dataset.

Belongs here: keeping and reading a note. Does not belong here: what is in one (connectors), how far a
dataset has been read (mirror) or a read that is going on (checkpoints).
"""

import json
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from okr_sync.warehouse.tables import source_memory
from okr_sync.warehouse.upsert import upsert


def recall(
    connection: Connection, source: str, dataset: str, name: str, now: datetime, lives: timedelta
) -> Any | None:
    """A note that is not older than `lives`; None if there is none.

    Nor may it be that much younger than `now`: a clock that was far ahead would be believed for ever.
    """
    table = source_memory.c
    found = connection.execute(
        sa.select(table.body, table.noted_at).where(
            table.source == source, table.dataset == dataset, table.name == name
        )
    ).one_or_none()
    if found is None or abs(found.noted_at - now) > lives:
        return None
    return json.loads(found.body)


def remember(
    connection: Connection, source: str, dataset: str, name: str, body: Any, noted_at: datetime
) -> None:
    """Keep a note (whatever JSON holds) in the place of the one before."""
    row = {
        "source": source,
        "dataset": dataset,
        "name": name,
        "body": json.dumps(body, sort_keys=True),
        "noted_at": noted_at,
    }
    upsert(connection, source_memory, [row])
