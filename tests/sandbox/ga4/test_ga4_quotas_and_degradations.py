"""GA4's quotas in the sandbox, its faults, and answers that are less than exact."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.types import (
    BatchRunReportsRequest,
    DateRange,
    Dimension,
    GetMetadataRequest,
    Metric,
    RunReportRequest,
    RunReportResponse,
)
from google.api_core import exceptions

from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings

PROPERTY = "properties/123456789"
Connect = Callable[[Ga4Sandbox], BetaAnalyticsDataClient]
BUCKETS = (
    "tokens_per_day",
    "tokens_per_hour",
    "concurrent_requests",
    "server_errors_per_project_per_hour",
    "potentially_thresholded_requests_per_hour",
    "tokens_per_project_per_hour",
)


def report(*dimensions: str, metrics: tuple[str, ...] = ("sessions",)) -> RunReportRequest:
    """A request on 1 to 3 November that asks for the quota."""
    return RunReportRequest(
        property=PROPERTY,
        date_ranges=[DateRange(start_date="2026-11-01", end_date="2026-11-03")],
        dimensions=[Dimension(name=name) for name in dimensions],
        metrics=[Metric(name=name) for name in metrics],
        return_property_quota=True,
    )


def quota(answer: RunReportResponse) -> dict[str, tuple[int, int]]:
    """(consumed, remaining) of each bucket."""
    return {
        name: (getattr(answer.property_quota, name).consumed, left.remaining)
        for name in BUCKETS
        for left in (getattr(answer.property_quota, name),)
    }


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def test_quota_figures_add_up(ga4_client: BetaAnalyticsDataClient) -> None:
    """A report costs a token in three buckets; a batch as many as it has reports."""
    assert quota(ga4_client.run_report(report())) == {
        "tokens_per_day": (1, 199_999),
        "tokens_per_hour": (1, 39_999),
        "concurrent_requests": (0, 10),
        "server_errors_per_project_per_hour": (0, 10),
        "potentially_thresholded_requests_per_hour": (0, 120),
        "tokens_per_project_per_hour": (1, 13_999),
    }
    batch = BatchRunReportsRequest(property=PROPERTY, requests=[report(), report("userGender")])
    last = quota(ga4_client.batch_run_reports(batch).reports[1])
    assert last["tokens_per_day"] == (1, 199_997)
    assert last["potentially_thresholded_requests_per_hour"] == (1, 119)


def test_a_360_property_has_more(ga4_sessions: pd.DataFrame, ga4_grpc: Connect) -> None:
    """The tier of account.yaml decides about the sizes."""
    settings = Ga4Settings("123456789", "Europe/Berlin", "EUR", tier="360")
    with Ga4Sandbox(settings, sessions=ga4_sessions) as sandbox:
        found = quota(ga4_grpc(sandbox).run_report(report()))
    assert found["tokens_per_project_per_hour"] == (1, 139_999)
    assert found["concurrent_requests"] == (0, 50)


@pytest.mark.parametrize(
    ("bucket", "prefix"),
    [
        ("ga4.spent_tokens_project_hour", "Exhausted property tokens for a project per hour."),
        ("ga4.spent_tokens_hour", "Exhausted property tokens per hour."),
    ],
)
def test_exhausted_tokens_return(
    ga4_settings: Ga4Settings, ga4_grpc: Connect, bucket: str, prefix: str
) -> None:
    """An empty bucket refuses with its own words, and is full again when the hour is over."""
    clock = Clock(datetime(2026, 11, 3, 12, 30, tzinfo=UTC))
    with Ga4Sandbox(ga4_settings, now=clock) as sandbox:
        client = ga4_grpc(sandbox)
        sandbox.faults.switch_on(bucket, times=1)
        with pytest.raises(exceptions.ResourceExhausted) as raised:
            client.run_report(report())
        assert raised.value.message.startswith(prefix)
        clock.now += timedelta(minutes=29)
        with pytest.raises(exceptions.ResourceExhausted):
            client.run_report(report())
        clock.now += timedelta(minutes=1)
        client.run_report(report())


def test_the_day_is_that_of_pacific_time(ga4_settings: Ga4Settings, ga4_grpc: Connect) -> None:
    """The daily bucket is full again at midnight in California, 08:00 UTC in winter."""
    clock = Clock(datetime(2026, 11, 3, 7, 59, tzinfo=UTC))
    with Ga4Sandbox(ga4_settings, now=clock) as sandbox:
        sandbox.faults.switch_on("ga4.spent_tokens_day", times=1)
        with pytest.raises(exceptions.TooManyRequests, match="Exhausted property tokens per day"):
            ga4_grpc(sandbox).run_report(report())
        clock.now += timedelta(minutes=1)
        ga4_grpc(sandbox).run_report(report())


def test_quotas_can_be_switched_off(ga4_settings: Ga4Settings, ga4_grpc: Connect) -> None:
    """Without quotas nothing is refused, but the figures are still there."""
    with Ga4Sandbox(ga4_settings, quotas=False) as sandbox:
        sandbox.faults.switch_on("ga4.spent_tokens_day", times=1)
        found = quota(ga4_grpc(sandbox).run_report(report()))
    assert found["tokens_per_day"] == (1, 0)


def test_thresholded_requests_have_a_bucket(
    ga4: Ga4Sandbox, ga4_client: BetaAnalyticsDataClient
) -> None:
    """Only requests that might be thresholded are refused when theirs is empty."""
    ga4.faults.switch_on("ga4.spent_thresholded", times=1)
    ga4_client.run_report(report())
    with pytest.raises(exceptions.TooManyRequests, match="Exhausted potentially thresholded"):
        ga4_client.run_report(report("userAgeBracket"))


def test_more_than_ten_at_once_are_refused(ga4: Ga4Sandbox, ga4_grpc: Connect) -> None:
    """The concurrent requests beyond the tier's are refused, not queued."""
    client = ga4_grpc(ga4)
    ga4.faults.switch_on("ga4.slow", seconds=1.0)

    def outcome(_: int) -> str:
        try:
            client.run_report(report())
        except exceptions.ResourceExhausted as error:
            return str(error.message)
        return "fine"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(outcome, range(12)))
    assert outcomes.count("fine") == 10
    refused = [text for text in outcomes if text != "fine"]
    assert all(text.startswith("Exhausted concurrent requests quota.") for text in refused)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429_tokens_day", exceptions.TooManyRequests),
        ("429_concurrent", exceptions.TooManyRequests),
        ("401_invalid_token", exceptions.Unauthorized),
        ("403_api_disabled", exceptions.Forbidden),
        ("500_internal", exceptions.InternalServerError),
        ("503_unavailable", exceptions.ServiceUnavailable),
        ("504_deadline", exceptions.GatewayTimeout),
    ],
)
def test_faults_come_as_often_as_asked_for(
    ga4: Ga4Sandbox, ga4_grpc: Connect, fault: str, kind: type[Exception]
) -> None:
    """A named fault hits the named method so many times, then the service answers again."""
    client = ga4_grpc(ga4)
    ga4.faults.switch_on(f"ga4.{fault}", times=2, on="RunReport")
    client.get_metadata(GetMetadataRequest(name=f"{PROPERTY}/metadata"))
    for _ in range(2):
        with pytest.raises(kind):
            client.run_report(report())
    assert client.run_report(report()).row_count == 1


def test_ten_server_errors_block_the_hour(ga4: Ga4Sandbox, ga4_grpc: Connect) -> None:
    """Answers of 5xx have a bucket of their own: retrying without end locks the project out."""
    client = ga4_grpc(ga4)
    ga4.faults.switch_on("ga4.500_internal", times=10)
    for _ in range(10):
        with pytest.raises(exceptions.InternalServerError):
            client.run_report(report())
    with pytest.raises(exceptions.ResourceExhausted, match="server errors"):
        client.run_report(report())


def test_sampling_is_told_for_each_range(
    ga4: Ga4Sandbox, ga4_client: BetaAnalyticsDataClient
) -> None:
    """A sampled answer says how much was read; an exact one has no such field."""
    assert not ga4_client.run_report(report()).metadata.sampling_metadatas
    ga4.faults.switch_on("ga4.sampled", times=1)
    sampled = ga4_client.run_report(report()).metadata.sampling_metadatas
    assert [(one.samples_read_count, one.sampling_space_size) for one in sampled] == [(9, 19)]
    assert not ga4_client.run_report(report()).metadata.sampling_metadatas


def test_thresholds_withhold_rows_of_few_people(
    ga4: Ga4Sandbox, ga4_client: BetaAnalyticsDataClient
) -> None:
    """Demographic dimensions, or the degradation, hold small rows back and say so."""
    by_itself = ga4_client.run_report(report("userGender"))
    ga4.faults.switch_on("ga4.thresholded")
    switched_on = ga4_client.run_report(report("country"))
    for answer in (by_itself, switched_on):
        assert not answer.rows and answer.row_count == 0
        assert answer.metadata.subject_to_thresholding
    ga4.faults.switch_off()
    assert not ga4_client.run_report(report("country")).metadata.subject_to_thresholding


def test_the_other_row_keeps_the_sum(ga4: Ga4Sandbox, ga4_client: BetaAnalyticsDataClient) -> None:
    """The smaller rows become one whose every dimension reads (other)."""
    ga4.faults.switch_on("ga4.other_row")
    answer = ga4_client.run_report(report("date", "country", metrics=("sessions", "totalUsers")))
    other = [row for row in answer.rows if row.dimension_values[0].value == "(other)"]
    assert [value.value for value in other[0].dimension_values] == ["(other)", "(other)"]
    assert sum(int(row.metric_values[0].value) for row in answer.rows) == 6
    assert answer.metadata.data_loss_from_other_row
    assert answer.row_count == len(answer.rows) < 5


def test_truncation_is_told(ga4: Ga4Sandbox, ga4_client: BetaAnalyticsDataClient) -> None:
    """A truncated answer names the day before which data is missing."""
    ga4.faults.switch_on("ga4.truncated")
    reasons = ga4_client.run_report(report()).metadata.data_truncation_reasons
    assert [reason.data_truncation_date for reason in reasons] == ["2026-11-02"]


def test_blocked_metrics_read_zero(ga4: Ga4Sandbox, ga4_client: BetaAnalyticsDataClient) -> None:
    """A metric that may not be seen is zero, with the restriction in the metadata."""
    ga4.faults.switch_on("ga4.blocked_metric", metric="totalRevenue")
    ga4.faults.switch_on("ga4.schema_restriction", metric="totalRevenue")
    asked = report(metrics=("sessions", "totalRevenue", "advertiserAdCost"))
    answer = ga4_client.run_report(asked)
    assert [value.value for value in answer.rows[0].metric_values] == ["6", "0", "0"]
    restrictions = answer.metadata.schema_restriction_response.active_metric_restrictions
    assert {r.metric_name: [t.name for t in r.restricted_metric_types] for r in restrictions} == {
        "totalRevenue": ["REVENUE_DATA"],
        "advertiserAdCost": ["COST_DATA"],
    }
    metadata = ga4_client.get_metadata(GetMetadataRequest(name=f"{PROPERTY}/metadata"))
    blocked = {m.api_name: [r.name for r in m.blocked_reasons] for m in metadata.metrics}
    assert blocked["totalRevenue"] == ["NO_REVENUE_METRICS"]
    assert blocked["purchaseRevenue"] == []
