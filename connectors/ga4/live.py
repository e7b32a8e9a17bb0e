"""What a GA4 property has of that which bindings name, and what of it goes together.

Belongs here: getMetadata and checkCompatibility for `check --live`. Does not belong here: reports
(connector) or how findings are shown (commands). Facts: Data API v1beta, getMetadata and
checkCompatibility, which answers 400 for fields that can't be combined.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from connectors.ga4.calls import Ga4Calls, RefusedReportError
from connectors.health import LOOK_RETRIES, LOOK_SECONDS
from okr_sync.config.models import Ga4Source


@dataclass(frozen=True)
class PropertyFields:
    """The API names of a property's dimensions and metrics, and why some metrics are blocked."""

    dimensions: frozenset[str]
    metrics: frozenset[str]
    blocked: Mapping[str, str]


class Ga4Probe(Ga4Calls):
    """Asks one property, over one connection, for somebody who waits. Every method raises SourceError."""

    def __init__(self, source: Ga4Source, environ: Mapping[str, str]) -> None:
        super().__init__(source, environ, LOOK_RETRIES, timeout_seconds=LOOK_SECONDS)

    def fields(self) -> PropertyFields:
        """All dimensions and metrics of the property, its own ones among them."""
        metadata = self.metadata()
        return PropertyFields(
            frozenset(one.api_name for one in metadata.dimensions),
            frozenset(one.api_name for one in metadata.metrics),
            {
                one.api_name: ", ".join(
                    _REASONS.get(int(why), "blocked") for why in one.blocked_reasons
                )
                for one in metadata.metrics
                if one.blocked_reasons
            },
        )

    def go_together(self, metric: str, dimensions: Collection[str]) -> bool:
        """Whether one report can have the metric and all of the dimensions."""
        from google.analytics.data_v1beta.types import CheckCompatibilityRequest

        request = CheckCompatibilityRequest(
            {
                "property": f"properties/{self._source.property}",
                "metrics": [{"name": metric}],
                "dimensions": [{"name": name} for name in sorted(dimensions)],
            }
        )
        try:
            self._send(
                lambda client: client.check_compatibility(
                    request, retry=None, timeout=self._timeout
                ),
                f"what goes with {metric}",
            )
        except RefusedReportError:
            return False
        return True


# MetricMetadata.BlockedReason (data.proto).
_REASONS = {1: "no permission to see revenue", 2: "no permission to see cost"}
