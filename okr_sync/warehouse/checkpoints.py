"""A read of everything, kept page by page so that a killed one goes on where it was.

Belongs here: the stage (a table of its own that a full read goes to), its rows, and up to where it has
been read. Does not belong here: putting a stage in the mirror's place (mirror_writes) or reading a
source (connectors).

The rows of a page and the position behind it are written in one transaction. One process at a time
fills a stage: whoever finds another at work makes a stage of its own, without a checkpoint.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.exc import IntegrityError

from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.bulk import insert_rows
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.lease import database_now
from okr_sync.warehouse.mirror import FieldType, Stored, named_record_table, table_name
from okr_sync.warehouse.mirror_writes import store
from okr_sync.warehouse.readers import is_dead, reader_name
from okr_sync.warehouse.tables import source_checkpoint
from okr_sync.warehouse.upsert import upsert

STAGE_LIVES: Final = timedelta(days=1)
"""How old a read may be that is gone on with: what it read first is as old."""

_SKEW: Final = timedelta(minutes=5)
"""How much later by its own clock another machine may have begun: changes are read with an overlap."""

_SILENCE: Final = timedelta(minutes=10)
"""A reader on another machine that wrote nothing for so long is taken for dead: longer than a request
with all its tries may take."""


@dataclass(frozen=True)
class Block:
    """Records column by column: a list of values for each of `columns`, which are a mirror's."""

    columns: tuple[str, ...]
    values: Sequence[list[Stored]]

    @property
    def rows(self) -> Iterator[tuple[Stored, ...]]:
        """The records, each as its values in the order of `columns`."""
        return zip(*self.values, strict=True)

    def __len__(self) -> int:
        return len(self.values[0])


@dataclass
class Stage:
    """A full read that is going on; `position` and `rows` are what has been written so far."""

    table: Table
    source: str
    dataset: str
    started_at: datetime
    position: str | None = None
    is_listed: bool = False
    rows: int = 0
    reader: str | None = None
    """This reader's name in the checkpoint; None for a stage without one."""


def open_stage(
    connection: Connection,
    source: str,
    dataset: str,
    fields: Mapping[str, FieldType],
    account: str | None,
    now: datetime,
) -> Stage:
    """The stage of a read that was cut off, if it can be gone on with, else an empty one.

    It can if it read the same fields of the same account, began within STAGE_LIVES, and nobody is at
    work on it. What dead readers have left is removed.
    """
    _drop_old_stages(connection, source, dataset, now - STAGE_LIVES)
    reading = json.dumps([account, {name: fields[name].value for name in sorted(fields)}])
    found = _lock_checkpoint(connection, source, dataset)
    reader = reader_name()
    if found is not None and _is_at_work(connection, found):
        return Stage(_new_stage(connection, source, dataset, fields, now), source, dataset, now)
    if found is not None:
        table = named_record_table(found.stage, fields)
        is_there = sa.inspect(connection).has_table(found.stage)
        is_young = now - STAGE_LIVES <= found.started_at <= now + _SKEW
        if found.reading == reading and is_there and is_young:
            stage = Stage(table, source, dataset, found.started_at)
            stage.position, stage.is_listed = found.position, found.is_listed
            stage.rows, stage.reader = found.rows, reader
            _save(connection, stage, reading)
            return stage
        table.drop(connection, checkfirst=True)
    table = _new_stage(connection, source, dataset, fields, now)
    stage = Stage(table, source, dataset, now, reader=reader)
    _save(connection, stage, reading)
    return stage


def bare_stage(
    connection: Connection,
    source: str,
    dataset: str,
    fields: Mapping[str, FieldType],
    now: datetime,
) -> Stage:
    """An empty stage without a checkpoint, for a read that always begins at the beginning."""
    _drop_old_stages(connection, source, dataset, now - STAGE_LIVES)
    return Stage(_new_stage(connection, source, dataset, fields, now), source, dataset, now)


def append(
    connection: Connection, stage: Stage, block: Block, position: str | None, is_listed: bool
) -> None:
    """Add the records of some pages and the position behind them, in the caller's transaction.

    Raises IncompletePullError when another reader has gone on with this stage meanwhile.
    """
    insert_block(connection, stage.table, block)
    stage.position, stage.is_listed = position, is_listed
    stage.rows += len(block)
    if stage.reader is None:
        return
    table = source_checkpoint
    done = connection.execute(
        sa.update(table)
        .where(*_of(stage.source, stage.dataset), table.c.reader == stage.reader)
        .values(
            position=position,
            is_listed=is_listed,
            rows=stage.rows,
            beat_at=database_now(connection),
        )
    )
    if not done.rowcount:
        raise IncompletePullError(
            f"Source {stage.source}: this run was silent for so long while it read {stage.dataset} "
            "that another one goes on with its read. What has been read is kept."
        )


def insert_block(connection: Connection, table: Table, block: Block) -> None:
    """Insert records in bulk; where one is there already its newest version stays, as with store."""
    # Hardly any block has a value that could not be read.
    used = {
        name: values
        for name, values in zip(block.columns, block.values, strict=True)
        if any(value is not None for value in values)
    }
    if not used:
        return
    try:
        # PostgreSQL does nothing more in a transaction in which a statement has failed.
        is_undone = connection.dialect.name == "postgresql"
        with connection.begin_nested() if is_undone else nullcontext():
            insert_rows(connection, table, used, zip(*used.values(), strict=True))
    except IntegrityError:
        store(connection, table, [dict(zip(block.columns, row, strict=True)) for row in block.rows])


def release(connection: Connection, stage: Stage) -> None:
    """Leave a stage to whoever reads next."""
    if stage.reader is not None:
        mine = sa.update(source_checkpoint).where(
            *_of(stage.source, stage.dataset), source_checkpoint.c.reader == stage.reader
        )
        connection.execute(mine.values(reader=None))


def forget_stage(connection: Connection, stage: Stage) -> None:
    """Remove a stage's checkpoint; the table is not touched."""
    if stage.reader is not None:
        mine = sa.delete(source_checkpoint).where(
            *_of(stage.source, stage.dataset), source_checkpoint.c.reader == stage.reader
        )
        connection.execute(mine)


def drop_stage(connection: Connection, stage: Stage) -> None:
    """Remove what a full read has left, with its checkpoint."""
    forget_stage(connection, stage)
    stage.table.drop(connection, checkfirst=True)


# --- checkpoints ----------------------------------------------------------------------------------


def _of(source: str, dataset: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (source_checkpoint.c.source == source, source_checkpoint.c.dataset == dataset)


def _lock_checkpoint(connection: Connection, source: str, dataset: str) -> Any:
    # Of two that want to go on with it, the second waits and then finds the first at work.
    query = sa.select(source_checkpoint).where(*_of(source, dataset)).with_for_update()
    return connection.execute(query).one_or_none()


def _is_at_work(connection: Connection, found: Any) -> bool:
    if found.reader is None or is_dead(found.reader):
        return False
    return bool(found.beat_at > database_now(connection) - _SILENCE)


def _save(connection: Connection, stage: Stage, reading: str) -> None:
    row = {
        "source": stage.source,
        "dataset": stage.dataset,
        "stage": stage.table.name,
        "reading": reading,
        "position": stage.position,
        "is_listed": stage.is_listed,
        "rows": stage.rows,
        "started_at": stage.started_at,
        "reader": stage.reader,
        "beat_at": database_now(connection),
    }
    upsert(connection, source_checkpoint, [row])


# --- stages ---------------------------------------------------------------------------------------


def _prefix(source: str, dataset: str) -> str:
    return f"{table_name(source, dataset)}__g"


def _new_stage(
    connection: Connection,
    source: str,
    dataset: str,
    fields: Mapping[str, FieldType],
    now: datetime,
) -> Table:
    names = set(sa.inspect(connection).get_table_names())
    number = epoch_ms(now)
    # Another reader may have begun in the same millisecond.
    while (name := f"{_prefix(source, dataset)}{number:013d}") in names:
        number += 1
    table = named_record_table(name, fields)
    table.create(connection)
    return table


def _drop_old_stages(
    connection: Connection, source: str, dataset: str, older_than: datetime
) -> None:
    """Remove what dead readers have left, if they began before `older_than`: a younger one may belong
    to a run that is at work."""
    prefix = _prefix(source, dataset)
    for name in sa.inspect(connection).get_table_names():
        began = name.removeprefix(prefix)
        if name.startswith(prefix) and began.isdigit() and int(began) < epoch_ms(older_than):
            Table(name, sa.MetaData()).drop(connection)
