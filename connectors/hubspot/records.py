"""The records of one CRM object: all of them by list, what has changed by search.

Belongs here: which requests read records, and a list that neither loses records nor runs for ever.
Does not belong here: how a search is asked and paged (record_search), rows (record_rows), when to read
what (pull) and the proof that all is there (full_read, reconcile).

The modified date is `lastmodifieddate` for contacts and `hs_lastmodifieddate` for all else (search
guide).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

import orjson

from connectors.hubspot.paths import Paths
from connectors.hubspot.record_rows import RowMaker
from connectors.hubspot.record_search import (
    ID_PROPERTY,
    Filter,
    RecordSearch,
    counted,
    id_range,
)
from connectors.hubspot.shapes import check_batch, check_records, next_after, not_found
from connectors.hubspot.transport import Document, Transport
from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import FieldType, Row
from okr_sync.warehouse.record_values import parse_value

_BATCH: Final = 100
_ASKED_BY_ID: Final = 2
# Room for host, path, cursor and escapes below the 8,192 characters that servers take, and for
# filters below the 3,000 of a search's body.
_LONGEST_QUERY: Final = 7_000
_LONGEST_LIST_IN_BODY: Final = 2_400
_WINDOW_TRIES: Final = 3
_EMPTY_LIST_PAGES: Final = 300
_FEW_PAGES: Final = 8

MOST_CHANGES: Final = 50_000
"""From here on a full read is quicker than a search: lists have the far wider rate limit."""


class UnprovenWindowError(IncompletePullError):
    """A search did not give all the changes that it counts."""


@dataclass(frozen=True)
class Page:
    """Some records of the list, and where it goes on; None at its end."""

    records: list[Document]
    after: str | None


@dataclass(frozen=True)
class Slice:
    """Some records of a search, and how many it counts in all."""

    rows: list[Row]
    total: int


@dataclass(frozen=True)
class Changes:
    """The records that a window of time holds. If `all_stayed`, each that was counted at first is among
    them; else some may have gone for good while they were read."""

    rows: list[Row]
    all_stayed: bool


class RecordReader:
    """Reads the records of one object with the given properties and no others.

    All methods raise SourceError and its kin.
    """

    def __init__(
        self,
        transport: Transport,
        paths: Paths,
        source: str,
        object_type: str,
        types: Mapping[str, FieldType],
    ) -> None:
        self._transport = transport
        self._paths = paths
        self._source = source
        self._object = object_type
        self._modified = "lastmodifieddate" if object_type == "contacts" else "hs_lastmodifieddate"
        self.rows = RowMaker(types)
        self._list_page = transport.settings.list_page
        self._search = RecordSearch(transport, paths, source, object_type)
        self.search_page = self._search.page_size
        # Without any property HubSpot sends its default ones, names and e-mail addresses among them.
        self._properties = sorted(types) or [ID_PROPERTY]
        query = "&".join(f"properties={quote(name)}" for name in self._properties)
        self._fit_list = len(query) <= _LONGEST_QUERY
        self._fit_search = len(orjson.dumps(self._properties)) <= _LONGEST_LIST_IN_BODY
        self._searched = self._properties if self._fit_search else [ID_PROPERTY]

    @property
    def requests(self) -> int:
        """How many requests the connection has sent."""
        return self._transport.requests

    # --- all records ---

    def pages(self, after: str | None = None) -> Iterator[Page]:
        """Every record that is not archived, a page at a time in the list's order.

        `after` goes on where an earlier list was left; InvalidRequestError when HubSpot knows that
        place no more.
        """
        names = self._properties if self._fit_list else [ID_PROPERTY]
        query = [("limit", str(self._list_page)), ("archived", "false")]
        query += [("properties", name) for name in names]
        encoded = urlencode(query)
        seen: set[str] = set()
        empty_pages = 0
        while True:
            page = self._transport.get(
                self._paths.records(self._object),
                encoded if after is None else f"{encoded}&after={quote(after)}",
                reading=self._object,
                check=check_records,
            )
            results: list[Document] = page["results"]
            after = next_after(page)
            alive = [record for record in results if record.get("archived") is not True]
            if not self._fit_list:
                alive = self._batch([record["id"] for record in alive])
            yield Page(alive, after)
            if after is None:
                return
            empty_pages = 0 if results else empty_pages + 1
            if after in seen or empty_pages > _EMPTY_LIST_PAGES:
                raise self._search.incomplete("HubSpot's list of them leads round in a circle.")
            seen.add(after)

    def read(self, ids: Collection[str]) -> list[Row]:
        """Those of the ids that are records and not archived, as they are now: no index lags here."""
        return self.rows.rows(self._batch(sorted(ids)))

    def _batch(self, ids: Sequence[str]) -> list[Document]:
        """Those of the ids that are records. One that an answer leaves out without a word is asked for
        once more before it is taken for gone."""
        found: dict[str, Document] = {}
        unanswered = list(ids)
        for _ in range(_ASKED_BY_ID):
            gone: set[str] = set()
            for start in range(0, len(unanswered), _BATCH):
                some = unanswered[start : start + _BATCH]
                answer = self._transport.post(
                    self._paths.batch_read(self._object),
                    {
                        "inputs": [{"id": one} for one in some],
                        "properties": self._properties,
                        "propertiesWithHistory": [],
                    },
                    reading=self._object,
                    check=check_batch,
                )
                # The id of a merged record is answered with the record that was kept.
                wanted = set(some)
                found.update((one["id"], one) for one in answer["results"] if one["id"] in wanted)
                gone |= not_found(answer)
            unanswered = [one for one in unanswered if one not in found and one not in gone]
        return [record for record in found.values() if record.get("archived") is not True]

    # --- what has changed ---

    def newest(self) -> Slice:
        """The records that were modified last, newest first, and how many there are; one request."""
        newest_first = {"propertyName": self._modified, "direction": "DESCENDING"}
        page = self._search.page([], self._searched, order=newest_first)
        return Slice(self._search_rows(page["results"]), page["total"])

    def changes(self, low: datetime, high: datetime, most: int | None = None) -> Changes:
        """The records last modified in [low, high], and those that were until they changed again.

        A record that is modified while the window is paged through leaves it, read or not: what was
        modified after `high` is asked for when all pages are read, and read by id. Records that the
        index learns of meanwhile come into the window. So the ids in it are listed once more, and those
        that no page gave are read by id; of more than a few pages only unless they gave what the first of
        them counted and the window then counts no more. Raises UnprovenWindowError with both numbers when
        such lists stay short of their own counts too, TooManyChangesError when there are more than `most`.
        """
        window = self._between(low, high)
        read = expected = 0
        for attempt in range(_WINDOW_TRIES):
            ids: set[str] = set()
            rows: list[Row] = []
            first: int | None = None
            for page in self._search.pages(window, self._searched):
                first = counted(page, first, most)
                fresh = [record for record in page["results"] if record["id"] not in ids]
                ids.update(record["id"] for record in fresh)
                rows += self._search_rows(fresh)
            if len(ids) == first and first > _FEW_PAGES * self.search_page:
                wanted = self.ids_modified_after(high, most)
                if self._search.count(window) <= len(ids - wanted):
                    rows = self.as_they_are(rows, high) + self.read(wanted - ids)
                    return Changes(rows, all_stayed=attempt == 0)
            there, expected = self._search.ids(window)
            read = len(there)
            wanted = there | self.ids_modified_after(high, most)
            if len(wanted) < expected:
                continue
            rows = self.as_they_are(rows, high) + self.read(wanted - ids)
            return Changes(rows, attempt == 0 and len(ids) == first and ids <= wanted)
        raise UnprovenWindowError(
            self._search.unread(
                f"HubSpot counts {expected:,} changed between {low:%Y-%m-%d %H:%M:%S} and "
                f"{high:%Y-%m-%d %H:%M:%S} UTC, but gave {read:,}."
            )
        )

    def as_they_are(self, rows: Iterable[Row], high: datetime) -> list[Row]:
        """These records; those that a search says were modified after `high` are read by id, which
        also tells an answer that is wrong about its own records."""
        given = list(rows)
        newer = {str(row["id"]) for row in given if not is_at_most(row, high)}
        return [row for row in given if row["id"] not in newer] + self.read(newer)

    def _search_rows(self, records: Sequence[Document]) -> list[Row]:
        if self._fit_search:
            return self.rows.rows(records)
        return self.rows.rows(self._batch([record["id"] for record in records]))

    def ids_modified_after(self, at: datetime, most: int | None = None) -> set[str]:
        """The ids of the records modified later than `at`, as the index knows them.

        Raises UnprovenWindowError and, for more than `most`, TooManyChangesError.
        """
        return set(self._modified_after(at, most))

    def ids_created_after(self, at: datetime) -> set[str]:
        """The ids of the records made later than `at`, as the index knows them.

        One that was modified since and made before is none of them, whether it was known or not. Raises
        UnprovenWindowError.
        """
        made = {
            one: parse_value(record.get("createdAt"), FieldType.INSTANT)[0]
            for one, record in self._modified_after(at).items()
        }
        at_ms = epoch_ms(at)
        return {one for one, ms in made.items() if isinstance(ms, int) and ms > at_ms}

    def _modified_after(self, at: datetime, most: int | None = None) -> dict[str, Document]:
        """Only what is archived leaves this search, so fewer than its first page counted are read again."""
        later = [{"propertyName": self._modified, "operator": "GT", "value": str(epoch_ms(at))}]
        found: dict[str, Document] = {}
        first = 0
        for _ in range(_WINDOW_TRIES):
            found, first = self._search.found(later, most)
            if len(found) >= first:
                return found
        raise UnprovenWindowError(
            self._search.unread(
                f"HubSpot counts {first:,} changed after {at:%Y-%m-%d %H:%M:%S} UTC, but gave "
                f"{len(found):,}."
            )
        )

    def _between(self, low: datetime, high: datetime) -> list[Filter]:
        return [
            {
                "propertyName": self._modified,
                "operator": "BETWEEN",
                "value": str(epoch_ms(low)),
                "highValue": str(epoch_ms(high)),
            }
        ]

    # --- what is there ---

    def total(self) -> int:
        """How many records the index holds; one request."""
        return self._search.count([])

    def indexed(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that the index holds."""
        found: set[str] = set()
        ordered = sorted(ids)
        for start in range(0, len(ordered), _BATCH):
            some = ordered[start : start + _BATCH]
            among = [{"propertyName": ID_PROPERTY, "operator": "IN", "values": some}]
            found |= self._search.ids(among)[0]
        return found

    # --- ranges of ids ---

    def count_between(self, low: int, high: int) -> int:
        """How many records the index holds with ids from `low` to `high`, by HubSpot's order."""
        return self._search.count(id_range(low, high))

    def between(self, low: int, high: int) -> list[Row]:
        """The records that the index holds with ids from `low` to `high`."""
        return self._found(id_range(low, high))

    def indexed_ids(self) -> Iterator[set[str]]:
        """The ids of all records that the index holds, a search's page at a time."""
        for page in self._search.pages([], [ID_PROPERTY]):
            yield {record["id"] for record in page["results"]}

    def everything(self) -> list[Row]:
        """All records that the index holds, whatever the order of its ids."""
        return self._found([])

    def _found(self, filters: Sequence[Filter]) -> list[Row]:
        rows: list[Row] = []
        for page in self._search.pages(filters, self._searched):
            rows += self._search_rows(page["results"])
        return rows

    def slice_from(self, low: int) -> Slice:
        """The first records with ids from `low` on, and how many there are; one request."""
        page = self._search.page(id_range(low, None), self._searched)
        return Slice(self._search_rows(page["results"]), page["total"])


def is_at_most(row: Row, high: datetime) -> bool:
    """Whether a record was not modified after an instant."""
    updated_ms = row["updated_ms"]
    return not isinstance(updated_ms, int) or updated_ms <= epoch_ms(high)
