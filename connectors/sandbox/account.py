"""A sandbox account: its settings, its HubSpot records and what joins them.

Belongs here: the `Account` that the servers serve and that tests change in process. Does not belong
here: reading the folder (account_files), HTTP, or GA4's sessions, which the GA4 sandbox reads from
`Account.folder` itself.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.sandbox.hubspot_properties import PropertyType
from connectors.sandbox.records import Record, RecordTable

STANDARD_OBJECTS = (
    *("contacts", "companies", "deals", "leads", "tickets", "products", "line_items"),
    "feedback_submissions",
)
_SINGULAR = {"companies": "company"}
_TYPE_IDS = {
    "0-1": "contacts",
    "0-2": "companies",
    "0-3": "deals",
    "0-5": "tickets",
    "0-7": "products",
    "0-8": "line_items",
    "0-19": "feedback_submissions",
    "0-136": "leads",
}


@dataclass(frozen=True)
class HubSpotSettings:
    """The HubSpot part of account.yaml. `scopes` None grants all; `daily_limit` None: the tier's."""

    portal_id: int
    time_zone: str
    currency: str
    tier: str = "professional"
    scopes: frozenset[str] | None = None
    daily_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Association:
    """One record's tie to another; `label` None is HubSpot's own unlabelled type."""

    to_id: int
    type_id: int
    label: str | None = None
    category: str = "HUBSPOT_DEFINED"


@dataclass
class MarketingEmail:
    """A marketing e-mail: texts from the file by column, and its counters."""

    id: int
    texts: Mapping[str, str]
    published_at: datetime | None
    counters: Mapping[str, int]


@dataclass(frozen=True)
class PropertyOverride:
    """What hubspot/properties.json says of a property; the rest is inferred."""

    type: PropertyType | None = None
    label: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    calculated: bool = False


def utc_now() -> datetime:
    """The present instant, aware UTC."""
    return datetime.now(UTC)


@dataclass
class Account:
    """One company's accounts, safe to read and change from several threads.

    Change records only through the methods below, which hold `lock`. `clock` gives the present
    (aware UTC). `has_ga4` says that account.yaml has a GA4 part, which the GA4 sandbox reads.
    """

    folder: Path
    hubspot: HubSpotSettings | None = None
    has_ga4: bool = False
    tables: dict[str, RecordTable] = field(default_factory=dict)
    associations: dict[tuple[str, str], dict[int, list[Association]]] = field(default_factory=dict)
    pipelines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    owners: list[dict[str, str]] = field(default_factory=list)
    emails: dict[int, MarketingEmail] = field(default_factory=dict)
    overrides: dict[str, dict[str, PropertyOverride]] = field(default_factory=dict)
    clock: Callable[[], datetime] = utc_now
    lock: threading.RLock = field(default_factory=threading.RLock)

    def object_types(self) -> tuple[str, ...]:
        """The objects that it has or, as every account, could have."""
        return tuple(dict.fromkeys((*self.tables, *STANDARD_OBJECTS)))

    def object_type(self, name: str) -> str | None:
        """The object type that a path or a file calls `name`: plural, singular or type id."""
        name = _TYPE_IDS.get(name, name)
        for object_type in self.object_types():
            if name in (object_type, singular(object_type)):
                return object_type
        return None

    def table(self, object_type: str) -> RecordTable:
        """The records of a type; empty for a standard type of which the folder has no file."""
        with self.lock:
            if object_type not in self.tables:
                if object_type not in STANDARD_OBJECTS:
                    raise KeyError(object_type)
                self.tables[object_type] = RecordTable(object_type, [])
            return self.tables[object_type]

    def record(self, object_type: str, record_id: int) -> Record | None:
        """A record, archived or not, or None. A merged id gives the record that was kept."""
        with self.lock:
            return self.table(object_type).get(record_id)

    def add(self, object_type: str, properties: Mapping[str, str]) -> Record:
        """Create a record; id, createdate and modified date are filled in unless given."""
        with self.lock:
            return self.table(object_type).add(properties, self.clock())

    def update(
        self,
        object_type: str,
        record_id: int,
        properties: Mapping[str, str | None],
        *,
        at: datetime | None = None,
        touch: bool = True,
    ) -> Record:
        """Change properties (None clears one) as of `at`, by default now.

        `touch=False` leaves the modified date alone, as a calculated property does. KeyError for
        a record that is not there or archived.
        """
        with self.lock:
            now = self.clock()
            return self.table(object_type).update(
                record_id, properties, now, at=at or now, touch=touch
            )

    def archive(self, object_type: str, record_id: int) -> None:
        """Archive a record; its modified date doesn't move. KeyError if it is not live."""
        with self.lock:
            self.table(object_type).archive(record_id, self.clock())

    def restore(self, object_type: str, record_id: int) -> None:
        """Bring a record back from the archive as it was. KeyError if it is not archived."""
        with self.lock:
            self.table(object_type).restore(record_id, self.clock())

    def delete(self, object_type: str, record_id: int) -> None:
        """Delete a record for good. KeyError if it is not there."""
        with self.lock:
            self.table(object_type).delete(record_id, self.clock())

    def merge(self, object_type: str, kept_id: int, merged_id: int) -> Record:
        """Merge a record into another, which takes over its ties and the values it lacked."""
        with self.lock:
            record = self.table(object_type).merge(kept_id, merged_id, self.clock())
            for (from_type, to_type), ties in self.associations.items():
                if from_type == object_type and merged_id in ties:
                    mine = ties.setdefault(kept_id, [])
                    mine += [tie for tie in ties.pop(merged_id) if tie not in mine]
                if to_type == object_type:
                    for from_id, tied in ties.items():
                        ties[from_id] = _pointed(tied, merged_id, kept_id)
            return record

    def associate(
        self, from_type: str, from_id: int, to_type: str, to_id: int, label: str | None = None
    ) -> None:
        """Tie two records in both directions, with a label of the portal's own if given."""
        with self.lock:
            for one, its_id, other, other_id in (
                (from_type, from_id, to_type, to_id),
                (to_type, to_id, from_type, from_id),
            ):
                ties = self.associations.setdefault((one, other), {}).setdefault(its_id, [])
                for tie in _ties(one, other, other_id, label):
                    if tie not in ties:
                        ties.append(tie)

    def associated(self, from_type: str, from_id: int, to_type: str) -> list[Association]:
        """The live records that a record is tied to, by id; a tie of two types comes twice."""
        with self.lock:
            table = self.table(to_type)
            found = self.associations.get((from_type, to_type), {}).get(from_id, [])
            alive = []
            for tie in found:
                record = table.get(tie.to_id)
                if record is not None and record.archived_at is None:
                    alive.append(tie)
            return sorted(alive, key=lambda tie: tie.to_id)

    def update_email(self, email_id: int, counters: Mapping[str, int]) -> None:
        """Set some counters of a marketing e-mail, as late opens do."""
        with self.lock:
            email = self.emails[email_id]
            email.counters = {**email.counters, **counters}


def singular(object_type: str) -> str:
    """The singular name: contacts → contact, companies → company."""
    return _SINGULAR.get(object_type, object_type.removesuffix("s"))


# HubSpot's own association types between standard objects, by direction.
_DEFINED = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("deals", "contacts"): 3,
    ("contacts", "deals"): 4,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("contacts", "tickets"): 15,
    ("tickets", "contacts"): 16,
    ("tickets", "companies"): 339,
    ("companies", "tickets"): 340,
    ("deals", "tickets"): 27,
    ("tickets", "deals"): 28,
    ("deals", "line_items"): 19,
    ("line_items", "deals"): 20,
}
_FIRST_OWN_TYPE = 36


def _ties(one: str, other: str, other_id: int, label: str | None) -> list[Association]:
    defined = _DEFINED.get((one, other))
    ties = []
    if defined is not None:
        ties.append(Association(other_id, defined))
    elif label is None:
        ties.append(Association(other_id, _FIRST_OWN_TYPE - 1, None, "USER_DEFINED"))
    if label is not None:
        # Any steady number above HubSpot's own will do: a label has the same one everywhere.
        number = _FIRST_OWN_TYPE + sum(label.encode()) % 9000
        ties.append(Association(other_id, number, label, "USER_DEFINED"))
    return ties


def _pointed(ties: list[Association], old: int, new: int) -> list[Association]:
    moved: list[Association] = []
    for tie in ties:
        if tie.to_id == old:
            tie = Association(new, tie.type_id, tie.label, tie.category)
        if tie not in moved:
            moved.append(tie)
    return moved
