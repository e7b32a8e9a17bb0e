"""Evaluate metrics: each dataset's questions to the module that knows its kind.

Belongs here: the choice between records and reports, and one result for all. Does not belong here:
the SQL (evaluate_records, evaluate_reports), goals (progress), storing (warehouse).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Ga4Source
from okr_sync.metrics.evaluate_records import Answers, Question, Refusals, evaluate_records
from okr_sync.metrics.evaluate_reports import evaluate_reports
from okr_sync.metrics.spans import Span


def evaluate(
    connection: Connection, bundle: Bundle, spans: Mapping[str, Iterable[Span]]
) -> tuple[Answers, Refusals]:
    """Evaluate the metrics named in `spans` over their spans, from what the warehouse holds.

    Returns the measurements by metric and span, and for each metric that can't be had the reason.
    """
    zone = ZoneInfo(bundle.project.time_zone)
    by_dataset: dict[str, list[Question]] = defaultdict(list)
    for name, asked in spans.items():
        question = Question(bundle.metrics[name], tuple(asked))
        if question.spans:
            by_dataset[question.metric.dataset].append(question)
    answers: Answers = {}
    refusals: Refusals = {}
    for dataset, questions in sorted(by_dataset.items()):
        source = bundle.project.sources[dataset.partition(".")[0]]
        read = evaluate_reports if isinstance(source, Ga4Source) else evaluate_records
        found, refused = read(connection, dataset, questions, zone)
        answers |= found
        refusals |= refused
    return answers, refusals
