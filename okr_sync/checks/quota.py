"""Whether a source's request quota is near its end.

Belongs here: which of the figures that an API tells are a quota, and its limit. Does not belong here:
reading them (connectors).

HubSpot tells its daily limit beside what is left of it. GA4 tells only what is left; the limits are
those of a standard property: developers.google.com/analytics/devguides/reporting/data/v1/quotas. A
360 property has ten times as much, so what is near the end here is near it there ten times over.
"""

from collections.abc import Mapping
from typing import Final

from okr_sync.config.models import Ga4Source, HubSpotSource, Source

NEAR_THE_END: Final = 0.1
"""The share of a quota below which the rest may not last."""

_GA4_LIMITS: Final = {
    "tokens_per_day": 200_000,
    "tokens_per_hour": 40_000,
    "tokens_per_project_per_hour": 14_000,
}
_WORDS: Final = {
    "daily_remaining": "daily requests",
    "tokens_per_day": "daily tokens",
    "tokens_per_hour": "hourly tokens",
    "tokens_per_project_per_hour": "hourly tokens of this Google Cloud project",
}


_NOT_LEFT: Final = {"daily", "burst", "burst_remaining", "interval_ms"}
"""What HubSpot tells beside it: the limits, and its window of ten seconds, which is empty at full speed."""


def quota_left(quota: Mapping[str, int]) -> dict[str, int]:
    """What is left of each quota that can run out, by the name that its API gives it."""
    return {name: left for name, left in quota.items() if name not in _NOT_LEFT}


def near_the_end(source: Source, quota: Mapping[str, int]) -> list[str]:
    """The quotas of which less than a tenth is left, in words; none where nothing is known."""
    limits: dict[str, int] = {}
    if isinstance(source, HubSpotSource) and "daily" in quota:
        limits = {"daily_remaining": quota["daily"]}
    elif isinstance(source, Ga4Source):
        limits = _GA4_LIMITS
    return [
        _WORDS[name]
        for name, limit in limits.items()
        if name in quota and quota[name] < limit * NEAR_THE_END
    ]
