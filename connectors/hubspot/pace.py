"""How fast requests may follow each other, so that a normal sync meets no rate limit.

Belongs here: the waiting before a request. Does not belong here: what to do when HubSpot refuses
all the same (connectors.errors).

HubSpot's limits: search 5 a second for the account, without rate headers; everything else by a
10-second window whose size the X-HubSpot-RateLimit headers tell (usage guidelines, search guide).
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

_SEARCH_BURST: Final = 5
_MOST_REMEMBERED: Final = 10_000
# Requests that stay unused in each window: other programmes may use the same app.
_RESERVE: Final = 4
_LOW: Final = 2


class Window:
    """At most `limit` requests in any `seconds`; `reserve` gives the seconds to wait first."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._sent: deque[float] = deque(maxlen=_MOST_REMEMBERED)

    def reserve(self, now: float) -> float:
        """Count a request that will be sent after the returned number of seconds."""
        start = now
        if len(self._sent) >= self.limit:
            start = max(now, self._sent[-self.limit] + self.seconds)
        self._sent.append(start)
        return start - now


class Pace:
    """The windows of one account, safe to share between threads."""

    def __init__(
        self,
        searches_per_second: float,
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._search = Window(_SEARCH_BURST, _SEARCH_BURST / searches_per_second)
        self._other: Window | None = None
        self._pause_until = 0.0
        self._seconds = seconds
        self._sleep = sleep
        self._lock = threading.Lock()

    def before_search(self) -> None:
        """Wait until a search may be sent."""
        with self._lock:
            wait = self._search.reserve(self._seconds())
        if wait > 0:
            self._sleep(wait)

    def before_other(self) -> None:
        """Wait until any other request may be sent."""
        with self._lock:
            now = self._seconds()
            wait = max(0.0, self._pause_until - now)
            if self._other is not None:
                wait = max(wait, self._other.reserve(now))
        if wait > 0:
            self._sleep(wait)

    def learn(self, headers: Mapping[str, int]) -> None:
        """Take in the rate headers of an answer: `burst`, `burst_remaining`, `interval_ms`."""
        limit, interval = headers.get("burst"), headers.get("interval_ms")
        if not limit or not interval:
            return
        with self._lock:
            usable, seconds = max(1, limit - _RESERVE), interval / 1000
            if self._other is None:
                self._other = Window(usable, seconds)
                self._other.reserve(self._seconds())
            self._other.limit, self._other.seconds = usable, seconds
            if headers.get("burst_remaining", limit) <= _LOW:
                # Somebody else uses the window up: wait a tenth of it, then look again.
                self._pause_until = self._seconds() + seconds / 10


_paces: dict[str, Pace] = {}
_paces_lock = threading.Lock()


def pace_for(url: str, token: str, searches_per_second: float) -> Pace:
    """The pace of an account in this process: two runs one after the other share its limits."""
    digest = hashlib.sha256(f"{url} {searches_per_second} {token}".encode()).hexdigest()
    with _paces_lock:
        return _paces.setdefault(digest, Pace(searches_per_second))
