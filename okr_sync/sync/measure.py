"""Evaluate metrics for a run and keep the results until key results are published from them.

Belongs here: which metrics may be evaluated after this run's pulls, and staging. Does not belong
here: the SQL (metrics.evaluate), goals (observe), publishing (warehouse.publish).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import FormulaMetric, Ga4Source, ManualMetric, SqlMetric
from okr_sync.metrics.dependencies import datasets_read, with_inputs
from okr_sync.metrics.evaluate import evaluate
from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.mirrored import hidden_flags
from okr_sync.metrics.plan import Plan
from okr_sync.metrics.report_figures import refusal_flags
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.evaluations import Evaluated, stage, staged
from okr_sync.warehouse.mirror import count_records, state_of
from okr_sync.warehouse.observations import MetricFailure
from okr_sync.warehouse.reads import pulls
from okr_sync.warehouse.tally_store import Counted, keep_figures

_MANY = 10_000
"""Figures of fewer records are counted anew more quickly than they are kept."""


@dataclass(frozen=True)
class Measured:
    """A run's results for one metric: its measurements by span, or why there are none."""

    measurements: Mapping[Span, Measurement]
    error: str | None = None
    flags: tuple[str, ...] = ()
    """The flags that go with the error."""

    @property
    def newest_flags(self) -> tuple[str, ...]:
        """The flags of the number of the latest day, or of why there is none."""
        if self.error is not None or not self.measurements:
            return self.flags
        latest = max(self.measurements, key=lambda span: (span.as_of, span.window.start_day))
        return self.measurements[latest].quality


def measure(
    warehouse: Warehouse, bundle: Bundle, plan: Plan, run_id: str, metrics: Iterable[str]
) -> dict[str, Measured]:
    """Evaluate the named metrics over the plan's spans, once in a run, and stage what was found.

    A metric of which any dataset's pull failed in this run, or was never complete, is not evaluated:
    an incomplete pull never makes a number.
    """
    names = [name for name in metrics if plan.by_metric.get(name)]
    found = _already_staged(warehouse, plan, run_id, names)
    missing = {name: plan.by_metric[name] for name in names if name not in found}
    if missing:
        fresh = _evaluate(warehouse, bundle, run_id, missing)
        stage(warehouse, run_id, _to_stage(fresh, missing))
        found |= fresh
    return found


def _already_staged(
    warehouse: Warehouse, plan: Plan, run_id: str, names: list[str]
) -> dict[str, Measured]:
    by_metric: dict[str, list[Evaluated]] = {}
    for one in staged(warehouse, run_id, names):
        by_metric.setdefault(one.metric, []).append(one)
    found: dict[str, Measured] = {}
    for name, results in by_metric.items():
        failure = next((one for one in results if isinstance(one, MetricFailure)), None)
        spans = {(span.as_of, span.window): span for span in plan.by_metric[name]}
        measurements = {
            spans[one.as_of, one.window]: one.measurement
            for one in results
            if isinstance(one, MetricObservation) and (one.as_of, one.window) in spans
        }
        if failure is not None:
            found[name] = Measured(measurements, failure.error, failure.quality)
        elif len(measurements) == len(spans):
            found[name] = Measured(measurements)
    return found


def _evaluate(
    warehouse: Warehouse, bundle: Bundle, run_id: str, spans: Mapping[str, tuple[Span, ...]]
) -> dict[str, Measured]:
    failed = {
        f"{pull.source}.{pull.dataset}": pull.error or "The pull was not complete."
        for pull in pulls(warehouse, run_id)
        if not pull.is_complete
    }
    with warehouse.read() as connection:
        errors = {
            name: error
            for name in spans
            if (error := _unusable(connection, bundle, name, failed)) is not None
        }
        usable = {name: asked for name, asked in spans.items() if name not in errors}
        counted: list[Counted] = []
        answers, refusals = evaluate(connection, bundle, usable, counted)
        errors |= refusals
        flags = {name: _refusal_flags(connection, bundle, name) for name in refusals}
        lasting = [each for each in counted if count_records(connection, each.table) >= _MANY]
    if lasting:
        with warehouse.write() as connection:
            # Everyone in the same order, so that no two wait for each other.
            for each in sorted(lasting, key=lambda one: (one.source, one.dataset)):
                keep_figures(connection, each)
    return {
        name: Measured({}, errors[name], flags.get(name, ()))
        if name in errors
        else Measured({span: answers[name, span] for span in asked})
        for name, asked in spans.items()
    }


def _unusable(
    connection: Connection, bundle: Bundle, name: str, failed: Mapping[str, str]
) -> str | None:
    for dataset in _datasets(bundle, name):
        if dataset in failed:
            return failed[dataset]
        source, _, dataset_name = dataset.partition(".")
        state = state_of(connection, source, dataset_name)
        if state is None or state.complete_at is None:
            return (
                f"{dataset} has not been read completely yet. Run `okr-sync sync`; "
                "if it keeps failing, its output says why."
            )
    return None


def _refusal_flags(connection: Connection, bundle: Bundle, name: str) -> tuple[str, ...]:
    """The flags that say why a metric has no number, also through formulas."""
    flags: set[str] = set()
    for metric in with_inputs(bundle.metrics, [name]):
        if isinstance(metric, FormulaMetric | SqlMetric | ManualMetric):
            continue
        if isinstance(bundle.project.sources[metric.source], Ga4Source):
            flags |= refusal_flags(connection, metric)
        else:
            flags |= hidden_flags(connection, bundle.project, metric)
    return tuple(sorted(flags))


def _datasets(bundle: Bundle, name: str) -> list[str]:
    """Every dataset that the metric's number rests on, also through formulas.

    Not those of check-ins: what people have said counts while a file can't be read, and the failure
    is told beside it (check_ins).
    """
    found: dict[str, None] = {}
    for metric in with_inputs(bundle.metrics, [name]):
        if not isinstance(metric, ManualMetric):
            found |= dict.fromkeys(datasets_read(bundle.project, metric))
    return list(found)


def _to_stage(
    measured: Mapping[str, Measured], spans: Mapping[str, tuple[Span, ...]]
) -> list[Evaluated]:
    rows: list[Evaluated] = []
    for name, result in measured.items():
        for span in spans[name]:
            if result.error is not None:
                failure = MetricFailure(name, span.as_of, span.window, result.error, result.flags)
                rows.append(failure)
            else:
                measurement = result.measurements[span]
                rows.append(MetricObservation(name, span.as_of, span.window, measurement))
    return rows
