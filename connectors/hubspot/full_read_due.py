"""When all records of an object are read again.

Belongs here: what makes a full read due, and leaving a day's last requests to others. Does not belong
here: the read itself (full_read) and what makes the changes of one run insufficient (pull).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from connectors.hubspot.reconcile import INDEX_LAG
from connectors.hubspot.records import RecordReader
from connectors.hubspot.transport import Transport
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import count_records, record_table
from okr_sync.warehouse.source_memory import recall, remember

REREAD_AFTER: Final = timedelta(hours=24)
"""Calculated properties and associations change without moving a record's modified date, so all is
read again."""

_PUT_OFF: Final = timedelta(days=7)
_KEPT_FOR_OTHERS: Final = 10
_REREAD_WHEN_WRONG: Final = timedelta(hours=1)
_RECORDS_PER_REQUEST: Final = 100
_SHORT_DAY: Final = "short_day"
# How long a day that has no room is believed to have none: learning it costs a request.
_ASKED_AGAIN: Final = timedelta(hours=1)


class FullReadDue:
    """Whether a full read of one object is due at an instant. Raises SourceError and its kin."""

    def __init__(
        self,
        transport: Transport,
        reader: RecordReader,
        warehouse: Warehouse,
        source: str,
        dataset: str,
        now: datetime,
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._warehouse = warehouse
        self._source = source
        self._dataset = dataset
        self._now = now

    def is_due(
        self, cursor_at: datetime, filled: Sequence[datetime | None], is_wrong: bool
    ) -> bool:
        """Whether all must be read, given the cursor, when each part was last filled (None for never),
        and whether everything that was compared since `is_wrong`."""
        if cursor_at > self._now + INDEX_LAG:
            # A clock that was ahead has moved the cursor past changes that nobody has read.
            return True
        known = [at for at in filled if at is not None]
        if len(known) < len(filled):
            return True
        oldest = min(known)
        if is_wrong and oldest <= self._now - _REREAD_WHEN_WRONG:
            return True
        if oldest > self._now - REREAD_AFTER:
            return False
        # A read that is only due by the clock leaves a day's last requests to others.
        return oldest <= self._now - _PUT_OFF or self._day_has_room()

    def _day_has_room(self) -> bool:
        with self._warehouse.read() as connection:
            dataset = (self._source, self._dataset)
            if recall(connection, *dataset, _SHORT_DAY, self._now, _ASKED_AGAIN) is not None:
                return False
        if "daily" not in self._transport.quota:
            # Nothing was asked yet but what is remembered, and searches have no rate headers.
            next(self._reader.pages())
        left, daily = self._transport.left_today(), self._transport.quota.get("daily")
        if left is None or daily is None:
            return True
        with self._warehouse.read() as connection:
            table = record_table(self._source, self._dataset, {})
            needed = count_records(connection, table) // _RECORDS_PER_REQUEST
        if left - needed >= daily // _KEPT_FOR_OTHERS:
            return True
        with self._warehouse.write() as connection:
            remember(connection, self._source, self._dataset, _SHORT_DAY, {"left": left}, self._now)
        return False
