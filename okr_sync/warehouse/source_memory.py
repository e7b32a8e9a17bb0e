"""What a connector remembers between runs: small notes of its own about a dataset.

Belongs here: keeping and reading a note. Does not belong here: what is in one (connectors), how far a
dataset has been read (mirror) or a read that is going on (checkpoints).
"""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from okr_sync.warehouse.tables import source_memory
from okr_sync.warehouse.upsert import upsert


def recall(
    connection: Connection, source: str, dataset: str, name: str, since: datetime
) -> Any | None:
    """A note that was made at `since` or later; None if there is none."""
    table = source_memory.c
    found = connection.execute(
        sa.select(table.body, table.noted_at).where(
            table.source == source, table.dataset == dataset, table.name == name
        )
    ).one_or_none()
    return None if found is None or found.noted_at < since else json.loads(found.body)


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
