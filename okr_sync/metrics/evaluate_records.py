"""Metrics over mirrored records: one scan per dataset and time field for all metrics and windows.

Belongs here: which questions can be answered from what has been read, and which go into one scan.
Does not belong here: the scan (scans), the SQL columns (record_readings), GA4 reports
(evaluate_reports), storing (warehouse).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Table, and_, func, select

from okr_sync.config.models import Project, RecordMetric
from okr_sync.errors import SourceError
from okr_sync.garbage import without_collector
from okr_sync.metrics.daily_figures import DailyQuestion, daily_figures
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.fx import Rates, read_rates
from okr_sync.metrics.grouping import check_by, is_known, read_groups, reduce_groups
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.mirrored import Mirrored, read_mirrored
from okr_sync.metrics.readings import Reading
from okr_sync.metrics.record_fields import anchor_field, associated_fields, fields_of_metric
from okr_sync.metrics.record_readings import holds_bad_value, reading_of
from okr_sync.metrics.scans import cells_of_groups, cells_of_spans, count_in_cells, scan
from okr_sync.metrics.spans import Span
from okr_sync.metrics.timeline import Timeline
from okr_sync.warehouse.mirror_changes import sequence_of
from okr_sync.warehouse.record_values import stored_text
from okr_sync.warehouse.tally_store import Counted, DayFigures

_METRICS_PER_SCAN = 100
"""A metric has up to nine columns; PostgreSQL takes 1,664 and SQLite 2,000 in one statement."""


@dataclass(frozen=True)
class Question:
    """A metric and the spans over which its figure is wanted."""

    metric: RecordMetric
    spans: tuple[Span, ...]


Answers = dict[tuple[str, Span], Measurement]
"""Measurements by metric name and span."""

Refusals = dict[str, str]
"""Why a metric has no measurement at all, by its name, in words for its owner."""


def evaluate_records(
    connection: Connection,
    project: Project,
    dataset: str,
    questions: Sequence[Question],
    counted: list[Counted] | None = None,
) -> tuple[Answers, Refusals]:
    """Evaluate metrics over one dataset's records, such as `hubspot.contacts`.

    A metric whose fields or conditions can't be used is refused by itself; the others go on. Figures
    that the next evaluation could start from are added to `counted`.
    """
    with without_collector():
        return _evaluated(connection, project, dataset, questions, counted)


def _evaluated(
    connection: Connection,
    project: Project,
    dataset: str,
    questions: Sequence[Question],
    counted: list[Counted] | None,
) -> tuple[Answers, Refusals]:
    mirrored = read_mirrored(connection, project, dataset, [each.metric for each in questions])
    evaluation = _Evaluation(connection, project, mirrored)
    answers: Answers = {}
    refusals: Refusals = {}
    by_anchor: dict[str | None, list[tuple[Question, Reading]]] = {}
    for question in questions:
        metric = question.metric
        try:
            mirrored.check(metric, project)
            reading = evaluation.reading(metric)
            if metric.by is not None:
                found = evaluation.grouped(question, metric.by, reading)
                answers |= {(metric.name, span): one for span, one in found.items()}
                continue
        except SourceError as error:
            refusals[metric.name] = f"Metric {metric.name}: {error.user_text}"
            continue
        by_anchor.setdefault(anchor_field(metric), []).append((question, reading))
    for anchor, asked in by_anchor.items():
        found_here, lasting = _daily_answers(connection, project, mirrored.source, anchor, asked)
        if counted is not None and lasting:
            counted.append(_counted(connection, mirrored.source, lasting))
        found_here |= _scanned_answers(connection, mirrored.source, anchor, asked, found_here)
        if anchor is not None and anchor in mirrored.bad_fields:
            flag = f"bad_time:{_count_bad(connection, mirrored.source, anchor)}"
            found_here = {key: _flagged(one, flag) for key, one in found_here.items()}
        answers |= found_here
    return answers, refusals


def _daily_answers(
    connection: Connection,
    project: Project,
    source: Filterable,
    anchor: str | None,
    asked: Sequence[tuple[Question, Reading]],
) -> tuple[Answers, dict[str, DayFigures]]:
    """What can be added up day by day, and the figures by day that are worth keeping."""
    daily: list[tuple[Question, Reading, DailyQuestion]] = []
    for question, reading in asked:
        if reading.daily is not None:
            # Through an association a figure changes with another object's records.
            is_lasting = not associated_fields(question.metric, project)
            by_day = DailyQuestion(reading.daily, question.spans, is_lasting)
            daily.append((question, reading, by_day))
    timeline = Timeline(source, anchor)
    found, lasting = daily_figures(connection, timeline, [by_day for *_, by_day in daily])
    answers = {
        (question.metric.name, span): reading.finish(*figures)
        for (question, reading, _), of_spans in zip(daily, found, strict=True)
        for span, figures in zip(question.spans, of_spans, strict=True)
        if figures is not None
    }
    return answers, lasting


def _counted(connection: Connection, source: Filterable, figures: dict[str, DayFigures]) -> Counted:
    name, _, dataset = source.dataset.partition(".")
    assert isinstance(source.table, Table)
    newest = sequence_of(connection, name, dataset).newest
    return Counted(name, dataset, source.table, newest, figures)


def _scanned_answers(
    connection: Connection,
    source: Filterable,
    anchor: str | None,
    asked: Sequence[tuple[Question, Reading]],
    known: Answers,
) -> Answers:
    """What is not known yet, from scans: metrics over the same windows go together."""
    together: dict[tuple[Span, ...], list[tuple[str, Reading]]] = {}
    for question, reading in asked:
        name = question.metric.name
        spans = tuple(span for span in question.spans if (name, span) not in known)
        if spans:
            together.setdefault(spans, []).append((name, reading))
    answers: Answers = {}
    for spans, named in together.items():
        cells = cells_of_spans(source, anchor, spans)
        for start in range(0, len(named), _METRICS_PER_SCAN):
            some = named[start : start + _METRICS_PER_SCAN]
            measured = scan(connection, cells, [reading for _, reading in some])
            for (name, _), measurements in zip(some, measured, strict=True):
                answers |= {
                    (name, span): one for span, one in zip(spans, measurements, strict=True)
                }
    return answers


def _flagged(measurement: Measurement, flag: str) -> Measurement:
    return replace(measurement, quality=tuple(sorted((*measurement.quality, flag))))


def measure_groups(
    connection: Connection, project: Project, metric: RecordMetric, span: Span
) -> Sequence[tuple[str, Measurement]]:
    """What `reduce` makes one number of: the groups of a metric with `by`, as people write them.

    Nothing for a metric without `by`. Raises SourceError where it can't be read from its records.
    """
    if metric.by is None:
        return ()
    mirrored = read_mirrored(connection, project, metric.dataset, [metric])
    mirrored.check(metric, project)
    evaluation = _Evaluation(connection, project, mirrored)
    question = Question(metric, (span,))
    measured, _ = evaluation.by_group(question, metric.by, evaluation.reading(metric))
    kind = mirrored.source.types[metric.by]
    return [(stored_text(group, kind), one) for group, one in measured[span]]


def _count_bad(connection: Connection, source: Filterable, field: str) -> int:
    """How many records hold an unreadable value of a field, whichever window they belong to."""
    query = select(func.count()).select_from(source.table).where(holds_bad_value(source, field))
    return int(connection.execute(query).scalar_one())


class _Evaluation:
    """What the questions to one dataset have in common."""

    def __init__(self, connection: Connection, project: Project, mirrored: Mirrored) -> None:
        self._connection = connection
        self._project = project
        self._mirrored = mirrored
        self._rates: dict[str, Rates] = {}

    def reading(self, metric: RecordMetric) -> Reading:
        bad = self._mirrored.bad_fields & fields_of_metric(metric, self._project)
        return reading_of(metric, self._mirrored.source, bad, self._rates_into)

    def grouped(self, question: Question, by: str, reading: Reading) -> Mapping[Span, Measurement]:
        """The measurements of a metric with `by`, reduced over its groups; each metric by itself."""
        metric, spans, source = question.metric, question.spans, self._mirrored.source
        complaint = check_by(metric, is_report=False)
        if complaint is not None or metric.reduce is None:
            raise SourceError(f"{complaint or '`by` needs a `reduce`'}.")
        measured, has_none = self.by_group(question, by, reading)
        without: Mapping[int, int] = {}
        if has_none:
            cells = cells_of_spans(source, anchor_field(metric), spans)
            nowhere = and_(condition_sql(metric.where, source), source.column(by).is_(None))
            without = count_in_cells(self._connection, cells, nowhere)
        return {
            span: reduce_groups(
                metric.reduce, [one for _, one in measured[span]], without.get(number, 0)
            )
            for number, span in enumerate(spans)
        }

    def by_group(
        self, question: Question, by: str, reading: Reading
    ) -> tuple[Mapping[Span, Sequence[tuple[str | int, Measurement]]], bool]:
        """By span the groups known by then with their own measurements; and whether some have none."""
        metric, spans, source = question.metric, question.spans, self._mirrored.source
        anchor = anchor_field(metric)
        where = condition_sql(metric.where, source)
        found = read_groups(self._connection, source, by, anchor, where)
        measured: list[Measurement] = []
        if found.groups:
            cells = cells_of_groups(source, anchor, by, spans, found.groups)
            (measured,) = scan(self._connection, cells, [reading])
        anchor_type = None if anchor is None else source.types[anchor]
        count = len(found.groups)
        of_spans = {
            span: [
                (group.value, measured[number * count + i])
                for i, group in enumerate(found.groups)
                if is_known(group, span, anchor_type)
            ]
            for number, span in enumerate(spans)
        }
        return of_spans, found.has_none

    def _rates_into(self, currency: str) -> Rates:
        if self._project.fx is None:
            raise SourceError(
                "it converts money, but the project has no exchange rates. Name a dataset with the "
                "fields date, from, to and rate as `fx` in okr_sync.yaml."
            )
        if currency not in self._rates:
            self._rates[currency] = read_rates(
                self._connection, self._project.fx, currency, self._mirrored.source.zone
            )
        return self._rates[currency]
