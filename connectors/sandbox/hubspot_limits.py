"""HubSpot's rate limits: the 10-second burst, the day, and search by the second.

Belongs here: counting and deciding (api_facts B5). Does not belong here: the bodies of refusals
(hubspot_errors).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto
from zoneinfo import ZoneInfo

_BURST_SECONDS = 10.0
_SEARCH_PER_SECOND = 5
_SECONDLY_SHARE = 10
_UNLIMITED = 1_000_000


@dataclass(frozen=True)
class Tier:
    """What a subscription allows a private app: requests in 10 seconds and in a day."""

    burst: int
    daily: int


TIERS: dict[str, Tier] = {
    "free": Tier(100, 250_000),
    "starter": Tier(100, 250_000),
    "professional": Tier(190, 625_000),
    "enterprise": Tier(190, 1_000_000),
    "increased": Tier(250, 2_000_000),
}


class Refusal(Enum):
    """Which limit a request ran into."""

    BURST = auto()
    DAILY = auto()
    SEARCH = auto()


class RateLimiter:
    """Counts requests against a tier; the day turns at midnight in the portal's time zone.

    `seconds` is a monotonic clock and `clock` the present instant; `enforced=False` only counts.
    """

    def __init__(
        self,
        tier: Tier,
        time_zone: str,
        *,
        enforced: bool,
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tier = tier
        self._enforced = enforced
        self._zone = ZoneInfo(time_zone)
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._burst: deque[float] = deque()
        self._search: deque[float] = deque()
        self._day: date | None = None
        self._used_today = 0

    @property
    def used_today(self) -> int:
        """Requests let through since the portal's midnight."""
        with self._lock:
            self._turn_day()
            return self._used_today

    def admit(self, *, is_search: bool) -> Refusal | None:
        """Count a request and let it through (None), or name the limit that refuses it.

        Search has its own limit and stays out of the burst.
        """
        with self._lock:
            self._turn_day()
            now = self._seconds()
            window, period, most, refusal = (
                (self._search, 1.0, _SEARCH_PER_SECOND, Refusal.SEARCH)
                if is_search
                else (self._burst, _BURST_SECONDS, self.tier.burst, Refusal.BURST)
            )
            while window and window[0] <= now - period:
                window.popleft()
            if self._enforced and self._used_today >= self.tier.daily:
                return Refusal.DAILY
            if self._enforced and len(window) >= most:
                return refusal
            window.append(now)
            self._used_today += 1
            return None

    def headers(self) -> dict[str, str]:
        """The rate headers of an ordinary response; search responses have none (B5).

        A limit that is not enforced is told as one that nobody reaches: clients keep to what is told.
        """
        with self._lock:
            now = self._seconds()
            last_second = sum(1 for moment in self._burst if moment > now - 1.0)
            most = self.tier.burst if self._enforced else _UNLIMITED
            secondly = most // _SECONDLY_SHARE
            prefix = "X-HubSpot-RateLimit-"
            return {
                prefix + "Daily": str(self.tier.daily),
                prefix + "Daily-Remaining": str(max(0, self.tier.daily - self._used_today)),
                prefix + "Interval-Milliseconds": "10000",
                prefix + "Max": str(most),
                prefix + "Remaining": str(max(0, most - len(self._burst))),
                prefix + "Secondly": str(secondly),
                prefix + "Secondly-Remaining": str(max(0, secondly - last_second)),
            }

    def _turn_day(self) -> None:
        today = self._clock().astimezone(self._zone).date()
        if today != self._day:
            self._day = today
            self._used_today = 0
