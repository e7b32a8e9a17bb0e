"""What the GA4 sandbox refuses, with the class and the words that Google's client raises."""

from typing import Any

import pytest
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.types import (
    BatchRunReportsRequest,
    CheckCompatibilityRequest,
    Compatibility,
    DateRange,
    Dimension,
    Filter,
    FilterExpression,
    GetMetadataRequest,
    Metric,
    NumericValue,
    OrderBy,
    RunReportRequest,
)
from google.api_core import exceptions

PROPERTY = "properties/123456789"
DAYS = [{"start_date": "2026-11-01", "end_date": "2026-11-02"}]
NUMERIC = Filter(
    field_name="sessions",
    numeric_filter=Filter.NumericFilter(operation=1, value=NumericValue(int64_value=1)),
)
LOOK_AHEAD = Filter(
    field_name="country", string_filter=Filter.StringFilter(match_type=5, value="(?=a)b")
)


def names(kind: type, *wanted: str) -> list[Any]:
    """Dimensions or metrics of these names."""
    return [kind(name=name) for name in wanted]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metrics": names(Metric, "pageViews")}, "Field pageViews is not a valid metric"),
        ({"metrics": names(Metric, "conversions")}, "Field conversions is not a valid metric"),
        ({"metrics": names(Metric, "keyEvents:purchase")}, "keyEvents:purchase is not a valid"),
        ({"dimensions": names(Dimension, "pagePaths")}, "pagePaths is not a valid dimension"),
        ({"dimensions": names(Dimension, "sessions")}, "sessions is not a valid dimension"),
        ({"dimensions": names(Dimension, "customEvent:nothing")}, "customEvent:nothing is not a"),
        ({"metrics": names(Metric, "sessions", "sessions")}, "sessions is a duplicate metric"),
        (
            {"dimensions": names(Dimension, *(f"d{index}" for index in range(10)))},
            "Field d0 is not a valid dimension",
        ),
        (
            {
                "dimensions": names(
                    Dimension,
                    *("date", "year", "month", "yearMonth", "isoYearIsoWeek", "dayOfWeek"),
                    *("country", "region", "city"),
                ),
                "dimension_filter": {
                    "filter": {"field_name": "language", "empty_filter": {}},
                },
            },
            "limited to 9 dimensions within a nested request. This request is for 10 dimensions.",
        ),
        (
            {
                "metrics": names(
                    Metric,
                    *("sessions", "engagedSessions", "engagementRate", "bounceRate", "newUsers"),
                    *("eventsPerSession", "totalUsers", "activeUsers", "eventCount", "keyEvents"),
                    "totalRevenue",
                )
            },
            "limited to 10 metrics within a nested request. This request is for 11 metrics.",
        ),
        ({"date_ranges": DAYS * 5}, "Requests are limited to 4 dateRanges."),
        ({"date_ranges": []}, "at least one of dateRanges"),
        ({"metrics": []}, "at least one dimension or metric"),
        (
            {"date_ranges": [{"start_date": "2026-11-31", "end_date": "today"}]},
            "startDate: 2026-11",
        ),
        ({"date_ranges": [{"start_date": "2026-11-01", "end_date": "20261102"}]}, "endDate: 2026"),
        ({"date_ranges": [{"start_date": "2026-11-02", "end_date": "2026-11-01"}]}, "is after"),
        ({"date_ranges": [{**DAYS[0], "name": "date_range_7"}]}, "cannot begin with"),
        (
            {
                "dimensions": names(Dimension, "itemName"),
                "metrics": names(Metric, "itemViewEvents", "sessions"),
            },
            "Please remove sessions to make the request compatible for example.",
        ),
        (
            {"dimensions": names(Dimension, "campaignName")},
            "The request's dimensions & metrics are incompatible.",
        ),
        ({"metric_filter": {"filter": NUMERIC}, "metrics": names(Metric, "newUsers")}, "sessions"),
        ({"dimension_filter": {"filter": NUMERIC}}, "sessions is not a valid dimension"),
        ({"dimension_filter": {"filter": LOOK_AHEAD}}, "regular expression"),
        ({"dimension_filter": {"and_group": {}}}, "at least one expression"),
        ({"dimension_filter": {"filter": {"field_name": "country"}}}, "has no condition"),
        (
            {"order_bys": [OrderBy(metric=OrderBy.MetricOrderBy(metric_name="newUsers"))]},
            "newUsers in orderBys must be a metric of the request",
        ),
        ({"offset": -1}, "must not be negative"),
    ],
)
def test_bad_requests(
    ga4_client: BetaAnalyticsDataClient, change: dict[str, Any], words: str
) -> None:
    """Each mistake is an InvalidArgument that says what is wrong."""
    request = {"property": PROPERTY, "date_ranges": DAYS, "metrics": names(Metric, "sessions")}
    with pytest.raises(exceptions.BadRequest) as raised:
        ga4_client.run_report(RunReportRequest({**request, **change}))
    assert words in raised.value.message


def test_another_property_is_forbidden(ga4_client: BetaAnalyticsDataClient) -> None:
    """Every method refuses a property that the account doesn't have."""
    other = "properties/5"
    one = RunReportRequest(property=other)
    for call in (
        lambda: ga4_client.run_report(one),
        lambda: ga4_client.batch_run_reports(BatchRunReportsRequest(property=other)),
        lambda: ga4_client.get_metadata(GetMetadataRequest(name=f"{other}/metadata")),
        lambda: ga4_client.check_compatibility(CheckCompatibilityRequest(property=other)),
    ):
        with pytest.raises(exceptions.Forbidden, match="sufficient permissions for this property"):
            call()


def test_a_property_is_a_number(ga4_client: BetaAnalyticsDataClient) -> None:
    """A measurement id in place of the property's number is a bad request."""
    with pytest.raises(exceptions.BadRequest, match="numeric Property ID is required"):
        ga4_client.run_report(RunReportRequest(property="properties/G-ABC"))


@pytest.mark.parametrize("count", [0, 6])
def test_batch_sizes(ga4_client: BetaAnalyticsDataClient, count: int) -> None:
    """A batch holds one to five requests."""
    requests = [RunReportRequest(date_ranges=DAYS, metrics=names(Metric, "sessions"))] * count
    with pytest.raises(exceptions.BadRequest, match="request"):
        ga4_client.batch_run_reports(BatchRunReportsRequest(property=PROPERTY, requests=requests))


@pytest.mark.parametrize(
    "second",
    [
        {"property": "properties/5", "metrics": [{"name": "sessions"}]},
        {"metrics": [{"name": "nothing"}]},
    ],
)
def test_one_bad_request_fails_its_batch(
    ga4_client: BetaAnalyticsDataClient, second: dict[str, Any]
) -> None:
    """A request on another property, or with a mistake, makes the whole batch fail."""
    first = {"date_ranges": DAYS, "metrics": [{"name": "sessions"}]}
    with pytest.raises(exceptions.BadRequest):
        ga4_client.batch_run_reports(
            BatchRunReportsRequest(
                property=PROPERTY, requests=[first, {"date_ranges": DAYS, **second}]
            )
        )


def test_what_the_sandbox_lacks_is_no_empty_answer(ga4_client: BetaAnalyticsDataClient) -> None:
    """Parts of the API that are not served say so."""
    request = RunReportRequest(
        property=PROPERTY,
        date_ranges=DAYS,
        metrics=[Metric(name="perUser", expression="eventCount/totalUsers")],
    )
    with pytest.raises(exceptions.MethodNotImplemented, match="does not serve metric.expression"):
        ga4_client.run_report(request)


def test_compatibility_verdicts(ga4_client: BetaAnalyticsDataClient) -> None:
    """The verdict on each field of the schema beside those of the request, filtered if asked."""
    request = CheckCompatibilityRequest(property=PROPERTY, metrics=names(Metric, "sessions"))
    answer = ga4_client.check_compatibility(request)
    verdicts = {
        one.dimension_metadata.api_name: one.compatibility.name
        for one in answer.dimension_compatibilities
    }
    assert verdicts["date"] == verdicts["eventName"] == verdicts["customEvent:plan"] == "COMPATIBLE"
    assert verdicts["itemName"] == verdicts["campaignName"] == "INCOMPATIBLE"
    only = ga4_client.check_compatibility(
        CheckCompatibilityRequest(request, compatibility_filter=Compatibility.INCOMPATIBLE)
    )
    assert {one.metric_metadata.api_name for one in only.metric_compatibilities} == {
        "itemViewEvents",
        "itemsPurchased",
        "itemRevenue",
    }


def test_an_incompatible_check_is_refused_without_a_name(
    ga4_client: BetaAnalyticsDataClient,
) -> None:
    """checkCompatibility refuses a request that is itself incompatible; it names no field."""
    with pytest.raises(exceptions.BadRequest) as raised:
        ga4_client.check_compatibility(
            CheckCompatibilityRequest(
                property=PROPERTY,
                dimensions=names(Dimension, "itemName"),
                metrics=names(Metric, "sessions"),
            )
        )
    words = "The request's dimensions & metrics are incompatible."
    assert raised.value.message.endswith(words)
    assert "Please remove" not in raised.value.message


def test_metadata_tell_of_old_names_custom_fields_and_blocked_metrics(
    ga4_client: BetaAnalyticsDataClient,
) -> None:
    """getMetadata has what a live check of bindings needs."""
    metadata = ga4_client.get_metadata(GetMetadataRequest(name=f"{PROPERTY}/metadata"))
    metrics = {metric.api_name: metric for metric in metadata.metrics}
    dimensions = {dimension.api_name: dimension for dimension in metadata.dimensions}
    assert list(metrics["keyEvents"].deprecated_api_names) == ["conversions"]
    assert metrics["keyEvents"].type_.name == "TYPE_FLOAT"
    assert [reason.name for reason in metrics["advertiserAdCost"].blocked_reasons] == [
        "NO_COST_METRICS"
    ]
    assert dimensions["customEvent:plan"].custom_definition
    assert list(dimensions["isKeyEvent"].deprecated_api_names) == ["isConversionEvent"]
    common = ga4_client.get_metadata(GetMetadataRequest(name="properties/0/metadata"))
    assert "customEvent:plan" not in {d.api_name for d in common.dimensions}


@pytest.mark.filterwarnings("ignore:Unrecognized MatchType")
def test_filters_with_an_unknown_match_type(ga4_client: BetaAnalyticsDataClient) -> None:
    """A number that the enum doesn't have is refused."""
    wanted = Filter.StringFilter(value="a")
    type(wanted).pb(wanted).match_type = 77
    expression = FilterExpression(filter=Filter(field_name="country", string_filter=wanted))
    with pytest.raises(exceptions.BadRequest, match="match_type"):
        ga4_client.run_report(
            RunReportRequest(
                property=PROPERTY,
                date_ranges=[DateRange(DAYS[0])],
                metrics=names(Metric, "sessions"),
                dimension_filter=expression,
            )
        )
