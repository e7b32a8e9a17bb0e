"""The records of one HubSpot object type, as the sandbox holds them.

Belongs here: records, their times, archiving, deleting, merging, and what the search index still
believes about them. Does not belong here: HTTP, validation of requests, types of properties
(hubspot_properties) or reading files (account).
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

UNKNOWN_TIME = "2020-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Version:
    """A former or present value of one property, as propertiesWithHistory tells it."""

    value: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record, never changed in place: a change makes a new one.

    `properties` holds only values that are not null; all are strings. Times are ISO texts in UTC
    with milliseconds. `history` holds, newest first, the versions of properties that were changed
    since the account was loaded.
    """

    id: int
    properties: Mapping[str, str]
    created_at: str
    updated_at: str
    archived_at: str | None = None
    history: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)

    def versions(self, name: str) -> tuple[Version, ...]:
        """The versions of a property, newest first; none if it never had a value."""
        if name in self.history:
            return self.history[name]
        value = self.properties.get(name)
        return () if value is None else (Version(value, self.created_at),)


@dataclass(frozen=True)
class _Change:
    at: datetime
    id: int
    former: Record | None


def iso_millis(moment: datetime) -> str:
    """An aware datetime as HubSpot writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def modified_property(object_type: str) -> str:
    """The name of the property that says when a record changed (api_facts B4)."""
    return "lastmodifieddate" if object_type == "contacts" else "hs_lastmodifieddate"


class RecordTable:
    """All records of one object type. Not thread-safe by itself: `Account` holds the lock.

    `version` grows with every change, so that whatever is computed from the table can be cached
    under it.
    """

    def __init__(self, object_type: str, columns: list[str]) -> None:
        self.object_type = object_type
        self.columns = columns
        self.version = 0
        self._modified = modified_property(object_type)
        self._records: dict[int, Record] = {}
        self._merged: dict[int, int] = {}
        self._changes: deque[_Change] = deque()
        self._ids: dict[bool, list[int]] = {}
        self._ids_version = -1
        self._next_id = 1

    def load(self, properties: dict[str, str]) -> None:
        """Take a record as it stands in a file; its id is not in the table yet."""
        record_id = int(properties["hs_object_id"])
        created = properties.get("createdate") or properties.get("hs_createdate") or UNKNOWN_TIME
        properties.setdefault(self._modified, created)
        updated = properties[self._modified]
        self._records[record_id] = Record(record_id, properties, created, updated)
        self._next_id = max(self._next_id, record_id + 1)
        self.version += 1

    def __contains__(self, record_id: int) -> bool:
        return record_id in self._records

    def __len__(self) -> int:
        return sum(1 for record in self._records.values() if record.archived_at is None)

    def get(self, record_id: int) -> Record | None:
        """The record with an id, archived or not; a merged id leads to the record that was kept."""
        while record_id in self._merged:
            record_id = self._merged[record_id]
        return self._records.get(record_id)

    def values(self, name: str) -> Iterator[str | None]:
        """The values of a property in all records, archived ones too."""
        return (record.properties.get(name) for record in self._records.values())

    def page(
        self, after: int, limit: int, archived: bool, *, in_order: bool = True
    ) -> tuple[list[Record], bool]:
        """Up to `limit` records that follow the id `after` (0: the first), and whether more follow.

        By id, or in an order that has nothing to do with it and stays the same.
        """
        if self._ids_version != self.version:
            self._ids = {False: [], True: []}
            for record_id in sorted(self._records):
                self._ids[self._records[record_id].archived_at is not None].append(record_id)
            self._ids_version = self.version
        ids = self._ids[archived]
        if in_order:
            start = bisect_right(ids, after)
        else:
            ids = sorted(ids, key=_shuffled)
            start = bisect_right(ids, _shuffled(after), key=_shuffled) if after else 0
        chosen = ids[start : start + limit]
        return [self._records[record_id] for record_id in chosen], start + limit < len(ids)

    def index_state(self, now: datetime, lag: timedelta) -> tuple[int, int]:
        """A key that changes whenever the content of the search index does.

        A change younger than `lag` is not in the index yet.
        """
        while self._changes and self._changes[0].at <= now - lag:
            self._changes.popleft()
        return self.version, len(self._changes)

    def indexed_records(self) -> list[Record]:
        """The records as the search index knows them since `index_state` was last asked.

        A record whose change is not in the index shows its former content, or is missing if new.
        """
        former: dict[int, Record | None] = {}
        for change in self._changes:
            former.setdefault(change.id, change.former)
        known = {**self._records, **former} if former else self._records
        return [
            record for record in known.values() if record is not None and record.archived_at is None
        ]

    def add(self, properties: Mapping[str, str], now: datetime) -> Record:
        """A new record; `hs_object_id` is the next free id unless given."""
        text = iso_millis(now)
        record_id = int(properties.get("hs_object_id", self._next_id))
        if record_id in self._records or record_id in self._merged:
            raise ValueError(f"{self.object_type} {record_id} exists already")
        values = {"createdate": text, self._modified: text, **properties}
        values["hs_object_id"] = str(record_id)
        for name in values:
            if name not in self.columns:
                self.columns.append(name)
        record = Record(record_id, values, values["createdate"], values[self._modified])
        self._next_id = max(self._next_id, record_id + 1)
        self._put(record, now)
        return record

    def update(
        self,
        record_id: int,
        properties: Mapping[str, str | None],
        now: datetime,
        *,
        at: datetime,
        touch: bool,
    ) -> Record:
        """Set properties (None clears one); `touch=False` leaves the modified time as it is."""
        old = self._live(record_id)
        changed = dict(properties)
        if touch:
            changed.setdefault(self._modified, iso_millis(at))
        values = dict(old.properties)
        history = dict(old.history)
        for name, value in changed.items():
            if name not in self.columns:
                self.columns.append(name)
            history[name] = (Version(value or "", iso_millis(at)), *old.versions(name))
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value
        record = replace(
            old,
            properties=values,
            updated_at=values.get(self._modified, old.updated_at),
            history=history,
        )
        self._put(record, now)
        return record

    def archive(self, record_id: int, now: datetime) -> None:
        """Move a record to the archive; its modified time stays as it was."""
        self._put(replace(self._live(record_id), archived_at=iso_millis(now)), now)

    def restore(self, record_id: int, now: datetime) -> None:
        """Bring a record back from the archive; its modified time stays as it was."""
        record = self._records[record_id]
        if record.archived_at is None:
            raise KeyError(f"{self.object_type} {record_id} is not archived")
        self._put(replace(record, archived_at=None), now)

    def delete(self, record_id: int, now: datetime) -> None:
        """Remove a record for good, from the archive too."""
        former = self._records[record_id]
        del self._records[record_id]
        self._changed(record_id, former, now)

    def merge(self, kept_id: int, merged_id: int, now: datetime) -> Record:
        """Merge one record into another: its id leads to the kept one from now on."""
        kept, merged = self._live(kept_id), self._live(merged_id)
        if kept.id == merged.id:
            raise ValueError(f"{self.object_type} {kept_id} can't be merged into itself")
        earlier = [
            merged_ids
            for merged_ids in (
                kept.properties.get("hs_merged_object_ids"),
                merged.properties.get("hs_merged_object_ids"),
                str(merged.id),
            )
            if merged_ids
        ]
        filled = {
            name: value for name, value in merged.properties.items() if name not in kept.properties
        }
        self.delete(merged.id, now)
        self._merged[merged.id] = kept.id
        return self.update(
            kept.id, {**filled, "hs_merged_object_ids": ";".join(earlier)}, now, at=now, touch=True
        )

    def _live(self, record_id: int) -> Record:
        record = self.get(record_id)
        if record is None or record.archived_at is not None:
            raise KeyError(f"{self.object_type} {record_id}")
        return record

    def _put(self, record: Record, now: datetime) -> None:
        former = self._records.get(record.id)
        self._records[record.id] = record
        self._changed(record.id, former, now)

    def _changed(self, record_id: int, former: Record | None, now: datetime) -> None:
        self._changes.append(_Change(now, record_id, former))
        self.version += 1


def _shuffled(record_id: int) -> tuple[int, int]:
    """A place that says nothing of the id (multiplicative hashing by the golden ratio)."""
    return record_id * 2_654_435_769 % 2**32, record_id
