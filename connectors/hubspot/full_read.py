"""A read of all records of one object, page by page, that a killed process leaves for the next run.

Belongs here: filling a stage, and the proof that it holds what HubSpot counts. Does not belong here:
when a full read is due and what follows from it (pull), stages and their checkpoints
(okr_sync.warehouse.checkpoints).
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Table

from connectors.base import Progress
from connectors.hubspot.holdings import Held
from connectors.hubspot.reconcile import INDEX_LAG, Reconciler, TooMuchDriftError
from connectors.hubspot.record_search import TooManyChangesError
from connectors.hubspot.records import MOST_CHANGES, RecordReader
from okr_sync.errors import IncompletePullError, InvalidRequestError, SourceError
from okr_sync.warehouse.checkpoints import (
    Block,
    Stage,
    append,
    drop_stage,
    open_stage,
    release,
)
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType, Row, count_records, ids_lacking
from okr_sync.warehouse.mirror_writes import remove, store

_PROOFS: Final = 2
_ROWS_PER_WRITE: Final = 2_000
_SECONDS_PER_WRITE: Final = 5.0
_COUNTED_FROM: Final = 10_000


@dataclass(frozen=True)
class Earlier:
    """What an earlier read of the same account is known to have held, all of it at `read_to_at`."""

    table: Table
    read_to_at: datetime


@dataclass(frozen=True)
class ReadAll:
    """A stage that holds every record: read up to `high`, as many as HubSpot counts."""

    stage: Stage
    high: datetime
    expected: int


class _ForgottenPlaceError(Exception):
    """HubSpot no longer knows the place where an earlier read was left."""


class _EndlessListError(Exception):
    """The list goes on and gives the same records again; the text says how many."""


class FullRead:
    """Reads everything into a stage; `run` it once."""

    def __init__(
        self,
        reader: RecordReader,
        warehouse: Warehouse,
        source: str,
        dataset: str,
        types: Mapping[str, FieldType],
        account: str,
        earlier: Earlier | None,
        present: Callable[[], datetime],
        ahead: Callable[[], timedelta],
        monotonic: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._warehouse = warehouse
        self._source = source
        self._dataset = dataset
        self._types = types
        self._account = account
        self._earlier = earlier
        self._present = present
        self._ahead = ahead
        self._monotonic = monotonic
        self._next_count = _COUNTED_FROM

    def run(self, progress: Progress) -> ReadAll:
        """Read all records, from where an earlier read was cut off. Raises SourceError and its kin.

        What has been read when HubSpot fails is kept for the next run; what can't be proven is
        thrown away.
        """
        held = expected = unproven = 0
        while unproven < _PROOFS:
            with ExitStack() as undone:
                stage = self._opened()
                undone.callback(self.leave, stage)
                is_resumed = stage.rows > 0 or stage.is_listed
                before = None if is_resumed or self._earlier else self._reader.total()
                try:
                    self._list(stage, progress)
                except _ForgottenPlaceError:
                    undone.pop_all()
                    self.abandon(stage)
                    continue
                except _EndlessListError as endless:
                    undone.pop_all()
                    self.abandon(stage)
                    raise IncompletePullError(
                        f"Source {self._source}: HubSpot's list of {self._dataset} goes round in a "
                        f"circle. {endless} Nothing of this read was used; the next run tries again."
                    ) from endless
                high, held, expected, is_proven = self._proven(stage, before)
                undone.pop_all()
            if is_proven:
                return ReadAll(stage, high, expected)
            self.abandon(stage)
            unproven += 1
        raise IncompletePullError(
            f"Source {self._source}: {held:,} {self._dataset} could be read, but HubSpot counts "
            f"{expected:,}. Nothing of this read was used; the next run tries again."
        )

    def abandon(self, stage: Stage) -> None:
        """Throw away what has been read."""
        with self._warehouse.write() as connection:
            drop_stage(connection, stage)

    def _opened(self) -> Stage:
        with self._warehouse.write() as connection:
            return open_stage(
                connection,
                self._source,
                self._dataset,
                self._types,
                self._account,
                self._present(),
            )

    def leave(self, stage: Stage) -> None:
        """Leave what has been read to the next run."""
        with self._warehouse.write() as connection:
            release(connection, stage)
            if stage.reader is None or not stage.rows:
                drop_stage(connection, stage)

    # --- the list ---

    def _list(self, stage: Stage, progress: Progress) -> None:
        if stage.is_listed:
            return
        waiting = self._reader.rows.empty()
        place, position = stage.position, stage.position
        read = stage.rows
        written_at = self._monotonic()
        try:
            for page in self._reader.pages(place):
                self._reader.rows.take(waiting, page.records)
                read += len(page.records)
                position = page.after
                progress(read)
                is_time = self._monotonic() - written_at >= _SECONDS_PER_WRITE
                if position is not None and (len(waiting) >= _ROWS_PER_WRITE or is_time):
                    self._append(stage, waiting, position)
                    waiting, written_at = self._reader.rows.empty(), self._monotonic()
        except InvalidRequestError as error:
            if place is not None and position == place:
                raise _ForgottenPlaceError from error
            raise
        except SourceError:
            if len(waiting):
                self._append(stage, waiting, position)
            raise
        self._append(stage, waiting, None, is_listed=True)

    def _append(
        self,
        stage: Stage,
        block: Block,
        position: str | None,
        is_listed: bool = False,
    ) -> None:
        with self._warehouse.write() as connection:
            append(connection, stage, block, position, is_listed)
            self._refuse_repetition(connection, stage)

    def _refuse_repetition(self, connection: Connection, stage: Stage) -> None:
        """A list whose cursors are ever new may still give the same records for ever."""
        if stage.rows < self._next_count:
            return
        self._next_count = 2 * stage.rows
        held = count_records(connection, stage.table)
        if stage.rows > 2 * held + _COUNTED_FROM // 2:
            raise _EndlessListError(
                f"It gave {stage.rows:,} records, of which only {held:,} are different."
            )

    # --- the proof ---

    def _proven(self, stage: Stage, before: int | None) -> tuple[datetime, int, int, bool]:
        """The instant up to which all was read, the records held, those expected, and whether they are
        proven to be all; `before` is what HubSpot counted before the list began, if that is known."""
        high, held, expected = self._present(), 0, 0
        for _ in range(2):
            # What changed while the list was read: a page read early is older than one read late.
            high = self._present()
            rows, is_known = self._changes(stage, high)
            self._add_changes(stage, rows)
            if is_known:
                self._add_what_is_still_there(stage)
            holding = Held(self._warehouse, stage.table)
            held, expected = holding.count, self._reader.total()
            reconciler = Reconciler(self._reader, holding)
            # What was made shortly before may not have been counted then.
            is_still = expected == before and not holding.made_since(self._since(stage))
            try:
                expected = reconciler.settle_listed(
                    expected, high, is_known=is_known, is_still=is_still
                )
            except TooMuchDriftError:
                return high, held, expected, False
            held = holding.count
            if held == expected:
                self._write(stage, holding)
                return high, held, expected, True
        return high, held, expected, False

    def _since(self, stage: Stage) -> datetime:
        """From when on what has changed may not be in the list, by HubSpot's clock."""
        return stage.started_at - self._ahead() - INDEX_LAG

    def _changes(self, stage: Stage, high: datetime) -> tuple[list[Row], bool]:
        """What has changed since the list began, or since an earlier read if that can be told, and
        whether it could.

        With it each record that there was before this read is known by its id.
        """
        began_at = self._since(stage)
        if self._earlier is not None:
            since = min(began_at, self._earlier.read_to_at - INDEX_LAG)
            with suppress(TooManyChangesError):
                return self._reader.changes(since, high, MOST_CHANGES).rows, True
        return self._reader.changes(began_at, high).rows, False

    def _add_changes(self, stage: Stage, rows: list[Row]) -> None:
        holding = Held(self._warehouse, stage.table)
        unlisted = {str(row["id"]) for row in rows}
        unlisted -= holding.present(unlisted)
        # Not in the list: made since, or archived since and still in the index.
        existing = {str(row["id"]) for row in self._reader.read(unlisted)}
        usable = [row for row in rows if row["id"] not in unlisted or row["id"] in existing]
        with self._warehouse.write() as connection:
            store(connection, stage.table, usable)

    def _add_what_is_still_there(self, stage: Stage) -> None:
        """Read by id what an earlier read held and this list did not give: gone, or passed over."""
        if self._earlier is None:
            return
        with self._warehouse.read() as connection:
            lacking = ids_lacking(connection, self._earlier.table, stage.table)
        for start in range(0, len(lacking), _ROWS_PER_WRITE):
            rows = self._reader.read(lacking[start : start + _ROWS_PER_WRITE])
            with self._warehouse.write() as connection:
                store(connection, stage.table, rows)

    def _write(self, stage: Stage, holding: Held) -> None:
        if holding.rows or holding.gone:
            with self._warehouse.write() as connection:
                remove(connection, stage.table, holding.gone)
                store(connection, stage.table, list(holding.rows.values()))
