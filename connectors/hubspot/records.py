"""The records of one CRM object: all of them by list, what has changed by search.

Belongs here: which requests read records, and paging that neither loses records nor runs for ever.
Does not belong here: rows (record_rows), when to read what and the proof that all is there (pull,
proof, reconcile).

Search facts: 200 a page; results beyond 10,000 can't be paged by offset, so pages go on from the
last id; the index lags behind writes; it never holds archived records; the modified date is
`lastmodifieddate` for contacts and `hs_lastmodifieddate` for all else (search guide).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
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
        """The records last modified in [low, high], as the index knows them.

        The number read is held against the total of the first page; if it falls short, against a
        recount (records that were modified again have left the window, the next run has them), and
        the window is read again. Raises UnprovenWindowError with both numbers when it stays short,
        TooManyChangesError when there are more than `most`.
        """
        window = self._between(low, high)
        read = expected = 0
        for _ in range(_WINDOW_TRIES):
            rows: dict[str, Row] = {}
            ids: set[str] = set()
            first_total: int | None = None
            for page in self._search_all(window, self._fit_search):
                if first_total is None:
                    first_total = page["total"]
                    if most is not None and first_total > most:
                        raise TooManyChangesError
                fresh = [record for record in page["results"] if record["id"] not in ids]
                ids.update(record["id"] for record in fresh)
                for row in self._search_rows(fresh):
                    if is_at_most(row, high):
                        rows[str(row["id"])] = row
            read, expected = len(ids), first_total or 0
            if read == expected:
                return list(rows.values())
            expected = self._count(window)
            if expected <= read:
                return list(rows.values())
        raise UnprovenWindowError(
            self._unread(
                f"HubSpot counts {expected:,} changed between {low:%Y-%m-%d %H:%M:%S} and "
                f"{high:%Y-%m-%d %H:%M:%S} UTC, but gave {read:,}."
            )
        )

    def _search_rows(self, records: Sequence[Document]) -> list[Row]:
        if self._fit_search:
            return self.rows.rows(records)
        return self.rows.rows(self._batch([record["id"] for record in records]))

    def ids_modified_after(self, at: datetime) -> set[str]:
        """The ids of the records modified later than `at`, as the index knows them."""
        later = [{"propertyName": self._modified, "operator": "GT", "value": str(epoch_ms(at))}]
        return self._ids(later)

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
        rows: list[Row] = []
        for page in self._search_all(_id_range(low, high), self._fit_search):
            rows += self._search_rows(page["results"])
        return rows

    def slice_from(self, low: int) -> Slice:
        """The first records with ids from `low` on, and how many there are; one request."""
        names = self._properties if self._fit_search else [_ID_PROPERTY]
        page = self._search(_id_range(low, None), names, self.search_page)
        return Slice(self._search_rows(page["results"]), page["total"])

    def _ids(self, filters: Sequence[Filter]) -> set[str]:
        pages = self._search_all(filters, with_properties=False)
        return {record["id"] for page in pages for record in page["results"]}

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
    """Whether a record was not modified after an instant.

    One that was belongs to the next window, with whatever else has changed by then.
    """
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
