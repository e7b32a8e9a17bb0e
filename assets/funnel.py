"""Funnel metrics: how many leads, MQLs and SQLs there are, how good and how fast.

Belongs here: the family's assets and what data people should know of them. Does not belong here:
what all metrics share (metric_specs), the step (steps) or the evaluation (okr_sync.metrics).
"""

import dagster as dg

from assets.metric_specs import family_specs
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Family


def funnel_specs(bundle: Bundle) -> list[dg.AssetSpec]:
    """The project's funnel metrics as assets."""
    return family_specs(
        bundle,
        Family.FUNNEL,
        "Funnel metrics count and weigh contacts on their way to sales.",
    )
