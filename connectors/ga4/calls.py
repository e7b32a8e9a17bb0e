"""Calls to GA4: sent with a time-out, tried again as the shared table says, and counted.

Belongs here: one client for a source, sending, waiting, counting. Does not belong here: quotas (pace),
which status means what (connectors.errors) or what the answers say (rows).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from connectors.clock import Clock
from connectors.endpoints import resolve_endpoint
from connectors.errors import Action, RetryPolicy, rule_for, source_error
from connectors.ga4.client import failures, open_client, refusal_of
from connectors.ga4.pace import THRESHOLD_DIMENSIONS, Ga4Pace
from connectors.ga4.quality import quota_left
from connectors.ga4.requests import Report, report_message
from connectors.pace import LONGEST_WAIT
from okr_sync.config.models import Ga4Source
from okr_sync.errors import IncompletePullError, SourceError

if TYPE_CHECKING:
    from google.analytics.data_v1beta import BetaAnalyticsDataClient

_TIMEOUT_SECONDS = 60.0
_PLACE_SECONDS = _TIMEOUT_SECONDS + 30.0
# Ten answers of 5xx in an hour lock the project out of the property (quotas).
GA4_RETRIES = RetryPolicy(tries=4)

T = TypeVar("T")


class RefusedReportError(SourceError):
    """GA4 answered 400: the request can't be answered as it is, but another one may be."""


class Ga4Calls:
    """The calls of one source, over one connection; `requests` counts those sent in a pull.

    All the waiting of one pull together is no longer than LONGEST_WAIT; one answer is waited for
    `timeout_seconds`.
    """

    def __init__(
        self,
        source: Ga4Source,
        environ: Mapping[str, str],
        retries: RetryPolicy = GA4_RETRIES,
        clock: Clock | None = None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._source = source
        self._environ = environ
        self._retries = retries
        self._clock = clock or Clock()
        self._timeout = timeout_seconds
        self._client: BetaAnalyticsDataClient | None = None
        self._pace: Ga4Pace | None = None
        self._waited = 0.0
        self.requests = 0
        self.quota: dict[str, int] = {}

    def reset(self) -> None:
        """Begin to count for another pull."""
        self.requests = 0
        self.quota = {}
        self._waited = 0.0

    def run_reports(self, reports: Sequence[Report], reading: str, offset: int = 0) -> list[Any]:
        """The raw RunReportResponses to up to five reports, in their order, with rows from `offset` on.

        `reading` says for people what is being read. Raises RefusedReportError for a 400,
        SourceError for another refusal, TransientSourceError where a later run may succeed.
        """
        from google.analytics.data_v1beta.types import (
            BatchRunReportsRequest,
            BatchRunReportsResponse,
        )

        messages = [report_message(report, self._source.property, offset) for report in reports]
        request = BatchRunReportsRequest(
            {"property": f"properties/{self._source.property}", "requests": messages}
        )
        response = self._send(
            lambda client: client.batch_run_reports(request, retry=None, timeout=self._timeout),
            reading,
            reports,
        )
        answers = list(BatchRunReportsResponse.pb(response).reports)
        if len(answers) != len(messages):
            raise IncompletePullError(
                f"Source {self._source.name}: GA4 was asked for {len(messages)} reports and sent "
                f"{len(answers)}. Nothing of them was stored; the next run asks again."
            )
        for answer in answers:
            self.quota = quota_left(self.quota, answer.property_quota)
        if self._pace is not None:
            last = answers[-1].property_quota
            self._pace.answered(quota_left({}, last), last.tokens_per_hour.consumed)
        return answers

    def metadata(self) -> Any:
        """The raw Metadata of the property: its dimensions, metrics and what is blocked."""
        from google.analytics.data_v1beta.types import Metadata

        name = f"properties/{self._source.property}/metadata"
        response = self._send(
            lambda client: client.get_metadata(name=name, retry=None, timeout=self._timeout),
            f"the list of metrics of property {self._source.property}",
        )
        return Metadata.pb(response)

    def close(self) -> None:
        """Give back the connection."""
        if self._client is not None:
            self._client.transport.close()  # type: ignore[no-untyped-call]
            self._client = None

    def _send(
        self,
        call: Callable[["BetaAnalyticsDataClient"], T],
        reading: str,
        reports: Sequence[Report] = (),
    ) -> T:
        source = self._source
        endpoint = resolve_endpoint("ga4", source.endpoint, self._environ)
        if self._client is None:
            self._client = open_client(source, endpoint, self._environ)
        if self._pace is None:
            self._pace = Ga4Pace(source.name, endpoint.url, source.property, self._clock)
        thresholded = sum(not THRESHOLD_DIMENSIONS.isdisjoint(r.where.fields()) for r in reports)
        expected = failures()
        started = self._clock.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                with self._pace.request(len(reports), thresholded, _PLACE_SECONDS):
                    self.requests += 1
                    sent = time.monotonic()
                    return call(self._client)
            except expected as error:
                # GA4 answers for deadlines of its own in the same way, long before ours.
                is_ours = time.monotonic() - sent >= self._timeout
                waited = f"within {self._timeout:g} s" if is_ours else "in time"
                refusal = refusal_of(error, source, endpoint, reading, waited)
                spent = self._clock.monotonic() - started
                wait = self._retries.wait_before_next(refusal, tries, spent)
                if refusal.status >= 500:
                    self._pace.server_error()
                elif rule_for(refusal).action is Action.DEFER:
                    self._pace.exhausted(refusal)
                if wait is None or self._waited + wait > LONGEST_WAIT:
                    told = source_error(refusal)
                    if refusal.status == 400:
                        raise RefusedReportError(told.user_text, told.detail) from error
                    raise told from error
            self._waited += wait
            self._clock.sleep(wait)
