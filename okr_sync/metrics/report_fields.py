"""GA4 metrics as arithmetic: which daily figures add up, which never do, which are quotients.

Belongs here: what is known of each metric's name, as data, and the advice that follows for a
binding. Does not belong here: requests to GA4 (connectors.ga4), SQL (evaluate) or dimensions.
Names and additivity: GA4 Data API schema (developers.google.com/analytics/devguides/reporting/
data/v1/api-schema) and its changelog of 2024-05 for the renamed ones.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Additivity(StrEnum):
    """How a metric's figure of a window follows from its daily figures."""

    SUM = "sum"  # the days add up
    DISTINCT = "distinct"  # people counted once: days must not be added
    RATIO = "ratio"  # a quotient of two metrics that add up
    EXACT = "exact"  # only GA4 can say: asked for at the exact window


@dataclass(frozen=True)
class RatioParts:
    """numerator ÷ denominator, both additive; with `complement`, 1 − that."""

    numerator: str
    denominator: str
    complement: bool = False


_SUM_NAMES = """
    sessions engagedSessions newUsers eventCount eventValue keyEvents screenPageViews
    userEngagementDuration transactions ecommercePurchases checkouts addToCarts
    itemListClickEvents itemListViewEvents itemPromotionClicks itemPromotionViews itemViewEvents
    itemsAddedToCart itemsCheckedOut itemsClickedInList itemsClickedInPromotion itemsPurchased
    itemsViewed itemsViewedInList itemsViewedInPromotion promotionClicks promotionViews
    adUnitExposure publisherAdClicks publisherAdImpressions
    advertiserAdClicks advertiserAdImpressions
    organicGoogleSearchClicks organicGoogleSearchImpressions
"""
_SUMS_OF_MONEY_NAMES = """
    purchaseRevenue totalRevenue totalAdRevenue grossPurchaseRevenue refundAmount shippingAmount
    taxAmount itemRevenue grossItemRevenue itemRefundAmount itemDiscountAmount
    itemShippingAmount itemTaxAmount advertiserAdCost
"""
_SUMS_OF_MONEY = frozenset(_SUMS_OF_MONEY_NAMES.split())
_SUMS = _SUMS_OF_MONEY | frozenset(_SUM_NAMES.split())

_ESTIMATED = frozenset({"sessions", "engagedSessions", "newUsers"})

_DISTINCT_NAMES = """
    totalUsers activeUsers active1DayUsers active7DayUsers active28DayUsers scrolledUsers
    totalPurchasers firstTimePurchasers crashAffectedUsers
"""
_DISTINCT = frozenset(_DISTINCT_NAMES.split())

_RATIOS = {
    "engagementRate": RatioParts("engagedSessions", "sessions"),
    "bounceRate": RatioParts("engagedSessions", "sessions", complement=True),
    "eventsPerSession": RatioParts("eventCount", "sessions"),
    "screenPageViewsPerSession": RatioParts("screenPageViews", "sessions"),
    "returnOnAdSpend": RatioParts("totalRevenue", "advertiserAdCost"),
    "advertiserAdCostPerClick": RatioParts("advertiserAdCost", "advertiserAdClicks"),
    "advertiserAdCostPerKeyEvent": RatioParts("advertiserAdCost", "keyEvents"),
    "organicGoogleSearchClickThroughRate": RatioParts(
        "organicGoogleSearchClicks", "organicGoogleSearchImpressions"
    ),
}

# Rates and averages whose parts GA4 doesn't expose (or only as people, who don't add up), and what
# each is taken over: the sessions or the people that the rate rests on.
# averageSessionDuration is here because userEngagementDuration is another clock: time in focus,
# not time from a session's first event to its last.
_EXACT = {
    "sessionKeyEventRate": "sessions",
    "averageSessionDuration": "sessions",
    "userKeyEventRate": "totalUsers",
    "purchaserRate": "activeUsers",
    "sessionsPerUser": "activeUsers",
    "eventCountPerUser": "activeUsers",
    "screenPageViewsPerUser": "activeUsers",
    "averageRevenuePerUser": "activeUsers",
    "averagePurchaseRevenuePerUser": "activeUsers",
    "transactionsPerPurchaser": "totalPurchasers",
    "averagePurchaseRevenuePerPayingUser": "totalPurchasers",
    "averagePurchaseRevenue": "transactions",
    "firstTimePurchaserRate": "activeUsers",
    "firstTimePurchasersPerNewUser": "newUsers",
    "crashFreeUsersRate": "activeUsers",
    "cartToViewRate": "activeUsers",
    "purchaseToViewRate": "activeUsers",
    "dauPerMau": "active28DayUsers",
    "dauPerWau": "active7DayUsers",
    "wauPerMau": "active28DayUsers",
    "organicGoogleSearchAveragePosition": "organicGoogleSearchImpressions",
}

_MONEY = _SUMS_OF_MONEY | {
    "advertiserAdCostPerClick",
    "advertiserAdCostPerKeyEvent",
    "averageRevenuePerUser",
    "averagePurchaseRevenue",
    "averagePurchaseRevenuePerUser",
    "averagePurchaseRevenuePerPayingUser",
}

# Names with an event or a parameter behind a colon, by the part before it.
_PREFIXES = {
    "keyEvents": Additivity.SUM,
    "customEvent": Additivity.SUM,
    "countCustomEvent": Additivity.SUM,
    "sessionKeyEventRate": Additivity.EXACT,
    "userKeyEventRate": Additivity.EXACT,
    "averageCustomEvent": Additivity.EXACT,
    "calcMetric": Additivity.EXACT,
}

_RENAMED = {
    "conversions": "keyEvents",
    "sessionConversionRate": "sessionKeyEventRate",
    "userConversionRate": "userKeyEventRate",
    "advertiserAdCostPerConversion": "advertiserAdCostPerKeyEvent",
    "purchaserConversionRate": "purchaserRate",
    "firstTimePurchaserConversionRate": "firstTimePurchaserRate",
}

_KNOWN = _SUMS | _DISTINCT | _RATIOS.keys() | _EXACT.keys()
_BY_LOWER_CASE = {name.lower(): name for name in _KNOWN}
_DAILY_AGGREGATION = re.compile(r"sum|average|min|max|median|p[1-9][0-9]?")


def additivity(metric: str) -> Additivity:
    """How days become a window for this metric; a metric that isn't known is `exact` (never summed)."""
    if metric in _SUMS:
        return Additivity.SUM
    if metric in _DISTINCT:
        return Additivity.DISTINCT
    if metric in _RATIOS:
        return Additivity.RATIO
    prefix, colon, _ = metric.partition(":")
    if colon and prefix in _PREFIXES:
        return _PREFIXES[prefix]
    return Additivity.EXACT


def is_known(metric: str) -> bool:
    """Whether this module knows what the metric is; GA4 may well have it when it doesn't."""
    prefix, colon, _ = metric.partition(":")
    return metric in _KNOWN or (bool(colon) and prefix in _PREFIXES)


def is_daily(metric: str) -> bool:
    """Whether the metric is stored day by day, to be added up over any window."""
    return additivity(metric) is Additivity.SUM


def is_exactly_additive(metric: str) -> bool:
    """Whether daily figures add up to GA4's figure of the whole to the digit: events and money do.

    GA4 estimates how many sessions and people there were, for a day and for a month apart.
    """
    return is_daily(metric) and metric not in _ESTIMATED


def is_money(metric: str) -> bool:
    """Whether the metric is an amount in the property's currency; of one's own metrics nobody knows."""
    return metric in _MONEY


def parts(metric: str) -> RatioParts | None:
    """The two additive metrics that a ratio is recomputed from; None for what isn't a ratio."""
    return _RATIOS.get(metric)


def basis(metric: str) -> str | None:
    """What a rate is taken over (`sessions` of sessionKeyEventRate); None for totals and unknowns.

    Its figure is the rate's sample size, and tells a rate of 0 from a rate over nothing.
    """
    ratio = _RATIOS.get(metric)
    return ratio.denominator if ratio else _EXACT.get(metric.partition(":")[0])


def check_report_aggregation(agg: str, field: str | None) -> str | None:
    """Why `agg` of this GA4 metric would be a wrong number, and what to write; None if it is right.

    A sum metric may be summed, or taken as daily figures (average, min, max, median, p1…p99). People
    are only counted distinct, rates only averaged (the pooled rate of the window). A metric that
    isn't known is read at the exact window, whichever of sum, average and count_distinct is written.
    """
    if agg == "count" or field is None:
        return (
            "report rows can't be counted: a row is a day, not a visit. "
            + "Name the metric that counts, such as `agg: sum, field: sessions`"
        )
    renamed = _current_name(field)
    if renamed is not None:
        return f"GA4 renamed `{field}`: write `field: {renamed}`"
    if not is_known(field):
        return _check_unknown(agg, field)
    kind = additivity(field)
    if kind is Additivity.SUM:
        if _DAILY_AGGREGATION.fullmatch(agg):
            return None
        return f"`{field}` is a total that adds up over days: write `agg: sum`"
    if kind is Additivity.DISTINCT:
        if agg == "count_distinct":
            return None
        return (
            f"`{field}` counts people, and one person may come on many days, so daily figures "
            + "can't be added or averaged: write `agg: count_distinct`"
        )
    if agg == "average":
        return None
    return (
        f"`{field}` is a rate or an average, which can't be added: write `agg: average`, "
        + "which gives the pooled figure of the whole window"
    )


def _current_name(field: str) -> str | None:
    prefix, colon, rest = field.partition(":")
    renamed = _RENAMED.get(prefix)
    return None if renamed is None else f"{renamed}{colon}{rest}"


def _check_unknown(agg: str, field: str) -> str | None:
    near = _BY_LOWER_CASE.get(field.lower())
    if near is not None:
        return f"GA4 has no metric `{field}`: write `field: {near}`"
    if agg in ("sum", "average", "count_distinct"):
        return None
    return (
        f"okr-sync doesn't know whether `{field}` adds up over days, so it is only read over the "
        + "whole window: write `agg: sum` for a total or `agg: average` for a rate"
    )
