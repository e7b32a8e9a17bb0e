"""Evaluate metrics: each dataset's questions to the module that knows its kind, formulas last.

Belongs here: the choice between records, reports, statements, check-ins and formulas, and one result for all.
Does not belong here: the SQL (evaluate_records, evaluate_reports), goals (progress), storing
(warehouse).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AnyMetric,
    FormulaMetric,
    Ga4Source,
    ManualMetric,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.errors import SourceError
from okr_sync.metrics.dependencies import with_inputs
from okr_sync.metrics.evaluate_check_ins import evaluate_check_ins
from okr_sync.metrics.evaluate_formulas import evaluate_formula
from okr_sync.metrics.evaluate_queries import evaluate_query
from okr_sync.metrics.evaluate_records import Answers, Question, Refusals, evaluate_records
from okr_sync.metrics.evaluate_reports import evaluate_reports
from okr_sync.metrics.formula import FormulaError, parse_formula
from okr_sync.metrics.levels import changed_since
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.tally_store import Counted

_Spans = Mapping[str, tuple[Span, ...]]


def evaluate(
    connection: Connection,
    bundle: Bundle,
    spans: Mapping[str, Iterable[Span]],
    counted: list[Counted] | None = None,
) -> tuple[Answers, Refusals]:
    """Evaluate the metrics named in `spans` over their spans, from what the warehouse holds.

    Returns the measurements by metric and span, and for each metric that can't be had the reason.
    The inputs of formulas are evaluated, and returned, with them. Figures that the next evaluation
    could start from are added to `counted`.
    """
    wanted = _with_inputs(bundle.metrics, spans)
    metrics = with_inputs(bundle.metrics, wanted)
    answers, refusals = _evaluate_datasets(connection, bundle, metrics, wanted, counted)
    for metric in metrics:
        try:
            if isinstance(metric, ManualMetric):
                said = evaluate_check_ins(connection, metric, wanted[metric.name])
                answers |= {(metric.name, span): one for span, one in said.items()}
            elif isinstance(metric, SqlMetric):
                found = evaluate_query(connection, metric, wanted[metric.name])
                answers |= {(metric.name, span): one for span, one in found.items()}
            elif isinstance(metric, FormulaMetric):
                answers |= _formula(metric, wanted[metric.name], answers, refusals)
        except (SourceError, FormulaError) as error:
            text = error.user_text if isinstance(error, SourceError) else str(error)
            refusals[metric.name] = f"Metric {metric.name}: {text}"
            continue
        if isinstance(metric, SnapshotMetric | SqlMetric) and metric.change:
            for span in wanted[metric.name]:
                level = answers.get((metric.name, span))
                if level is not None:
                    changed = changed_since(connection, metric.name, span, level)
                    answers[metric.name, span] = changed
    return answers, refusals


def _with_inputs(metrics: Mapping[str, AnyMetric], spans: Mapping[str, Iterable[Span]]) -> _Spans:
    """The spans by metric, each also asked of all inputs."""
    wanted: dict[str, dict[Span, None]] = defaultdict(dict)
    for name, asked in spans.items():
        own = dict.fromkeys(asked)
        if own:
            for metric in with_inputs(metrics, [name]):
                wanted[metric.name].update(own)
    return {name: tuple(asked) for name, asked in wanted.items()}


def _evaluate_datasets(
    connection: Connection,
    bundle: Bundle,
    metrics: Iterable[AnyMetric],
    spans: _Spans,
    counted: list[Counted] | None,
) -> tuple[Answers, Refusals]:
    """The metrics over datasets, each dataset's together."""
    by_dataset: dict[str, list[Question]] = defaultdict(list)
    for metric in metrics:
        if not isinstance(metric, FormulaMetric | SqlMetric | ManualMetric):
            by_dataset[metric.dataset].append(Question(metric, spans[metric.name]))
    answers: Answers = {}
    refusals: Refusals = {}
    for dataset, questions in sorted(by_dataset.items()):
        source = bundle.project.sources[dataset.partition(".")[0]]
        if isinstance(source, Ga4Source):
            found, refused = evaluate_reports(connection, bundle.project, dataset, questions)
        else:
            found, refused = evaluate_records(
                connection, bundle.project, dataset, questions, counted
            )
        answers |= found
        refusals |= refused
    return answers, refusals


def _formula(
    metric: FormulaMetric, spans: Iterable[Span], answers: Answers, refusals: Refusals
) -> Answers:
    formula = parse_formula(metric.expression)
    for name, input_name in sorted(metric.inputs.items()):
        if input_name in refusals:
            raise SourceError(f"its input {name} has no number. {refusals[input_name]}")
    return {
        (metric.name, span): evaluate_formula(
            metric,
            formula,
            {name: answers[input_name, span] for name, input_name in metric.inputs.items()},
        )
        for span in spans
    }
