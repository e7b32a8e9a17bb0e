"""Conversion metrics: what share of a cohort reached the next stage in time.

Belongs here: the family's assets and what data people should know of them. Does not belong here:
what all metrics share (metric_specs), the step (steps) or the evaluation (okr_sync.metrics).
"""

import dagster as dg

from assets.metric_specs import family_specs
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Family


def conversion_specs(bundle: Bundle) -> list[dg.AssetSpec]:
    """The project's conversion metrics as assets."""
    return family_specs(
        bundle,
        Family.CONVERSION,
        "A conversion is read over a cohort whose time to convert has passed.",
    )
