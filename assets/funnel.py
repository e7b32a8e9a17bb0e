"""Funnel metrics: how many leads, MQLs and SQLs there are, how good and how fast.

Belongs here: the family's assets and what data people should know of them. Does not belong here:
how metrics are evaluated (metric_steps, okr_sync.metrics).
"""

import dagster as dg

from assets.metric_steps import family_assets
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Family


def funnel_assets(bundle: Bundle) -> dg.AssetsDefinition | None:
    """The project's funnel metrics as one step; None if it has none."""
    return family_assets(
        bundle, Family.FUNNEL, "Funnel metrics count and weigh contacts on their way to sales."
    )
