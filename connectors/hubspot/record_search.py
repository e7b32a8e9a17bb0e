"""Searches of one CRM object: pages of what fits some filters, counts and ids.

Belongs here: what a search asks for and paging that neither loses records nor runs for ever. Does not
belong here: what is searched for, and lists and reads by id (records).

Search facts: 200 a page; results beyond 10,000 can't be paged by offset, so pages go on from the last
id; the index lags behind writes; it never holds archived records (search guide).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from connectors.hubspot.paths import Paths
from connectors.hubspot.shapes import check_search
from connectors.hubspot.transport import Document, Transport
from okr_sync.errors import IncompletePullError

ID_PROPERTY: Final = "hs_object_id"

_BY_ID: Final = {"propertyName": ID_PROPERTY, "direction": "ASCENDING"}
_EMPTY_PAGES: Final = 3

Filter = dict[str, Any]


class TooManyChangesError(Exception):
    """More has changed than is worth searching for."""


class RecordSearch:
    """Searches one object. All methods raise SourceError and its kin."""

    def __init__(self, transport: Transport, paths: Paths, source: str, object_type: str) -> None:
        self._transport = transport
        self._path = paths.search(object_type)
        self._source = source
        self._object = object_type
        self.page_size = transport.settings.search_page

    def page(
        self,
        filters: Sequence[Filter],
        names: Sequence[str],
        limit: int | None = None,
        order: Mapping[str, str] = _BY_ID,
    ) -> Document:
        """The first records that fit all filters, with these properties; one request."""
        body: dict[str, Any] = {
            "sorts": [dict(order)],
            "properties": list(names),
            "limit": limit or self.page_size,
        }
        if filters:
            body["filterGroups"] = [{"filters": list(filters)}]
        return self._transport.post(self._path, body, reading=self._object, check=check_search)

    def pages(self, filters: Sequence[Filter], names: Sequence[str]) -> Iterator[Document]:
        """Pages by ascending id, each going on from the last id of the one before.

        A page's own total says how many records are left, so a short page does not end the search
        and an empty one does not hide the rest.
        """
        last: str | None = None
        ends: set[str | None] = {None}
        stuck = read = 0
        while True:
            beyond: list[Filter] = []
            if last is not None:
                beyond = [{"propertyName": ID_PROPERTY, "operator": "GT", "value": last}]
            page = self.page([*filters, *beyond], names)
            yield page
            results = page["results"]
            read += len(results)
            if page["total"] <= len(results):
                return
            reached = results[-1]["id"] if results else last
            # Behind an id that was reached before: it stands still, or goes round in a circle.
            stuck = stuck + 1 if reached in ends else 0
            if stuck > _EMPTY_PAGES:
                expected = read - len(results) + page["total"]
                raise self.incomplete(
                    f"HubSpot's search counts {expected:,} and gave {read:,}: it says that "
                    f"{page['total']:,} are left and gives {len(results):,} again and again."
                )
            ends.add(reached)
            last = reached

    def found(
        self, filters: Sequence[Filter], most: int | None = None
    ) -> tuple[dict[str, Document], int]:
        """All that fits, by id and without bound properties, and how many its first page counted.

        Raises TooManyChangesError when that counts more than `most`.
        """
        found: dict[str, Document] = {}
        first: int | None = None
        for page in self.pages(filters, [ID_PROPERTY]):
            first = counted(page, first, most)
            found.update((record["id"], record) for record in page["results"])
        return found, first or 0

    def ids(self, filters: Sequence[Filter]) -> tuple[set[str], int]:
        """The ids of all that fits, and how many its first page counted."""
        found, first = self.found(filters)
        return set(found), first

    def count(self, filters: Sequence[Filter]) -> int:
        """How many records fit all filters; one request."""
        return int(self.page(filters, [ID_PROPERTY], 1)["total"])

    def incomplete(self, what: str) -> IncompletePullError:
        """The error of a read that did not give all, told by `what`."""
        return IncompletePullError(self.unread(what))

    def unread(self, what: str) -> str:
        """That not all could be read, as told by `what`, and what follows."""
        return (
            f"Source {self._source}: not all {self._object} could be read. {what} Nothing of this "
            "read was used; the next run tries again."
        )


def counted(page: Document, first: int | None, most: int | None) -> int:
    """What the first page of a search counts, `first` when it is known already.

    Raises TooManyChangesError when that is more than `most`.
    """
    if first is not None:
        return first
    if most is not None and page["total"] > most:
        raise TooManyChangesError
    return int(page["total"])


def id_range(low: int, high: int | None) -> list[Filter]:
    """The ids from `low` to `high`, by HubSpot's order; without an end when `high` is None."""
    if high is None:
        return [{"propertyName": ID_PROPERTY, "operator": "GTE", "value": str(low)}]
    return [
        {
            "propertyName": ID_PROPERTY,
            "operator": "BETWEEN",
            "value": str(low),
            "highValue": str(high),
        }
    ]
