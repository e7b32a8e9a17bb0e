"""What is handed to the warehouse to be published: definitions, observations and failures.

Belongs here: plain input types. Does not belong here: how they are computed (metrics, progress) or
written (publish, evaluations).
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

# Only for the checker: `status` reads goals, and starts without what definitions are made of.
if TYPE_CHECKING:
    from okr_sync.metrics.measurement import Measurement
    from okr_sync.metrics.windows import Window


@dataclass(frozen=True)
class ObjectiveRow:
    """The columns of `objective`."""

    objective_id: str
    team: str
    cycle: str
    title: str
    owner: str | None
    supports: tuple[str, ...]


@dataclass(frozen=True)
class KeyResultRow:
    """The columns of `key_result` that its definition sets.

    `cycle_end` is the cycle's last day; `defined_in` is `file:line`, relative to the project.
    """

    key_result_id: str
    objective_id: str
    team: str
    cycle: str
    cycle_start: date
    cycle_end: date
    title: str
    metric: str
    unit: str | None
    baseline: Decimal | None
    target: Decimal | None
    goal_kind: str
    commitment: str
    indicator: str | None
    owner: str | None
    family: str
    definition_hash: str
    config_hash: str
    defined_in: str


@dataclass(frozen=True)
class AgreedGoal:
    """The columns of `key_result_goal` that a definition sets: a goal, and from which day on it counts.

    `baseline` and `target` are as they are written: None where the baseline is to be measured, and
    where the target is `target_share` more (or less) than it. `low` and `high` bound a threshold.
    """

    key_result_id: str
    cycle_start: date
    effective_from: date
    goal_kind: str
    baseline: Decimal | None
    target: Decimal | None
    low: Decimal | None
    high: Decimal | None
    baseline_is_measured: bool
    target_share: Decimal | None
    commitment: str
    pace: str
    config_hash: str


@dataclass(frozen=True)
class KeyResultObservation:
    """What was found for a key result as of the end of a local day.

    `quality` holds all flags, with `provisional`, in place of the measurement's. A measurement
    without a value is an observation too. `origin` is automatic, backfill, override or manual.
    `baseline` and `target` are those that it was judged by. `ended_at` is when the day was over, None
    where nothing can be in progress. `other_goals` are the hashes that the same definition has with
    the goals of other days. From `restated_from` on, a share, a restatement is flagged; None: never.
    """

    key_result_id: str
    as_of: date
    measurement: "Measurement"
    progress: Decimal | None
    score: Decimal | None
    expected_progress: Decimal | None
    status: str
    is_final: bool
    quality: tuple[str, ...]
    origin: str
    definition_hash: str
    baseline: Decimal | None = None
    target: Decimal | None = None
    ended_at: datetime | None = None
    other_goals: frozenset[str] = frozenset()
    restated_from: Decimal | None = None


@dataclass(frozen=True)
class KeyResultFailure:
    """Why there is no new number for a key result, for people and without secrets.

    `quality` are the flags that go with it, such as `blocked_metric`; they join those of the last
    good number.
    """

    key_result_id: str
    error: str
    quality: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricFailure:
    """Why a metric could not be evaluated as of a day over a window, for people, and its flags."""

    metric: str
    as_of: date
    window: "Window"
    error: str
    quality: tuple[str, ...] = ()
