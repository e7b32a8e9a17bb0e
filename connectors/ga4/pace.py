"""GA4's quotas of a property: checked before each request, taken from each answer, shared by all runs.

Belongs here: the buckets, when each is given out anew, and what is said when one is empty. Does not
belong here: the sharing and counting (connectors.pace) or what a refusal means else (connectors.errors).

Facts (developers.google.com/analytics/devguides/reporting/data/v1/quotas): tokens for a day, an hour
and an hour of one project; ten requests at a time; per hour ten answers of 5xx and 120 reports that
thresholds may apply to. Hours are clock hours, the day ends at midnight Pacific time. Every report
says what is left (`returnPropertyQuota`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connectors.clock import Clock
from connectors.errors import Refusal
from connectors.pace import ExhaustedError, Pace
from connectors.shared_state import SharedState
from okr_sync.errors import DeferredSourceError, TransientSourceError

DAY: Final = "tokens_per_day"
HOUR: Final = "tokens_per_hour"
PROJECT_HOUR: Final = "tokens_per_project_per_hour"
SERVER_ERRORS: Final = "server_errors_per_project_per_hour"
THRESHOLDED: Final = "potentially_thresholded_requests_per_hour"
TOKENS: Final = (DAY, HOUR, PROJECT_HOUR)

THRESHOLD_DIMENSIONS: Final = frozenset(
    {"userAgeBracket", "userGender", "brandingInterest", "audienceId", "audienceName"}
)
"""A report that reads one of these counts as one that thresholds may apply to."""

_AT_ONCE: Final = 8
"""Of the ten requests at a time, two are left to whoever else reads the property."""
_SERVER_ERRORS_AN_HOUR: Final = 10
_SERVER_ERRORS_LEFT: Final = 2
"""The tenth 5xx locks a project out for an hour, and others make some too: we stop before it."""

# The words of a 429 that tell its bucket; the first that fits. What is counted comes before how long:
# a refusal for server errors also says "project per hour".
_WORDS: Final = (
    ("server errors", SERVER_ERRORS),
    ("thresholded", THRESHOLDED),
    ("per day", DAY),
    ("project per hour", PROJECT_HOUR),
    ("per hour", HOUR),
)
_PACIFIC: Final = ZoneInfo("America/Los_Angeles")


class Ga4Pace:
    """The quotas of one property, shared with all threads and processes of this machine.

    Raises DeferredSourceError, before anything is sent, where a quota leaves no room in this run: its
    text says which one and until when. Raises TransientSourceError where so many others read that a
    request found no place.
    """

    def __init__(self, source: str, url: str, property_id: str, clock: Clock) -> None:
        self._source = source
        self._property = property_id
        self._pace = Pace(SharedState("ga4", url, property_id), clock)
        self._clock = clock
        self._cost = 1

    @contextmanager
    def request(self, reports: int, thresholded: int, lasts_seconds: float) -> Iterator[None]:
        """One of the places for requests at the same time, with the tokens for so many reports.

        `thresholded` of the reports may have thresholds applied; `lasts_seconds` is longer than a
        request may take.
        """
        try:
            self._take(reports, thresholded)
            with self._pace.place("requests", _AT_ONCE, lasts_seconds):
                yield
        except ExhaustedError as error:
            raise self._deferred(error.limit) from error

    def answered(self, left: Mapping[str, int], cost: int) -> None:
        """Take in what a report says: what is left by bucket, and the tokens that it cost."""
        self._cost = max(1, cost)
        for name in (*TOKENS, SERVER_ERRORS, THRESHOLDED):
            if name in left:
                self._pace.learn_budget(name, left[name], self._lasts(name))

    def server_error(self) -> None:
        """Count an answer of 5xx; raises when the next ones would lock the project out."""
        lasts = self._lasts(SERVER_ERRORS)
        left = self._pace.count_down(SERVER_ERRORS, _SERVER_ERRORS_AN_HOUR, lasts)
        if left <= _SERVER_ERRORS_LEFT:
            raise self._deferred(SERVER_ERRORS)

    def exhausted(self, refusal: Refusal) -> None:
        """GA4 refused a request because a bucket is empty; raises unless it names none that we know."""
        told = refusal.message.casefold()
        for words, name in _WORDS:
            if words in told:
                self._pace.learn_budget(name, 0, self._lasts(name))
                raise self._deferred(name)

    def _take(self, reports: int, thresholded: int) -> None:
        left = self._pace.budget_left(SERVER_ERRORS)
        if left is not None and left <= _SERVER_ERRORS_LEFT:
            raise ExhaustedError(SERVER_ERRORS, self._lasts(SERVER_ERRORS))
        if thresholded:
            self._pace.spend(THRESHOLDED, thresholded)
        for name in TOKENS if reports else ():
            self._pace.spend(name, reports * self._cost)

    def _lasts(self, name: str) -> float:
        """Seconds until a bucket is full again."""
        now = datetime.fromtimestamp(self._clock.epoch(), UTC)
        return (_full_again_at(name, now) - now).total_seconds()

    def _deferred(self, name: str) -> TransientSourceError:
        if name not in (*TOKENS, SERVER_ERRORS, THRESHOLDED):
            return TransientSourceError(
                f"Source {self._source}: so many requests to GA4 property {self._property} were under "
                "way at once that this one found no place. What has been read is kept; the next run "
                "goes on."
            )
        until = _full_again_at(name, datetime.fromtimestamp(self._clock.epoch(), UTC))
        return DeferredSourceError(
            f"Source {self._source}: the {'daily' if name == DAY else 'hourly'} quota of GA4 property "
            f"{self._property} is used up ({name.replace('_', ' ')}). What has been read is kept; the "
            f"first run after {until:%Y-%m-%d %H:%M} UTC goes on from there, and the last good values "
            "stay until then."
        )


def _full_again_at(name: str, now: datetime) -> datetime:
    if name != DAY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    there = now.astimezone(_PACIFIC)
    midnight = datetime.combine(there.date() + timedelta(days=1), datetime.min.time(), _PACIFIC)
    return midnight.astimezone(UTC)
