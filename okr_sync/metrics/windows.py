"""Days into instants: which days a key result looks at, and when they begin and end in UTC.

Belongs here: calendar windows and the one function that turns local midnights into UTC. Does not
belong here: cycle names (config.cycles) or what is counted in a window (evaluate).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from okr_sync.config.cycles import Calendar, period_start
from okr_sync.config.models import Cycle, Over, OverKind


@dataclass(frozen=True)
class Window:
    """Half-open: local days [start_day, end_day), instants [start_at, end_at) in UTC.

    `end_at` lies before the end of the last day when that day is still in progress.
    """

    start_day: date
    end_day: date
    start_at: datetime
    end_at: datetime


@lru_cache(maxsize=20_000)  # the same few days are asked about for every key result
def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which the local day begins.

    Where the clocks skip midnight (Sao Paulo until 2018), the day begins at the first instant that
    exists; where midnight comes twice, at the first of the two.
    """
    # fold=0 gives all three: the only midnight, the first of two, and, where there is none, the
    # instant of the jump (PEP 495: a time in a gap is read with the offset before it).
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def as_of_instant(day: date, zone: ZoneInfo, now: datetime) -> datetime:
    """The instant that a value of this as-of day speaks of: the day's end, or now if in progress."""
    return min(local_midnight(day + timedelta(days=1), zone), now)


def resolve_window(
    over: Over, cycle: Cycle, as_of: date, calendar: Calendar, now: datetime
) -> Window | None:
    """The days that `over` means as of a day, or None where none of them has begun.

    `cycle` ends with the as-of day or the cycle, whichever is first; so do the other forms' as-of
    days. `last` is the days that end with the as-of day; `to_date` runs from the start of the week,
    month, quarter or year to the as-of day; `previous` is the whole period before that.
    """
    if as_of < cycle.start:
        return None
    last_day = min(as_of, cycle.end - timedelta(days=1))
    end_day = last_day + timedelta(days=1)
    if over.kind is OverKind.CYCLE:
        start_day = cycle.start
    elif over.kind is OverKind.LAST:
        if over.days is None:
            raise ValueError("`last` without days")
        start_day = end_day - timedelta(days=over.days)
    else:
        if over.period is None:
            raise ValueError(f"`{over.kind}` without a period")
        start_day = period_start(last_day, over.period, calendar)
        if over.kind is OverKind.PREVIOUS:
            end_day = start_day
            start_day = period_start(end_day - timedelta(days=1), over.period, calendar)
    start_at = local_midnight(start_day, calendar.zone)
    end_at = min(local_midnight(end_day, calendar.zone), now)
    if end_at <= start_at:
        return None
    return Window(start_day, end_day, start_at, end_at)
