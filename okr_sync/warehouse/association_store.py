"""The associations between mirrored records: which record is tied to which.

Belongs here: storing the pairs that a connector has read and proven, and up to when. Does not belong
here: reading a source (connectors), the records themselves (mirror) or what is counted (metrics).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.mirror import DatasetState, state_of
from okr_sync.warehouse.tables import source_association, source_state
from okr_sync.warehouse.upsert import insert_missing, upsert

Pairs = Mapping[str, Collection[str]]
"""The ids that each record is tied to, by the record's id; a record without ties may be absent."""

_ROWS_PER_STATEMENT: Final = 2_000
_MARK: Final = ">"


def associations_filled_at(
    connection: Connection, source: str, dataset: str, to_dataset: str
) -> datetime | None:
    """When the associations of every record had been read with its dataset; None: never."""
    state = state_of(connection, source, _state_name(dataset, to_dataset))
    return state.complete_at if state else None


def replace_associations(
    connection: Connection,
    source: str,
    dataset: str,
    to_dataset: str,
    pairs: Pairs,
    filled_at: datetime,
) -> None:
    """Put these pairs in the place of all that are stored from a dataset to another.

    The caller's transaction, which also writes the records, makes it all or nothing.
    """
    connection.execute(sa.delete(source_association).where(_of(source, dataset, to_dataset)))
    _insert(connection, source, dataset, to_dataset, pairs)
    state = DatasetState(filled_at, filled_at, None, None, None)
    key = {"source": source, "dataset": _state_name(dataset, to_dataset)}
    upsert(connection, source_state, [{**key, **vars(state)}])


def change_associations(
    connection: Connection,
    source: str,
    dataset: str,
    to_dataset: str,
    from_ids: Collection[str],
    pairs: Pairs,
) -> None:
    """Put these pairs in the place of those that the records `from_ids` had; the others stay.

    A record that is gone is named in `from_ids` and has no pairs.
    """
    stored = _of(source, dataset, to_dataset)
    for some in in_chunks(sorted(from_ids)):
        connection.execute(
            sa.delete(source_association).where(stored, source_association.c.from_id.in_(some))
        )
    _insert(connection, source, dataset, to_dataset, pairs)


def add_associations(
    connection: Connection, source: str, dataset: str, to_dataset: str, pairs: Pairs
) -> None:
    """Store these pairs beside those that there are."""
    rows = _rows(source, dataset, to_dataset, pairs)
    for some in in_chunks(rows, _ROWS_PER_STATEMENT):
        insert_missing(connection, source_association, some)


def tied_to(
    connection: Connection, source: str, to_dataset: str, to_ids: Collection[str]
) -> dict[str, set[str]]:
    """The records of each other dataset that are tied to some of these."""
    table = source_association.c
    found: dict[str, set[str]] = {}
    for some in in_chunks(sorted(to_ids)):
        query = sa.select(table.dataset, table.from_id).where(
            table.source == source, table.to_dataset == to_dataset, table.to_id.in_(some)
        )
        for dataset, from_id in connection.execute(query):
            found.setdefault(dataset, set()).add(from_id)
    return found


def forget_associations(
    connection: Connection, source: str, dataset: str, kept: Collection[str]
) -> None:
    """Remove the pairs from a dataset to all others than those in `kept`, which nobody binds."""
    prefix = _state_name(dataset, "")
    names = connection.scalars(
        sa.select(source_state.c.dataset).where(
            source_state.c.source == source,
            source_state.c.dataset.startswith(prefix, autoescape=True),
        )
    ).all()
    for name in names:
        to_dataset = name.removeprefix(prefix)
        if to_dataset not in kept:
            connection.execute(
                sa.delete(source_association).where(_of(source, dataset, to_dataset))
            )
            connection.execute(
                sa.delete(source_state).where(
                    source_state.c.source == source, source_state.c.dataset == name
                )
            )


def _insert(
    connection: Connection, source: str, dataset: str, to_dataset: str, pairs: Pairs
) -> None:
    for some in in_chunks(_rows(source, dataset, to_dataset, pairs), _ROWS_PER_STATEMENT):
        connection.execute(sa.insert(source_association), some)


def _rows(source: str, dataset: str, to_dataset: str, pairs: Pairs) -> list[dict[str, str]]:
    key = {"source": source, "dataset": dataset, "to_dataset": to_dataset}
    return [
        {**key, "from_id": from_id, "to_id": to_id}
        for from_id, to_ids in sorted(pairs.items())
        for to_id in sorted(set(to_ids))
    ]


def _of(source: str, dataset: str, to_dataset: str) -> sa.ColumnElement[bool]:
    table = source_association.c
    return sa.and_(table.source == source, table.dataset == dataset, table.to_dataset == to_dataset)


def _state_name(dataset: str, to_dataset: str) -> str:
    # A row beside the dataset's own: no dataset can have this sign in its name.
    return f"{dataset}{_MARK}{to_dataset}"
