"""The quota buckets of a GA4 property: what was spent, what is left, and when to refuse.

Belongs here: the six core buckets, their sizes by tier and their renewal. Does not belong here: the
words of the refusals (ga4_errors).

Sizes: API facts A4. A core report costs one token. Hours are clock hours; the day begins at midnight
Pacific time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.sandbox.ga4_errors import Failure, Ga4ApiError, failure

_PACIFIC = ZoneInfo("America/Los_Angeles")


@dataclass(frozen=True)
class QuotaSizes:
    """What a tier allows; tokens and requests."""

    tokens_per_day: int
    tokens_per_hour: int
    tokens_per_project_per_hour: int
    concurrent_requests: int
    server_errors_per_project_per_hour: int
    potentially_thresholded_requests_per_hour: int


SIZES = {
    "standard": QuotaSizes(200_000, 40_000, 14_000, 10, 10, 120),
    "360": QuotaSizes(2_000_000, 400_000, 140_000, 50, 50, 120),
}


class Quotas:
    """Counts what requests cost; refuses what goes beyond when `enforced`. Safe between threads.

    `now` gives the present as an aware datetime.
    """

    def __init__(self, sizes: QuotaSizes, now: Callable[[], datetime], *, enforced: bool) -> None:
        self.sizes = sizes
        self._now = now
        self._enforced = enforced
        self._lock = threading.Lock()
        self._running = 0
        self._day = ""
        self._hour = ""
        self._tokens_today = 0
        self._tokens_this_hour = 0
        self._server_errors = 0
        self._thresholded = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold one of the concurrent requests; raises Ga4ApiError (429) when none is left."""
        with self._lock:
            if self._enforced and self._running >= self.sizes.concurrent_requests:
                raise failure(Failure.CONCURRENT)
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def spend(self, tokens: int, thresholded: int) -> None:
        """Take tokens and potentially thresholded requests; raises Ga4ApiError (429) if too few."""
        with self._lock:
            self._renew()
            refusal = self._refusal(tokens, thresholded)
            if self._enforced and refusal is not None:
                raise refusal
            self._tokens_today += tokens
            self._tokens_this_hour += tokens
            self._thresholded += thresholded

    def use_up(self, bucket: Failure) -> None:
        """Leave nothing in the bucket whose exhaustion is this failure, until it renews."""
        with self._lock:
            self._renew()
            if bucket is Failure.TOKENS_PER_DAY:
                self._tokens_today = self.sizes.tokens_per_day
            elif bucket is Failure.TOKENS_PER_HOUR:
                self._tokens_this_hour = self.sizes.tokens_per_hour
            elif bucket is Failure.TOKENS_PER_PROJECT_PER_HOUR:
                self._tokens_this_hour = self.sizes.tokens_per_project_per_hour
            elif bucket is Failure.THRESHOLDED:
                self._thresholded = self.sizes.potentially_thresholded_requests_per_hour
            else:
                raise ValueError(f"{bucket} is no bucket that can be used up")

    def server_error(self) -> None:
        """Count an answer of 5xx against its hourly bucket."""
        with self._lock:
            self._renew()
            self._server_errors += 1

    def figures(self, tokens: int) -> dict[str, dict[str, int]]:
        """The `propertyQuota` of an answer to a request that cost `tokens`."""
        with self._lock:
            self._renew()
            sizes, hour = self.sizes, self._tokens_this_hour
            others = max(0, self._running - 1)
            thresholded = self._thresholded
            return {
                "tokensPerDay": _status(tokens, sizes.tokens_per_day - self._tokens_today),
                "tokensPerHour": _status(tokens, sizes.tokens_per_hour - hour),
                "concurrentRequests": _status(others, sizes.concurrent_requests - others),
                "serverErrorsPerProjectPerHour": _status(
                    self._server_errors,
                    sizes.server_errors_per_project_per_hour - self._server_errors,
                ),
                "potentiallyThresholdedRequestsPerHour": _status(
                    thresholded, sizes.potentially_thresholded_requests_per_hour - thresholded
                ),
                "tokensPerProjectPerHour": _status(
                    tokens, sizes.tokens_per_project_per_hour - hour
                ),
            }

    def _refusal(self, tokens: int, thresholded: int) -> Ga4ApiError | None:
        sizes = self.sizes
        if self._server_errors >= sizes.server_errors_per_project_per_hour:
            return failure(Failure.SERVER_ERRORS)
        if self._tokens_today + tokens > sizes.tokens_per_day:
            return failure(Failure.TOKENS_PER_DAY)
        if self._tokens_this_hour + tokens > sizes.tokens_per_hour:
            return failure(Failure.TOKENS_PER_HOUR)
        if self._tokens_this_hour + tokens > sizes.tokens_per_project_per_hour:
            return failure(Failure.TOKENS_PER_PROJECT_PER_HOUR)
        if (
            thresholded
            and self._thresholded + thresholded > sizes.potentially_thresholded_requests_per_hour
        ):
            return failure(Failure.THRESHOLDED)
        return None

    def _renew(self) -> None:
        now = self._now()
        day = now.astimezone(_PACIFIC).strftime("%Y-%m-%d")
        hour = now.astimezone(_PACIFIC).strftime("%Y-%m-%dT%H%z")
        if day != self._day:
            self._day, self._tokens_today = day, 0
        if hour != self._hour:
            self._hour = hour
            self._tokens_this_hour = self._server_errors = self._thresholded = 0


def _status(consumed: int, remaining: int) -> dict[str, int]:
    return {"consumed": consumed, "remaining": max(0, remaining)}
