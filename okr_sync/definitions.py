"""Dagster's entry point: a project's folder becomes definitions.

Belongs here: putting the assets, the job, the schedule and the resources together. Does not belong
here: any of them (assets).
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.automation import automation
from assets.resources import StepRetries, default_resources
from assets.sources import source_assets
from assets.steps import measuring_steps
from assets.telling import telling
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project

PROJECT_VARIABLE = "OKR_SYNC_PROJECT"


def build_definitions(
    config: Bundle | Path,
    resources: Mapping[str, Any] | None = None,
    *,
    with_checks: bool = True,
) -> dg.Definitions:
    """The definitions of a project, given loaded or as its folder.

    `resources` replaces resources by name (warehouse, connectors, clock, reporter, retries). A project
    without a usable key result has no assets, and so neither job nor schedule. Without checks Dagster is
    not told what the checks found; the warehouse is.
    """
    bundle = load_project(config) if isinstance(config, Path) else config
    with warnings.catch_warnings():
        # Links to the defining files are a beta feature of Dagster's; nothing a user could mend.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [
            *source_assets(bundle, with_checks=with_checks),
            *measuring_steps(bundle, with_checks=with_checks),
        ]
    given = {**default_resources(bundle), **(resources or {})}
    graph = dg.Definitions(assets=assets, resources=given, executor=dg.in_process_executor)
    return (
        dg.Definitions.merge(graph, automation(bundle, given), telling(bundle)) if assets else graph
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the project that OKR_SYNC_PROJECT names, or of the working directory.

    They are for Dagster's own processes, whose runs nobody waits for: a source that fails for the moment
    is tried again twice.
    """
    folder = Path(os.environ.get(PROJECT_VARIABLE, "."))
    return build_definitions(folder, {"retries": StepRetries(most=2)})
