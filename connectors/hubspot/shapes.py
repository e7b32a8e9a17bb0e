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
_NOT_FOUND: Final = "OBJECT_NOT_FOUND"


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


def check_batch(document: Document) -> None:
    """Records by id: a page of them, and in `errors` nothing but ids that there are not."""
    check_records(document)
    if document.get("status", "COMPLETE") != "COMPLETE":
        raise ShapeError(f"its status is {str(document['status'])[:30]!r}.")
    errors = document.get("errors") or []
    if not isinstance(errors, list) or not _DICTS.issuperset(map(type, errors)):
        raise ShapeError("its errors are not a list.")
    for error in errors:
        if error.get("category") != _NOT_FOUND:
            raise ShapeError(f"it says: {str(error.get('message'))[:200]}")


def not_found(document: Document) -> set[str]:
    """The ids that an answer names as those of no record."""
    ids: set[str] = set()
    for error in document.get("errors") or []:
        context = error.get("context")
        named = context.get("ids") if isinstance(context, dict) else None
        ids.update(map(str, named if isinstance(named, list) else ()))
    return ids


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
