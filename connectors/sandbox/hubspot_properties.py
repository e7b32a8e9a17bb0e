"""What kind of value a HubSpot property holds.

Belongs here: property types, the table of properties that every portal has, and inferring the rest
from values. Does not belong here: records, or the answer of the properties endpoint
(hubspot_settings).
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum


class PropertyType(StrEnum):
    """The `type` of a property as the properties endpoint tells it."""

    STRING = "string"
    NUMBER = "number"
    DATETIME = "datetime"
    DATE = "date"
    BOOL = "bool"
    ENUMERATION = "enumeration"


_STRING, _NUMBER = PropertyType.STRING, PropertyType.NUMBER
_DATETIME, _BOOL = PropertyType.DATETIME, PropertyType.BOOL
_ENUMERATION = PropertyType.ENUMERATION

# Properties whose type is known by name, whatever the values look like (api_facts B4).
WELL_KNOWN: dict[str, PropertyType] = {
    "amount": _NUMBER,
    "amount_in_home_currency": _NUMBER,
    "closedate": _DATETIME,
    "createdate": _DATETIME,
    "days_to_close": _NUMBER,
    "deal_currency_code": _ENUMERATION,
    "dealname": _STRING,
    "dealstage": _ENUMERATION,
    "dealtype": _ENUMERATION,
    "domain": _STRING,
    "email": _STRING,
    "firstname": _STRING,
    "hs_analytics_source": _ENUMERATION,
    "hs_createdate": _DATETIME,
    "hs_deal_stage_probability": _NUMBER,
    "hs_forecast_amount": _NUMBER,
    "hs_is_closed": _BOOL,
    "hs_is_closed_won": _BOOL,
    "hs_lastmodifieddate": _DATETIME,
    "hs_merged_object_ids": _ENUMERATION,
    "hs_object_id": _NUMBER,
    "hs_pipeline": _ENUMERATION,
    "hs_pipeline_stage": _ENUMERATION,
    "hs_projected_amount": _NUMBER,
    "hubspot_owner_id": _ENUMERATION,
    "lastmodifieddate": _DATETIME,
    "lastname": _STRING,
    "lifecyclestage": _ENUMERATION,
    "name": _STRING,
    "phone": _STRING,
    "pipeline": _ENUMERATION,
    "subject": _STRING,
    "zip": _STRING,
}

# What each standard object has in every portal, with a file or without.
STANDARD: dict[str, tuple[str, ...]] = {
    # A contact has hs_lastmodifieddate and never a value in it: a filter on it matches nothing
    # (api_facts B4).
    "contacts": (
        *("createdate", "email", "firstname", "hs_analytics_source", "hs_lastmodifieddate"),
        *("hs_merged_object_ids", "hs_object_id", "hubspot_owner_id", "lastmodifieddate"),
        *("lastname", "lifecyclestage"),
    ),
    "companies": (
        *("createdate", "domain", "hs_lastmodifieddate", "hs_merged_object_ids", "hs_object_id"),
        *("hubspot_owner_id", "lifecyclestage", "name"),
    ),
    "deals": (
        *("amount", "amount_in_home_currency", "closedate", "createdate", "deal_currency_code"),
        *("dealname", "dealstage", "hs_deal_stage_probability", "hs_forecast_amount"),
        *("hs_is_closed", "hs_is_closed_won", "hs_lastmodifieddate", "hs_merged_object_ids"),
        *("hs_object_id", "hs_projected_amount", "hubspot_owner_id", "pipeline"),
    ),
    "tickets": (
        *("createdate", "hs_lastmodifieddate", "hs_merged_object_ids", "hs_object_id"),
        *("hs_pipeline", "hs_pipeline_stage", "hubspot_owner_id", "subject"),
    ),
}
_STANDARD_ELSEWHERE = ("hs_createdate", "hs_lastmodifieddate", "hs_merged_object_ids")

# What a response holds when no properties are asked for, and in any case (the last group).
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "contacts": ("email", "firstname", "lastname"),
    "companies": ("domain", "name"),
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "tickets": ("hs_pipeline", "hs_pipeline_stage", "subject"),
}

LIFECYCLE_STAGES: tuple[tuple[str, str], ...] = (
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
)
TRAFFIC_SOURCES: tuple[tuple[str, str], ...] = tuple(
    (name, name.replace("_", " ").title())
    for name in (
        *("ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "SOCIAL_MEDIA", "REFERRALS"),
        *("OTHER_CAMPAIGNS", "DIRECT_TRAFFIC", "OFFLINE", "PAID_SOCIAL", "AI_REFERRALS"),
    )
)

_DATE_NAME = re.compile(r"date$|_date_|^hs_(v2_)?(date|latest_time|time)_|_at$|timestamp$")
_CODE_NAME = re.compile(r"stage|pipeline|(^|_)(id|ids|code|zip|phone)$")
_PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[0-9]{1,18}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def standard_properties(object_type: str) -> tuple[str, ...]:
    """The properties that an object type has in every portal."""
    return STANDARD.get(object_type, ("hs_object_id", *_STANDARD_ELSEWHERE))


def default_properties(object_type: str) -> tuple[str, ...]:
    """The properties that a response holds when none are asked for."""
    return (*_DEFAULTS.get(object_type, ()), *constant_properties(object_type))


def constant_properties(object_type: str) -> tuple[str, ...]:
    """The properties that a response holds whatever is asked for."""
    if object_type == "contacts":
        return ("createdate", "hs_object_id", "lastmodifieddate")
    created = "createdate" if object_type in STANDARD else "hs_createdate"
    return (created, "hs_lastmodifieddate", "hs_object_id")


def infer_type(name: str, values: Iterable[str | None]) -> PropertyType:
    """The type of a property from its name and its values (nulls say nothing).

    A name from the table decides alone. A column of codes (stage, pipeline, id) stays text
    however numeric it looks.
    """
    if name in WELL_KNOWN:
        return WELL_KNOWN[name]
    present = [value for value in values if value]
    if not present:
        return _DATETIME if _DATE_NAME.search(name) else _STRING
    if all(value in ("true", "false") for value in present):
        return _BOOL
    dated = bool(_DATE_NAME.search(name))
    if all((dated or "-" in value) and epoch_millis(value) is not None for value in present):
        is_day = all(len(value) == len("2026-01-31") for value in present)
        return PropertyType.DATE if is_day else _DATETIME
    if not _CODE_NAME.search(name) and all(_PLAIN_NUMBER.fullmatch(v) for v in present):
        return _NUMBER
    return _STRING


def is_whole(text: str) -> bool:
    """Whether a text is a whole number of 0 or more that an id or a limit can be (18 digits)."""
    return _WHOLE.fullmatch(text) is not None


def number(text: str) -> float | None:
    """A plain decimal number, or None when the text is something else."""
    return float(text) if _PLAIN_NUMBER.fullmatch(text) else None


def epoch_millis(text: str) -> int | None:
    """Milliseconds since 1970 UTC of an ISO time with an offset, an ISO day or a whole number."""
    if is_whole(text) and len(text) > len("20260131"):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        if len(text) != len("2026-01-31"):
            return None
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - _EPOCH
    return elapsed.days * 86_400_000 + elapsed.seconds * 1000 + elapsed.microseconds // 1000
