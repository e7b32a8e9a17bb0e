"""What GA4 says of how good a report is, as quality flags.

Belongs here: which response metadata becomes which flag, and which of them refuse a figure. Does not
belong here: flags that follow from the records themselves, or showing them (okr_sync).

Metadata: google/analytics/data/v1beta/data.proto, ResponseMetaData and MetricMetadata.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from okr_sync.warehouse.report_store import FigureRefusal

SAMPLED = "sampled"  # computed from a part of the events
THRESHOLDED = "thresholded"  # rows held back so that nobody can be recognised
OTHER_ROW = "other_row"  # rare values were thrown together as "(other)"
TRUNCATED = "truncated"  # a part of the data was cut off
TOTAL_DIFFERS = "total_differs"  # the days don't add up to GA4's own total
SCHEMA_RESTRICTED = "schema_restricted"  # our user may not see this metric: GA4 says 0
BLOCKED_METRIC = "blocked_metric"  # the property doesn't give this metric to us: GA4 says 0


def report_flags(metadata: Any) -> frozenset[str]:
    """The flags that hold for every figure of a report, from its raw ResponseMetaData."""
    flags = set()
    if metadata.sampling_metadatas:
        flags.add(SAMPLED)
    if metadata.subject_to_thresholding:
        flags.add(THRESHOLDED)
    if metadata.data_loss_from_other_row:
        flags.add(OTHER_ROW)
    if metadata.data_truncation_reasons:
        flags.add(TRUNCATED)
    return frozenset(flags)


def restricted_metrics(metadata: Any) -> frozenset[str]:
    """The metrics of a report that our user may not see, from its raw ResponseMetaData."""
    restrictions = metadata.schema_restriction_response.active_metric_restrictions
    return frozenset(restriction.metric_name for restriction in restrictions)


def is_amount(metric_type: str) -> bool:
    """Whether metrics of this type are money, in the property's currency."""
    return metric_type == "TYPE_CURRENCY"


def may_be_blocked(metric: str, metric_type: str) -> bool:
    """Whether the property could block the metric: GA4 blocks cost and revenue, and nothing else."""
    return is_amount(metric_type) or metric.startswith("advertiser") or metric == "returnOnAdSpend"


def blocked_metrics(metadata: Any) -> frozenset[str]:
    """The metrics that the property doesn't give to our user, from its raw Metadata."""
    return frozenset(metric.api_name for metric in metadata.metrics if metric.blocked_reasons)


def hidden_metrics(
    metrics: Iterable[str], restricted: Collection[str], blocked: Collection[str]
) -> dict[str, FigureRefusal]:
    """Those of the metrics that GA4 shows as 0 because we may not see them, and why in words."""
    hidden: dict[str, FigureRefusal] = {}
    for metric in metrics:
        flags = [SCHEMA_RESTRICTED] if metric in restricted else []
        flags += [BLOCKED_METRIC] if metric in blocked else []
        if flags:
            hidden[metric] = FigureRefusal(
                f"GA4 hides {metric} from the credential of this source and says 0 instead, so "
                "there is no number. In GA4, under Admin > Property access management, take the "
                "restriction (`No cost metrics`, `No revenue metrics`) off its account; the next "
                "run reads the figures.",
                tuple(sorted(flags)),
            )
    return hidden


_QUOTAS = (
    "tokens_per_day",
    "tokens_per_hour",
    "tokens_per_project_per_hour",
    "concurrent_requests",
    "server_errors_per_project_per_hour",
    "potentially_thresholded_requests_per_hour",
)


def quota_left(known: Mapping[str, int], quota: Any) -> dict[str, int]:
    """What is left of each of the property's quotas, by the lowest figure seen in this pull.

    `quota` is a raw PropertyQuota; a bucket that the report doesn't mention stays as known.
    """
    left = dict(known)
    for name in _QUOTAS:
        if quota.HasField(name):
            remaining = int(getattr(quota, name).remaining)
            left[name] = min(remaining, left.get(name, remaining))
    return left
