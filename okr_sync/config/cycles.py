"""Calendar arithmetic of planning periods: weeks, months, fiscal quarters and years as local days.

Belongs here: names of cycles and the first day of a period. Does not belong here: instants in UTC
(metrics.windows).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo


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


def _months_before(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)
