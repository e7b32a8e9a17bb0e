"""From a published number back to all that made it: definition, window, records, pulls and run.

Belongs here: gathering it from the warehouse and the files. Does not belong here: the sentences
(commands.explaining) or the records themselves (contributions).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from okr_sync.checks.failing import failing_checks
from okr_sync.checks.subjects import subjects_of
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import FormulaMetric, KeyResult
from okr_sync.errors import OkrSyncError, SourceError, UsageError
from okr_sync.inspect.contributions import Tally, record_metrics, tally
from okr_sync.inspect.definition import RecordedConfig, defined_then, recorded_config
from okr_sync.inspect.draft import datasets_of
from okr_sync.metrics.evaluate_records import measure_groups
from okr_sync.metrics.spans import Span, span_for
from okr_sync.sync.goals import definition_hashes, goals_of, judged_by, terms_of
from okr_sync.sync.observe import calendar_of
from okr_sync.warehouse.baselines import MeasuredBaseline, frozen_baselines
from okr_sync.warehouse.check_ins import CheckIn, check_ins_of
from okr_sync.warehouse.check_results import RecordedCheck
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.goals import RecordedGoal, recorded_goals
from okr_sync.warehouse.metric_values import published_measurements
from okr_sync.warehouse.mirror import DatasetState, state_of
from okr_sync.warehouse.overrides import OVERRIDE, Override, override_on, overrides_of
from okr_sync.warehouse.reads import HistoryRow, PullRow, RunRow, find_run, history, pulls
from okr_sync.warehouse.status import StatusRow, status


@dataclass(frozen=True)
class Definition:
    """What a number was measured by: the key result, its project, and where that was found.

    `is_current` says that the files define it the same way now; otherwise it is the definition that
    the run recorded, and `bundle` the project of that time.
    """

    bundle: Bundle
    key_result: KeyResult
    is_current: bool


@dataclass(frozen=True)
class Input:
    """What a formula calls `name`: a metric, and its value over the same window as published."""

    name: str
    metric: str
    unit: str | None
    value: Decimal | None


@dataclass(frozen=True)
class GroupFigure:
    """What a metric with `by` gives for one group, as the source tables hold its records now."""

    metric: str
    group: str
    unit: str | None
    value: Decimal | None
    sample_size: int | None


@dataclass(frozen=True)
class Explanation:
    """A number and all that is known of how it came about.

    `definition` is None where neither the files nor the record of the run hold it any more; there is
    no `span` and no `tallies` then. `tallies` count the records as the source tables hold them now;
    `uncounted` says why they could not be counted. `check_ins` are all of a key result that people
    check in, withdrawn ones too. `baseline` is the measured one, where the goal
    starts from one; `inputs` are those of a formula, `groups` the figures of metrics with `by`.
    `before` is the revision that the number took the place of; `goals` are all that were agreed.
    """

    row: HistoryRow
    before: HistoryRow | None
    key_result: StatusRow
    definition: Definition | None
    git_sha: str | None
    span: Span | None
    tallies: Sequence[Tally]
    uncounted: str | None
    pulls: Sequence[PullRow]
    read_at: Sequence[tuple[str, DatasetState]]
    run: RunRow | None
    override: Override | None
    check_ins: Sequence[CheckIn]
    baseline: MeasuredBaseline | None
    goals: Sequence[RecordedGoal]
    inputs: Sequence[Input]
    groups: Sequence[GroupFigure]
    checks: Sequence[RecordedCheck]
    """Those that fail now, of the key result and of all that it rests on."""

    @property
    def key_result_is_manual(self) -> bool:
        """Whether people say the number."""
        return self.definition is not None and self.definition.key_result.is_manual

    @property
    def zone(self) -> ZoneInfo | None:
        """The project's time zone."""
        return ZoneInfo(self.definition.bundle.project.time_zone) if self.definition else None


def explain(
    warehouse: Warehouse, bundle: Bundle, key_result_id: str, as_of: date | None, now: datetime
) -> Explanation:
    """Gather what is known of a key result's number as of a day, by default of the current one.

    Raises UsageError where the key result has no number, or none for that day.
    """
    (current,) = status(warehouse, now=now, key_result_ids=[key_result_id])
    row, before = _rows(warehouse, current, as_of)
    run = find_run(warehouse, row.run_id)
    with warehouse.read() as connection:
        recorded = recorded_config(connection, run.config_hash) if run else None
        definition = _definition(connection, bundle, recorded, row, now)
        span = None if definition is None else _span(definition, row)
        tallies, uncounted = _tallies(connection, definition, span)
        names = _datasets(definition)
        states = [(name, _state(connection, name)) for name in names]
        override = override_on(overrides_of(connection, [key_result_id]), row.as_of)
        check_ins = check_ins_of(connection, [key_result_id])
        goals = recorded_goals(connection, [key_result_id]).get(key_result_id, [])
        frozen = frozen_baselines(connection, [(key_result_id, current.cycle_start)])
        inputs = _inputs(connection, definition, span)
        groups = _groups(connection, definition, span) if uncounted is None else []
    return Explanation(
        row=row,
        before=before,
        key_result=current,
        definition=definition,
        git_sha=recorded.git_sha if recorded else None,
        span=span,
        tallies=tallies,
        uncounted=uncounted,
        pulls=[
            pull
            for pull in pulls(warehouse, row.run_id)
            if f"{pull.source}.{pull.dataset}" in names
        ],
        read_at=[(name, state) for name, state in states if state is not None],
        run=run,
        check_ins=check_ins,
        override=override if row.origin == OVERRIDE else None,
        baseline=frozen.get(key_result_id),
        goals=goals,
        inputs=inputs,
        groups=groups,
        checks=failing_checks(warehouse, {key_result_id: subjects_of(bundle, key_result_id)}).get(
            key_result_id, []
        ),
    )


def _rows(
    warehouse: Warehouse, current: StatusRow, as_of: date | None
) -> tuple[HistoryRow, HistoryRow | None]:
    """The day's latest revision, and the one before it if there is one."""
    day = as_of or current.as_of
    if day is None:
        raise UsageError(
            f"{current.key_result_id} has not been measured yet. Run `okr-sync sync`, or look at it "
            f"with `okr-sync preview {current.key_result_id}`."
        )
    latest = [one for one in history(warehouse, current.key_result_id) if one.as_of == day]
    if not latest:
        raise UsageError(
            f"{current.key_result_id} has no number as of {day}. "
            f"`okr-sync history {current.key_result_id}` lists the days that have one."
        )
    return latest[-1], latest[-2] if len(latest) > 1 else None


def _definition(
    connection: Connection,
    bundle: Bundle,
    recorded: RecordedConfig | None,
    row: HistoryRow,
    now: datetime,
) -> Definition | None:
    defined = bundle.key_results.get(row.key_result_id)
    if defined is not None:
        calendar = calendar_of(bundle.project)
        goals = goals_of(connection, bundle, [defined], calendar, now)[row.key_result_id]
        for terms, hash_ in definition_hashes(bundle, defined, goals).items():
            if hash_ == row.definition_hash:
                is_current = terms == terms_of(defined)
                return Definition(bundle, judged_by(defined, terms), is_current)
    then = defined_then(connection, recorded, row.key_result_id)
    if then is None or recorded is None or recorded.bundle is None:
        return None
    return Definition(recorded.bundle, then, is_current=False)


def _span(definition: Definition, row: HistoryRow) -> Span | None:
    """The span that the number was measured over, as it was known when it was recorded."""
    bundle, key_result = definition.bundle, definition.key_result
    metric = bundle.metrics[key_result.metric]
    calendar = calendar_of(bundle.project)
    return span_for(key_result, metric, bundle.metrics, row.as_of, calendar, row.recorded_at)


def _tallies(
    connection: Connection, definition: Definition | None, span: Span | None
) -> tuple[list[Tally], str | None]:
    if definition is None or span is None:
        return [], "The definition that the number was measured by is not known any more."
    bundle = definition.bundle
    metrics = record_metrics(bundle, bundle.metrics[definition.key_result.metric])
    try:
        return [tally(connection, bundle, metric, span) for metric in metrics], None
    except SourceError as error:
        return [], error.user_text


def _inputs(
    connection: Connection, definition: Definition | None, span: Span | None
) -> list[Input]:
    if definition is None or span is None:
        return []
    metrics = definition.bundle.metrics
    metric = metrics[definition.key_result.metric]
    if not isinstance(metric, FormulaMetric):
        return []
    found = []
    for name, used in metric.inputs.items():
        measured = published_measurements(connection, used, [span]).get(span)
        value = None if measured is None else measured.value
        found.append(Input(name, used, metrics[used].unit, value))
    return found


def _groups(
    connection: Connection, definition: Definition | None, span: Span | None
) -> list[GroupFigure]:
    if definition is None or span is None:
        return []
    bundle = definition.bundle
    return [
        GroupFigure(metric.name, group, metric.unit, one.value, one.sample_size)
        for metric in record_metrics(bundle, bundle.metrics[definition.key_result.metric])
        for group, one in measure_groups(connection, bundle.project, metric, span)
    ]


def _datasets(definition: Definition | None) -> list[str]:
    if definition is None:
        return []
    return datasets_of(definition.bundle, definition.bundle.metrics[definition.key_result.metric])


def _state(connection: Connection, dataset: str) -> DatasetState | None:
    source, _, name = dataset.partition(".")
    return state_of(connection, source, name)


def span_of(explanation: Explanation) -> tuple[Definition, Span]:
    """The definition and the span to list records by; OkrSyncError where they aren't known."""
    if explanation.definition is None or explanation.span is None:
        raise OkrSyncError(
            explanation.uncounted or "The records behind this number can't be found any more."
        )
    return explanation.definition, explanation.span
