"""What the records of a mirror were before they changed, so that figures are mended, not recounted.

Belongs here: the journal beside each mirror, and when it is given up. Does not belong here: writing
the mirror (mirror_writes), the figures (tally_store), mending them (metrics.tally_changes).

Each write of a mirror has a number, its sequence. While figures of a dataset are kept, every write
first puts the records that it is going to change into the journal as they were, and those that it is
going to add as absent. Figures of any write since `known_since` can then be brought up to date.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Subquery, Table

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.tables import day_figures, mirror_change
from okr_sync.warehouse.upsert import insert_missing

MOST_CHANGES: Final = 20_000
"""From so many changes on, counting anew is the cheaper way."""


@dataclass(frozen=True)
class Sequence:
    """The newest write of a mirror, and the earliest one whose successors are in the journal."""

    newest: int
    known_since: int


def sequence_of(
    connection: Connection, source: str, dataset: str, *, is_held: bool = False
) -> Sequence:
    """How often a mirror has been written; `is_held`: no more until the transaction ends."""
    query = sa.select(mirror_change.c.sequence, mirror_change.c.known_since).where(
        mirror_change.c.source == source, mirror_change.c.dataset == dataset
    )
    row = connection.execute(query.with_for_update() if is_held else query).one_or_none()
    return Sequence(0, 0) if row is None else Sequence(*row)


def note_changes(
    connection: Connection, table: Table, source: str, dataset: str, ids: Collection[str]
) -> None:
    """Note what these records are, in the transaction that is about to change them.

    It must have locked the mirror against other writers.
    """
    if not ids:
        return
    of_dataset = sa.and_(day_figures.c.source == source, day_figures.c.dataset == dataset)
    is_kept = connection.execute(sa.select(day_figures.c.part).where(of_dataset).limit(1)).first()
    journal = journal_table(table)
    if is_kept is None or len(ids) > MOST_CHANGES or _has_grown(connection, journal, len(ids)):
        forget_changes(connection, table, source, dataset)
        return
    journal.create(connection, checkfirst=True)
    number = _next(connection, source, dataset)
    for some in in_chunks(sorted(ids)):
        held = sa.select(*table.c, sa.literal(number), sa.literal(1)).where(table.c.id.in_(some))
        connection.execute(sa.insert(journal).from_select(list(journal.c.keys()), held))
        present = set(connection.scalars(sa.select(table.c.id).where(table.c.id.in_(some))))
        absent = [
            {"id": one, "sequence": number, "present": 0} for one in some if one not in present
        ]
        if absent:
            connection.execute(sa.insert(journal), absent)


def forget_changes(connection: Connection, table: Table, source: str, dataset: str) -> None:
    """Give up the journal and the figures, in the transaction that is about to replace records."""
    number = _next(connection, source, dataset)
    _empty(connection, journal_table(table))
    connection.execute(
        sa.delete(day_figures).where(
            day_figures.c.source == source, day_figures.c.dataset == dataset
        )
    )
    _known_since(connection, source, dataset, number)


def forget_before(connection: Connection, table: Table, source: str, dataset: str) -> None:
    """Take out of the journal what all figures that are kept know of."""
    oldest = connection.scalar(
        sa.select(sa.func.min(day_figures.c.sequence)).where(
            day_figures.c.source == source, day_figures.c.dataset == dataset
        )
    )
    journal = journal_table(table)
    known = sequence_of(connection, source, dataset)
    if oldest is not None and oldest > known.known_since and _exists(connection, journal):
        connection.execute(sa.delete(journal).where(journal.c.sequence <= oldest))
        _known_since(connection, source, dataset, oldest)


def changed_since(table: Table, sequence: int) -> Subquery:
    """The records changed since a write, as they were then and (`is_now` 1, else 0) as they are now."""
    journal = journal_table(table)
    earlier = journal_table(table).alias("earlier")
    since = journal.c.sequence > sequence
    is_first = ~sa.exists().where(
        earlier.c.id == journal.c.id,
        earlier.c.sequence > sequence,
        earlier.c.sequence < journal.c.sequence,
    )
    columns = [journal.c[column.name] for column in table.c]
    then = sa.select(*columns, sa.literal_column("0").label("is_now"))
    ids = sa.select(journal.c.id).where(since)
    now = sa.select(*table.c, sa.literal_column("1")).where(table.c.id.in_(ids))
    return sa.union_all(then.where(since, is_first, journal.c.present == 1), now).subquery(
        "changed"
    )


def journal_table(table: Table) -> Table:
    """The journal of a mirror: its columns, the number of the write, and whether it was there."""
    columns: list[sa.Column[Any]] = [sa.Column(column.name, column.type) for column in table.c]
    return Table(
        f"{table.name}__was",
        sa.MetaData(),
        *columns,
        sa.Column("sequence", sa.BigInteger()),
        sa.Column("present", sa.Integer()),
        sa.Index(f"ix_{table.name}__was", "id", "sequence"),
    )


def _has_grown(connection: Connection, journal: Table, more: int) -> bool:
    if not _exists(connection, journal):
        return False
    held = connection.scalar(sa.select(sa.func.count()).select_from(journal))
    return int(held or 0) + more > MOST_CHANGES


def _exists(connection: Connection, table: Table) -> bool:
    return bool(sa.inspect(connection).has_table(table.name))


def _empty(connection: Connection, journal: Table) -> None:
    """Take everything out of a journal; it is itself removed where it has other columns.

    A reader whose snapshot is older still reads it: it would miss a table that is gone.
    """
    if not _exists(connection, journal):
        return
    wanted = {column.name: column.type for column in journal.c}
    present = {
        column["name"]: column["type"]
        for column in sa.inspect(connection).get_columns(journal.name)
    }
    dialect = connection.dialect
    if {name: kind.compile(dialect) for name, kind in present.items()} == {
        name: kind.compile(dialect) for name, kind in wanted.items()
    }:
        connection.execute(sa.delete(journal))
    else:
        journal.drop(connection)


def _next(connection: Connection, source: str, dataset: str) -> int:
    """The number of the write that is beginning, which becomes the newest."""
    row = {"source": source, "dataset": dataset, "sequence": 0, "known_since": 0}
    insert_missing(connection, mirror_change, [row])
    # Each column is written by itself: keeping figures, which locks no mirror, moves only the other.
    connection.execute(
        sa.update(mirror_change)
        .where(mirror_change.c.source == source, mirror_change.c.dataset == dataset)
        .values(sequence=mirror_change.c.sequence + 1)
    )
    return sequence_of(connection, source, dataset).newest


def _known_since(connection: Connection, source: str, dataset: str, number: int) -> None:
    connection.execute(
        sa.update(mirror_change)
        .where(
            mirror_change.c.source == source,
            mirror_change.c.dataset == dataset,
            mirror_change.c.known_since < number,
        )
        .values(known_since=number)
    )
