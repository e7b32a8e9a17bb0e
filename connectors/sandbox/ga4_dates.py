"""The date ranges of a GA4 request as days of the property.

Belongs here: relative dates, order, names. Does not belong here: which sessions fall into a range
(ga4_facts).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from google.analytics.data_v1beta.types import DateRange

from connectors.sandbox.ga4_errors import invalid

MOST_RANGES = 4
_EPOCH = date(1970, 1, 1)
_DAYS_AGO = re.compile(r"(\d{1,5})daysAgo")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class DayRange:
    """Days `first` to `last`, both included, counted from 1970-01-01; `name` labels its rows."""

    name: str
    first: int
    last: int


def resolve_ranges(ranges: Sequence[DateRange], today: date) -> tuple[DayRange, ...]:
    """The ranges as days; `today` is the day in the property's time zone.

    Raises Ga4ApiError (400) for no range, too many, malformed or reserved.
    """
    if len(ranges) > MOST_RANGES:
        raise invalid(f"Requests are limited to {MOST_RANGES} dateRanges.")
    if not ranges:
        raise invalid("Requests must have at least one of dateRanges or a cohortSpec.")
    resolved = []
    for index, its_range in enumerate(ranges):
        first = _resolve_day(its_range.start_date, "startDate", today)
        last = _resolve_day(its_range.end_date, "endDate", today)
        if first > last:
            raise invalid(
                f"Invalid dateRange: startDate {its_range.start_date} is after endDate "
                f"{its_range.end_date}."
            )
        if its_range.name.startswith(("date_range_", "RESERVED_")):
            raise invalid(
                f"Invalid dateRange name {its_range.name}. Names cannot begin with date_range_ or "
                "RESERVED_."
            )
        name = its_range.name or f"date_range_{index}"
        resolved.append(DayRange(name, (first - _EPOCH).days, (last - _EPOCH).days))
    if len({its_range.name for its_range in resolved}) < len(resolved):
        raise invalid("Each dateRange must have a unique name.")
    return tuple(resolved)


def day_of(number: int) -> date:
    """The date that is `number` days after 1970-01-01."""
    return _EPOCH + timedelta(days=number)


def _resolve_day(text: str, field: str, today: date) -> date:
    if text == "today":
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    try:
        if ago := _DAYS_AGO.fullmatch(text):
            return today - timedelta(days=int(ago[1]))
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except (ValueError, OverflowError):
        pass  # a day that no calendar has, refused below
    raise invalid(
        f"Invalid {field}: {text}. Dates must be in the format YYYY-MM-DD, NdaysAgo, yesterday, or "
        "today."
    )
