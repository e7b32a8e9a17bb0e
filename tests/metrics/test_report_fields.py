"""What GA4 metrics mean arithmetically: which sums are right and which are refused, as tables."""

import pytest

from okr_sync.metrics.report_fields import (
    Additivity,
    RatioParts,
    additivity,
    basis,
    check_report_aggregation,
    is_daily,
    is_known,
    parts,
)


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("sessions", Additivity.SUM),
        ("engagedSessions", Additivity.SUM),
        ("newUsers", Additivity.SUM),
        ("eventCount", Additivity.SUM),
        ("screenPageViews", Additivity.SUM),
        ("keyEvents", Additivity.SUM),
        ("keyEvents:purchase", Additivity.SUM),
        ("transactions", Additivity.SUM),
        ("purchaseRevenue", Additivity.SUM),
        ("totalRevenue", Additivity.SUM),
        ("advertiserAdCost", Additivity.SUM),
        ("userEngagementDuration", Additivity.SUM),
        ("customEvent:seconds_watched", Additivity.SUM),
        ("totalUsers", Additivity.DISTINCT),
        ("activeUsers", Additivity.DISTINCT),
        ("active7DayUsers", Additivity.DISTINCT),
        ("active28DayUsers", Additivity.DISTINCT),
        ("totalPurchasers", Additivity.DISTINCT),
        ("engagementRate", Additivity.RATIO),
        ("bounceRate", Additivity.RATIO),
        ("eventsPerSession", Additivity.RATIO),
        ("returnOnAdSpend", Additivity.RATIO),
        ("averageSessionDuration", Additivity.EXACT),
        ("sessionKeyEventRate", Additivity.EXACT),
        ("sessionKeyEventRate:purchase", Additivity.EXACT),
        ("userKeyEventRate", Additivity.EXACT),
        ("purchaserRate", Additivity.EXACT),
        ("averageCustomEvent:price", Additivity.EXACT),
        ("metricOfNextYear", Additivity.EXACT),
    ],
)
def test_additivity(metric: str, kind: Additivity) -> None:
    """Each metric is added over days only if days really add up; an unknown one never is."""
    assert additivity(metric) is kind
    assert is_daily(metric) is (kind is Additivity.SUM)
    assert (parts(metric) is not None) is (kind is Additivity.RATIO)
    assert is_known(metric) is (metric != "metricOfNextYear")


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("engagementRate", RatioParts("engagedSessions", "sessions")),
        ("bounceRate", RatioParts("engagedSessions", "sessions", complement=True)),
        ("eventsPerSession", RatioParts("eventCount", "sessions")),
        ("sessions", None),
        ("sessionKeyEventRate", None),
    ],
)
def test_parts(metric: str, expected: RatioParts | None) -> None:
    """A rate is recomputed from the sums that GA4 defines it by."""
    assert parts(metric) == expected


def test_parts_add_up() -> None:
    """Both parts of every ratio are additive, or pooling it would be wrong."""
    for metric in ("engagementRate", "bounceRate", "eventsPerSession", "returnOnAdSpend"):
        ratio = parts(metric)
        assert ratio is not None
        assert is_daily(ratio.numerator)
        assert is_daily(ratio.denominator)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("sessionKeyEventRate", "sessions"),
        ("sessionKeyEventRate:purchase", "sessions"),
        ("userKeyEventRate", "totalUsers"),
        ("averageSessionDuration", "sessions"),
        ("bounceRate", "sessions"),
        ("sessions", None),
        ("totalUsers", None),
        ("metricOfNextYear", None),
    ],
)
def test_basis(metric: str, expected: str | None) -> None:
    """A rate's sample is what it is taken over."""
    assert basis(metric) == expected


@pytest.mark.parametrize(
    ("agg", "field"),
    [
        ("sum", "sessions"),
        ("average", "sessions"),
        ("median", "keyEvents"),
        ("max", "totalRevenue"),
        ("min", "sessions"),
        ("p90", "eventCount"),
        ("count_distinct", "totalUsers"),
        ("count_distinct", "active28DayUsers"),
        ("average", "engagementRate"),
        ("average", "bounceRate"),
        ("average", "sessionKeyEventRate:purchase"),
        ("average", "averageSessionDuration"),
        ("sum", "metricOfNextYear"),
        ("average", "metricOfNextYear"),
    ],
)
def test_right_aggregations(agg: str, field: str) -> None:
    """What gives a true number is allowed."""
    assert check_report_aggregation(agg, field) is None


@pytest.mark.parametrize(
    ("agg", "field", "remedy"),
    [
        ("count", None, "agg: sum, field: sessions"),
        ("count", "sessions", "agg: sum, field: sessions"),
        ("count_distinct", "sessions", "agg: sum"),
        ("sum", "totalUsers", "agg: count_distinct"),
        ("average", "activeUsers", "agg: count_distinct"),
        ("max", "active7DayUsers", "agg: count_distinct"),
        ("sum", "engagementRate", "agg: average"),
        ("median", "bounceRate", "agg: average"),
        ("max", "sessionKeyEventRate", "agg: average"),
        ("sum", "conversions", "keyEvents"),
        ("sum", "conversions:purchase", "keyEvents:purchase"),
        ("average", "sessionConversionRate:purchase", "sessionKeyEventRate:purchase"),
        ("average", "userConversionRate", "userKeyEventRate"),
        ("sum", "Sessions", "sessions"),
        ("median", "metricOfNextYear", "whole window"),
    ],
)
def test_wrong_aggregations(agg: str, field: str | None, remedy: str) -> None:
    """What would be a wrong number is refused, with what to write instead."""
    complaint = check_report_aggregation(agg, field)
    assert complaint is not None
    assert remedy in complaint
