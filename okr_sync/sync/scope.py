"""What one run is about: its instant, its key results, their days, and what is asked for them.

Belongs here: the type that a run's steps share. Does not belong here: how it follows from a Dagster
run (assets.run_scope) or what is done with it (measure, team).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from okr_sync.metrics.plan import Plan
from okr_sync.metrics.spans import Span
from okr_sync.sync.baselines import BaselineSpan
from okr_sync.sync.days import RunDays


@dataclass(frozen=True)
class RunScope:
    """One run: its id, the instant that it speaks from, its key results and their days."""

    run_id: str
    now: datetime
    """When the run began. Every step uses this instant, so that all agree on what `today` holds."""
    days: RunDays
    key_result_ids: tuple[str, ...]
    plan: Plan
    kept: Mapping[str, tuple[Span, ...]]
    """By key result id the past spans that can't be measured again and are judged anew."""
    baselines: Mapping[str, BaselineSpan]
    """By key result id the span of a baseline that is not frozen yet."""
    origin: str
    """`automatic`, or `backfill` for days that were asked for one by one."""
