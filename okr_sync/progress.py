"""OKR arithmetic: from a measured value and a goal to progress, score, pace and status.

Belongs here: pure functions over decimals and days. Does not belong here: how a value is measured
(metrics) or stored (warehouse).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    Cycle,
    Goal,
    GoalKind,
    KeyResult,
    OverKind,
    StatusThresholds,
)
from okr_sync.metrics.measurement import Measurement

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)
ASPIRATIONAL_ACHIEVED = Decimal("0.7")
"""An aspirational goal counts as achieved at 70 % when its cycle ends (design, section 5)."""


class Status(StrEnum):
    """How a key result stands, in the words of the field."""

    EXCEEDING = "exceeding"
    ON_TRACK = "on_track"
    LAGGING = "lagging"
    SEVERELY_LAGGING = "severely_lagging"
    ACHIEVED = "achieved"
    INSUFFICIENT_DATA = "insufficient_data"
    NO_DATA = "no_data"


@dataclass(frozen=True)
class Standing:
    """What a measured value means for its goal.

    `progress` is raw (below 0 and above 1 happen) and None for threshold goals; `score` lies in
    0…1; `expected_progress` is where the straight line to the target is on that day.
    """

    progress: Decimal | None
    score: Decimal | None
    expected_progress: Decimal | None
    status: Status
    flags: tuple[str, ...] = ()


def resolve_goal(goal: Goal, baseline: Decimal | None) -> Goal:
    """The goal with numbers, as far as they are known.

    `baseline` is the measured one, None while there is none; it counts only where the goal asks for
    it. A relative target follows from the baseline: a quarter more of 0.18 is 0.225. It stays unknown
    for a baseline that is not above 0, of which a quarter more would be less, or the same.
    """
    start = baseline if goal.measured_baseline else goal.baseline
    target = goal.target
    if goal.relative_target is not None:
        target = None
        if start is not None and start > 0:
            target = start * (ONE + goal.relative_target)
    return goal.model_copy(update={"baseline": start, "target": target})


def progress_toward(goal: Goal, value: Decimal) -> Decimal | None:
    """(value − baseline) ÷ (target − baseline), unclamped; None for a threshold goal.

    Also None while the baseline or the target is not known, and where they are the same number, so
    that there is no way to go. Falling goals need no special case: both differences change sign.
    """
    if goal.baseline is None or goal.target is None or goal.baseline == goal.target:
        return None
    return (value - goal.baseline) / (goal.target - goal.baseline)


def threshold_met(goal: Goal, value: Decimal) -> bool:
    """Whether the value lies within the goal's bounds, which themselves count as within."""
    return (goal.low is None or value >= goal.low) and (goal.high is None or value <= goal.high)


def elapsed_share(cycle: Cycle, as_of: date) -> Decimal:
    """The share of the cycle's days that have passed by the end of the as-of day, within 0…1."""
    total = (cycle.end - cycle.start).days
    passed = (as_of + timedelta(days=1) - cycle.start).days
    return Decimal(min(max(passed, 0), total)) / Decimal(total)


def judge(
    key_result: KeyResult,
    metric: AnyMetric,
    measurement: Measurement,
    as_of: date,
    thresholds: StatusThresholds,
) -> Standing:
    """Set a measurement against the key result's goal, which `resolve_goal` has filled in.

    Without a baseline there is nothing to judge by: `no_data`, flagged `no_baseline`; or, where a
    measured baseline turned out to be the target, `baseline_is_target`, or where it is not above 0
    and the target a share of it, `baseline_not_above_zero`.
    """
    goal = key_result.goal
    is_from_to = goal.kind is GoalKind.FROM_TO
    paced = is_from_to and key_result.pace != "none"
    expected = elapsed_share(key_result.cycle, as_of) if paced else None
    sample = measurement.sample_size
    below_min_n = metric.min_n is not None and sample is not None and sample < metric.min_n
    flags: tuple[str, ...] = ("below_min_n",) if below_min_n else ()
    value = measurement.value
    if is_from_to:
        flags += _goal_flags(goal)
    if value is None:
        # A cohort without a mature member is too young to judge; nothing at all is no data.
        immature = any(flag.startswith("immature:") for flag in measurement.quality)
        status = Status.INSUFFICIENT_DATA if below_min_n or immature else Status.NO_DATA
        return Standing(None, None, expected, status, flags)
    progress = progress_toward(goal, value) if is_from_to else None
    if below_min_n:
        return Standing(progress, None, expected, Status.INSUFFICIENT_DATA, flags)
    is_over = as_of >= key_result.cycle.end - timedelta(days=1)
    if not is_from_to:
        met = threshold_met(goal, value)
        status = _threshold_status(key_result, metric, value, met, is_over, as_of, thresholds)
        return Standing(None, ONE if met else ZERO, None, status, flags)
    if progress is None:
        return Standing(None, None, expected, Status.NO_DATA, flags)
    score = min(max(progress, ZERO), ONE)
    status = _progress_status(key_result, progress, is_over, as_of, thresholds)
    return Standing(progress, score, expected, status, flags)


def _goal_flags(goal: Goal) -> tuple[str, ...]:
    if goal.baseline is None:
        return ("no_baseline",)
    if goal.target is None:
        return ("baseline_not_above_zero",)
    return ("baseline_is_target",) if goal.baseline == goal.target else ()


def _progress_status(
    key_result: KeyResult,
    progress: Decimal,
    is_over: bool,
    as_of: date,
    thresholds: StatusThresholds,
) -> Status:
    is_committed = key_result.commitment == "committed"
    if progress >= ONE and (is_committed or key_result.pace == "none"):
        return Status.ACHIEVED
    if is_over and not is_committed and progress >= ASPIRATIONAL_ACHIEVED:
        return Status.ACHIEVED
    if key_result.pace == "none" and not is_over:
        return Status.ON_TRACK  # nothing is expected of it before the end
    return _pace_status(elapsed_share(key_result.cycle, as_of) - progress, thresholds)


def _pace_status(behind: Decimal, thresholds: StatusThresholds) -> Status:
    points = behind * HUNDRED
    if points <= thresholds.exceeding:
        return Status.EXCEEDING
    if points <= thresholds.on_track:
        return Status.ON_TRACK
    if points <= thresholds.lagging:
        return Status.LAGGING
    return Status.SEVERELY_LAGGING


def _threshold_status(
    key_result: KeyResult,
    metric: AnyMetric,
    value: Decimal,
    met: bool,
    is_over: bool,
    as_of: date,
    thresholds: StatusThresholds,
) -> Status:
    if met:
        return Status.ACHIEVED if is_over else Status.ON_TRACK
    if is_over:
        return Status.SEVERELY_LAGGING
    if key_result.pace == "none":
        return Status.ON_TRACK
    low = key_result.goal.low
    if key_result.goal.kind is GoalKind.AT_LEAST and low and is_cumulative(key_result, metric):
        # "At least 200 demo requests this quarter" is not missed in its second week: it has a pace.
        return _pace_status(elapsed_share(key_result.cycle, as_of) - value / low, thresholds)
    return Status.LAGGING


def is_cumulative(key_result: KeyResult, metric: AnyMetric) -> bool:
    """Whether the value grows from zero over the cycle: a count or sum over the whole cycle."""
    return (
        isinstance(metric, AggMetric)
        and metric.aggregation.agg in ("count", "sum")
        and key_result.over.kind is OverKind.CYCLE
    )
