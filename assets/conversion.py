"""Conversion metrics: what share of a cohort reached the next stage in time.

Belongs here: the family's assets and what data people should know of them. Does not belong here:
how metrics are evaluated (metric_steps, okr_sync.metrics).
"""

import dagster as dg

from assets.metric_steps import family_assets
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Family


def conversion_assets(bundle: Bundle) -> dg.AssetsDefinition | None:
    """The project's conversion metrics as one step; None if it has none."""
    return family_assets(
        bundle,
        Family.CONVERSION,
        "A conversion is read over a cohort whose time to convert has passed.",
    )
