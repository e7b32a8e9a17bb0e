"""The fewest requests: which reports answer a need, and how many batches they take."""

from datetime import date, timedelta

import pytest

from connectors.ga4.requests import (
    DayRange,
    batches,
    report_message,
    series_reports,
    window_reports,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import ExactWindowNeed, SeriesNeed

FIRST = date(2026, 10, 1)
LAST = date(2026, 12, 31)


def channel(name: str) -> Where:
    """Sessions of one channel."""
    return Where((Condition("sessionDefaultChannelGroup", Operator.EQ, (name,)),))


def test_a_hundred_bindings_over_twenty_filters_take_four_batches() -> None:
    """Scenario 29: bindings that share a filter share a report, five reports share a request."""
    metrics = ["sessions", "keyEvents", "eventCount", "totalRevenue", "newUsers"]
    needs = [
        SeriesNeed(channel(f"Channel {number}"), frozenset({metric}), FIRST, LAST)
        for number in range(20)
        for metric in metrics
    ]
    reports = series_reports(needs)
    assert len(reports) == 20
    assert len(list(batches(reports))) == 4
    assert all(report.metrics == tuple(sorted(metrics)) for report in reports)


def test_needs_with_one_filter_are_read_over_all_their_days() -> None:
    """No day of any binding is left out when reports are shared; the order of tests is no filter."""
    test = Condition("country", Operator.EQ, ("Germany",))
    other = Condition("deviceCategory", Operator.EQ, ("mobile",))
    reports = series_reports(
        [
            SeriesNeed(Where((test, other)), frozenset({"sessions"}), FIRST, date(2026, 10, 31)),
            SeriesNeed(Where((other, test)), frozenset({"keyEvents"}), date(2026, 9, 1), FIRST),
        ]
    )
    assert [report.metrics for report in reports] == [("keyEvents", "sessions")]
    assert reports[0].ranges == (DayRange(date(2026, 9, 1), date(2026, 10, 31)),)


def test_more_than_ten_metrics_take_another_report() -> None:
    """GA4 takes ten metrics in a report."""
    names = frozenset(f"customEvent:m{number}" for number in range(23))
    reports = series_reports([SeriesNeed(Where(), names, FIRST, LAST)])
    assert [len(report.metrics) for report in reports] == [10, 10, 3]
    assert {metric for report in reports for metric in report.metrics} == names


def test_what_does_not_add_up_is_never_a_series() -> None:
    """Users and rates by day would be added up later, which is wrong (scenario 24)."""
    with pytest.raises(ValueError, match="totalUsers"):
        series_reports([SeriesNeed(Where(), frozenset({"totalUsers"}), FIRST, LAST)])


def windows(count: int, *metrics: str) -> list[ExactWindowNeed]:
    """So many windows of 28 days, one a day."""
    return [
        ExactWindowNeed(
            Where(),
            frozenset(metrics),
            FIRST + timedelta(days=offset),
            FIRST + timedelta(days=offset + 27),
        )
        for offset in range(count)
    ]


def test_twenty_windows_take_one_batch() -> None:
    """Four windows share a report, five reports share a request."""
    reports = window_reports(windows(20, "totalUsers"))
    assert [len(report.ranges) for report in reports] == [4] * 5
    assert len(list(batches(reports))) == 1
    asked = {days for report in reports for days in report.ranges}
    assert len(asked) == 20


def test_a_rate_is_asked_for_with_what_it_is_taken_over() -> None:
    """A rate of 0 and a rate over nothing look the same without their denominator."""
    (report,) = window_reports(windows(1, "sessionKeyEventRate:purchase", "userKeyEventRate"))
    assert report.metrics == (
        "sessionKeyEventRate:purchase",
        "sessions",
        "totalUsers",
        "userKeyEventRate",
    )


def test_windows_are_grouped_the_cheaper_way() -> None:
    """Asking every window for everything is avoided where it would take more requests."""
    many = [f"calcMetric:a{number}" for number in range(10)]
    other = [f"calcMetric:b{number}" for number in range(10)]
    needs = windows(8, *many)[:4] + windows(8, *other)[4:]
    assert len(window_reports(needs)) == 2
    shared = windows(4, "totalUsers")[:2] + windows(4, "activeUsers")[2:]
    assert len(window_reports(shared)) == 1


def test_message_of_a_series() -> None:
    """A series is asked for by day, in order, with the quota told."""
    (report,) = series_reports([SeriesNeed(channel("Email"), frozenset({"sessions"}), FIRST, LAST)])
    message = report_message(report, "123", offset=100_000)
    assert message["property"] == "properties/123"
    assert message["date_ranges"] == [{"start_date": "2026-10-01", "end_date": "2026-12-31"}]
    assert message["dimensions"] == [{"name": "date"}]
    assert message["offset"] == 100_000
    assert message["return_property_quota"] is True
    assert message["dimension_filter"]["filter"]["string_filter"]["value"] == "Email"
    assert report.dimensions == ("date",)


def test_message_of_windows() -> None:
    """Several windows are named after their days, one is not named: GA4 adds no column for it."""
    (report,) = window_reports(windows(2, "totalUsers"))
    message = report_message(report, "123")
    assert [each["name"] for each in message["date_ranges"]] == [
        "days_20261001_20261028",
        "days_20261002_20261029",
    ]
    assert "dimensions" not in message
    assert "dimension_filter" not in message
    assert report.dimensions == ("dateRange",)
    (single,) = window_reports(windows(1, "totalUsers"))
    assert "name" not in report_message(single, "123")["date_ranges"][0]
    assert single.dimensions == ()
