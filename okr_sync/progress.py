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


def progress_toward(goal: Goal, value: Decimal) -> Decimal | None:
    """(value − baseline) ÷ (target − baseline), unclamped; None for a threshold goal.

    Falling goals need no special case: both differences change sign.
    """
    if goal.kind is not GoalKind.FROM_TO or goal.baseline is None:
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
    """Set a measurement against the key result's goal as of a day."""
    goal = key_result.goal
    expected = elapsed_share(key_result.cycle, as_of) if goal.kind is GoalKind.FROM_TO else None
    sample = measurement.sample_size
    below_min_n = metric.min_n is not None and sample is not None and sample < metric.min_n
    flags = ("below_min_n",) if below_min_n else ()
    value = measurement.value
    if value is None:
        # A cohort without a mature member is too young to judge; nothing at all is no data.
        immature = any(flag.startswith("immature:") for flag in measurement.quality)
        status = Status.INSUFFICIENT_DATA if below_min_n or immature else Status.NO_DATA
        return Standing(None, None, expected, status, flags)
    progress = progress_toward(goal, value)
    if below_min_n:
        return Standing(progress, None, expected, Status.INSUFFICIENT_DATA, flags)
    is_over = as_of >= key_result.cycle.end - timedelta(days=1)
    if progress is None:
        met = threshold_met(goal, value)
        status = _threshold_status(key_result, metric, value, met, is_over, as_of, thresholds)
        return Standing(None, ONE if met else ZERO, None, status, flags)
    score = min(max(progress, ZERO), ONE)
    if key_result.commitment == "committed":
        achieved = progress >= ONE
    else:
        achieved = is_over and progress >= ASPIRATIONAL_ACHIEVED
    if achieved:
        return Standing(progress, score, expected, Status.ACHIEVED, flags)
    share = elapsed_share(key_result.cycle, as_of)
    return Standing(progress, score, expected, _pace_status(share - progress, thresholds), flags)


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
