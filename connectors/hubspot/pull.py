"""One pull of one object: a full read or the changes, proven complete, written at once or not.

Belongs here: which of the two is due, in which order things are read and held against HubSpot's
count, and the one transaction at the end. Does not belong here: requests (records), the proof itself
(proof), tables (okr_sync.warehouse.mirror).
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Table, select

from connectors.base import Progress
from connectors.hubspot.account import AccountDetails
from connectors.hubspot.associations import AssociationReader, Ties
from connectors.hubspot.holdings import overlaid, staged
from connectors.hubspot.proof import INDEX_LAG, Holding, archived_in, expected_count
from connectors.hubspot.records import RecordReader, TooManyChangesError
from connectors.hubspot.schema import BoundProperty
from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.association_store import (
    associations_filled_at,
    change_associations,
    forget_associations,
    replace_associations,
)
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import (
    DatasetState,
    FieldState,
    FieldType,
    Row,
    fields_of,
    record_table,
    state_of,
)
from okr_sync.warehouse.mirror_writes import (
    commit_changes,
    commit_full_read,
    create_stage,
    drop_old_stages,
    drop_stage,
    remove,
    store,
)

REREAD_AFTER: Final = timedelta(hours=24)
"""Calculated properties change without moving a record's modified date, so all is read again."""

_FULL_READS: Final = 2
_ROWS_PER_WRITE: Final = 2_000
_STAGE_LIVES: Final = timedelta(days=1)


@dataclass(frozen=True)
class PullReport:
    """What a pull that was proven complete has stored: the mirror's records, and HubSpot's count."""

    rows: int
    rows_expected: int
    cursor_from: datetime | None
    cursor_to: datetime


class _NotReconciledError(Exception):
    """The changes alone don't lead to HubSpot's count."""


class DatasetPull:
    """A pull of one object into a warehouse; `run` it once."""

    def __init__(
        self,
        reader: RecordReader,
        warehouse: Warehouse,
        source: str,
        dataset: str,
        account: AccountDetails,
        bound: Mapping[str, BoundProperty],
        now: datetime,
        associations: AssociationReader,
        to_objects: Collection[str],
    ) -> None:
        self._reader = reader
        self._associations = associations
        self._to_objects = sorted(to_objects)
        self._warehouse = warehouse
        self._source = source
        self._dataset = dataset
        self._account = account
        self._bound = bound
        self._types: dict[str, FieldType] = {
            name: one.type for name, one in bound.items() if one.type is not None
        }
        self._now = now
        self._began = time.monotonic()
        with warehouse.read() as connection:
            self._known = state_of(connection, source, dataset)
            self._before = fields_of(connection, source, dataset)
            self._filled = {
                name: associations_filled_at(connection, source, dataset, name)
                for name in self._to_objects
            }

    def run(self, progress: Progress) -> PullReport:
        """Bring the mirror up to date. Raises SourceError and its kin, and then changes nothing."""
        if self._known is None or self._known.cursor_at is None or self._full_read_is_due():
            return self._full_read(progress)
        try:
            return self._changes(self._known, self._known.cursor_at)
        except (_NotReconciledError, TooManyChangesError):
            return self._full_read(progress)

    def _full_read_is_due(self) -> bool:
        known = self._known
        if known is None or known.complete_at is None or known.account != self._account.portal_id:
            return True
        for name, kind in self._types.items():
            before = self._before.get(name)
            if before is None or before.filled_at is None or before.type is not kind:
                return True
            if before.filled_at <= self._now - REREAD_AFTER:
                return True
        # An association may come and go without a change of the record at either end.
        return any(
            filled_at is None or filled_at <= self._now - REREAD_AFTER
            for filled_at in self._filled.values()
        )

    # --- the changes since the last time ---

    def _changes(self, known: DatasetState, cursor_at: datetime) -> PullReport:
        table = record_table(self._source, self._dataset, self._types)
        low = min(cursor_at, self._now) - INDEX_LAG
        gone: set[str] = set()
        # Again, because records that became visible in between explain most differences.
        for _ in range(2):
            high = self._present()
            rows = self._reader.changes(low, high)
            holding = overlaid(self._warehouse, table, rows, gone)
            expected = expected_count(self._reader, holding, high)
            if holding.count > expected and not gone:
                gone = archived_in(self._reader, holding)
                holding = overlaid(self._warehouse, table, rows, gone)
                expected = expected_count(self._reader, holding, high)
            if holding.count == expected:
                kept = [row for row in rows if row["id"] not in gone]
                return self._commit_changes(known, cursor_at, high, kept, gone, expected)
        raise _NotReconciledError

    def _commit_changes(
        self,
        known: DatasetState,
        cursor_at: datetime,
        high: datetime,
        rows: Sequence[Row],
        gone: Collection[str],
        expected: int,
    ) -> PullReport:
        fields = {
            name: FieldState(one.type, self._filled_at(name, one), one.error)
            for name, one in self._bound.items()
        }
        touched = {str(row["id"]) for row in rows}
        ties = self._ties_of(touched)
        # A worker whose clock was set back must not move the cursor back with it.
        state = self._state(max(high, cursor_at))
        with self._warehouse.write() as connection:
            held = commit_changes(
                connection,
                self._source,
                self._dataset,
                rows=rows,
                gone=gone,
                fields=fields,
                known=known,
                state=state,
            )
            self._check(held, expected)
            for name, mine in ties.items():
                change_associations(
                    connection, self._source, self._dataset, name, touched | set(gone), mine
                )
            forget_associations(connection, self._source, self._dataset, self._to_objects)
        return PullReport(held, expected, cursor_at, max(high, cursor_at))

    def _filled_at(self, name: str, one: BoundProperty) -> datetime | None:
        before = self._before.get(name)
        return before.filled_at if before is not None and one.type is not None else None

    # --- everything ---

    def _full_read(self, progress: Progress) -> PullReport:
        held = expected = 0
        for _ in range(_FULL_READS):
            started_at = self._present()
            with self._warehouse.write() as connection:
                drop_old_stages(connection, self._source, self._dataset, started_at - _STAGE_LIVES)
                stage = create_stage(
                    connection, self._source, self._dataset, self._types, started_at
                )
            is_kept = False
            try:
                high, held, expected = self._fill(stage, started_at, progress)
                if held == expected:
                    report = self._commit_full_read(stage, started_at, high, expected)
                    is_kept = True
                    return report
            finally:
                if not is_kept:
                    with self._warehouse.write() as connection:
                        drop_stage(connection, stage)
        raise IncompletePullError(
            f"Source {self._source}: {held:,} {self._dataset} could be read, but HubSpot counts "
            f"{expected:,}. Nothing of this read was used; the next run tries again."
        )

    def _fill(
        self, stage: Table, started_at: datetime, progress: Progress
    ) -> tuple[datetime, int, int]:
        """Read everything; gives the instant up to which, the records held and those expected."""
        waiting: list[Row] = []
        read = 0
        for page in self._reader.pages():
            waiting += page
            read += len(page)
            progress(read)
            if len(waiting) >= _ROWS_PER_WRITE:
                self._store(stage, waiting)
                waiting = []
        self._store(stage, waiting)
        holding = staged(self._warehouse, stage)
        for _ in range(2):
            # What changed while the list was read: a page read early is older than one read late.
            high = self._present()
            self._add_changes(stage, holding, started_at - INDEX_LAG, high)
            holding = staged(self._warehouse, stage)
            expected = expected_count(self._reader, holding, high)
            if holding.count > expected:
                gone = archived_in(self._reader, holding)
                with self._warehouse.write() as connection:
                    remove(connection, stage, gone)
                holding = staged(self._warehouse, stage)
                expected = expected_count(self._reader, holding, high)
            if holding.count == expected:
                break
        return high, holding.count, expected

    def _add_changes(self, stage: Table, holding: Holding, low: datetime, high: datetime) -> None:
        rows = self._reader.changes(low, high)
        ids = {str(row["id"]) for row in rows}
        unlisted = ids - holding.present(ids)
        # Not in the list: made since, or archived since and still in the index.
        usable = ids - unlisted | self._reader.existing(unlisted)
        self._store(stage, [row for row in rows if row["id"] in usable])

    def _store(self, stage: Table, rows: Sequence[Row]) -> None:
        if rows:
            with self._warehouse.write() as connection:
                store(connection, stage, rows)

    def _commit_full_read(
        self, stage: Table, started_at: datetime, high: datetime, expected: int
    ) -> PullReport:
        fields = {
            name: FieldState(one.type, started_at if one.type else None, one.error)
            for name, one in self._bound.items()
        }
        ties: dict[str, Ties] = {}
        if self._to_objects:
            with self._warehouse.read() as connection:
                ids = set(connection.scalars(select(stage.c.id)))
            ties = self._ties_of(ids)
        with self._warehouse.write() as connection:
            held = commit_full_read(
                connection,
                self._source,
                self._dataset,
                stage=stage,
                fields=fields,
                known=self._known,
                state=self._state(high),
            )
            self._check(held, expected)
            for name, mine in ties.items():
                replace_associations(
                    connection, self._source, self._dataset, name, mine, started_at
                )
            forget_associations(connection, self._source, self._dataset, self._to_objects)
        return PullReport(held, expected, None, high)

    # --- both ---

    def _ties_of(self, ids: Collection[str]) -> dict[str, Ties]:
        """The associations of these records, by the object at the other end."""
        return {name: self._associations.read(name, ids) for name in self._to_objects}

    def _present(self) -> datetime:
        """The present instant by the clock that the pull was given."""
        return self._now + timedelta(seconds=time.monotonic() - self._began)

    def _state(self, cursor_at: datetime) -> DatasetState:
        return DatasetState(
            cursor_at=cursor_at,
            complete_at=self._present(),
            account=self._account.portal_id,
            time_zone=self._account.time_zone,
            currency=self._account.currency,
        )

    def _check(self, held: int, expected: int) -> None:
        if held != expected:
            raise IncompletePullError(
                f"Source {self._source}: {held:,} {self._dataset} would be stored where "
                f"{expected:,} were proven. Nothing of this read was used; the next run tries again."
            )
