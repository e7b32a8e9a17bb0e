"""One pull of one object: a full read or the changes, proven complete, written at once or not.

Belongs here: which of the two is due, in which order things are read and held against HubSpot's
count, and the one transaction at the end. Does not belong here: requests (records), the proof and the
repair of drift (reconcile), reading everything (full_read), tables (okr_sync.warehouse.mirror).
"""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from connectors.base import Progress
from connectors.hubspot.account import AccountDetails
from connectors.hubspot.associations import AssociationReader, Ties
from connectors.hubspot.full_read import Earlier, FullRead, ReadAll
from connectors.hubspot.full_read_due import FullReadDue
from connectors.hubspot.holdings import Held
from connectors.hubspot.reconcile import INDEX_LAG, Reconciler, TooMuchDriftError
from connectors.hubspot.record_search import TooManyChangesError
from connectors.hubspot.records import (
    MOST_CHANGES,
    RecordReader,
    Slice,
    UnprovenWindowError,
    is_at_most,
)
from connectors.hubspot.schema import BoundProperty
from connectors.hubspot.transport import Transport
from connectors.hubspot.untied import note_gone, settle, untied
from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.association_store import (
    add_associations,
    associations_filled_at,
    change_associations,
    forget_associations,
    replace_associations,
)
from okr_sync.warehouse.checkpoints import forget_stage
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import (
    DatasetState,
    FieldState,
    FieldType,
    Row,
    fields_of,
    record_table,
    state_of,
)
from okr_sync.warehouse.mirror_writes import commit_changes, commit_full_read
from okr_sync.warehouse.source_memory import recall, remember

_LITTLE: Final = timedelta(minutes=1)
_LOOKS: Final = "looks"


@dataclass(frozen=True)
class PullReport:
    """What a pull that was proven complete has stored: the mirror's records, and HubSpot's count."""

    rows: int
    rows_expected: int
    cursor_from: datetime | None
    cursor_to: datetime
    quality: tuple[str, ...] = ()
    """The flags of the properties that could not be read."""


@dataclass
class Looks:
    """In how many runs a part of the mirror was compared, and whether in one of them, since all was last
    read, everything that was compared was wrong."""

    count: int = 0
    all_wrong: bool = False


class _NotReconciledError(Exception):
    """The changes alone don't lead to HubSpot's count."""


class DatasetPull:
    """A pull of one object into a warehouse; `run` it once."""

    def __init__(
        self,
        transport: Transport,
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
        self._transport = transport
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
        self._clock = transport.settings.clock
        self._began = self._clock.monotonic()
        with warehouse.read() as connection:
            self._known = state_of(connection, source, dataset)
            self._before = fields_of(connection, source, dataset)
            self._filled = {
                name: associations_filled_at(connection, source, dataset, name)
                for name in self._to_objects
            }
            looks = recall(connection, source, dataset, _LOOKS, now, timedelta.max)
            self._looks = Looks(**looks) if looks else Looks()

    def run(self, progress: Progress) -> PullReport:
        """Bring the mirror up to date. Raises SourceError and its kin, and then changes nothing.

        Raises LackingPropertiesError when records lack a property that they should have by the
        verdicts.
        """
        known = self._known
        cursor_at = known.cursor_at if known is not None else None
        if known is None or cursor_at is None or self._full_read_is_due(known, cursor_at):
            return self._full_read(progress)
        try:
            return self._changes(known, cursor_at)
        except (
            _NotReconciledError,
            TooManyChangesError,
            TooMuchDriftError,
            UnprovenWindowError,
        ):
            return self._full_read(progress)

    def _full_read_is_due(self, known: DatasetState, cursor_at: datetime) -> bool:
        if (known.account, known.currency) != (self._account.portal_id, self._account.currency):
            # In another home currency each home amount is another, and no modified date says so.
            return True
        filled: list[datetime | None] = [known.complete_at, *self._filled.values()]
        for name, kind in self._types.items():
            before = self._before.get(name)
            filled.append(before.filled_at if before and before.type is kind else None)
        due = FullReadDue(
            self._transport, self._reader, self._warehouse, self._source, self._dataset, self._now
        )
        return due.is_due(cursor_at, filled, self._looks.all_wrong)

    # --- the changes since the last time ---

    def _changes(self, known: DatasetState, cursor_at: datetime) -> PullReport:
        table = record_table(self._source, self._dataset, self._types)
        low = min(cursor_at, self._now) - INDEX_LAG
        # Again, because records that became visible in between explain most differences.
        for _ in range(2):
            high = self._present()
            newest = self._reader.newest()
            # What was created after `high` would stand in the count for a record that is gone.
            is_exact = all(is_at_most(row, high) for row in newest.rows)
            rows = _covered(newest, low, self._reader.search_page)
            if rows is None:
                changes = self._reader.changes(low, high, MOST_CHANGES)
                rows, is_exact = changes.rows, is_exact and changes.all_stayed
            else:
                rows = self._reader.as_they_are(rows, high)
            held = Held(self._warehouse, table)
            held.put(rows)
            reconciler = Reconciler(self._reader, held)
            total = newest.total if is_exact else None
            expected = reconciler.settle(total, high)
            if held.count != expected:
                continue
            self._look(reconciler, held, newest)
            expected = reconciler.settle(total, high) if reconciler.repaired else expected
            if held.count == expected:
                return self._commit_changes(known, cursor_at, high, held, expected)
        raise _NotReconciledError

    def _look(self, reconciler: Reconciler, held: Held, newest: Slice) -> None:
        """Compare a part of the mirror with HubSpot; if all of it is wrong, all is read again soon."""
        if len(newest.rows) >= newest.total:
            reconciler.compare_all(newest.rows)
            return
        self._looks.count += 1
        self._looks.all_wrong |= reconciler.look(self._looks.count, newest.total)

    def _commit_changes(
        self, known: DatasetState, cursor_at: datetime, high: datetime, held: Held, expected: int
    ) -> PullReport:
        fields = {
            name: FieldState(one.type, self._filled_at(name, one), one.error, one.quality)
            for name, one in self._bound.items()
        }
        touched = set(held.rows)
        ties = self._ties_of(touched)
        bereft = self._bereft()
        more = {name: self._associations.read(name, ids - touched) for name, ids in bereft.items()}
        # A worker whose clock was set back must not move the cursor back with it.
        reached_at = max(high - self._ahead(), cursor_at)
        state = self._state(reached_at)
        with self._warehouse.write() as connection:
            count = commit_changes(
                connection,
                self._source,
                self._dataset,
                rows=list(held.rows.values()),
                gone=held.gone,
                fields=fields,
                known=known,
                state=state,
            )
            self._check(count, expected)
            for name, mine in ties.items():
                change_associations(
                    connection, self._source, self._dataset, name, touched | held.gone, mine
                )
            for name, mine in more.items():
                add_associations(connection, self._source, self._dataset, name, mine)
            settle(connection, self._source, self._dataset, bereft, self._now)
            note_gone(connection, self._source, self._dataset, held.gone, self._now)
            forget_associations(connection, self._source, self._dataset, self._to_objects)
            self._remember_looks(connection)
        return PullReport(count, expected, cursor_at, reached_at, self._quality())

    def _bereft(self) -> dict[str, set[str]]:
        """Records that have lost one at the other end, by the object there."""
        with self._warehouse.read() as connection:
            noted = untied(connection, self._source, self._dataset, self._now)
        return {name: noted.get(name, set()) for name in self._to_objects}

    def _remember_looks(self, connection: Connection) -> None:
        remember(connection, self._source, self._dataset, _LOOKS, vars(self._looks), self._now)

    def _filled_at(self, name: str, one: BoundProperty) -> datetime | None:
        before = self._before.get(name)
        return before.filled_at if before is not None and one.type is not None else None

    # --- everything ---

    def _full_read(self, progress: Progress) -> PullReport:
        full_read = FullRead(
            self._reader,
            self._warehouse,
            self._source,
            self._dataset,
            self._types,
            f"{self._account.portal_id} {self._account.currency}",
            self._earlier(),
            self._present,
            self._ahead,
            self._clock.monotonic,
        )
        read = full_read.run(progress)
        with ExitStack() as undone:
            undone.callback(full_read.leave, read.stage)
            try:
                report = self._commit_full_read(read)
            except IncompletePullError:
                undone.pop_all()
                full_read.abandon(read.stage)
                raise
            undone.pop_all()
        return report

    def _earlier(self) -> Earlier | None:
        known = self._known
        if known is None or known.complete_at is None or known.cursor_at is None:
            return None
        if known.account != self._account.portal_id:
            return None
        return Earlier(record_table(self._source, self._dataset, self._types), known.cursor_at)

    def _commit_full_read(self, read: ReadAll) -> PullReport:
        started_at = read.stage.started_at
        fields = {
            name: FieldState(one.type, started_at if one.type else None, one.error, one.quality)
            for name, one in self._bound.items()
        }
        ties: dict[str, Ties] = {}
        if self._to_objects:
            with self._warehouse.read() as connection:
                ids = set(connection.scalars(select(read.stage.table.c.id)))
            ties = self._ties_of(ids)
        reached_at = read.high - self._ahead()
        with self._warehouse.write() as connection:
            held = commit_full_read(
                connection,
                self._source,
                self._dataset,
                stage=read.stage.table,
                fields=fields,
                known=self._known,
                state=self._state(reached_at),
            )
            self._check(held, read.expected)
            for name, mine in ties.items():
                replace_associations(
                    connection, self._source, self._dataset, name, mine, started_at
                )
            forget_associations(connection, self._source, self._dataset, self._to_objects)
            forget_stage(connection, read.stage)
            self._looks.all_wrong = False
            self._remember_looks(connection)
        return PullReport(held, read.expected, None, reached_at, self._quality())

    # --- both ---

    def _quality(self) -> tuple[str, ...]:
        return tuple(sorted({flag for one in self._bound.values() for flag in one.quality}))

    def _ties_of(self, ids: Collection[str]) -> dict[str, Ties]:
        """The associations of these records, by the object at the other end."""
        return {name: self._associations.read(name, ids) for name in self._to_objects}

    def _present(self) -> datetime:
        """The present instant by the clock that the pull was given."""
        return self._now + timedelta(seconds=self._clock.monotonic() - self._began)

    def _ahead(self) -> timedelta:
        """How far that is ahead of HubSpot's clock, which modified dates go by. A cursor that was ahead
        would pass over changes to come; what is less than a minute is within the windows' overlap."""
        there = self._transport.server_at
        ahead = timedelta(0) if there is None else self._present() - there
        return ahead if ahead > _LITTLE else timedelta(0)

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


def _covered(newest: Slice, low: datetime, asked: int) -> list[Row] | None:
    """The records modified at `low` or later, if the newest ones are sure to hold them all.

    A page with fewer than were asked for may have passed some over.
    """
    if len(newest.rows) < min(asked, newest.total):
        return None
    times = [row["updated_ms"] for row in newest.rows]
    known = [at for at in times if isinstance(at, int)]
    low_ms = epoch_ms(low)
    if len(newest.rows) >= newest.total:
        recent = (not isinstance(at, int) or at >= low_ms for at in times)
        return [row for row, is_recent in zip(newest.rows, recent, strict=True) if is_recent]
    if len(known) < len(times) or known != sorted(known, reverse=True):
        return None
    if not known or known[-1] >= low_ms:
        return None
    return [row for row, at in zip(newest.rows, known, strict=True) if at >= low_ms]
