"""The records of one CRM object: all of them by list, what has changed by search.

Belongs here: which requests read records, and paging that neither loses records nor runs for ever.
Does not belong here: when to read what and the proof that all is there (pull, proof).

Search facts: 200 a page; results beyond 10,000 can't be paged by offset, so pages go on from the
last id; the index lags behind writes; it never holds archived records; the modified date is
`lastmodifieddate` for contacts and `hs_lastmodifieddate` for all else (search guide).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from connectors.hubspot.paths import Paths
from connectors.hubspot.shapes import check_records, check_search, epoch_ms_of, next_after
from connectors.hubspot.transport import Document, Transport
from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import FieldType, Row, column_name, parse_value

_LIST_PAGE: Final = 100
_SEARCH_PAGE: Final = 200
_BATCH: Final = 100
# Room for host, path, cursor and escapes below the 8,192 characters that servers take, and for
# filters below the 3,000 of a search's body.
_LONGEST_QUERY: Final = 7_000
_LONGEST_LIST_IN_BODY: Final = 2_400
_WINDOW_TRIES: Final = 3
_EMPTY_PAGES: Final = 3
_ID_PROPERTY: Final = "hs_object_id"

MOST_CHANGES: Final = 50_000
"""From here on a full read is quicker than a search: lists have the far wider rate limit."""

Filter = dict[str, Any]


class TooManyChangesError(Exception):
    """More has changed than is worth searching for."""


@dataclass(frozen=True)
class ArchivedRecord:
    """A record in the archive; `archived_ms` is when it went there, if HubSpot says so."""

    id: str
    archived_ms: int | None


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
        self._columns = [(name, column_name(name), types[name]) for name in sorted(types)]
        # Without any property HubSpot sends its default ones, names and e-mail addresses among them.
        self._properties = sorted(types) or [_ID_PROPERTY]
        query = "&".join(f"properties={quote(name)}" for name in self._properties)
        self._fit_list = len(query) <= _LONGEST_QUERY
        self._fit_search = len(orjson.dumps(self._properties)) <= _LONGEST_LIST_IN_BODY

    # --- all records ---

    def pages(self) -> Iterator[list[Row]]:
        """Every record that is not archived, up to 100 at a time, in the list's order."""
        names = self._properties if self._fit_list else [_ID_PROPERTY]
        for results in self._list(names, archived=False):
            alive = [record for record in results if record.get("archived") is not True]
            if not self._fit_list:
                alive = self._batch([record["id"] for record in alive])
            yield [self._row(record) for record in alive]

    def archived(self, most_pages: int) -> Iterator[list[ArchivedRecord]]:
        """The archived records, up to 100 at a time; ends after `most_pages`."""
        for number, results in enumerate(self._list([_ID_PROPERTY], archived=True), start=1):
            yield [ArchivedRecord(one["id"], epoch_ms_of(one, "archivedAt")) for one in results]
            if number >= most_pages:
                return

    def _list(self, names: Sequence[str], *, archived: bool) -> Iterator[list[Document]]:
        query = [("limit", str(_LIST_PAGE)), ("archived", "true" if archived else "false")]
        query += [("properties", name) for name in names]
        after: str | None = None
        seen: set[str] = set()
        empty_pages = 0
        while True:
            page = self._transport.get(
                self._paths.records(self._object),
                query if after is None else [*query, ("after", after)],
                reading=self._object,
                check=check_records,
            )
            yield page["results"]
            after = next_after(page)
            if after is None:
                return
            empty_pages = 0 if page["results"] else empty_pages + 1
            if after in seen or empty_pages > _EMPTY_PAGES * _LIST_PAGE:
                raise self._incomplete("HubSpot's list of them leads round in a circle.")
            seen.add(after)

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
            found += [record for record in answer["results"] if record["id"] in wanted]
        return found

    # --- what has changed ---

    def changes(self, low: datetime, high: datetime) -> list[Row]:
        """The records last modified in [low, high], as the index knows them.

        The number read is held against the total of the first page; if it falls short, against a
        recount (records that were modified again have left the window, the next run has them), and
        the window is read again. Raises IncompletePullError with both numbers when it stays short,
        TooManyChangesError when there are more than MOST_CHANGES.
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
                    if first_total > MOST_CHANGES:
                        raise TooManyChangesError
                fresh = [record for record in page["results"] if record["id"] not in ids]
                ids.update(record["id"] for record in fresh)
                if not self._fit_search:
                    fresh = self._batch([record["id"] for record in fresh])
                for record in fresh:
                    row = self._row(record)
                    updated_ms = row["updated_ms"]
                    # Modified since: it belongs to the next window, with whatever else has changed.
                    if not isinstance(updated_ms, int) or updated_ms <= epoch_ms(high):
                        rows[record["id"]] = row
            read, expected = len(ids), first_total or 0
            if read == expected:
                return list(rows.values())
            expected = self._count(window)
            if expected <= read:
                return list(rows.values())
        raise self._incomplete(
            f"HubSpot counts {expected:,} changed between {low:%Y-%m-%d %H:%M:%S} and "
            f"{high:%Y-%m-%d %H:%M:%S} UTC, but gave {read:,}."
        )

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

    def existing(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that are records and not archived, without the index's lag."""
        return {record["id"] for record in self._batch(sorted(ids))}

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
        stuck = 0
        while True:
            beyond: list[Filter] = []
            if last is not None:
                beyond = [{"propertyName": _ID_PROPERTY, "operator": "GT", "value": last}]
            page = self._search([*filters, *beyond], names, _SEARCH_PAGE)
            yield page
            results = page["results"]
            if page["total"] <= len(results):
                return
            reached = results[-1]["id"] if results else last
            stuck = stuck + 1 if reached == last else 0
            if stuck > _EMPTY_PAGES:
                raise self._incomplete(
                    f"HubSpot's search says that {page['total']:,} are left and gives "
                    f"{len(results):,} again and again."
                )
            last = reached

    def _search(self, filters: Sequence[Filter], names: Sequence[str], limit: int) -> Document:
        body: dict[str, Any] = {
            "sorts": [{"propertyName": _ID_PROPERTY, "direction": "ASCENDING"}],
            "properties": list(names),
            "limit": limit,
        }
        if filters:
            body["filterGroups"] = [{"filters": list(filters)}]
        return self._transport.post(
            self._paths.search(self._object), body, reading=self._object, check=check_search
        )

    def _row(self, record: Mapping[str, Any]) -> Row:
        properties = record["properties"]
        row: Row = {"id": record["id"]}
        bad: list[str] = []
        for name, column, kind in self._columns:
            row[column], is_bad = parse_value(properties.get(name), kind)
            if is_bad:
                bad.append(name)
        row["bad_fields"] = f",{','.join(bad)}," if bad else None
        row["created_ms"] = epoch_ms_of(record, "createdAt")
        row["updated_ms"] = epoch_ms_of(record, "updatedAt")
        return row

    def _incomplete(self, what: str) -> IncompletePullError:
        return IncompletePullError(
            f"Source {self._source}: not all {self._object} could be read. {what} Nothing of this "
            "read was used; the next run tries again."
        )
