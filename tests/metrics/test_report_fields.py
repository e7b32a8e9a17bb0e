"""What GA4 metrics mean arithmetically: which sums are right and which are refused, as tables."""

import pytest

from okr_sync.metrics.report_fields import (
    Additivity,
    RatioParts,
    additivity,
    basis,
    check_report_aggregation,
    is_daily,
    is_exactly_additive,
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
        ("count_distinct", "metricOfNextYear"),
        ("average", "customOf:next:year"),
    ],
)
def test_right_aggregations(agg: str, field: str) -> None:
    """What gives a true number is allowed."""
    assert check_report_aggregation(agg, field) is None


COUNTED = (
    "report rows can't be counted: a row is a day, not a visit. "
    "Name the metric that counts, such as `agg: sum, field: sessions`"
)
TOTAL = "`{}` is a total that adds up over days: write `agg: sum`"
PEOPLE = (
    "`{}` counts people, and one person may come on many days, so daily figures can't be added or "
    "averaged: write `agg: count_distinct`"
)
RATE = (
    "`{}` is a rate or an average, which can't be added: write `agg: average`, which gives the "
    "pooled figure of the whole window"
)
UNKNOWN = (
    "okr-sync doesn't know whether `{}` adds up over days, so it is only read over the whole "
    "window: write `agg: sum` for a total or `agg: average` for a rate"
)


@pytest.mark.parametrize(
    ("agg", "field", "complaint"),
    [
        ("count", None, COUNTED),
        ("count", "sessions", COUNTED),
        ("sum", None, COUNTED),
        ("count_distinct", "sessions", TOTAL),
        ("p0", "sessions", TOTAL),
        ("p100", "keyEvents:purchase", TOTAL),
        ("sum", "totalUsers", PEOPLE),
        ("average", "activeUsers", PEOPLE),
        ("max", "active7DayUsers", PEOPLE),
        ("sum", "engagementRate", RATE),
        ("median", "bounceRate", RATE),
        ("max", "sessionKeyEventRate", RATE),
        ("sum", "conversions", "GA4 renamed `{}`: write `field: keyEvents`"),
        ("sum", "conversions:buy:it", "GA4 renamed `{}`: write `field: keyEvents:buy:it`"),
        (
            "average",
            "sessionConversionRate:purchase",
            "GA4 renamed `{}`: write `field: sessionKeyEventRate:purchase`",
        ),
        ("average", "userConversionRate", "GA4 renamed `{}`: write `field: userKeyEventRate`"),
        ("sum", "Sessions", "GA4 has no metric `{}`: write `field: sessions`"),
        ("median", "metricOfNextYear", UNKNOWN),
        ("median", "customOf:next_year", UNKNOWN),
    ],
)
def test_wrong_aggregations(agg: str, field: str | None, complaint: str) -> None:
    """What would be a wrong number is refused, with what to write instead."""
    assert check_report_aggregation(agg, field) == complaint.format(field)


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        ("sessions", True),
        ("keyEvents:buy:it", True),
        ("keyEvents:", True),
        ("sessions:purchase", False),
        ("customOf:next_year", False),
        ("customEvent", False),
    ],
)
def test_what_is_known(metric: str, known: bool) -> None:
    """Known names, and those with an event or a parameter behind a colon that GA4 has."""
    assert is_known(metric) is known


@pytest.mark.parametrize(
    ("metric", "exactly"),
    [("keyEvents", True), ("totalRevenue", True), ("sessions", False), ("totalUsers", False)],
)
def test_what_adds_up_to_the_digit(metric: str, exactly: bool) -> None:
    """Events and money do; GA4 estimates sessions, for a day and a month apart; people never do."""
    assert is_exactly_additive(metric) is exactly
