"""Which of the bound properties an object has, and of what type.

Belongs here: reading property definitions and saying what is wrong with a binding in words. Does not
belong here: values (okr_sync.warehouse.record_values) or storing the verdicts (mirror).
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.hubspot.paths import Paths
from connectors.hubspot.shapes import check_properties
from connectors.hubspot.transport import Transport
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.mirror import FieldType

# HubSpot's property types; the others (string, enumeration, phone_number, json, …) are text.
_TYPES: Final = {
    "number": FieldType.NUMBER,
    "datetime": FieldType.INSTANT,
    "date": FieldType.DAY,
    "bool": FieldType.FLAG,
}
PARTIAL_ACCESS: Final = "partial_access"

_TIMES: Final = frozenset({FieldType.INSTANT, FieldType.DAY})

# HubSpot stopped filling the stage properties of the first generation: they read as empty, which
# would count as 0 (dlt verified-sources 647).
_LEGACY_PREFIXES: Final = {
    "hs_date_entered_": "hs_v2_date_entered_",
    "hs_date_exited_": "hs_v2_date_exited_",
    "hs_time_in_": "hs_v2_cumulative_time_in_",
}


@dataclass(frozen=True)
class BoundProperty:
    """A verdict: `type` is None when the property can't be had; `error` says why, or why it can't
    be used as it is bound (a time that is no date, a sum of texts), and `quality` has the flags of
    that."""

    type: FieldType | None
    error: str | None = None
    quality: tuple[str, ...] = ()


Definitions = dict[str, dict[str, str]]
"""The `type` and `fieldType` of properties by name."""


def read_schema(transport: Transport, paths: Paths, need: RecordsNeed) -> dict[str, BoundProperty]:
    """A verdict on every bound property of an object; one request. Raises SourceError."""
    return verdicts(need, read_definitions(transport, paths, need.dataset))


def read_definitions(transport: Transport, paths: Paths, dataset: str) -> Definitions:
    """All properties of an object that are not archived; one request. Raises SourceError."""
    document = transport.get(paths.properties(dataset), (), reading=dataset, check=check_properties)
    return {
        one["name"]: {"type": one["type"], "fieldType": str(one.get("fieldType"))}
        for one in document["results"]
        if one.get("archived") is not True
    }


def verdicts(need: RecordsNeed, defined: Definitions) -> dict[str, BoundProperty]:
    """A verdict on every bound property, by the properties that there are."""
    return {field: _verdict(field, need, defined) for field in sorted(need.fields)}


def hidden(field: str, dataset: str) -> BoundProperty:
    """The verdict on a property that HubSpot lists and leaves out of records, as it does with what a
    token may not see. Records lack it without a word, which must not be taken for empty."""
    return BoundProperty(
        None,
        f"HubSpot lists the property {field} of {dataset}, but leaves it out of records: the token may "
        "not see it. Add its scope to the app (sensitive data has scopes of its own) or bind another "
        "property; the next run reads it.",
        (PARTIAL_ACCESS,),
    )


def _verdict(
    field: str, need: RecordsNeed, defined: Mapping[str, Mapping[str, Any]]
) -> BoundProperty:
    for old, new in _LEGACY_PREFIXES.items():
        if field.startswith(old):
            return BoundProperty(
                None,
                f"{field} is a property of HubSpot's first generation that is no longer filled. "
                f"Bind {new}{field.removeprefix(old)} in its place.",
            )
    definition = defined.get(field)
    if definition is None:
        return BoundProperty(
            None,
            f"HubSpot's {need.dataset} have no property {field}.{_near_miss(field, defined)}",
        )
    kind = _type_of(definition)
    if field in need.time_fields and kind not in _TIMES:
        return BoundProperty(
            kind, _wrong_use(field, need, definition, "a time", "a date or date-time")
        )
    if field in need.number_fields and kind is not FieldType.NUMBER:
        return BoundProperty(kind, _wrong_use(field, need, definition, "a number", "a number"))
    return BoundProperty(kind)


def _type_of(definition: Mapping[str, Any]) -> FieldType:
    if definition.get("fieldType") == "booleancheckbox":
        return FieldType.FLAG
    return _TYPES.get(definition["type"], FieldType.TEXT)


def _wrong_use(
    field: str, need: RecordsNeed, definition: Mapping[str, Any], used_as: str, wanted: str
) -> str:
    return (
        f"{field} of HubSpot's {need.dataset} is bound as {used_as}, but it is of the type "
        f"{definition['type']}. Bind a property that is {wanted}."
    )


def _near_miss(field: str, defined: Collection[str]) -> str:
    lowered = {name.lower(): name for name in defined}
    near = difflib.get_close_matches(field.lower(), lowered, n=3, cutoff=0.75)
    if not near:
        return " Check the internal name in HubSpot's settings, under Properties."
    return f" Did you mean {' or '.join(lowered[name] for name in near)}?"
