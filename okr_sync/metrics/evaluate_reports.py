"""Metrics over GA4 reports: daily series added up in SQL, exact windows looked up.

Belongs here: how stored report figures become measurements. Does not belong here: mirrored records
(evaluate_records), requests to GA4 (connectors.ga4) or which figures add up (report_fields).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from sqlalchemy import Connection

from okr_sync.config.models import AggMetric, Pool, Project, RatioMetric, RecordMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.evaluate_records import Answers, Question, Refusals
from okr_sync.metrics.grouping import check_by
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.quantiles import percent_of
from okr_sync.metrics.readings import quotient
from okr_sync.metrics.report_fields import Additivity, additivity, is_money, parts
from okr_sync.metrics.report_figures import DayTotals, ReportFigures
from okr_sync.metrics.report_reads import ReportRead, report_reads
from okr_sync.metrics.spans import Span


def evaluate_reports(
    connection: Connection, project: Project, dataset: str, questions: Sequence[Question]
) -> tuple[Answers, Refusals]:
    """Evaluate metrics over one GA4 property's stored reports.

    A figure whose days are not all stored is refused, never taken for zero.
    """
    refusals: Refusals = {}
    questions = [each for each in questions if not _refused(each.metric, refusals)]
    spans = list(dict.fromkeys(span for question in questions for span in question.spans))
    reads = {question.metric.name: report_reads(question.metric) for question in questions}
    figures = ReportFigures(connection, dataset, spans, chain(*reads.values()))
    answers: Answers = {}
    for question in questions:
        metric = question.metric
        try:
            for read in reads[metric.name]:
                figures.check(read)
            flags = _property_flags(project, metric, reads[metric.name], figures)
            answers |= {
                (metric.name, span): _measure(metric, reads[metric.name], figures, span, flags)
                for span in question.spans
            }
        except SourceError as error:
            refusals[metric.name] = f"Metric {metric.name}: {error.user_text}"
    return answers, refusals


def _refused(metric: RecordMetric, refusals: Refusals) -> bool:
    """Whether report rows can't answer this metric, however they are asked for."""
    complaint = check_by(metric, is_report=True)
    if not isinstance(metric, AggMetric | RatioMetric):
        complaint = "GA4 reports have no records to follow. Use agg or ratio"
    elif isinstance(metric, RatioMetric) and metric.pool is Pool.MEAN:
        complaint = "a report row is a day, not a record with a rate of its own. Use `pool: sums`"
    if complaint is not None:
        refusals[metric.name] = f"Metric {metric.name}: {complaint}."
    return complaint is not None


def _property_flags(
    project: Project, metric: RecordMetric, reads: Sequence[ReportRead], figures: ReportFigures
) -> set[str]:
    """Where the property counts in other days or other money than the project says."""
    flags = set()
    if figures.time_zone not in (None, project.time_zone):
        flags.add(f"property_time_zone:{figures.time_zone}")
    said = metric.currency if isinstance(metric, AggMetric) else None
    # Money over money, such as the return on what was spent, is in no currency.
    amounts = [is_money(read.aggregation.field or "") for read in reads]
    if (
        amounts[0]
        and sum(amounts) == 1
        and figures.currency not in (None, said or project.currency)
    ):
        flags.add(f"property_currency:{figures.currency}")
    return flags


def _measure(
    metric: RecordMetric,
    reads: Sequence[ReportRead],
    figures: ReportFigures,
    span: Span,
    property_flags: set[str],
) -> Measurement:
    quality = set(property_flags)
    amounts = [_amount(read, figures, span, quality) for read in reads]
    if isinstance(metric, AggMetric):
        amount = amounts[0]
        value = amount.number
        if value is None and metric.empty == "zero":
            value = Decimal(0)
        return Measurement(
            value, amount.numerator, amount.denominator, amount.sample_size, tuple(sorted(quality))
        )
    if isinstance(metric, RatioMetric):
        above, below = amounts[0].number, amounts[1].number
        return Measurement(
            quotient(above, below, metric.empty),
            above,
            below,
            None if below is None else int(below),
            tuple(sorted(quality)),
        )
    raise SourceError("GA4 reports have no records to follow. Use agg or ratio.")


@dataclass(frozen=True)
class _ReportAmount:
    """One aggregation's figure over a window; the parts are set where it is a quotient."""

    number: Decimal | None
    sample_size: int | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None


def _amount(
    read: ReportRead, figures: ReportFigures, span: Span, quality: set[str]
) -> _ReportAmount:
    field = read.aggregation.field
    if field is None:
        raise SourceError("GA4 report rows can't be counted. Name a metric in `field`.")
    series = read.where.key()
    kind = additivity(field)
    if kind is Additivity.SUM:
        return _daily_amount(read.aggregation.agg, series, field, figures, span, quality)
    ratio = parts(field)
    if ratio is not None:
        above = figures.series(span, series, ratio.numerator, quality).total
        below = figures.series(span, series, ratio.denominator, quality).total
        if ratio.complement:
            above = below - above
        return _ReportAmount(quotient(above, below, None), int(below), above, below)
    value = figures.window(span, series, field, quality)
    if kind is Additivity.DISTINCT:
        people = Decimal(0) if value is None else value
        return _ReportAmount(people, int(people))
    sample: int | None = None
    if len(read.exact) > 1:
        rests_on = figures.window(span, series, read.exact[1], quality) or Decimal(0)
        sample = int(rests_on)
        if not sample:
            value = None  # GA4 says 0 for a rate over nothing; that is no value
    return _ReportAmount(value, sample)


def _daily_amount(
    agg: str, series: str, field: str, figures: ReportFigures, span: Span, quality: set[str]
) -> _ReportAmount:
    days = figures.series(span, series, field, quality)
    percent = percent_of(agg)
    if percent is not None:
        return _ReportAmount(figures.percentile(span, series, field, percent), days.count)
    readers: dict[str, Callable[[DayTotals], Decimal]] = {
        "sum": lambda d: d.total,
        "average": lambda d: d.total / d.count,
        "min": lambda d: d.smallest,
        "max": lambda d: d.largest,
    }
    return _ReportAmount(readers[agg](days), days.count)
