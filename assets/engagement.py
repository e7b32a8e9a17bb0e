"""Engagement metrics: what visitors do, from GA4 reports.

Belongs here: the family's assets and what data people should know of them. Does not belong here:
how metrics are evaluated (metric_steps, okr_sync.metrics).
"""

import dagster as dg

from assets.metric_steps import family_assets
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Family


def engagement_assets(bundle: Bundle) -> dg.AssetsDefinition | None:
    """The project's engagement metrics as one step; None if it has none."""
    return family_assets(
        bundle,
        Family.ENGAGEMENT,
        "Engagement metrics come from GA4 reports, by the property's days.",
    )
