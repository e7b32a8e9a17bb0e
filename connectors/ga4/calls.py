"""Calls to GA4: sent with a time-out, tried again as the shared table says, and counted.

Belongs here: one client for a source, sending, waiting, what is left of quotas. Does not belong
here: which status means what (connectors.errors) or what the answers say (rows).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from connectors.endpoints import resolve_endpoint
from connectors.errors import RetryPolicy, source_error
from connectors.ga4.client import failures, open_client, refusal_of
from connectors.ga4.quality import quota_left
from okr_sync.config.models import Ga4Source
from okr_sync.errors import IncompletePullError, SourceError

if TYPE_CHECKING:
    from google.analytics.data_v1beta import BetaAnalyticsDataClient

TIMEOUT_SECONDS = 60.0
# Ten answers of 5xx in an hour lock the project out of the property (api facts A4).
GA4_RETRIES = RetryPolicy(tries=4)

T = TypeVar("T")


class InvalidRequestError(SourceError):
    """GA4 answered 400: the request can't be answered as it is, but another one may be."""


class Ga4Calls:
    """The calls of one source, over one connection; `requests` counts those sent in a pull."""

    def __init__(
        self, source: Ga4Source, environ: Mapping[str, str], retries: RetryPolicy = GA4_RETRIES
    ) -> None:
        self._source = source
        self._environ = environ
        self._retries = retries
        self._client: BetaAnalyticsDataClient | None = None
        self.requests = 0
        self.quota: dict[str, int] = {}

    def reset(self) -> None:
        """Begin to count for another pull."""
        self.requests = 0
        self.quota = {}

    def run_reports(self, messages: Sequence[Mapping[str, Any]], reading: str) -> list[Any]:
        """The raw RunReportResponses to up to five report messages, in their order.

        `reading` says for people what is being read. Raises InvalidRequestError for a 400,
        SourceError for another refusal, TransientSourceError where a later run may succeed.
        """
        from google.analytics.data_v1beta.types import (
            BatchRunReportsRequest,
            BatchRunReportsResponse,
        )

        request = BatchRunReportsRequest(
            {"property": f"properties/{self._source.property}", "requests": list(messages)}
        )
        response = self._send(
            lambda client: client.batch_run_reports(request, retry=None, timeout=TIMEOUT_SECONDS),
            reading,
        )
        reports = list(BatchRunReportsResponse.pb(response).reports)
        if len(reports) != len(messages):
            raise IncompletePullError(
                f"Source {self._source.name}: GA4 was asked for {len(messages)} reports and sent "
                f"{len(reports)}. Nothing of them was stored; the next run asks again."
            )
        for report in reports:
            self.quota = quota_left(self.quota, report.property_quota)
        return reports

    def metadata(self) -> Any:
        """The raw Metadata of the property: its dimensions, metrics and what is blocked."""
        from google.analytics.data_v1beta.types import Metadata

        name = f"properties/{self._source.property}/metadata"
        response = self._send(
            lambda client: client.get_metadata(name=name, retry=None, timeout=TIMEOUT_SECONDS),
            f"the list of metrics of property {self._source.property}",
        )
        return Metadata.pb(response)

    def close(self) -> None:
        """Give back the connection."""
        if self._client is not None:
            self._client.transport.close()  # type: ignore[no-untyped-call]
            self._client = None

    def _send(self, call: Callable[["BetaAnalyticsDataClient"], T], reading: str) -> T:
        endpoint = resolve_endpoint("ga4", self._source.endpoint, self._environ)
        if self._client is None:
            self._client = open_client(self._source, endpoint, self._environ)
        expected = failures()
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            self.requests += 1
            try:
                return call(self._client)
            except expected as error:
                refusal = refusal_of(error, self._source, endpoint, reading)
                wait = self._retries.wait_before_next(refusal, tries, time.monotonic() - started)
                if wait is None:
                    told = source_error(refusal)
                    if refusal.status == 400:
                        raise InvalidRequestError(told.user_text, told.detail) from error
                    raise told from error
            time.sleep(wait)
