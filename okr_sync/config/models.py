"""The binding language as types: what a project, a metric, an objective and a key result are.

Belongs here: the shapes that every part shares, once they are known to be right. Does not belong
here: how people write them and what is said of mistakes (metric_reader, okr_reader, project_reader),
rules across files (rules), calendar arithmetic (cycles, metrics.windows).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from okr_sync.config.where import Where

DEFAULT_RESTATED = Decimal("0.05")
"""Late records and corrections move most numbers by a few per cent; more than that people must see."""


class Family(StrEnum):
    """The four families of marketing metrics, which are also the groups in Dagster."""

    CONVERSION = "conversion"
    FUNNEL = "funnel"
    PIPELINE = "pipeline"
    ENGAGEMENT = "engagement"


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- metrics -------------------------------------------------------------------------------------


class Aggregation(_Shape):
    """`agg`, `field` and `where`: one number from many records.

    `agg` is count, sum, average, median, p1…p99, min, max or count_distinct; `field` is None only
    for count.
    """

    agg: str
    field: str | None = None
    where: Where = Where()


class Reduce(StrEnum):
    """How the figures of groups become one."""

    MIN = "min"
    MAX = "max"
    AVERAGE = "average"
    SUM = "sum"


class Pool(StrEnum):
    """How the rows of a ratio become one rate: sums divided once, or the mean of each row's rate."""

    SUMS = "sums"
    MEAN = "mean"


class Bounds(_Shape):
    """`plausible`: the numbers that can be right; an end that is None is open."""

    low: Decimal | None = None
    high: Decimal | None = None

    def hold(self, value: Decimal) -> bool:
        """Whether a number lies within, the ends included."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


class Metric(_Shape):
    """What every kind of metric has."""

    name: str
    description: str | None = None
    family: Family
    min_n: int | None = None
    empty: str | None = None  # "null" or "zero"; None means what the kind does by itself
    unit: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    plausible: Bounds | None = None


class DatasetMetric(Metric):
    """A metric over the records or report rows of one dataset, `source.dataset`.

    With `by`, each group's figure is worked out and `reduce` makes one of them. Groups are all
    values of the field in the dataset that satisfy `where`, whenever: a platform with nothing in the
    window counts as empty there, it does not vanish.
    """

    dataset: str
    where: Where = Where()
    by: str | None = None
    reduce: Reduce | None = None

    @property
    def source(self) -> str:
        """The source's name: `hubspot` of `hubspot.contacts`."""
        return self.dataset.partition(".")[0]

    @property
    def dataset_name(self) -> str:
        """The dataset within its source: `contacts` of `hubspot.contacts`."""
        return self.dataset.partition(".")[2]


class AggMetric(DatasetMetric):
    """An aggregation over the records (or report rows) whose `time` lies in the window.

    `currency_field` names the field that holds each record's currency code; amounts are then
    converted to `currency` at the rate of the record's day, from the project's `fx` dataset.
    """

    aggregation: Aggregation
    time: str | None  # None only for GA4 reports, whose time is the report day
    currency: str | None = None
    currency_field: str | None = None


class RatioMetric(DatasetMetric):
    """Sum of numerators ÷ sum of denominators over the window, or the mean of each row's rate."""

    numerator: Aggregation
    denominator: Aggregation
    time: str | None
    pool: Pool = Pool.SUMS


class ConversionMetric(DatasetMetric):
    """Share of a cohort (entities with `from_time` in the window) that reached `to_time` in time.

    Only entities whose `within` has wholly passed by the as-of instant count.
    """

    from_time: str
    to_time: str
    within: timedelta


class DurationMetric(DatasetMetric):
    """Days between two times, by the day the entity arrived (or started, with `cohort: start`)."""

    from_time: str
    to_time: str
    agg: str = "median"
    cohort: str = "arrival"  # or "start"


class SnapshotMetric(DatasetMetric):
    """A level as it is now, over all records that satisfy `where`, whenever they are from.

    A past level can't be worked out, so a snapshot is only measured as of today and its history
    grows by observing. With `change`, the level at the window's start is subtracted.
    """

    aggregation: Aggregation
    change: bool = False


class SqlMetric(Metric):
    """One row of a query on a `sql` source: `value`, or `numerator` and `denominator`.

    `text` may use :as_of, :window_start and :window_end (days; the end is the first day after).
    With `snapshot` it is a level as it is now, as in SnapshotMetric. `file` is where the text was
    read from, relative to the project, or None where it stands in the YAML.
    """

    source: str
    text: str
    file: str | None = None
    snapshot: bool = False
    change: bool = False


class FormulaMetric(Metric):
    """Arithmetic over other metrics' values, each over the same window; `inputs` maps names to metrics."""

    expression: str
    inputs: dict[str, str]


class ManualMetric(Metric):
    """What people say in check-ins, for the one key result that it belongs to."""

    key_result_id: str


RecordMetric = AggMetric | RatioMetric | ConversionMetric | DurationMetric | SnapshotMetric
"""The kinds that read a dataset."""

LeafMetric = RecordMetric | SqlMetric | ManualMetric
"""The kinds that rest on no other metric."""

AnyMetric = LeafMetric | FormulaMetric


# --- goals, windows, cycles ----------------------------------------------------------------------


class GoalKind(StrEnum):
    """How a goal is judged."""

    FROM_TO = "from_to"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"


class Goal(_Shape):
    """`from_to`: baseline and target. Thresholds: `low` and/or `high`; baseline is None.

    `target` is the number to show: the `to`, the threshold, or the upper end of `between`. With
    `measured_baseline` (`from: measured`) the baseline is None until it has been measured and frozen.
    With `relative_target` (`to: +25%` is 0.25, `to: -10%` is -0.1) the target is None until the
    baseline is known; `progress.resolve_goal` fills both in.
    """

    kind: GoalKind
    baseline: Decimal | None = None
    target: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    measured_baseline: bool = False
    relative_target: Decimal | None = None


class OverKind(StrEnum):
    """The forms of `over`."""

    CYCLE = "cycle"
    LAST = "last"
    TO_DATE = "to_date"
    PREVIOUS = "previous"


class Over(_Shape):
    """Which days a key result looks at: `days` for `last`, `period` for `to_date` and `previous`.

    `period` is week, month, quarter or year; quarters and years are fiscal.
    """

    kind: OverKind = OverKind.CYCLE
    days: int | None = None
    period: str | None = None


@dataclass(frozen=True)
class Cycle:
    """A planning period: `start` is its first local day, `end` the first day after it."""

    name: str
    start: date
    end: date


# --- objectives and key results ------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Position:
    """A place in the project's files: path relative to the project, line and column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class KeyResult(_Shape):
    """A measurable result: a metric, a goal for it and the days it is measured over.

    `key_result_id` is `team/id`, `objective_id` is `team/objective`. A key result without a metric
    of its own takes check-ins: `metric` then names a ManualMetric, and without a check-in for
    `check_in_every` its number is stale.
    """

    key_result_id: str
    objective_id: str
    team: str
    title: str
    owner: str | None = None
    metric: str
    goal: Goal
    goal_since: date | None = None  # the day from which the goal counts, where it is written
    over: Over = Over()
    cycle: Cycle
    unit: str | None = None
    commitment: str = "committed"  # or "aspirational"
    indicator: str | None = None  # "leading" or "lagging"
    pace: str = "linear"  # or "none": no expectation while the cycle runs
    shared_with: tuple[str, ...] = ()
    plausible: Bounds | None = None  # None: the metric's
    settle: timedelta
    revise: timedelta
    check_in_every: timedelta | None = None
    restated: Decimal = DEFAULT_RESTATED
    """From which share on a changed number of a day that was over is flagged."""
    was: str | None = None
    """The id, `team/id`, that it had before: its history goes on under the new one."""
    defined_at: Position

    @property
    def is_manual(self) -> bool:
        """Whether people say the number, rather than a metric."""
        return self.check_in_every is not None


class Objective(_Shape):
    """An objective and where it belongs."""

    objective_id: str
    team: str
    cycle: Cycle
    title: str
    owner: str | None = None
    supports: tuple[str, ...] = ()
    defined_at: Position


# --- the project ---------------------------------------------------------------------------------


class HubSpotSource(_Shape):
    """A HubSpot account, read with the token in the environment variable `token_env`.

    `api` names the path family: `v3` or a dated one such as `2026-03`.
    """

    name: str
    token_env: str = "HUBSPOT_ACCESS_TOKEN"
    endpoint: str | None = None
    api: str = "v3"


class Ga4Source(_Shape):
    """A GA4 property, read with Application Default Credentials or the file in `credentials_env`."""

    name: str
    property: str
    credentials_env: str | None = None
    endpoint: str | None = None


class SqlSource(_Shape):
    """A database, read with the SQLAlchemy URL in the environment variable `url_env`.

    Every statement runs in a read-only transaction, for `timeout` at most, and gives at most
    `row_cap` rows. As datasets, its tables and views are read by name: `people.employees`.
    """

    name: str
    url_env: str
    timeout: timedelta = timedelta(seconds=60)
    row_cap: int = 100_000


class FilesSource(_Shape):
    """A folder of CSV, Parquet and JSON-lines files inside the project.

    A dataset is a file's name without ending, or a pattern declared in `datasets`:
    `{posts: {glob: "posts-*.csv", columns: {published: day, likes: number}}}`. Column types
    are declared or inferred: text, number, instant, day, flag.
    """

    name: str
    path: str
    datasets: dict[str, "FilesDataset"] = {}


class FilesDataset(_Shape):
    """The files of one dataset, and the types of columns that are not to be inferred."""

    glob: str
    columns: dict[str, str] = {}


Source = HubSpotSource | Ga4Source | SqlSource | FilesSource


class StatusThresholds(_Shape):
    """Percentage points behind expected progress at which a status begins."""

    on_track: Decimal = Decimal("16.5")
    lagging: Decimal = Decimal(33)
    exceeding: Decimal = Decimal(-10)


class CheckIns(_Shape):
    """How key results without a metric get their numbers.

    `dataset` names files with one check-in a row, beside those of the command; without a check-in
    for `every` a number is stale.
    """

    dataset: str | None = None
    every: timedelta = timedelta(days=7)


class Tell(_Shape):
    """Who is told, by names of environment variables that hold the addresses of channels.

    `url_env` is the channel of whatever has no other: a broken key result goes to its owners', else
    its team's; the digest, at the times of the cron expression `digest`, to each team's.
    """

    url_env: str | None = None
    teams: dict[str, str] = {}
    owners: dict[str, str] = {}
    digest: str = "0 8 * * 1"


class Project(_Shape):
    """What `okr_sync.yaml` says. `warehouse_url_env` is None for the default SQLite file."""

    time_zone: str
    currency: str
    fiscal_year_start: int = 1
    week_start: str = "monday"
    sources: dict[str, Source]
    warehouse_url_env: str | None = None
    schedule: str = "0 * * * *"
    settle: timedelta = timedelta(hours=48)
    revise: timedelta = timedelta(days=7)
    restated: Decimal = DEFAULT_RESTATED
    status: StatusThresholds = StatusThresholds()
    check_ins: CheckIns = CheckIns()
    tell: Tell | None = None
    fx: str | None = None
    """The dataset of exchange rates, with the fields date, from, to and rate."""
