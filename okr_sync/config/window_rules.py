"""Rules on the window of a key result: cohorts that never mature, levels of the past, days GA4 forgot.

Belongs here: what `over` can never give for a metric and a cycle. Does not belong here: which days a
window means (metrics.windows), goals and units (goal_rules).
"""

from collections.abc import Mapping
from datetime import timedelta

from okr_sync.config.cycles import Calendar, period_start
from okr_sync.config.findings import Findings
from okr_sync.config.formula_rules import with_inputs
from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    ConversionMetric,
    KeyResult,
    OverKind,
    Position,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.config.rules import place_of
from okr_sync.config.wording import quoted
from okr_sync.config.yaml_reader import Node

# Fourteen months, the longest that GA4 keeps what it knows of single people.
_GA4_KEEPS = timedelta(days=427)


def check_window(
    key_result: KeyResult,
    metric: AnyMetric,
    metrics: Mapping[str, AnyMetric],
    calendar: Calendar,
    node: Node,
    findings: Findings,
) -> None:
    """What `over` can never give for this metric and cycle."""
    over = key_result.over
    position = place_of(node, ("over",))
    length = key_result.cycle.end - key_result.cycle.start
    leaves = [metrics[name] for name in sorted(with_inputs([metric.name], metrics))]
    for leaf in leaves:
        if isinstance(leaf, ConversionMetric):
            _check_maturity(key_result, leaf, length, position, findings)
        is_level = isinstance(leaf, SnapshotMetric) or (
            isinstance(leaf, SqlMetric) and leaf.snapshot
        )
        if is_level and over.kind is OverKind.PREVIOUS:
            findings.error(
                position,
                "snapshot-over-previous",
                f"{quoted(leaf.name)} is a level as it is now, and `previous` is past.",
                "Use the default, `over: cycle`.",
            )
            break
        days = timedelta(days=over.days or 0)
        if isinstance(leaf, AggMetric) and leaf.time is None and days > _GA4_KEEPS:
            findings.warn(
                position,
                "window-beyond-retention",
                f"{over.days} days reach further back than the 14 months for which GA4 keeps people.",
                "Look at 400 days at most, and check the retention in GA4's settings.",
            )
            break
    if over.kind is OverKind.PREVIOUS and over.period is not None:
        last_day = key_result.cycle.end - timedelta(days=1)
        first = period_start(key_result.cycle.start, over.period, calendar)
        if first == period_start(last_day, over.period, calendar):
            findings.warn(
                position,
                "window-never-moves",
                f"The previous {over.period} is the same all through the cycle, and before it.",
                f"Use `over: cycle` or {{to_date: {over.period}}}.",
            )


def _check_maturity(
    key_result: KeyResult,
    metric: ConversionMetric,
    length: timedelta,
    position: Position,
    findings: Findings,
) -> None:
    over = key_result.over
    longest = {"week": 7, "month": 31, "quarter": 92, "year": 366}
    days = over.days if over.kind is OverKind.LAST else longest.get(over.period or "")
    if over.kind is OverKind.PREVIOUS and days is not None:
        days *= 2  # on the last day of a period, the first day of the one before is so long ago
    within = f"{metric.within / timedelta(days=1):g} days"
    if over.kind is OverKind.CYCLE:
        if metric.within >= length:
            findings.warn(
                position,
                "within-longer-than-cycle",
                f"`within` of {quoted(metric.name)} is {within}, so no cohort of this cycle is "
                "mature before it ends.",
                "Look further back, as in {last: 180d}, or shorten `within`.",
            )
    elif days is not None and metric.within >= timedelta(days=days):
        findings.error(
            position,
            "window-never-mature",
            f"`within` of {quoted(metric.name)} is {within}, so no cohort of these {days} days ever "
            "has it behind it.",
            "Make the window longer than `within`.",
        )
