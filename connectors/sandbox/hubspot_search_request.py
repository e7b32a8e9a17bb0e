"""What a search asks for, read from its body and checked.

Belongs here: the caps and rules of a search request (api_facts B3). Does not belong here: finding
the records (hubspot_index).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from connectors.sandbox.hubspot_errors import invalid, unknown_property
from connectors.sandbox.hubspot_properties import PropertyType, epoch_millis, is_whole, number

LARGEST_BODY = 3000
_LARGEST_PAGE = 200
_DEFAULT_PAGE = 10
_MOST_RESULTS = 10_000
_MOST_GROUPS = 5
_MOST_FILTERS_A_GROUP = 6
_MOST_FILTERS = 18
_KEYS = {"filterGroups", "sorts", "properties", "limit", "after"}
_ONE_VALUE = {"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}
_MANY_VALUES = {"IN", "NOT_IN"}
_NO_VALUE = {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}
_OPERATORS = {*_ONE_VALUE, *_MANY_VALUES, *_NO_VALUE, "BETWEEN"}
_TOKEN_OPERATORS = {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}
_NUMERIC = (PropertyType.NUMBER, PropertyType.DATETIME, PropertyType.DATE)


@dataclass(frozen=True)
class Filter:
    """One condition; `values` holds one text, two for BETWEEN, any number for IN and NOT_IN."""

    property: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """A checked search. Groups are alternatives, the filters of a group all hold.

    No `sort_by` means by creation. `offset + limit` is at most 10,000.
    """

    groups: tuple[tuple[Filter, ...], ...]
    sort_by: str | None
    descending: bool
    properties: tuple[str, ...]
    limit: int
    offset: int


def read_search(body: bytes, types: Mapping[str, PropertyType]) -> Search:
    """Read and check a body against an object's property types; HubSpotError 400 if it is wrong."""
    if len(body.decode(errors="replace")) > LARGEST_BODY:
        raise invalid(f"The request body must not be longer than {LARGEST_BODY} characters.")
    content = read_object(body)
    for key in content:
        if key not in _KEYS:
            raise invalid(f"The sandbox's search knows no {key!r}.")
    limit = _limit(content.get("limit"))
    offset = _offset(content.get("after"))
    if offset + limit > _MOST_RESULTS:
        raise invalid(
            f"A search gives at most {_MOST_RESULTS:,} results; after {offset} and limit {limit} "
            "reach beyond them."
        )
    sort_by, descending = _sort(content.get("sorts"), types)
    return Search(
        groups=_groups(content.get("filterGroups"), types),
        sort_by=sort_by,
        descending=descending,
        properties=tuple(text_list(content, "properties")),
        limit=limit,
        offset=offset,
    )


def read_object(body: bytes) -> dict[str, Any]:
    """A request body that must be a JSON object; HubSpotError 400 if it isn't."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"Invalid input JSON: {error}.") from None
    if not isinstance(content, dict):
        raise invalid("The request body must be a JSON object.")
    return content


def text_list(content: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts in a body; absent or null is empty."""
    given = content.get(name)
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise invalid(f"{name} must be a list of strings.")
    return given


def _limit(given: object) -> int:
    if given is None:
        return _DEFAULT_PAGE
    limit = _whole(given)
    if limit is None or not 1 <= limit <= _LARGEST_PAGE:
        raise invalid(f"limit is {given!r}; it must be a whole number from 1 to {_LARGEST_PAGE}.")
    return limit


def _offset(given: object) -> int:
    if given is None or given == "":
        return 0
    offset = _whole(given)
    if offset is None:
        raise invalid(f"after is {given!r}; it must be a whole number.")
    return offset


def _whole(given: object) -> int | None:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if isinstance(given, str) and is_whole(given):
        return int(given)
    return None


def _sort(given: object, types: Mapping[str, PropertyType]) -> tuple[str | None, bool]:
    if given is None or given == []:
        return None, False
    if not isinstance(given, list) or len(given) > 1:
        raise invalid("sorts must be a list of one sort at most.")
    sort = given[0]
    if isinstance(sort, str):
        sort = {"propertyName": sort}
    if not isinstance(sort, dict) or not isinstance(sort.get("propertyName"), str):
        raise invalid("A sort must name its propertyName.")
    direction = sort.get("direction", "ASCENDING")
    if direction not in ("ASCENDING", "DESCENDING"):
        raise invalid(f"direction is {direction!r}; it must be ASCENDING or DESCENDING.")
    if sort["propertyName"] not in types:
        raise unknown_property(sort["propertyName"])
    return sort["propertyName"], direction == "DESCENDING"


def _groups(given: object, types: Mapping[str, PropertyType]) -> tuple[tuple[Filter, ...], ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise invalid("filterGroups must be a list.")
    if len(given) > _MOST_GROUPS:
        raise invalid(f"There are {len(given)} filterGroups; at most {_MOST_GROUPS} are allowed.")
    groups = []
    for group in given:
        filters = group.get("filters") if isinstance(group, dict) else None
        if not isinstance(filters, list) or not filters:
            raise invalid("A filter group must have a list of filters.")
        if len(filters) > _MOST_FILTERS_A_GROUP:
            raise invalid(
                f"A filter group has {len(filters)} filters; at most {_MOST_FILTERS_A_GROUP} "
                "are allowed."
            )
        groups.append(tuple(_filter(one, types) for one in filters))
    total = sum(len(group) for group in groups)
    if total > _MOST_FILTERS:
        raise invalid(f"There are {total} filters; at most {_MOST_FILTERS} are allowed.")
    return tuple(groups)


def _filter(given: object, types: Mapping[str, PropertyType]) -> Filter:
    if not isinstance(given, dict) or not isinstance(given.get("propertyName"), str):
        raise invalid("A filter must name its propertyName.")
    name, operator = given["propertyName"], given.get("operator")
    if operator not in _OPERATORS:
        raise invalid(
            f"operator is {operator!r}; it must be one of {', '.join(sorted(_OPERATORS))}."
        )
    if name not in types:
        raise unknown_property(name)
    if operator in _NO_VALUE:
        if given.get("value") is not None:
            raise invalid(f"{operator} takes no value.")
        return Filter(name, operator)
    if operator in _MANY_VALUES:
        listed = given.get("values")
        if not isinstance(listed, list) or not listed:
            raise invalid(f"{operator} on {name} needs a list of values.")
        values = tuple(_text(name, item) for item in listed)
    elif operator == "BETWEEN":
        values = (_text(name, given.get("value")), _text(name, given.get("highValue")))
    else:
        values = (_text(name, given.get("value")),)
    kind = types[name]
    if operator in _TOKEN_OPERATORS and kind in (*_NUMERIC, PropertyType.BOOL):
        raise invalid(f"{operator} can't be used on {name}, which is a {kind}.")
    for value in values:
        if kind in _NUMERIC and comparable(value, kind) is None:
            raise invalid(f"{value!r} is no {kind} to compare {name} with.")
    return Filter(name, operator, values)


def comparable(text: str, kind: PropertyType) -> float | None:
    """A value of a numeric or time property as a number (epoch ms), or None if it isn't one."""
    if kind is PropertyType.NUMBER:
        return number(text)
    millis = epoch_millis(text)
    if millis is None and is_whole(text.removeprefix("-")):
        millis = int(text)  # a search gives times before 2001 in few digits, or negative ones
    return None if millis is None else float(millis)


def _text(name: str, given: object) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, (int, float)):
        return str(given)
    if not isinstance(given, str) or not given:
        raise invalid(f"A filter on {name} lacks a value.")
    return given
