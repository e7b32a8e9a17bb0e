"""The demo account's time: days weighted as a business is busy, and instants as HubSpot writes them.

Belongs here: the calendar of the synthetic company. Does not belong here: what happens in it
(generate_crm, generate_web).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.sandbox.generate_draws import Choices, Draws

ZONE = ZoneInfo("America/New_York")

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Visits and sign-ups by local hour: a working day with a quiet night.
_HOURS = Choices(
    enumerate(
        (2, 1, 1, 1, 1, 2, 5, 12, 30, 48, 52, 50, 40, 46, 50, 46, 38, 26, 16, 12, 10, 8, 6, 4)
    )
)


def start_of(day: date) -> int:
    """The instant, in epoch milliseconds, at which the local day begins."""
    midnight = datetime.combine(day, time(), tzinfo=ZONE).astimezone(UTC)
    return int(midnight.timestamp()) * 1000


def days_between(first: date, last: date) -> list[date]:
    """Every day from first to last, both included."""
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def busy_days(days: Sequence[date], growth_percent: int) -> Choices[date]:
    """Days with weights: quiet week-ends and a quiet year's end, growing over the whole span."""
    weighted = []
    for index, day in enumerate(days):
        weight = 100 * (100 + growth_percent * index // len(days))
        if day.weekday() >= 5:
            weight = weight * 35 // 100
        if (day.month, day.day) >= (12, 20) or (day.month, day.day) <= (1, 2):
            weight = weight * 45 // 100
        weighted.append((day, weight))
    return Choices(weighted)


def moment_in(day: date, draws: Draws) -> int:
    """An instant within the local day, in epoch milliseconds, mostly in working hours.

    The day is taken as 24 hours from its start; on the two days of a clock change the last hour is
    short or left empty, and the instant always lies within the day.
    """
    into_day = draws.pick(_HOURS) * HOUR + draws.below(HOUR)
    return min(start_of(day) + into_day, start_of(day + timedelta(days=1)) - 1)


def iso(at: int | None) -> str:
    """As HubSpot writes a time: ISO 8601 in UTC with milliseconds; empty for none."""
    if at is None:
        return ""
    seconds, millis = divmod(at, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"
