"""Which sessions a GA4 report is about, and the columns of its dimensions.

Belongs here: from date ranges to rows of facts, dimensions as coded columns, grouping. Does not
belong here: metrics (ga4_metrics) or the order of a report (ga4_report).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from connectors.sandbox.ga4_dates import DayRange, day_of
from connectors.sandbox.ga4_schema import NOT_SET, TIME_DIMENSIONS
from connectors.sandbox.ga4_sessions import BoolArray, Coded, IntArray, SessionTable

EVENT_DIMENSIONS = frozenset({"eventName", "isKeyEvent"})

_SAME_AS_SESSION = {
    "source": "sessionSource",
    "medium": "sessionMedium",
    "sourceMedium": "sessionSourceMedium",
    "campaignName": "sessionCampaignName",
    "defaultChannelGroup": "sessionDefaultChannelGroup",
}
"""The sandbox attributes a key event to the session that it happened in."""

_TIME_TEXT: dict[str, Callable[[date], str]] = {
    "date": lambda day: day.strftime("%Y%m%d"),
    "year": lambda day: day.strftime("%Y"),
    "month": lambda day: day.strftime("%m"),
    "yearMonth": lambda day: day.strftime("%Y%m"),
    "isoYearIsoWeek": lambda day: f"{day.isocalendar().year}{day.isocalendar().week:02}",
    "dayOfWeek": lambda day: str(day.isoweekday() % 7),
}


@dataclass(frozen=True)
class Facts:
    """Rows to be grouped: a session in a date range, or one kind of event of it.

    `session` indexes the table, `range` the request's date ranges, `day` is the day that the row
    is reported on. `event` (an index of the table's event names) and `count` are None unless the
    report looks at single events.
    """

    session: IntArray
    range: IntArray
    day: IntArray
    event: IntArray | None = None
    count: IntArray | None = None

    def where(self, keep: BoolArray) -> "Facts":
        """The rows that stay."""
        return Facts(
            self.session[keep],
            self.range[keep],
            self.day[keep],
            None if self.event is None else self.event[keep],
            None if self.count is None else self.count[keep],
        )


def select(table: SessionTable, ranges: Sequence[DayRange], *, by_event: bool) -> Facts:
    """The sessions of each range; one that lies in two ranges comes twice."""
    parts = [
        _with_events(table, first, last, index, by_event=by_event)
        for index, its_range in enumerate(ranges)
        for first, last in (_rows_of_days(table, its_range.first, its_range.last),)
    ]
    return _joined(parts)


def select_rolling(
    table: SessionTable, ranges: Sequence[DayRange], days: int, *, by_date: bool, by_event: bool
) -> Facts:
    """The sessions of the `days` days that end with each day of a range (or with its last day).

    `by_date` gives each session once for every day of the range whose window it lies in.
    """
    parts = []
    for index, its_range in enumerate(ranges):
        start = its_range.first if by_date else its_range.last
        first, last = _rows_of_days(table, start - days + 1, its_range.last)
        part = _with_events(table, first, last, index, by_event=by_event)
        if not by_date:
            at_end = np.full(len(part.session), its_range.last, dtype=np.int64)
            parts.append(Facts(part.session, part.range, at_end, part.event, part.count))
            continue
        for shift in range(days):
            day = part.day + shift
            moved = Facts(part.session, part.range, day, part.event, part.count)
            parts.append(moved.where((day >= its_range.first) & (day <= its_range.last)))
    return _joined(parts)


def column(table: SessionTable, facts: Facts, name: str, ranges: Sequence[DayRange]) -> Coded:
    """The dimension's value for each fact. Equal codes mean equal values in all facts of a request."""
    name = _SAME_AS_SESSION.get(name, name)
    if name == "dateRange":
        return Coded(facts.range, tuple(its_range.name for its_range in ranges))
    if name in TIME_DIMENSIONS:
        return _time_column(table, facts.day, name, ranges)
    if name == "eventName" and facts.event is not None:
        return Coded(facts.event, table.event_names)
    if name == "isKeyEvent" and facts.event is not None:
        flags = np.array([event in table.key_events for event in table.event_names], dtype=np.int64)
        return Coded(flags[facts.event], ("false", "true"))
    stored = table.dimensions.get(name)
    if stored is None:
        return Coded(np.zeros(len(facts.session), dtype=np.int64), (NOT_SET,))
    return Coded(stored.codes[facts.session], stored.values)


def group(columns: Sequence[Coded], rows: int) -> tuple[IntArray, IntArray]:
    """Number the distinct combinations of values: (group of each row, a row of each group)."""
    if rows == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    key = np.zeros(rows, dtype=np.int64)
    distinct = 1
    for coded in columns:
        size = max(1, len(coded.values))
        if distinct * size >= 2**62:
            key, seen = pd.factorize(key)
            key, distinct = key.astype(np.int64), len(seen)
        key = key * size + coded.codes
        distinct *= size
    numbers, seen = pd.factorize(key)
    group_of = numbers.astype(np.int64)
    row_of = np.zeros(len(seen), dtype=np.int64)
    row_of[group_of[::-1]] = np.arange(rows - 1, -1, -1)
    return group_of, row_of


def _rows_of_days(table: SessionTable, first: int, last: int) -> tuple[int, int]:
    return (
        int(np.searchsorted(table.day, first, side="left")),
        int(np.searchsorted(table.day, last, side="right")),
    )


def _with_events(
    table: SessionTable, first: int, last: int, index: int, *, by_event: bool
) -> Facts:
    if not by_event:
        session = np.arange(first, last, dtype=np.int64)
        return Facts(session, np.full(len(session), index, dtype=np.int64), table.day[first:last])
    all_sessions, all_events, all_counts = table.event_rows
    start, end = np.searchsorted(all_sessions, [first, last])
    session = all_sessions[start:end]
    return Facts(
        session,
        np.full(len(session), index, dtype=np.int64),
        table.day[session],
        all_events[start:end],
        all_counts[start:end],
    )


def _joined(parts: Sequence[Facts]) -> Facts:
    events = [part.event for part in parts if part.event is not None]
    counts = [part.count for part in parts if part.count is not None]
    return Facts(
        np.concatenate([part.session for part in parts]),
        np.concatenate([part.range for part in parts]),
        np.concatenate([part.day for part in parts]),
        np.concatenate(events) if events else None,
        np.concatenate(counts) if counts else None,
    )


def _time_column(
    table: SessionTable, day: IntArray, name: str, ranges: Sequence[DayRange]
) -> Coded:
    if len(day) == 0:
        return Coded(day, ())
    # The same first day for all facts of a request, so that equal codes mean equal days.
    first = max(int(table.day[0]), min(its_range.first for its_range in ranges))
    last = max(first, int(day.max()))
    texts = [_TIME_TEXT[name](day_of(number)) for number in range(first, last + 1)]
    seen: dict[str, int] = {}
    codes = np.array([seen.setdefault(text, len(seen)) for text in texts], dtype=np.int64)
    return Coded(codes[day - first], tuple(seen))
