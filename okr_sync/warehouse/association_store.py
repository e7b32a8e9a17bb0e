"""Which records belong together: the associations that conditions look through.

Belongs here: writing and reading source_association, and when it was last known to be complete.
Does not belong here: asking HubSpot (connectors.hubspot) or what is counted through them (metrics).
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, delete, select

from okr_sync.warehouse.mirror import IDS_PER_QUERY, chunks
from okr_sync.warehouse.tables import source_association, source_state
from okr_sync.warehouse.upsert import insert_missing, upsert

Pair = tuple[str, str]
"""The id of a record of the dataset, and the id of a record that it is associated with."""

_ROWS_PER_STATEMENT = 2_000


def replace_associations(
    connection: Connection,
    source: str,
    dataset: str,
    to_dataset: str,
    pairs: Iterable[Pair],
    *,
    from_ids: Collection[str] | None = None,
) -> None:
    """Make `pairs` all that is known of the associations of `from_ids`, or of every record.

    Inside the caller's transaction. A pair may come twice. With `from_ids`, records that are not
    among them keep their pairs, and a pair of such a record is a ValueError.
    """
    table = source_association
    mine = (
        (table.c.source == source)
        & (table.c.dataset == dataset)
        & (table.c.to_dataset == to_dataset)
    )
    if from_ids is None:
        connection.execute(delete(table).where(mine))
    else:
        for some in chunks(sorted(from_ids), IDS_PER_QUERY):
            connection.execute(delete(table).where(mine, table.c.from_id.in_(some)))
    kept = None if from_ids is None else frozenset(from_ids)
    rest = iter(pairs)
    while some_pairs := list(islice(rest, _ROWS_PER_STATEMENT)):
        if kept is not None and not kept.issuperset(from_id for from_id, _ in some_pairs):
            raise ValueError("a pair of a record that is not being replaced")
        rows = [
            {
                "source": source,
                "dataset": dataset,
                "to_dataset": to_dataset,
                "from_id": from_id,
                "to_id": to_id,
            }
            for from_id, to_id in dict.fromkeys(some_pairs)
        ]
        insert_missing(connection, table, rows)


def associations_of(
    connection: Connection, source: str, dataset: str, to_dataset: str
) -> set[Pair]:
    """All pairs that are stored from one dataset to another."""
    table = source_association
    rows = connection.execute(
        select(table.c.from_id, table.c.to_id).where(
            table.c.source == source, table.c.dataset == dataset, table.c.to_dataset == to_dataset
        )
    )
    return {(from_id, to_id) for from_id, to_id in rows}


def record_associations_complete(
    connection: Connection, source: str, dataset: str, to_dataset: str, at: datetime
) -> None:
    """Say that the stored pairs of every record were complete at an instant."""
    row = {"source": source, "dataset": _state_name(dataset, to_dataset), "complete_at": at}
    upsert(connection, source_state, [row])


def associations_complete_at(
    connection: Connection, source: str, dataset: str, to_dataset: str
) -> datetime | None:
    """When the stored pairs were last known to be complete; None if they never were."""
    return connection.execute(
        select(source_state.c.complete_at).where(
            source_state.c.source == source,
            source_state.c.dataset == _state_name(dataset, to_dataset),
        )
    ).scalar_one_or_none()


def forget_associations(connection: Connection, source: str, dataset: str, to_dataset: str) -> None:
    """Remove the pairs from one dataset to another, and that they were ever complete."""
    replace_associations(connection, source, dataset, to_dataset, ())
    connection.execute(
        delete(source_state).where(
            source_state.c.source == source,
            source_state.c.dataset == _state_name(dataset, to_dataset),
        )
    )


def _state_name(dataset: str, to_dataset: str) -> str:
    # No dataset's name has this sign, so the row can't be taken for a dataset's own.
    return f"{dataset}>{to_dataset}"
