"""Calendar arithmetic of planning periods: weeks, months, fiscal quarters and years as local days.

Belongs here: names of cycles and the first day of a period. Does not belong here: instants in UTC
(metrics.windows).
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from okr_sync.config.models import Cycle
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import quoted

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_MAX_DAYS = 3660
_NAME = re.compile(
    r"(?P<year>2[01][0-9]{2})(?:-(?:(?P<part>[QH])(?P<number>[0-9])|(?P<month>[0-9]{2})))?"
)
_SLIP = re.compile(
    r"(?P<year>2[01][0-9]{2})?[\s/_-]*(?:FY)?(?P<part>[QH][1-4])[\s/_-]*(?P<late_year>2[01][0-9]{2})?",
    re.IGNORECASE,
)
_FORMS = "Use 2026-Q4, 2026-H2, 2026, 2026-10, or {start: 2026-10-01, end: 2026-12-31}."


@dataclass(frozen=True)
class Calendar:
    """What a project says of time: its zone, where its fiscal year and its weeks begin.

    `fiscal_year_start` is a month from 1; `week_start` counts from 0 = Monday, as `date.weekday`.
    """

    zone: ZoneInfo
    fiscal_year_start: int = 1
    week_start: int = 0


def period_start(day: date, period: str, calendar: Calendar) -> date:
    """The first day of the week, month, fiscal quarter or fiscal year that `day` lies in."""
    if period == "week":
        return day - timedelta(days=(day.weekday() - calendar.week_start) % 7)
    if period == "month":
        return day.replace(day=1)
    months_in = (day.month - calendar.fiscal_year_start) % 12
    if period == "quarter":
        return _months_before(day, months_in % 3)
    if period == "year":
        return _months_before(day, months_in)
    raise ValueError(f"unknown period {period!r}")


def parse_cycle(name: str, fiscal_year_start: int) -> Cycle:
    """The days of a cycle named `2026`, `2026-H2`, `2026-Q4` or `2026-10`; else BadValue.

    A fiscal year bears the number of the calendar year in which it starts: with
    `fiscal_year_start` 2, 2026-Q4 is 2026-11-01 to 2027-01-31. A month is always the calendar's.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadValue("bad-cycle", f"{quoted(name)} is not the name of a cycle.", _slip(name))
    year = int(match["year"])
    if match["month"]:
        month = int(match["month"])
        if not 1 <= month <= 12:
            raise BadValue("bad-cycle", f"{quoted(name)} names no month.", "Months are 01 to 12.")
        return _months(name, year, month, 1)
    if match["part"] == "Q":
        number, months = int(match["number"]), 3
    elif match["part"] == "H":
        number, months = int(match["number"]), 6
    else:
        number, months = 1, 12
    if not 1 <= number <= 12 // months:
        raise BadValue(
            "bad-cycle",
            f"{quoted(name)} doesn't exist: a year has {12 // months} of these.",
            _FORMS,
        )
    return _months(name, year, fiscal_year_start + (number - 1) * months, months)


def cycle_between(start: date, last_day: date) -> Cycle:
    """The cycle from `start` to `last_day`, which belongs to it; BadValue if it is none."""
    if last_day < start:
        raise BadValue(
            "bad-cycle",
            f"The cycle ends ({last_day}) before it starts ({start}).",
            "Give the last day of the cycle as `end`.",
        )
    if (last_day - start).days >= _MAX_DAYS:
        raise BadValue("bad-cycle", "The cycle is longer than ten years.", "Check its dates.")
    return Cycle(f"{start}..{last_day}", start, last_day + timedelta(days=1))


def _months(name: str, year: int, month: int, count: int) -> Cycle:
    first = year * 12 + month - 1
    return Cycle(name, _first_of(first), _first_of(first + count))


def _months_before(day: date, months: int) -> date:
    return _first_of(day.year * 12 + day.month - 1 - months)


def _first_of(month_index: int) -> date:
    return date(month_index // 12, month_index % 12 + 1, 1)


def _slip(name: str) -> str:
    match = _SLIP.fullmatch(name.strip())
    year = match and (match["year"] or match["late_year"])
    if match is None or not year:
        return _FORMS
    return f"Did you mean `{year}-{match['part'].upper()}`?"
