"""What an answer of HubSpot's must look like before anything in it is used.

Belongs here: checks of JSON that has been read, and the way into its parts. Does not belong here:
sending (transport) or what the parts mean (records, schema, account). Facts: the object, search and
properties references.
"""

from typing import Any, Final

from connectors.hubspot.transport import Document, ShapeError

# Beyond 18 digits an id would not fit a whole number of the database's.
_LONGEST_ID: Final = 18
_DICTS: Final = frozenset({dict})
_TEXTS: Final = frozenset({str})


def check_records(document: Document) -> None:
    """A page of records: `results` of objects with an id and properties, and a usable `paging`."""
    results = document.get("results")
    if not isinstance(results, list):
        raise ShapeError("it has no list of results.")
    if not _DICTS.issuperset(map(type, results)):
        raise ShapeError("a record is not a JSON object.")
    if not _are_ids([record.get("id") for record in results]):
        raise ShapeError("a record has no id.")
    if not _DICTS.issuperset([type(record.get("properties")) for record in results]):
        raise ShapeError("a record has no properties.")
    next_after(document)


def _are_ids(ids: list[Any]) -> bool:
    # All at once: a page has a hundred, and a read thousands of pages.
    if not ids:
        return True
    if not _TEXTS.issuperset(map(type, ids)):
        return False
    digits = "".join(ids)
    lengths = set(map(len, ids))
    return digits.isdigit() and digits.isascii() and 0 < min(lengths) <= max(lengths) <= _LONGEST_ID


def check_search(document: Document) -> None:
    """A page of a search: records and how many there are in `total`."""
    check_records(document)
    total = document.get("total")
    if not isinstance(total, int) or isinstance(total, bool) or total < len(document["results"]):
        raise ShapeError(f"its total is {total!r} for {len(document['results'])} records.")


def check_properties(document: Document) -> None:
    """The definitions of properties: `results` of objects with a name and a type."""
    results = document.get("results")
    if not isinstance(results, list) or not results:
        raise ShapeError("it has no list of properties.")
    for one in results:
        if not isinstance(one, dict):
            raise ShapeError("a property is not a JSON object.")
        if not isinstance(one.get("name"), str) or not isinstance(one.get("type"), str):
            raise ShapeError("a property has no name or no type.")


def check_account(document: Document) -> None:
    """The account's details: the portal's id."""
    if not isinstance(document.get("portalId"), int | str) or not document["portalId"]:
        raise ShapeError("it names no portal.")


def next_after(document: Document) -> str | None:
    """The token of the next page, or None on the last one."""
    paging = document.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    if following is None:
        return None
    after = following.get("after") if isinstance(following, dict) else None
    if not isinstance(after, str | int) or not str(after):
        raise ShapeError("it speaks of a next page and does not say which.")
    return str(after)
