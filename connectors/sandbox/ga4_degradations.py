"""The ways in which GA4 answers less than exactly.

Belongs here: names, and what each adds to an answer's metadata. Does not belong here: their effect
on rows (ga4_report), when they come (ga4_faults), failures that are no answer (ga4_errors.Failure).

Shapes: `metadata` of a report, API facts A5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Degradation(StrEnum):
    """Those that hold for a whole report, named as in the fault table without `ga4.`."""

    SAMPLED = "sampled"
    """The figures are estimated from half of the events (the sandbox's stay exact)."""
    THRESHOLDED = "thresholded"
    """Rows of fewer than SMALLEST_GROUP users are withheld."""
    OTHER_ROW = "other_row"
    """The smaller half of the rows is one row, `(other)` in each dimension."""
    TRUNCATED = "truncated"
    """Part of the period is cut off."""


SMALLEST_GROUP = 10
"""Users that a row must have not to be withheld where thresholds apply; the real number is secret."""


@dataclass(frozen=True)
class Degraded:
    """What holds for one report.

    `blocked` and `restricted` name metrics that read zero; of the restricted ones the report says so.
    `truncation` is the type of what is cut off.
    """

    kinds: frozenset[Degradation] = frozenset()
    blocked: frozenset[str] = frozenset()
    restricted: frozenset[str] = frozenset()
    truncation: str = "PROPERTY"

    def __contains__(self, kind: Degradation) -> bool:
        return kind in self.kinds


def sampling_metadata(event_counts: list[int]) -> list[dict[str, str]]:
    """`samplingMetadatas` for date ranges with this many events, half of them read."""
    return [
        {"samplesReadCount": str(count // 2), "samplingSpaceSize": str(count)}
        for count in event_counts
    ]


def truncation_reasons(kind: str, first_day: date) -> list[dict[str, str]]:
    """`dataTruncationReasons` of a type, such as PROPERTY, for data before this day."""
    return [
        {
            "dataTruncationType": f"DATA_TRUNCATION_TYPE_{kind}",
            "dataTruncationMessage": "Data before this date is not available.",
            "dataTruncationDate": first_day.isoformat(),
        }
    ]


def restrictions(restricted: Mapping[str, str]) -> dict[str, object]:
    """`schemaRestrictionResponse` for metrics and their restricted type (COST_DATA, REVENUE_DATA)."""
    return {
        "activeMetricRestrictions": [
            {"metricName": name, "restrictedMetricTypes": [kind]}
            for name, kind in restricted.items()
        ]
    }
