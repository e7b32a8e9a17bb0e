"""What of a project becomes assets.

Belongs here: which metrics, teams and days the graph covers. Does not belong here: the assets.
"""

import dagster as dg

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import AnyMetric, KeyResult


def used_metrics(bundle: Bundle) -> list[AnyMetric]:
    """The metrics that at least one key result of the project uses, by name."""
    names = {key_result.metric for key_result in bundle.key_results.values()}
    return [bundle.metrics[name] for name in sorted(names)]


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
