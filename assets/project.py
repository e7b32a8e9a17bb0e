"""What of a project becomes assets.

Belongs here: which metrics, teams and days the graph covers. Does not belong here: the assets.
"""

import dagster as dg

from assets.keys import dataset_key, key_result_key, metric_key
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import AnyMetric, KeyResult
from okr_sync.metrics.dependencies import datasets_read, with_inputs


def used_metrics(bundle: Bundle) -> list[AnyMetric]:
    """The metrics that key results of the project use, directly or in formulas; inputs come first."""
    names = {key_result.metric for key_result in bundle.key_results.values()}
    return with_inputs(bundle.metrics, names)


def upstream_keys(bundle: Bundle, key_result: KeyResult) -> list[dg.AssetKey]:
    """A key result's own asset and all that it hangs on: metrics, inputs of formulas and datasets."""
    metrics = with_inputs(bundle.metrics, [key_result.metric])
    datasets = (dataset for metric in metrics for dataset in datasets_read(bundle.project, metric))
    keys = [*map(dataset_key, datasets), *map(metric_key, metrics), key_result_key(key_result)]
    return list(dict.fromkeys(keys))


def key_results_by_team(bundle: Bundle) -> dict[str, list[KeyResult]]:
    """The project's key results by team, teams in order of name."""
    teams: dict[str, list[KeyResult]] = {}
    for key_result in bundle.key_results.values():
        teams.setdefault(key_result.team, []).append(key_result)
    return dict(sorted(teams.items()))


def as_of_days(bundle: Bundle) -> dg.DailyPartitionsDefinition:
    """The as-of days of a project with key results: from the first cycle's first day to today, in the project's time zone.

    Today is a partition too (`end_offset=1`): its value is as of now, and provisional.
    """
    first = min(key_result.cycle.start for key_result in bundle.key_results.values())
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(), timezone=bundle.project.time_zone, end_offset=1
    )
