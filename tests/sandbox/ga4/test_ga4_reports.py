"""What a GA4 report of the sandbox looks like: filters, ranges, order, pages, aggregates, batches."""

from datetime import UTC, datetime
from random import Random

import pandas as pd
import pytest
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.types import (
    BatchRunReportsRequest,
    DateRange,
    Dimension,
    Filter,
    FilterExpression,
    FilterExpressionList,
    Metric,
    MetricAggregation,
    NumericValue,
    OrderBy,
    RunReportRequest,
    RunReportResponse,
)

from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings

PROPERTY = "properties/123456789"
MatchType = Filter.StringFilter.MatchType
Operation = Filter.NumericFilter.Operation
CHANNEL = "sessionDefaultChannelGroup"


def request_of(
    dimensions: list[str], metrics: list[str], *ranges: tuple[str, str], **more: object
) -> RunReportRequest:
    """A report request; by default on 1 to 3 November."""
    return RunReportRequest(
        property=PROPERTY,
        dimensions=[Dimension(name=name) for name in dimensions],
        metrics=[Metric(name=name) for name in metrics],
        date_ranges=[
            DateRange(start_date=start, end_date=end)
            for start, end in ranges or (("2026-11-01", "2026-11-03"),)
        ],
        **more,
    )


def keys(answer: RunReportResponse) -> list[tuple[str, ...]]:
    """The dimension values of the rows, in order."""
    return [tuple(value.value for value in row.dimension_values) for row in answer.rows]


def text(field: str, value: str, match: int = 1, *, exact_case: bool = False) -> FilterExpression:
    """A string filter."""
    return FilterExpression(
        filter=Filter(
            field_name=field,
            string_filter=Filter.StringFilter(
                match_type=match, value=value, case_sensitive=exact_case
            ),
        )
    )


def number(field: str, operation: int, value: int) -> FilterExpression:
    """A numeric filter."""
    return FilterExpression(
        filter=Filter(
            field_name=field,
            numeric_filter=Filter.NumericFilter(
                operation=operation, value=NumericValue(int64_value=value)
            ),
        )
    )


IN_LIST = FilterExpression(
    filter=Filter(
        field_name=CHANNEL, in_list_filter=Filter.InListFilter(values=["EMAIL", "direct"])
    )
)
IN_LIST_EXACT = FilterExpression(
    filter=Filter(
        field_name=CHANNEL,
        in_list_filter=Filter.InListFilter(values=["EMAIL", "Direct"], case_sensitive=True),
    )
)
EMPTY = FilterExpression(filter=Filter(field_name="country", empty_filter=Filter.EmptyFilter()))
BETWEEN_DAYS = FilterExpression(
    filter=Filter(
        field_name="date",
        between_filter=Filter.BetweenFilter(
            from_value=NumericValue(int64_value=20261102),
            to_value=NumericValue(double_value=20261102.5),
        ),
    )
)
BOTH = FilterExpression(
    and_group=FilterExpressionList(
        expressions=[text("country", "Austria"), text("customEvent:plan", "basic")]
    )
)
EITHER = FilterExpression(
    or_group=FilterExpressionList(expressions=[EMPTY, text(CHANNEL, "Organic Search")])
)


@pytest.mark.parametrize(
    ("expression", "sessions"),
    [
        (text(CHANNEL, "paid search"), 2),
        (text(CHANNEL, "paid search", exact_case=True), 0),
        (text(CHANNEL, "Paid Search", 0), 2),
        (text(CHANNEL, "p", MatchType.BEGINS_WITH), 2),
        (text(CHANNEL, "search", MatchType.ENDS_WITH), 3),
        (text(CHANNEL, "Search", MatchType.CONTAINS, exact_case=True), 3),
        (text(CHANNEL, "(paid|organic) s.*", MatchType.FULL_REGEXP), 3),
        (text(CHANNEL, "paid", MatchType.FULL_REGEXP), 0),
        (text(CHANNEL, "^(paid|dir)", MatchType.PARTIAL_REGEXP), 4),
        (IN_LIST, 3),
        (IN_LIST_EXACT, 2),
        (EMPTY, 1),
        (BETWEEN_DAYS, 2),
        (number("date", Operation.GREATER_THAN, 20261101), 3),
        (number("country", Operation.GREATER_THAN, 0), 0),
        (BOTH, 1),
        (EITHER, 2),
        (FilterExpression(not_expression=EITHER), 4),
        (text("eventName", "generate_lead"), 2),
        (text("newVsReturning", "new"), 2),
    ],
)
def test_dimension_filters(
    ga4_client: BetaAnalyticsDataClient, expression: FilterExpression, sessions: int
) -> None:
    """Each form of filter keeps the sessions that it should, of the six of three days."""
    answer = ga4_client.run_report(request_of([], ["sessions"], dimension_filter=expression))
    assert sum(int(row.metric_values[0].value) for row in answer.rows) == sessions


def test_key_events_of_one_event(ga4_client: BetaAnalyticsDataClient) -> None:
    """One event's key events are keyEvents filtered on eventName."""
    expression = text("eventName", "generate_lead")
    answer = ga4_client.run_report(
        request_of(["date"], ["keyEvents", "totalUsers"], dimension_filter=expression)
    )
    assert [[v.value for v in row.metric_values] for row in answer.rows] == [["2", "1"], ["1", "1"]]
    assert answer.metric_headers[0].type_.name == "TYPE_FLOAT"


@pytest.mark.parametrize(
    ("operation", "kept"),
    [
        (Operation.EQUAL, ["Direct", "Paid Search"]),
        (Operation.LESS_THAN, ["Email", "Organic Search"]),
        (Operation.LESS_THAN_OR_EQUAL, ["Direct", "Paid Search", "Email", "Organic Search"]),
        (Operation.GREATER_THAN, []),
        (Operation.GREATER_THAN_OR_EQUAL, ["Direct", "Paid Search"]),
    ],
)
def test_metric_filters(
    ga4_client: BetaAnalyticsDataClient, operation: int, kept: list[str]
) -> None:
    """A metric filter keeps rows after they were added up; most sessions come first."""
    answer = ga4_client.run_report(
        request_of([CHANNEL], ["sessions"], metric_filter=number("sessions", operation, 2))
    )
    assert keys(answer) == [(channel,) for channel in kept]
    assert answer.row_count == len(kept)


def test_an_invisible_metric_filters_without_a_column(ga4_client: BetaAnalyticsDataClient) -> None:
    """A metric that is only used in a filter has neither header nor value."""
    request = request_of(
        [CHANNEL], ["sessions"], metric_filter=number("totalUsers", Operation.EQUAL, 1)
    )
    request.metrics.append(Metric(name="totalUsers", invisible=True))
    answer = ga4_client.run_report(request)
    assert [header.name for header in answer.metric_headers] == ["sessions"]
    assert keys(answer) == [("Email",), ("Organic Search",)]
    assert len(answer.rows[0].metric_values) == 1


def test_several_date_ranges_add_a_column(ga4_client: BetaAnalyticsDataClient) -> None:
    """Rows of two ranges carry the range's name last, whether given or numbered."""
    request = request_of([CHANNEL], ["sessions"], ("2026-11-01", "2026-11-01"))
    request.date_ranges.append(
        DateRange(start_date="2026-10-01", end_date="2026-11-01", name="prior")
    )
    answer = ga4_client.run_report(request)
    assert [header.name for header in answer.dimension_headers] == [CHANNEL, "dateRange"]
    sessions = [row.metric_values[0].value for row in answer.rows]
    assert dict(zip(keys(answer), sessions, strict=True)) == {
        ("Direct", "prior"): "3",
        ("Direct", "date_range_0"): "1",
        ("Organic Search", "date_range_0"): "1",
        ("Organic Search", "prior"): "1",
        ("Paid Search", "date_range_0"): "1",
        ("Paid Search", "prior"): "1",
    }


def test_aggregates_are_of_the_whole_report_and_each_range(
    ga4_client: BetaAnalyticsDataClient,
) -> None:
    """Totals count users once, extremes are of rows, both for each range and despite paging."""
    aggregations = [
        MetricAggregation.TOTAL,
        MetricAggregation.MINIMUM,
        MetricAggregation.MAXIMUM,
        MetricAggregation.COUNT,
    ]
    answer = ga4_client.run_report(
        request_of(
            ["date"],
            ["sessions", "totalUsers", "engagementRate"],
            ("2026-11-01", "2026-11-02"),
            ("2026-11-03", "2026-11-03"),
            metric_aggregations=aggregations,
            limit=1,
        )
    )

    def found(rows: object) -> list[list[str]]:
        return [
            [v.value for v in (*row.dimension_values, *row.metric_values)]
            for row in rows  # type: ignore[attr-defined]
        ]

    assert len(answer.rows) == 1 and answer.row_count == 3
    assert found(answer.totals) == [
        ["RESERVED_TOTAL", "date_range_0", "5", "3", "0.6"],
        ["RESERVED_TOTAL", "date_range_1", "1", "1", "0"],
    ]
    assert found(answer.minimums)[0] == ["RESERVED_MIN", "date_range_0", "2", "2", "0.5"]
    assert found(answer.maximums)[0] == ["RESERVED_MAX", "date_range_0", "3", "2", repr(2 / 3)]


def test_totals_leave_out_what_the_metric_filter_left_out(
    ga4_client: BetaAnalyticsDataClient,
) -> None:
    """A total is that of the rows in the report."""
    answer = ga4_client.run_report(
        request_of(
            [CHANNEL],
            ["sessions"],
            metric_filter=number("sessions", Operation.EQUAL, 2),
            metric_aggregations=[MetricAggregation.TOTAL],
        )
    )
    assert answer.totals[0].metric_values[0].value == "4"


def test_order_by_dimension_and_metric(ga4_client: BetaAnalyticsDataClient) -> None:
    """Sort keys apply in their order, descending where asked."""
    by_channel = OrderBy(
        dimension=OrderBy.DimensionOrderBy(
            dimension_name=CHANNEL,
            order_type=OrderBy.DimensionOrderBy.OrderType.CASE_INSENSITIVE_ALPHANUMERIC,
        ),
        desc=True,
    )
    by_users = OrderBy(metric=OrderBy.MetricOrderBy(metric_name="totalUsers"))
    answer = ga4_client.run_report(
        request_of([CHANNEL], ["totalUsers"], order_bys=[by_users, by_channel])
    )
    assert keys(answer) == [("Organic Search",), ("Email",), ("Paid Search",), ("Direct",)]


def test_numeric_order_of_a_dimension(
    ga4_settings: Ga4Settings,
    ga4_sessions: pd.DataFrame,
    request: pytest.FixtureRequest,
) -> None:
    """NUMERIC puts 9 before 10, which text order does not."""
    sessions = ga4_sessions.iloc[:3].assign(**{"customEvent:plan": ["10", "9", "x"]})
    with Ga4Sandbox(ga4_settings, sessions=sessions) as sandbox:
        client = request.getfixturevalue("ga4_grpc")(sandbox)
        order = OrderBy(
            dimension=OrderBy.DimensionOrderBy(
                dimension_name="customEvent:plan",
                order_type=OrderBy.DimensionOrderBy.OrderType.NUMERIC,
            )
        )
        whole = ("2026-10-01", "2026-11-03")
        answer = client.run_report(
            request_of(["customEvent:plan"], ["sessions"], whole, order_bys=[order])
        )
    assert keys(answer) == [("x",), ("9",), ("10",)]


@pytest.fixture
def many_pages(ga4_settings: Ga4Settings) -> pd.DataFrame:
    """23,000 sessions, each with a landing page of its own."""
    count = 23_000
    return pd.DataFrame(
        {
            "started_at": "2026-11-02T08:00:00Z",
            "user_id": [f"u{index % 500}" for index in range(count)],
            "new_user": "false",
            "engaged": "true",
            "duration_seconds": "12",
            "landingPage": [f"/{index:05}" for index in range(count)],
        },
        dtype=str,
    )


def test_paging_by_offset_reads_every_row_once(
    ga4_settings: Ga4Settings, many_pages: pd.DataFrame, request: pytest.FixtureRequest
) -> None:
    """Pages of the default 10,000 rows never overlap, and rowCount counts the whole report."""
    with Ga4Sandbox(ga4_settings, sessions=many_pages) as sandbox:
        client = request.getfixturevalue("ga4_grpc")(sandbox)
        seen: list[tuple[str, ...]] = []
        for offset in (0, 10_000, 20_000, 30_000):
            answer = client.run_report(request_of(["landingPage"], ["sessions"], offset=offset))
            assert answer.row_count == 23_000
            seen += keys(answer)
        assert len(seen) == len(set(seen)) == 23_000
        # 250,001 is over the cap and no error.
        answer = client.run_report(request_of(["landingPage"], ["sessions"], limit=250_001))
        assert len(answer.rows) == 23_000


def test_zero_rows_are_left_out_unless_kept(ga4_client: BetaAnalyticsDataClient) -> None:
    """A row of zeros is missing; keepEmptyRows gives it back, but no day that recorded nothing."""
    asked = (["date"], ["keyEvents"], ("2026-11-01", "2026-11-05"))
    assert len(ga4_client.run_report(request_of(*asked)).rows) == 2
    kept = ga4_client.run_report(request_of(*asked, keep_empty_rows=True))
    assert keys(kept) == [("20261102",), ("20261101",), ("20261103",)]


def test_an_empty_report_has_headers_and_metadata(ga4_client: BetaAnalyticsDataClient) -> None:
    """No rows, no count, no totals; the metadata are there."""
    answer = ga4_client.run_report(
        request_of(
            ["date"],
            ["sessions"],
            ("2025-01-01", "2025-01-31"),
            metric_aggregations=[MetricAggregation.TOTAL],
        )
    )
    assert list(answer.rows) == [] and list(answer.totals) == [] and answer.row_count == 0
    assert answer.metadata.currency_code == "EUR"
    assert answer.metadata.time_zone == "Europe/Berlin"


def test_relative_dates_are_of_the_property(
    ga4_settings: Ga4Settings, ga4_sessions: pd.DataFrame, request: pytest.FixtureRequest
) -> None:
    """At 23:30 UTC of the 2nd it is the 3rd in Berlin: yesterday is the 2nd."""
    present = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
    with Ga4Sandbox(ga4_settings, sessions=ga4_sessions, now=lambda: present) as sandbox:
        client = request.getfixturevalue("ga4_grpc")(sandbox)
        for days, expected in (
            (("today", "today"), ["20261103"]),
            (("yesterday", "yesterday"), ["20261102"]),
            (("2daysAgo", "today"), ["20261101", "20261102", "20261103"]),
        ):
            answer = client.run_report(request_of(["date"], ["sessions"], days))
            assert sorted(key[0] for key in keys(answer)) == expected


def test_a_batch_answers_in_order(ga4_client: BetaAnalyticsDataClient, ga4: Ga4Sandbox) -> None:
    """Each report of a batch is the one that a request of its own would give."""
    requests = [request_of(["date"], ["sessions"]), request_of([CHANNEL], ["keyEvents"])]
    answer = ga4_client.batch_run_reports(
        BatchRunReportsRequest(property=PROPERTY, requests=requests)
    )
    alone = [ga4_client.run_report(request) for request in requests]
    assert list(answer.reports) == alone
    assert ga4.requests == {"BatchRunReports": 1, "RunReport": 2}


def test_dimensions_without_metrics(ga4_client: BetaAnalyticsDataClient) -> None:
    """A report may list values only."""
    answer = ga4_client.run_report(request_of(["country"], []))
    assert keys(answer) == [("(not set)",), ("Austria",), ("Germany",)]


def test_restated_sessions_are_reported_at_once(
    ga4: Ga4Sandbox, ga4_client: BetaAnalyticsDataClient
) -> None:
    """A day that the source changes afterwards reads differently on the next request."""
    sessions = ga4.sessions()
    late = sessions[sessions["user_id"] == "u3"].assign(user_id="u9")
    ga4.replace_sessions(pd.concat([sessions, late], ignore_index=True))
    asked = request_of(["date"], ["sessions"], ("2026-11-02", "2026-11-02"))
    assert ga4_client.run_report(asked).rows[0].metric_values[0].value == "3"


def test_reports_agree_with_plain_pandas(
    ga4_settings: Ga4Settings, request: pytest.FixtureRequest
) -> None:
    """Two thousand random sessions, by day and channel, give what pandas finds in the rows."""
    random, count = Random(7), 2_000
    start = pd.Timestamp("2026-10-20", tz="UTC")
    table = pd.DataFrame(
        {
            "started": [
                start + pd.Timedelta(minutes=random.randrange(20_000)) for _ in range(count)
            ],
            "user_id": [f"u{random.randrange(300)}" for _ in range(count)],
            "engaged": [random.random() < 0.6 for _ in range(count)],
            "leads": [random.choice([0, 0, 0, 1, 2]) for _ in range(count)],
            CHANNEL: [random.choice(["Email", "Direct", "Paid Search"]) for _ in range(count)],
        }
    )
    sessions = pd.DataFrame(
        {
            "started_at": table["started"].map(lambda moment: moment.isoformat()),
            "user_id": table["user_id"],
            "new_user": "false",
            "engaged": table["engaged"].map({True: "true", False: "false"}),
            "duration_seconds": "10",
            "event:generate_lead": table["leads"].astype(str),
            CHANNEL: table[CHANNEL],
        },
        dtype=str,
    )
    table["day"] = table["started"].dt.tz_convert("Europe/Berlin").dt.strftime("%Y%m%d")
    expected = {
        key: (
            len(part),
            part["user_id"].nunique(),
            int(part["engaged"].sum()),
            int(part["leads"].sum()),
            float((part["leads"] > 0).mean()),
        )
        for key, part in table[table[CHANNEL] != "Email"].groupby(["day", CHANNEL])
    }
    metrics = ["sessions", "totalUsers", "engagedSessions", "keyEvents", "sessionKeyEventRate"]
    asked = request_of(
        ["date", CHANNEL],
        metrics,
        ("2026-10-01", "2026-11-30"),
        dimension_filter=FilterExpression(not_expression=text(CHANNEL, "email")),
    )
    with Ga4Sandbox(ga4_settings, sessions=sessions) as sandbox:
        answer = request.getfixturevalue("ga4_grpc")(sandbox).run_report(asked)
    found = {
        key: tuple(float(value.value) for value in row.metric_values)
        for key, row in zip(keys(answer), answer.rows, strict=True)
    }
    assert found == expected
