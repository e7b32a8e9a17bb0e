"""The records of one CRM object: all of them by list, what has changed by search.

Belongs here: which requests read records, and paging that neither loses records nor runs for ever.
Does not belong here: rows (record_rows), when to read what (pull) and the proof that all is there
(full_read, reconcile).

Search facts: 200 a page; results beyond 10,000 can't be paged by offset, so pages go on from the
last id; the index lags behind writes; it never holds archived records; the modified date is
`lastmodifieddate` for contacts and `hs_lastmodifieddate` for all else (search guide).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from connectors.hubspot.paths import Paths
from connectors.hubspot.record_rows import RowMaker
from connectors.hubspot.shapes import check_records, check_search, next_after
from connectors.hubspot.transport import Document, Transport
from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import FieldType, Row

_BATCH: Final = 100
# Room for host, path, cursor and escapes below the 8,192 characters that servers take, and for
# filters below the 3,000 of a search's body.
_LONGEST_QUERY: Final = 7_000
_LONGEST_LIST_IN_BODY: Final = 2_400
_WINDOW_TRIES: Final = 3
_EMPTY_PAGES: Final = 3
_EMPTY_LIST_PAGES: Final = 300
_ID_PROPERTY: Final = "hs_object_id"
_BY_ID: Final = {"propertyName": _ID_PROPERTY, "direction": "ASCENDING"}

MOST_CHANGES: Final = 50_000
"""From here on a full read is quicker than a search: lists have the far wider rate limit."""

Filter = dict[str, Any]


class UnprovenWindowError(IncompletePullError):
    """A search did not give all the changes that it counts."""


class TooManyChangesError(Exception):
    """More has changed than is worth searching for."""


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
        self.search_page = transport.settings.search_page
        # Without any property HubSpot sends its default ones, names and e-mail addresses among them.
        self._properties = sorted(types) or [_ID_PROPERTY]
        query = "&".join(f"properties={quote(name)}" for name in self._properties)
        self._fit_list = len(query) <= _LONGEST_QUERY
        self._fit_search = len(orjson.dumps(self._properties)) <= _LONGEST_LIST_IN_BODY

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
        names = self._properties if self._fit_list else [_ID_PROPERTY]
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
                raise self._incomplete("HubSpot's list of them leads round in a circle.")
            seen.add(after)

    def read(self, ids: Collection[str]) -> list[Row]:
        """Those of the ids that are records and not archived, as they are now: no index lags here."""
        return self.rows.rows(self._batch(sorted(ids)))

    def _batch(self, ids: Sequence[str]) -> list[Document]:
        found: list[Document] = []
        for start in range(0, len(ids), _BATCH):
            some = ids[start : start + _BATCH]
            answer = self._transport.post(
                self._paths.batch_read(self._object),
                {
                    "inputs": [{"id": one} for one in some],
                    "properties": self._properties,
                    "propertiesWithHistory": [],
                },
                reading=self._object,
                check=check_records,
            )
            # The id of a merged record is answered with the record that was kept.
            wanted = set(some)
            found += [
                record
                for record in answer["results"]
                if record["id"] in wanted and record.get("archived") is not True
            ]
        return found

    # --- what has changed ---

    def newest(self) -> Slice:
        """The records that were modified last, newest first, and how many there are; one request."""
        newest_first = {"propertyName": self._modified, "direction": "DESCENDING"}
        names = self._properties if self._fit_search else [_ID_PROPERTY]
        page = self._search([], names, self.search_page, newest_first)
        return Slice(self._search_rows(page["results"]), page["total"])

    def changes(self, low: datetime, high: datetime, most: int | None = None) -> list[Row]:
        """The records last modified in [low, high], and those that were until they changed again.

        A record that is modified while the window is paged through leaves it, read or not: what was
        modified after `high` is asked for when all pages are read, and read by id. Records that the
        index learns of meanwhile come into the window. So unless the pages gave what the first of them
        counted and the window then counts no more, the ids in it are listed once more, and those that
        no page gave are read by id. Raises UnprovenWindowError with both numbers when such lists stay
        short of their own counts too, TooManyChangesError when there are more than `most`.
        """
        window = self._between(low, high)
        read = expected = 0
        for _ in range(_WINDOW_TRIES):
            ids: set[str] = set()
            rows: list[Row] = []
            first: int | None = None
            for page in self._search_all(window, self._fit_search):
                first = self._counted(page, first, most)
                fresh = [record for record in page["results"] if record["id"] not in ids]
                ids.update(record["id"] for record in fresh)
                rows += self._search_rows(fresh)
            wanted = self.ids_modified_after(high, most)
            if len(ids) != first or self._count(window) > len(ids - wanted):
                there, expected = self._listed(window)
                read = len(there)
                wanted = there | self.ids_modified_after(high, most)
                if len(wanted) < expected:
                    continue
            return self.as_they_are(rows, high) + self.read(wanted - ids)
        raise UnprovenWindowError(
            self._unread(
                f"HubSpot counts {expected:,} changed between {low:%Y-%m-%d %H:%M:%S} and "
                f"{high:%Y-%m-%d %H:%M:%S} UTC, but gave {read:,}."
            )
        )

    def _counted(self, page: Document, first: int | None, most: int | None) -> int:
        if first is not None:
            return first
        if most is not None and page["total"] > most:
            raise TooManyChangesError
        return int(page["total"])

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

        Only what is archived leaves this search, so fewer than its first page counted are read again.
        Raises UnprovenWindowError when they stay fewer, TooManyChangesError for more than `most`.
        """
        later = [{"propertyName": self._modified, "operator": "GT", "value": str(epoch_ms(at))}]
        ids: set[str] = set()
        first = 0
        for _ in range(_WINDOW_TRIES):
            ids, first = self._listed(later, most)
            if len(ids) >= first:
                return ids
        raise UnprovenWindowError(
            self._unread(
                f"HubSpot counts {first:,} changed after {at:%Y-%m-%d %H:%M:%S} UTC, but gave "
                f"{len(ids):,}."
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
        return self._count([])

    def indexed(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that the index holds."""
        found: set[str] = set()
        ordered = sorted(ids)
        for start in range(0, len(ordered), _BATCH):
            some = ordered[start : start + _BATCH]
            found |= self._ids([{"propertyName": _ID_PROPERTY, "operator": "IN", "values": some}])
        return found

    # --- ranges of ids ---

    def count_between(self, low: int, high: int) -> int:
        """How many records the index holds with ids from `low` to `high`, by HubSpot's order."""
        return self._count(_id_range(low, high))

    def between(self, low: int, high: int) -> list[Row]:
        """The records that the index holds with ids from `low` to `high`."""
        return self._found(_id_range(low, high))

    def everything(self) -> list[Row]:
        """All records that the index holds, whatever the order of its ids."""
        return self._found([])

    def _found(self, filters: Sequence[Filter]) -> list[Row]:
        rows: list[Row] = []
        for page in self._search_all(filters, self._fit_search):
            rows += self._search_rows(page["results"])
        return rows

    def slice_from(self, low: int) -> Slice:
        """The first records with ids from `low` on, and how many there are; one request."""
        names = self._properties if self._fit_search else [_ID_PROPERTY]
        page = self._search(_id_range(low, None), names, self.search_page)
        return Slice(self._search_rows(page["results"]), page["total"])

    def _ids(self, filters: Sequence[Filter]) -> set[str]:
        return self._listed(filters)[0]

    def _listed(self, filters: Sequence[Filter], most: int | None = None) -> tuple[set[str], int]:
        """The ids that a search gives, and how many its first page counted."""
        ids: set[str] = set()
        first: int | None = None
        for page in self._search_all(filters, with_properties=False):
            first = self._counted(page, first, most)
            ids |= {record["id"] for record in page["results"]}
        return ids, first or 0

    def _count(self, filters: Sequence[Filter]) -> int:
        return int(self._search(filters, [_ID_PROPERTY], 1)["total"])

    # --- searching ---

    def _search_all(self, filters: Sequence[Filter], with_properties: bool) -> Iterator[Document]:
        """Pages by ascending id, each going on from the last id of the one before.

        A page's own total says how many records are left, so a short page does not end the search
        and an empty one does not hide the rest.
        """
        names = self._properties if with_properties else [_ID_PROPERTY]
        last: str | None = None
        stuck = read = 0
        while True:
            beyond: list[Filter] = []
            if last is not None:
                beyond = [{"propertyName": _ID_PROPERTY, "operator": "GT", "value": last}]
            page = self._search([*filters, *beyond], names, self.search_page)
            yield page
            results = page["results"]
            read += len(results)
            if page["total"] <= len(results):
                return
            reached = results[-1]["id"] if results else last
            stuck = stuck + 1 if reached == last else 0
            if stuck > _EMPTY_PAGES:
                expected = read - len(results) + page["total"]
                raise self._incomplete(
                    f"HubSpot's search counts {expected:,} and gave {read:,}: it says that "
                    f"{page['total']:,} are left and gives {len(results):,} again and again."
                )
            last = reached

    def _search(
        self,
        filters: Sequence[Filter],
        names: Sequence[str],
        limit: int,
        order: Mapping[str, str] = _BY_ID,
    ) -> Document:
        body: dict[str, Any] = {
            "sorts": [dict(order)],
            "properties": list(names),
            "limit": limit,
        }
        if filters:
            body["filterGroups"] = [{"filters": list(filters)}]
        return self._transport.post(
            self._paths.search(self._object), body, reading=self._object, check=check_search
        )

    def _incomplete(self, what: str) -> IncompletePullError:
        return IncompletePullError(self._unread(what))

    def _unread(self, what: str) -> str:
        return (
            f"Source {self._source}: not all {self._object} could be read. {what} Nothing of this "
            "read was used; the next run tries again."
        )


def is_at_most(row: Row, high: datetime) -> bool:
    """Whether a record was not modified after an instant."""
    updated_ms = row["updated_ms"]
    return not isinstance(updated_ms, int) or updated_ms <= epoch_ms(high)


def _id_range(low: int, high: int | None) -> list[Filter]:
    if high is None:
        return [{"propertyName": _ID_PROPERTY, "operator": "GTE", "value": str(low)}]
    return [
        {
            "propertyName": _ID_PROPERTY,
            "operator": "BETWEEN",
            "value": str(low),
            "highValue": str(high),
        }
    ]
