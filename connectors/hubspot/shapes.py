"""What an answer of HubSpot's must look like before anything in it is used.

Belongs here: checks of JSON that has been read, and the way into its parts. Does not belong here:
sending (transport) or what the parts mean (records, schema, account). Facts: the object, search and
properties references.
"""

from collections.abc import Mapping
from typing import Any

from connectors.hubspot.transport import Document, ShapeError
from okr_sync.warehouse.mirror import FieldType, parse_value


def check_records(document: Document) -> None:
    """A page of records: `results` of objects with an id and properties, and a usable `paging`."""
    results = document.get("results")
    if not isinstance(results, list):
        raise ShapeError("it has no list of results.")
    for record in results:
        if not isinstance(record, dict):
            raise ShapeError("a record is not a JSON object.")
        if not isinstance(record.get("id"), str) or not record["id"].isdigit():
            raise ShapeError("a record has no id.")
        if not isinstance(record.get("properties"), dict):
            raise ShapeError("a record has no properties.")
    next_after(document)


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


def epoch_ms_of(record: Mapping[str, Any], key: str) -> int | None:
    """A time beside the properties (`createdAt`, `updatedAt`, `archivedAt`) in epoch ms."""
    value, _ = parse_value(record.get(key), FieldType.INSTANT)
    return value if isinstance(value, int) else None
