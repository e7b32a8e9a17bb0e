"""The dimensions and metrics that the GA4 sandbox knows, and which of them go together.

Belongs here: API names, types, categories, old names, compatibility. Does not belong here: how a
figure is computed (ga4_metrics) or what else is wrong with a request (ga4_validation).

Names and renames: API facts A6. The real service has far more names; those here are the ones that
marketing key results use, and a few that are there to be refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

NOT_SET = "(not set)"


class DimensionScope(Enum):
    """What a dimension describes; decides which metrics it goes with."""

    TIME = "Time"
    SESSION = "Session"
    USER = "User"
    EVENT = "Event"
    ATTRIBUTION = "Attribution"
    ITEM = "E-commerce"
    RANGE = "Other"


class MetricScope(Enum):
    """What a metric counts; decides which dimensions it goes with."""

    SESSION = "Session"
    USER = "User"
    ROLLING_USER = "Rolling user"
    EVENT = "Event"
    KEY_EVENT = "Key event"
    REVENUE = "Revenue"
    ADVERTISING = "Advertising"
    ITEM = "E-commerce"


class MetricType(StrEnum):
    """The types of `metricHeaders`, as the API writes them."""

    INTEGER = "TYPE_INTEGER"
    FLOAT = "TYPE_FLOAT"
    SECONDS = "TYPE_SECONDS"
    CURRENCY = "TYPE_CURRENCY"


@dataclass(frozen=True)
class DimensionField:
    """One dimension of the schema."""

    name: str
    scope: DimensionScope
    ui_name: str
    old_names: tuple[str, ...] = ()
    may_threshold: bool = False
    """True when asking for it can hold rows back to keep people from being identified."""

    @property
    def is_custom(self) -> bool:
        """Whether the property itself registered it."""
        return is_custom_dimension(self.name)


@dataclass(frozen=True)
class MetricField:
    """One metric of the schema. `expression` is how it follows from others, empty when it is basic."""

    name: str
    type: MetricType
    scope: MetricScope
    ui_name: str
    old_names: tuple[str, ...] = ()
    expression: str = ""
    is_cost: bool = False


_TIME = ("date", "year", "month", "yearMonth", "isoYearIsoWeek", "dayOfWeek")
TIME_DIMENSIONS = frozenset(_TIME)

SESSION_COLUMNS: dict[str, DimensionScope] = {
    "sessionDefaultChannelGroup": DimensionScope.SESSION,
    "sessionPrimaryChannelGroup": DimensionScope.SESSION,
    "sessionSource": DimensionScope.SESSION,
    "sessionMedium": DimensionScope.SESSION,
    "sessionCampaignName": DimensionScope.SESSION,
    "sessionCampaignId": DimensionScope.SESSION,
    "sessionManualTerm": DimensionScope.SESSION,
    "landingPage": DimensionScope.SESSION,
    "landingPagePlusQueryString": DimensionScope.SESSION,
    "hostName": DimensionScope.SESSION,
    "firstUserDefaultChannelGroup": DimensionScope.USER,
    "firstUserSource": DimensionScope.USER,
    "firstUserMedium": DimensionScope.USER,
    "firstUserCampaignName": DimensionScope.USER,
    "country": DimensionScope.USER,
    "region": DimensionScope.USER,
    "city": DimensionScope.USER,
    "language": DimensionScope.USER,
    "deviceCategory": DimensionScope.USER,
    "operatingSystem": DimensionScope.USER,
    "browser": DimensionScope.USER,
    "platform": DimensionScope.USER,
    "userAgeBracket": DimensionScope.USER,
    "userGender": DimensionScope.USER,
    "brandingInterest": DimensionScope.USER,
    "audienceId": DimensionScope.USER,
    "audienceName": DimensionScope.USER,
}
"""The dimensions that may be columns of sessions.csv; one without a column is `(not set)`."""

_THRESHOLDED = {"userAgeBracket", "userGender", "brandingInterest", "audienceId", "audienceName"}
_CUSTOM_PREFIXES = ("customEvent:", "customUser:")


def is_custom_dimension(name: str) -> bool:
    """Whether the name is of a dimension that a property registers itself."""
    return any(name.startswith(p) and len(name) > len(p) for p in _CUSTOM_PREFIXES)


def _ui_name(name: str) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.split(":", 1)[-1].replace("_", " ").strip().capitalize()


def _dimension(name: str, scope: DimensionScope, old_names: tuple[str, ...] = ()) -> DimensionField:
    return DimensionField(name, scope, _ui_name(name), old_names, name in _THRESHOLDED)


_DIMENSIONS: tuple[DimensionField, ...] = (
    *(_dimension(name, DimensionScope.TIME) for name in _TIME),
    *(_dimension(name, scope) for name, scope in SESSION_COLUMNS.items()),
    _dimension("newVsReturning", DimensionScope.USER),
    _dimension("sessionSourceMedium", DimensionScope.SESSION),
    _dimension("eventName", DimensionScope.EVENT),
    _dimension("isKeyEvent", DimensionScope.EVENT, ("isConversionEvent",)),
    _dimension("source", DimensionScope.ATTRIBUTION),
    _dimension("medium", DimensionScope.ATTRIBUTION),
    _dimension("sourceMedium", DimensionScope.ATTRIBUTION),
    _dimension("campaignName", DimensionScope.ATTRIBUTION),
    _dimension("defaultChannelGroup", DimensionScope.ATTRIBUTION),
    _dimension("itemId", DimensionScope.ITEM),
    _dimension("itemName", DimensionScope.ITEM),
    _dimension("itemCategory", DimensionScope.ITEM),
    _dimension("dateRange", DimensionScope.RANGE),
)

_INT, _FLOAT = MetricType.INTEGER, MetricType.FLOAT
_SECONDS, _MONEY = MetricType.SECONDS, MetricType.CURRENCY
_S, _U, _R = MetricScope.SESSION, MetricScope.USER, MetricScope.ROLLING_USER

_METRICS: tuple[MetricField, ...] = (
    MetricField("sessions", _INT, _S, "Sessions"),
    MetricField("engagedSessions", _INT, _S, "Engaged sessions"),
    MetricField(
        "engagementRate", _FLOAT, _S, "Engagement rate", expression="engagedSessions/sessions"
    ),
    MetricField("bounceRate", _FLOAT, _S, "Bounce rate"),
    MetricField("averageSessionDuration", _SECONDS, _S, "Average session duration"),
    MetricField(
        "eventsPerSession", _FLOAT, _S, "Events per session", expression="eventCount/sessions"
    ),
    MetricField(
        "sessionsPerUser", _FLOAT, _S, "Sessions per user", expression="sessions/activeUsers"
    ),
    MetricField("screenPageViewsPerSession", _FLOAT, _S, "Views per session"),
    MetricField("screenPageViewsPerUser", _FLOAT, _U, "Views per active user"),
    MetricField("eventCountPerUser", _FLOAT, _U, "Event count per active user"),
    MetricField("totalUsers", _INT, _U, "Total users"),
    MetricField("activeUsers", _INT, _U, "Active users"),
    MetricField("newUsers", _INT, _U, "New users"),
    MetricField("active7DayUsers", _INT, _R, "7-day active users"),
    MetricField("active28DayUsers", _INT, _R, "28-day active users"),
    MetricField("userEngagementDuration", _SECONDS, _U, "User engagement"),
    MetricField("eventCount", _INT, MetricScope.EVENT, "Event count"),
    MetricField("screenPageViews", _INT, MetricScope.EVENT, "Views"),
    MetricField("keyEvents", _FLOAT, MetricScope.KEY_EVENT, "Key events", ("conversions",)),
    MetricField(
        "sessionKeyEventRate",
        _FLOAT,
        _S,
        "Session key event rate",
        ("sessionConversionRate",),
    ),
    MetricField("userKeyEventRate", _FLOAT, _U, "User key event rate", ("userConversionRate",)),
    MetricField("totalRevenue", _MONEY, MetricScope.REVENUE, "Total revenue"),
    MetricField("purchaseRevenue", _MONEY, MetricScope.REVENUE, "Purchase revenue"),
    MetricField("transactions", _INT, MetricScope.REVENUE, "Transactions"),
    MetricField("totalPurchasers", _INT, _U, "Total purchasers"),
    MetricField("purchaserRate", _FLOAT, _U, "Purchaser rate"),
    MetricField("advertiserAdClicks", _INT, MetricScope.ADVERTISING, "Ads clicks"),
    MetricField("advertiserAdImpressions", _INT, MetricScope.ADVERTISING, "Ads impressions"),
    MetricField("advertiserAdCost", _MONEY, MetricScope.ADVERTISING, "Ads cost", is_cost=True),
    MetricField(
        "returnOnAdSpend", _FLOAT, MetricScope.ADVERTISING, "Return on ad spend", is_cost=True
    ),
    MetricField("itemViewEvents", _INT, MetricScope.ITEM, "Item view events"),
    MetricField("itemsPurchased", _INT, MetricScope.ITEM, "Items purchased"),
    MetricField("itemRevenue", _MONEY, MetricScope.ITEM, "Item revenue"),
)

_ALL_DIMENSION_SCOPES = frozenset(DimensionScope)
_REFUSED: dict[MetricScope, frozenset[DimensionScope]] = {
    MetricScope.SESSION: frozenset({DimensionScope.ATTRIBUTION, DimensionScope.ITEM}),
    MetricScope.USER: frozenset({DimensionScope.ATTRIBUTION, DimensionScope.ITEM}),
    MetricScope.ROLLING_USER: frozenset({DimensionScope.ATTRIBUTION, DimensionScope.ITEM}),
    MetricScope.EVENT: frozenset({DimensionScope.ATTRIBUTION, DimensionScope.ITEM}),
    MetricScope.KEY_EVENT: frozenset({DimensionScope.ITEM}),
    MetricScope.REVENUE: frozenset({DimensionScope.ITEM}),
    MetricScope.ADVERTISING: frozenset(
        {DimensionScope.EVENT, DimensionScope.ITEM, DimensionScope.USER}
    ),
    MetricScope.ITEM: _ALL_DIMENSION_SCOPES
    - {DimensionScope.ITEM, DimensionScope.TIME, DimensionScope.RANGE},
}
_CLASHING_DIMENSIONS = frozenset(
    {
        frozenset({DimensionScope.ATTRIBUTION, DimensionScope.SESSION}),
        frozenset({DimensionScope.ITEM, DimensionScope.SESSION}),
        frozenset({DimensionScope.ITEM, DimensionScope.ATTRIBUTION}),
    }
)
_CLASHING_METRICS = frozenset(
    {
        frozenset({MetricScope.ITEM, other})
        for other in MetricScope
        if other not in (MetricScope.ITEM, MetricScope.REVENUE)
    }
)
_COARSE_TIME = TIME_DIMENSIONS - {"date"}

Field = DimensionField | MetricField


class Schema:
    """The schema of one property: the common names and what its own data adds to them."""

    def __init__(self, custom_dimensions: Iterable[str], key_events: Iterable[str]) -> None:
        custom = [
            DimensionField(name, DimensionScope.EVENT, _ui_name(name))
            if name.startswith("customEvent:")
            else DimensionField(name, DimensionScope.USER, _ui_name(name))
            for name in sorted(custom_dimensions)
        ]
        rates = [
            MetricField(f"{name}:{event}", base.type, base.scope, f"{base.ui_name} for {event}")
            for name in ("sessionKeyEventRate", "userKeyEventRate")
            for base in (next(m for m in _METRICS if m.name == name),)
            for event in sorted(key_events)
        ]
        self.dimensions = {field.name: field for field in (*_DIMENSIONS, *custom)}
        self.metrics = {field.name: field for field in (*_METRICS, *rates)}

    def first_clash(self, fields: Sequence[Field]) -> Field | None:
        """The field to remove so that what stands before it goes together; None if all do."""
        for index, field in enumerate(fields):
            if any(not goes_together(earlier, field) for earlier in fields[:index]):
                return field
        return None


def goes_together(one: Field, other: Field) -> bool:
    """Whether two fields can be in one request (API facts A6, and GA4's scopes)."""
    if isinstance(one, DimensionField) and isinstance(other, DimensionField):
        return frozenset({one.scope, other.scope}) not in _CLASHING_DIMENSIONS
    if isinstance(one, MetricField) and isinstance(other, MetricField):
        return frozenset({one.scope, other.scope}) not in _CLASHING_METRICS
    if isinstance(one, MetricField):
        one, other = other, one
    assert isinstance(one, DimensionField) and isinstance(other, MetricField)
    if other.scope is MetricScope.ROLLING_USER and one.name in _COARSE_TIME:
        return False
    return one.scope not in _REFUSED[other.scope]


def revenue_metrics() -> tuple[str, ...]:
    """The metrics that a property can hide from people who may not see its revenue."""
    return tuple(
        field.name
        for field in _METRICS
        if field.scope is MetricScope.REVENUE and field.type is MetricType.CURRENCY
    )
