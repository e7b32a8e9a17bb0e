"""The metrics of the GA4 sandbox, computed for grouped facts.

Belongs here: what each metric counts. Does not belong here: which rows are counted (ga4_facts) or
how a report is laid out (ga4_report).

All figures are kept as whole numerators and denominators, so that sums are exact and each division
happens once. A division by zero gives 0, as GA4 reports it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from connectors.sandbox.ga4_facts import Facts
from connectors.sandbox.ga4_filters import FloatArray
from connectors.sandbox.ga4_sessions import BoolArray, IntArray, SessionTable

MILLISECONDS = 1_000
MICROS = 1_000_000
ROLLING_DAYS = {"active7DayUsers": 7, "active28DayUsers": 28}

_PURCHASE = frozenset({"purchase"})
_VIEWS = frozenset({"page_view", "screen_view"})


@dataclass(frozen=True)
class Figure:
    """One metric for every group: `numerator / denominator`; a scale is a power of ten."""

    numerator: IntArray
    denominator: IntArray | int = 1

    @cached_property
    def value(self) -> FloatArray:
        """The numbers, for comparing and sorting."""
        if isinstance(self.denominator, int):
            return self.numerator / self.denominator
        empty = self.denominator == 0
        quotient: FloatArray = np.where(empty, 0.0, self.numerator) / np.where(
            empty, 1, self.denominator
        )
        return quotient

    def texts(self, groups: IntArray) -> list[str]:
        """The numbers of these groups as the API writes them."""
        if not isinstance(self.denominator, int):
            return [_short(number) for number in self.value[groups].tolist()]
        chosen = self.numerator[groups].tolist()
        if self.denominator == 1:
            return [str(number) for number in chosen]
        return [_scaled(number, self.denominator) for number in chosen]


class Grouped:
    """Facts with a group number each, and the counts that metrics are made of."""

    def __init__(self, table: SessionTable, facts: Facts, group: IntArray, groups: int) -> None:
        self.table = table
        self.facts = facts
        self.groups = groups
        self._group = group

    def sessions(self, keep: BoolArray | None = None) -> IntArray:
        """Distinct sessions with a fact that is kept, by group."""
        return self._count(self._distinct_sessions(keep)[0])

    def sessions_that(self, flag: BoolArray) -> IntArray:
        """Distinct sessions with this flag (an element for each session of the table), by group."""
        group, session = self._sessions
        return self._count(group[flag[session]])

    def users(self, keep: BoolArray | None = None) -> IntArray:
        """Distinct users with a fact that is kept, by group."""
        group, session = self._distinct_sessions(keep)
        size = max(1, self.table.user_count)
        keys = pd.unique(group * size + self.table.user[session])
        return self._count(keys // size)

    def session_sum(self, amount: IntArray, keep: BoolArray | None = None) -> IntArray:
        """Sum of an amount of each session, every session once, by group."""
        group, session = self._distinct_sessions(keep)
        # bincount adds in float64, exact for whole numbers up to 2**53: nine billion in millionths.
        sums = np.bincount(group, weights=amount[session], minlength=self.groups)
        return np.rint(sums).astype(np.int64)

    def events(self, names: frozenset[str] | None = None) -> IntArray:
        """How often the named events (all without names) happened, by group."""
        if self.facts.event is None or self.facts.count is None:
            per_session = self._per_session(names)
            return self.session_sum(per_session)
        count = self.facts.count
        if names is not None:
            count = np.where(self.facts_with(names), count, 0)
        sums = np.bincount(self._group, weights=count, minlength=self.groups)
        return np.rint(sums).astype(np.int64)

    def facts_with(self, names: frozenset[str]) -> BoolArray:
        """Which facts are one of these events, or a session that has one."""
        if self.facts.event is None:
            return (self._per_session(names) > 0)[self.facts.session]
        wanted = np.array([name in names for name in self.table.event_names], dtype=np.bool_)
        return wanted[self.facts.event]

    def active(self) -> BoolArray:
        """Which facts belong to a session that makes its user active: engaged, or the first."""
        return (self.table.engaged | self.table.new_user)[self.facts.session]

    def zeros(self) -> IntArray:
        """Nothing, for every group."""
        return np.zeros(self.groups, dtype=np.int64)

    @cached_property
    def _sessions(self) -> tuple[IntArray, IntArray]:
        return self._pairs(self._group, self.facts.session)

    def _distinct_sessions(self, keep: BoolArray | None) -> tuple[IntArray, IntArray]:
        if keep is None:
            return self._sessions
        return self._pairs(self._group[keep], self.facts.session[keep])

    def _pairs(self, group: IntArray, session: IntArray) -> tuple[IntArray, IntArray]:
        size = max(1, len(self.table))
        keys = pd.unique(group * size + session)
        return keys // size, keys % size

    def _per_session(self, names: frozenset[str] | None) -> IntArray:
        if names is None:
            return self.table.event_total
        if names == self.table.key_events:
            return self.table.key_event_total
        total = np.zeros(len(self.table), dtype=np.int64)
        for name in names & set(self.table.event_names):
            total = total + self.table.events[name]
        return total

    def _count(self, group: IntArray) -> IntArray:
        return np.bincount(group, minlength=self.groups).astype(np.int64)


def compute(name: str, grouped: Grouped) -> Figure:
    """The metric of this API name for every group."""
    base, _, event = name.partition(":")
    if event:
        return _KEY_EVENT_RATES[base](grouped, frozenset({event}))
    if base in _KEY_EVENT_RATES:
        return _KEY_EVENT_RATES[base](grouped, grouped.table.key_events)
    return _METRICS[base](grouped)


def _active_users(grouped: Grouped) -> Figure:
    return Figure(grouped.users(grouped.active()))


def _purchase_revenue(grouped: Grouped) -> Figure:
    bought = grouped.facts_with(_PURCHASE)
    return Figure(grouped.session_sum(grouped.table.revenue_micros, bought), MICROS)


def _bounce_rate(grouped: Grouped) -> Figure:
    sessions = grouped.sessions()
    return Figure(sessions - grouped.sessions_that(grouped.table.engaged), sessions)


def _purchaser_rate(grouped: Grouped) -> Figure:
    active = grouped.active()
    bought = grouped.facts_with(_PURCHASE)
    return Figure(grouped.users(active & bought), grouped.users(active))


def _no_data(grouped: Grouped) -> Figure:
    return Figure(grouped.zeros())


def _session_rate(grouped: Grouped, names: frozenset[str]) -> Figure:
    return Figure(grouped.sessions(grouped.facts_with(names)), grouped.sessions())


def _user_rate(grouped: Grouped, names: frozenset[str]) -> Figure:
    return Figure(grouped.users(grouped.facts_with(names)), grouped.users())


_KEY_EVENT_RATES: dict[str, Callable[[Grouped, frozenset[str]], Figure]] = {
    "sessionKeyEventRate": _session_rate,
    "userKeyEventRate": _user_rate,
}

_METRICS: dict[str, Callable[[Grouped], Figure]] = {
    "sessions": lambda g: Figure(g.sessions()),
    "engagedSessions": lambda g: Figure(g.sessions_that(g.table.engaged)),
    "engagementRate": lambda g: Figure(g.sessions_that(g.table.engaged), g.sessions()),
    "bounceRate": _bounce_rate,
    "averageSessionDuration": lambda g: Figure(
        g.session_sum(g.table.duration_ms), g.sessions() * MILLISECONDS
    ),
    "eventsPerSession": lambda g: Figure(g.events(), g.sessions()),
    "sessionsPerUser": lambda g: Figure(g.sessions(), g.users(g.active())),
    "screenPageViewsPerSession": lambda g: Figure(g.events(_VIEWS), g.sessions()),
    "screenPageViewsPerUser": lambda g: Figure(g.events(_VIEWS), g.users(g.active())),
    "eventCountPerUser": lambda g: Figure(g.events(), g.users(g.active())),
    "totalUsers": lambda g: Figure(g.users()),
    "activeUsers": _active_users,
    "active7DayUsers": _active_users,
    "active28DayUsers": _active_users,
    "newUsers": lambda g: Figure(g.sessions_that(g.table.new_user)),
    "userEngagementDuration": lambda g: Figure(g.session_sum(g.table.duration_ms), MILLISECONDS),
    "eventCount": lambda g: Figure(g.events()),
    "screenPageViews": lambda g: Figure(g.events(_VIEWS)),
    "keyEvents": lambda g: Figure(g.events(g.table.key_events)),
    "totalRevenue": _purchase_revenue,
    "purchaseRevenue": _purchase_revenue,
    "transactions": lambda g: Figure(g.events(_PURCHASE)),
    "totalPurchasers": lambda g: Figure(g.users(g.facts_with(_PURCHASE))),
    "purchaserRate": _purchaser_rate,
    "advertiserAdClicks": _no_data,
    "advertiserAdImpressions": _no_data,
    "advertiserAdCost": _no_data,
    "returnOnAdSpend": _no_data,
    "itemViewEvents": _no_data,
    "itemsPurchased": _no_data,
    "itemRevenue": _no_data,
}


def _short(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)


def _scaled(number: int, scale: int) -> str:
    whole, part = divmod(abs(number), scale)
    sign = "-" if number < 0 else ""
    if not part:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{str(part).zfill(len(str(scale)) - 1).rstrip('0')}"
