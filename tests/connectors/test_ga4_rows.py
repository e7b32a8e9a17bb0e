"""Rows of GA4's raw messages as figures: exact, whole, or refused with both numbers."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.analytics.data_v1beta.types import Metadata, PropertyQuota, RunReportResponse
from google.protobuf.json_format import ParseDict

from connectors.ga4.quality import blocked_metrics, hidden_metrics, quota_left
from connectors.ga4.requests import DayRange, Report
from connectors.ga4.rows import assemble, exact_value, read_page
from connectors.ga4.totals import window_figures
from okr_sync.config.where import Where
from okr_sync.errors import IncompletePullError
from okr_sync.metrics.needs import ExactWindowNeed

FIRST = date(2026, 10, 1)
BY_DAY = Report(Where(), ("keyEvents", "sessions"), (DayRange(FIRST, date(2026, 10, 31)),), True)
OCTOBER = DayRange(FIRST, date(2026, 10, 31))
NOVEMBER = DayRange(date(2026, 11, 1), date(2026, 11, 30))


def response(
    dimensions: Sequence[str],
    metrics: Sequence[str],
    rows: Sequence[Sequence[str]],
    row_count: int | None = None,
    metadata: dict[str, Any] | None = None,
    types: Sequence[str] = (),
) -> Any:
    """A raw RunReportResponse as GA4 sends it: without rows and rowCount when it is empty."""
    told: dict[str, Any] = {
        "dimensionHeaders": [{"name": name} for name in dimensions],
        "metricHeaders": [
            {"name": name, "type": types[index] if types else "TYPE_INTEGER"}
            for index, name in enumerate(metrics)
        ],
        "metadata": {"timeZone": "Europe/Berlin", "currencyCode": "EUR", **(metadata or {})},
    }
    if rows:
        cut = len(dimensions)
        told["rows"] = [
            {
                "dimensionValues": [{"value": cell} for cell in row[:cut]],
                "metricValues": [{"value": cell} for cell in row[cut:]],
            }
            for row in rows
        ]
        told["rowCount"] = len(rows) if row_count is None else row_count
    return ParseDict(told, RunReportResponse.pb(RunReportResponse()))


def by_day(*rows: Sequence[str], **told: Any) -> Any:
    """A raw response to BY_DAY."""
    return response(["date"], ["keyEvents", "sessions"], rows, **told)


def test_values_are_exact() -> None:
    """Figures come digit for digit, in all the forms in which a double is written."""
    raw = by_day(["20261001", "17.5", "655"], ["20261003", "1.0E-5", "8765432109876"])
    answer = assemble(BY_DAY, [read_page(raw, BY_DAY)])
    assert answer.days["keyEvents"] == {
        FIRST: Decimal("17.5"),
        date(2026, 10, 3): Decimal("0.00001"),
    }
    assert answer.days["sessions"][date(2026, 10, 3)] == 8765432109876
    assert (answer.rows, answer.flags) == (2, frozenset())


def test_an_empty_report_is_whole() -> None:
    """Neither rows nor rowCount: nothing happened on these days."""
    answer = assemble(BY_DAY, [read_page(by_day(), BY_DAY)])
    assert answer.days == {"keyEvents": {}, "sessions": {}}


def test_130000_rows_come_in_pages() -> None:
    """Scenario 20: every row of a report far beyond one page is in the figures."""
    start = date(1700, 1, 1)
    count = 130_000
    report = Report(
        Where(), ("sessions",), (DayRange(start, start + timedelta(days=count)),), by_day=True
    )
    days = [(start + timedelta(days=number)).strftime("%Y%m%d") for number in range(count)]
    pages = [
        read_page(
            response(["date"], ["sessions"], [[day, "1"] for day in part], row_count=count), report
        )
        for part in (days[:100_000], days[100_000:])
    ]
    answer = assemble(report, pages)
    assert answer.rows == count
    assert sum(answer.days["sessions"].values()) == count
    with pytest.raises(IncompletePullError, match="130000 rows in a report, but 100000"):
        assemble(report, pages[:1])


def test_other_instead_of_a_day_is_flagged() -> None:
    """Scenario 21: "(other)" in the date cell is no crash; every day of the report is doubtful."""
    raw = by_day(["20261001", "1", "10"], ["(other)", "5", "50"])
    answer = assemble(BY_DAY, [read_page(raw, BY_DAY)])
    assert answer.days["sessions"] == {FIRST: Decimal(10)}
    assert answer.flags == {"other_row"}


@pytest.mark.parametrize(
    ("raws", "words"),
    [
        ([by_day(["20261001", "1", "2"], row_count=2)], "counts 2 rows in a report, but 1"),
        (
            [
                by_day(["20261001", "1", "2"], row_count=2),
                by_day(["20261002", "1", "2"], row_count=3),
            ],
            "it had 2 rows, then 3",
        ),
        ([by_day(["20261001", "1", "2"], ["20261001", "1", "2"])], "same row twice"),
        ([by_day(["20261101", "1", "2"])], "days that it wasn't asked for"),
        *(
            ([by_day([day, "1", "2"])], "as a day")
            for day in ("2026-10-01", "20261001 ", "2026101", "20261032", "(not set)", "")
        ),
        ([by_day(["20261001", "1", "2"], row_count=33)], "can't have more than 32"),
        ([by_day(["20261001", "NaN", "2"])], "no number"),
        ([by_day(["20261001", "", "2"])], "no number"),
        ([response(["date"], ["sessions", "keyEvents"], [])], "other columns"),
        ([response(["country"], ["keyEvents", "sessions"], [])], "other columns"),
        ([response(["date"], ["keyEvents", "sessions"], [["20261001", "1"]])], "missing cells"),
    ],
)
def test_what_is_not_whole_is_refused(raws: list[Any], words: str) -> None:
    """Silent loss is the enemy: anything that doesn't fit is refused, with the numbers."""
    with pytest.raises(IncompletePullError) as refused:
        assemble(BY_DAY, [read_page(raw, BY_DAY) for raw in raws])
    assert words in refused.value.user_text


@pytest.mark.parametrize(
    "text", ["1,5", "1_500", "١٥", " 15", "0x15", "inf", "-Infinity", "(other)", "None"]
)
def test_a_figure_that_is_no_number(text: str) -> None:
    """A cell that holds no number is never a 0, and what only Python would read is none."""
    with pytest.raises(IncompletePullError, match="no number"):
        exact_value("sessions", text)


@pytest.mark.parametrize("text", ["1e400", "9000000000001", "-9000000000001", "9" * 40])
def test_a_figure_that_is_too_large(text: str) -> None:
    """A figure that the warehouse can't keep is refused when it is read, of days and of windows."""
    with pytest.raises(IncompletePullError, match="too large"):
        exact_value("sessions", text)
    with pytest.raises(IncompletePullError, match="too large"):
        assemble(BY_DAY, [read_page(by_day(["20261001", "1", text]), BY_DAY)])


@pytest.mark.parametrize(
    ("metadata", "flags"),
    [
        ({}, ()),
        (
            {"samplingMetadatas": [{"samplesReadCount": "5", "samplingSpaceSize": "10"}]},
            ("sampled",),
        ),
        ({"subjectToThresholding": True}, ("thresholded",)),
        ({"dataLossFromOtherRow": True}, ("other_row",)),
        (
            {"dataTruncationReasons": [{"dataTruncationType": "DATA_TRUNCATION_TYPE_PROPERTY"}]},
            ("truncated",),
        ),
    ],
)
def test_quality_flags(metadata: dict[str, Any], flags: tuple[str, ...]) -> None:
    """Scenario 26: what GA4 says of a report's quality becomes a flag, an empty report's too."""
    answer = assemble(BY_DAY, [read_page(by_day(metadata=metadata), BY_DAY)])
    assert tuple(sorted(answer.flags)) == flags


def test_hidden_metrics() -> None:
    """A metric that we may not see reads 0 in reports: its flags refuse the figure, in words."""
    restriction = {"metricName": "sessions", "restrictedMetricTypes": ["COST_DATA"]}
    metadata = {"schemaRestrictionResponse": {"activeMetricRestrictions": [restriction]}}
    answer = assemble(BY_DAY, [read_page(by_day(metadata=metadata), BY_DAY)])
    hidden = hidden_metrics(["sessions"], answer.restricted, ())
    assert hidden["sessions"].quality == ("schema_restricted",)
    assert "sessions" in hidden["sessions"].text
    assert "Property access management" in hidden["sessions"].text
    told = {
        "metrics": [
            {"apiName": "advertiserAdCost", "blockedReasons": ["NO_COST_METRICS"]},
            {"apiName": "sessions"},
        ]
    }
    blocked = blocked_metrics(ParseDict(told, Metadata.pb(Metadata())))
    assert blocked == {"advertiserAdCost"}
    hidden = hidden_metrics(["advertiserAdCost", "sessions"], (), blocked)
    assert {name: one.quality for name, one in hidden.items()} == {
        "advertiserAdCost": ("blocked_metric",)
    }


def test_quota_is_the_lowest_seen() -> None:
    """What is left of each bucket is kept; a bucket that isn't told is not a 0."""
    told = {"tokensPerDay": {"consumed": 1, "remaining": 90}, "concurrentRequests": {"consumed": 1}}
    quota = ParseDict(told, PropertyQuota.pb(PropertyQuota()))
    assert quota_left({"tokens_per_day": 100, "tokens_per_hour": 7}, quota) == {
        "tokens_per_day": 90,
        "tokens_per_hour": 7,
        "concurrent_requests": 0,
    }


def totals(metrics: Sequence[str], rows: Sequence[Sequence[str]], types: Sequence[str] = ()) -> Any:
    """The answer to a report of October and November."""
    report = Report(Where(), tuple(metrics), (OCTOBER, NOVEMBER), by_day=False)
    raw = response(["dateRange"], metrics, rows, types=types)
    return assemble(report, [read_page(raw, report)])


def figure(answer: Any, metric: str, days: DayRange) -> Decimal | None:
    """The figure of one metric over one window."""
    need = ExactWindowNeed(Where(), frozenset({metric}), days.first, days.last)
    (found,) = [
        each for each in window_figures([need], [answer], frozenset())[""] if each.metric == metric
    ]
    return found.value


def test_windows_by_name() -> None:
    """Each window's row is found by the window's name, in whatever order GA4 sends them."""
    answer = totals(["totalUsers"], [[NOVEMBER.name, "30"], [OCTOBER.name, "20"]])
    assert figure(answer, "totalUsers", OCTOBER) == 20
    assert figure(answer, "totalUsers", NOVEMBER) == 30


def test_a_missing_window() -> None:
    """No row is 0 people and 0 sessions, but a rate over nothing is no value."""
    answer = totals(
        ["activeUsers", "calcMetric:x", "sessionKeyEventRate", "sessions"],
        [[OCTOBER.name, "3", "1", "0", "5"]],
        ["TYPE_INTEGER", "TYPE_FLOAT", "TYPE_FLOAT", "TYPE_INTEGER"],
    )
    assert figure(answer, "sessionKeyEventRate", OCTOBER) == 0
    assert figure(answer, "activeUsers", NOVEMBER) == 0
    assert figure(answer, "sessionKeyEventRate", NOVEMBER) is None
    assert figure(answer, "calcMetric:x", NOVEMBER) is None


def test_a_rate_of_zero_in_a_report_of_its_own() -> None:
    """GA4 leaves out a row of zeros, so a rate of 0 is told by what it is taken over."""
    rate = totals(["sessionKeyEventRate"], [], ["TYPE_FLOAT"])
    size = totals(["sessions"], [[OCTOBER.name, "5"]])
    need = [
        ExactWindowNeed(Where(), frozenset({"sessionKeyEventRate"}), days.first, days.last)
        for days in (OCTOBER, NOVEMBER)
    ]
    figures = window_figures(need, [rate, size], frozenset())[""]
    values = {(each.metric, each.first_day): each.value for each in figures}
    assert values == {
        ("sessionKeyEventRate", OCTOBER.first): Decimal(0),
        ("sessions", OCTOBER.first): Decimal(5),
        ("sessionKeyEventRate", NOVEMBER.first): None,
        ("sessions", NOVEMBER.first): Decimal(0),
    }


def test_a_window_that_was_not_asked_for_is_refused() -> None:
    """Rows of another range would be counted for the wrong days."""
    with pytest.raises(IncompletePullError, match="date ranges"):
        totals(["totalUsers"], [["date_range_0", "30"]])
