"""Dagster's entry point: a project's folder becomes definitions.

Belongs here: putting the assets, the job, the schedule and the resources together. Does not belong
here: any of them (assets).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.automation import automation
from assets.conversion import conversion_assets
from assets.engagement import engagement_assets
from assets.funnel import funnel_assets
from assets.key_results import key_result_assets
from assets.pipeline import pipeline_assets
from assets.resources import default_resources
from assets.sources import source_assets
from assets.telling import telling
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project

PROJECT_VARIABLE = "OKR_SYNC_PROJECT"


def build_definitions(
    config: Bundle | Path, resources: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """The definitions of a project, given loaded or as its folder.

    `resources` replaces resources by name (warehouse, connectors, clock, reporter). A project
    without a usable key result has no assets, and so neither job nor schedule.
    """
    bundle = load_project(config) if isinstance(config, Path) else config
    families = [
        family(bundle)
        for family in (conversion_assets, funnel_assets, pipeline_assets, engagement_assets)
    ]
    assets = [
        *source_assets(bundle),
        *(family for family in families if family is not None),
        *key_result_assets(bundle),
    ]
    graph = dg.Definitions(
        assets=assets,
        resources={**default_resources(bundle), **(resources or {})},
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(graph, automation(bundle), telling(bundle)) if assets else graph


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the project that OKR_SYNC_PROJECT names, or of the working directory."""
    return build_definitions(Path(os.environ.get(PROJECT_VARIABLE, ".")))
