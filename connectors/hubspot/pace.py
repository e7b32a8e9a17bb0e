"""HubSpot's limits: how fast requests may follow each other, and how many a day.

Belongs here: what HubSpot limits and how its answers tell of it. Does not belong here: the sharing
and counting (connectors.pace) or what to do when HubSpot refuses all the same (connectors.errors).

Facts (usage guidelines, search guide): search 5 a second for the account, without rate headers;
everything else by a rolling 10-second window whose size the X-HubSpot-RateLimit headers tell; all of
it by a day that ends at the portal's midnight.
"""

import re
from collections.abc import Mapping
from typing import Final

from connectors.clock import Clock
from connectors.pace import LONGEST_WAIT, Pace, Ticket, Window
from connectors.shared_state import SharedState

DAY: Final = "the day"
_SEARCHES: Final = "searches"
_OTHERS: Final = "requests"
_SEARCH_BURST: Final = 5
# Requests that stay unused in each window: other programmes may use the same app, and neither side's
# clock is exact.
_RESERVE: Final = 4
# The smallest tier, until an answer has named the limit.
_UNKNOWN: Final = Window(100 - _RESERVE, 10.0)

# A longer one is none of HubSpot's: believed, it would stop everybody who reads the account.
_LONGEST_INTERVAL_MS: Final = LONGEST_WAIT * 1000
_COUNT: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_HEADERS: Final = {
    "X-HubSpot-RateLimit-Max": "burst",
    "X-HubSpot-RateLimit-Remaining": "burst_remaining",
    "X-HubSpot-RateLimit-Interval-Milliseconds": "interval_ms",
    "X-HubSpot-RateLimit-Daily": "daily",
    "X-HubSpot-RateLimit-Daily-Remaining": "daily_remaining",
}


def rate_headers(headers: Mapping[str, str]) -> dict[str, int]:
    """What an answer says of limits, as `burst`, `burst_remaining`, `interval_ms`, `daily` and
    `daily_remaining`; what it doesn't say is missing."""
    return {
        name: int(value)
        for header, name in _HEADERS.items()
        if (value := headers.get(header)) is not None and _COUNT.fullmatch(value)
    }


class HubSpotPace:
    """The limits of one account, shared with all threads and processes of this machine."""

    def __init__(self, url: str, token: str, searches_per_second: float, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._pace = Pace(SharedState("hubspot", url, token), clock)
        self._search_pace = self._pace
        self._searches = Window(_SEARCH_BURST, _SEARCH_BURST / searches_per_second)

    def belongs_to(self, portal_id: str) -> None:
        """From here on searches are counted for the account: its apps, each with a token and a burst
        limit of its own, share one limit of searches."""
        account = SharedState("hubspot", self._url, f"portal {portal_id}")
        self._search_pace = Pace(account, self._clock)

    def admit(self, *, is_search: bool) -> Ticket:
        """Wait until a request may be sent. Raises ExhaustedError when that is not in this run."""
        if is_search:
            self._pace.spend(DAY, 1)
            return self._search_pace.admit(_SEARCHES, self._searches)
        return self._pace.admit(_OTHERS, _UNKNOWN, (DAY,))

    def answered(self, ticket: Ticket, told: Mapping[str, int]) -> None:
        """Take in an answer's rate headers (none is an answer too)."""
        limit, interval = told.get("burst"), told.get("interval_ms")
        left = told.get("daily_remaining")
        budgets = {} if left is None else {DAY: left}
        if limit and interval and interval <= _LONGEST_INTERVAL_MS and ticket.window == _OTHERS:
            window = Window(max(1, limit - _RESERVE), interval / 1000)
            remaining = told.get("burst_remaining")
            usable = None if remaining is None else max(0, remaining - _RESERVE)
            self._pace.sent(ticket, window, usable, budgets)
        elif ticket.window == _OTHERS:
            self._pace.sent(ticket, budgets=budgets)
        else:
            self._search_pace.sent(ticket)

    def refused(self, ticket: Ticket, seconds: float) -> None:
        """HubSpot found it too many at once: nobody sends of this kind for so long."""
        pace = self._search_pace if ticket.window == _SEARCHES else self._pace
        pace.pause(ticket.window, seconds)

    def day_is_over(self) -> None:
        """HubSpot said that the day's requests are used up."""
        self._pace.learn_budget(DAY, 0)

    def left_today(self) -> int | None:
        """The requests that are left of the day, as far as known."""
        return self._pace.budget_left(DAY)
