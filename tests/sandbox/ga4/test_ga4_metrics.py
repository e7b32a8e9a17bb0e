"""Every metric of the GA4 sandbox against figures worked out by hand for five sessions.

The sessions of 1 and 2 November (Berlin) in conftest: u1 twice, u2 twice, u3 once.
"""

from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.types import (
    DateRange,
    Dimension,
    GetMetadataRequest,
    Metric,
    RunReportRequest,
)

PROPERTY = "properties/123456789"
BOTH_DAYS = DateRange(start_date="2026-11-01", end_date="2026-11-02")

EXPECTED = {
    "sessions": "5",
    "engagedSessions": "3",
    "engagementRate": "0.6",
    "bounceRate": "0.4",
    "averageSessionDuration": "39.95",  # 199.75 / 5
    "eventsPerSession": "3.6",  # 18 / 5
    "sessionsPerUser": "2.5",  # 5 / (u1, u2)
    "screenPageViewsPerSession": "2.4",  # 12 / 5
    "screenPageViewsPerUser": "6",  # 12 / (u1, u2)
    "eventCountPerUser": "9",
    "totalUsers": "3",
    "activeUsers": "2",  # u3 was neither engaged nor new
    "newUsers": "2",
    "active7DayUsers": "3",  # u1, u2 and u5 of 28 October
    "active28DayUsers": "4",  # and u6 of 10 October
    "userEngagementDuration": "199.75",
    "eventCount": "18",
    "screenPageViews": "12",
    "keyEvents": "6",
    "sessionKeyEventRate": "0.6",
    "sessionKeyEventRate:generate_lead": "0.4",
    "sessionKeyEventRate:purchase": "0.4",
    "userKeyEventRate": repr(2 / 3),
    "userKeyEventRate:generate_lead": repr(2 / 3),
    "userKeyEventRate:purchase": repr(1 / 3),
    "totalRevenue": "149.95",
    "purchaseRevenue": "149.95",
    "transactions": "3",
    "totalPurchasers": "1",
    "purchaserRate": "0.5",
    "advertiserAdClicks": "0",
    "advertiserAdImpressions": "0",
    "advertiserAdCost": "0",
    "returnOnAdSpend": "0",
}
ITEM_METRICS = {"itemViewEvents", "itemsPurchased", "itemRevenue"}


def test_expected_figures_cover_the_whole_schema(ga4_client: BetaAnalyticsDataClient) -> None:
    """A metric that is added to the schema needs a figure worked out by hand."""
    metadata = ga4_client.get_metadata(GetMetadataRequest(name=f"{PROPERTY}/metadata"))
    assert {m.api_name for m in metadata.metrics} == set(EXPECTED) | ITEM_METRICS


def test_each_metric_of_two_days(ga4_client: BetaAnalyticsDataClient) -> None:
    """Counts, distinct users, rates and exact sums, ten metrics a request, without dimensions."""
    names = list(EXPECTED)
    found: dict[str, str] = {}
    for start in range(0, len(names), 9):
        asked = list(dict.fromkeys(["sessions", *names[start : start + 9]]))
        answer = ga4_client.run_report(
            RunReportRequest(
                property=PROPERTY,
                date_ranges=[BOTH_DAYS],
                metrics=[Metric(name=name) for name in asked],
            )
        )
        values = [value.value for value in answer.rows[0].metric_values]
        found |= dict(zip(asked, values, strict=True))
    assert found == EXPECTED


def test_days_are_those_of_the_property(ga4_client: BetaAnalyticsDataClient) -> None:
    """23:30 UTC counts on the next day in Berlin, where midnight is 23:00 UTC."""
    assert rows(ga4_client, ["date"], ["sessions", "totalUsers"], "2026-10-31", "2026-11-03") == {
        ("20261101",): ("3", "2"),
        ("20261102",): ("2", "2"),
        ("20261103",): ("1", "1"),
    }


def test_time_dimensions(ga4_client: BetaAnalyticsDataClient) -> None:
    """Each calendar dimension has the API's form; 1 November 2026 is a Sunday in ISO week 44."""
    names = ["date", "year", "month", "yearMonth", "isoYearIsoWeek", "dayOfWeek"]
    assert list(rows(ga4_client, names, ["sessions"], "2026-11-01", "2026-11-01")) == [
        ("20261101", "2026", "11", "202611", "202644", "0")
    ]


def test_users_are_distinct_at_every_grain(ga4_client: BetaAnalyticsDataClient) -> None:
    """A month's users are not the sum of its days' (u1 and u2 come on two occasions)."""
    monthly = rows(ga4_client, ["yearMonth"], ["totalUsers"], "2026-10-01", "2026-11-30")
    assert monthly == {("202611",): ("4",), ("202610",): ("2",)}


def test_event_rows_count_events_and_distinct_sessions(
    ga4_client: BetaAnalyticsDataClient,
) -> None:
    """By event name: its count, the sessions and users that had it, its key events and revenue."""
    metrics = ["eventCount", "sessions", "totalUsers", "keyEvents", "totalRevenue"]
    assert rows(ga4_client, ["eventName"], metrics, "2026-11-01", "2026-11-02") == {
        ("page_view",): ("12", "5", "3", "0", "0"),
        ("generate_lead",): ("3", "2", "2", "3", "0"),
        ("purchase",): ("3", "2", "1", "3", "149.95"),
    }


def test_sessions_are_counted_once_over_several_events(
    ga4_client: BetaAnalyticsDataClient,
) -> None:
    """isKeyEvent joins generate_lead and purchase; the session with both is one session."""
    metrics = ["eventCount", "sessions", "averageSessionDuration"]
    found = rows(ga4_client, ["isKeyEvent"], metrics, "2026-11-02", "2026-11-02")
    assert found == {("true",): ("4", "1", "37.25"), ("false",): ("3", "2", "18.625")}


def test_rolling_users_by_date(ga4_client: BetaAnalyticsDataClient) -> None:
    """Each day's figure has its own window, and a day without sessions has one too."""
    found = rows(ga4_client, ["date"], ["active7DayUsers"], "2026-11-02", "2026-11-05")
    # u5 of 28 October leaves on 4 November; u1 and u2 stay.
    assert found == {
        ("20261102",): ("3",),
        ("20261103",): ("3",),
        ("20261104",): ("2",),
        ("20261105",): ("2",),
    }


def test_missing_values_and_custom_dimensions(ga4_client: BetaAnalyticsDataClient) -> None:
    """An empty cell and a dimension that the site doesn't record read (not set)."""
    found = rows(
        ga4_client,
        ["country", "city", "customEvent:plan"],
        ["sessions"],
        "2026-11-02",
        "2026-11-02",
    )
    assert found == {
        ("(not set)", "(not set)", "basic"): ("1",),
        ("Austria", "(not set)", "(not set)"): ("1",),
    }


def test_derived_dimension(ga4_client: BetaAnalyticsDataClient) -> None:
    """newVsReturning follows from new_user."""
    found = rows(ga4_client, ["newVsReturning"], ["sessions"], "2026-11-01", "2026-11-02")
    assert found == {("returning",): ("3",), ("new",): ("2",)}


def rows(
    client: BetaAnalyticsDataClient, dimensions: list[str], metrics: list[str], start: str, end: str
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The rows of a report, by their dimension values."""
    answer = client.run_report(
        RunReportRequest(
            property=PROPERTY,
            date_ranges=[DateRange(start_date=start, end_date=end)],
            dimensions=[Dimension(name=name) for name in dimensions],
            metrics=[Metric(name=name) for name in metrics],
        )
    )
    return {
        tuple(v.value for v in row.dimension_values): tuple(v.value for v in row.metric_values)
        for row in answer.rows
    }
