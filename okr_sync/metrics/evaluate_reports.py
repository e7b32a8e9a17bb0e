"""Metrics over GA4 reports: daily series added up in SQL, exact windows looked up.

Belongs here: how stored report figures become measurements. Does not belong here: mirrored records
(evaluate_records), requests to GA4 (connectors.ga4) or which figures add up (report_fields).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    and_,
    column,
    func,
    select,
    tuple_,
    values,
)

from okr_sync.config.models import AggMetric, AnyMetric, RatioMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.evaluate_records import Answers, Question, Refusals, quotient
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.quantiles import percent_of, quantile_query, quantiles
from okr_sync.metrics.report_fields import Additivity, additivity, parts
from okr_sync.metrics.report_reads import ReportRead, report_reads
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.encoding import MICROS, from_micros
from okr_sync.warehouse.report_store import refusals as stored_refusals
from okr_sync.warehouse.tables import source_report_day, source_report_window, source_state


@dataclass(frozen=True)
class _Days:
    """A series' figures over one window: exact total, extremes, and how many days are stored."""

    total: Decimal
    smallest: Decimal
    largest: Decimal
    count: int


class _Store:
    """The stored figures of one GA4 dataset, over the windows of one evaluation."""

    def __init__(self, connection: Connection, dataset: str, spans: Sequence[Span]) -> None:
        self.connection = connection
        self.source, _, self.dataset = dataset.partition(".")
        self.numbers = {span: number for number, span in enumerate(spans)}
        self.windows = _day_windows(spans)

    def days(self, pairs: set[tuple[str, str]]) -> dict[tuple[int, str, str], _Days]:
        """Per span number, series and metric the figures of the window's days, in one query."""
        if not pairs:
            return {}
        day = source_report_day.c
        micros = day.value_micros
        query = (
            select(
                self.windows.c.span,
                day.series,
                day.metric,
                func.sum(micros // MICROS),
                func.sum(micros % MICROS),
                func.min(micros),
                func.max(micros),
                func.count(),
            )
            .select_from(self.windows.join(source_report_day, self._in_window()))
            .where(self._of_dataset(), tuple_(day.series, day.metric).in_(sorted(pairs)))
            .group_by(self.windows.c.span, day.series, day.metric)
        )
        return {
            (span, series, metric): _Days(
                from_micros(int(wholes) * MICROS + int(rests)),
                from_micros(int(smallest)),
                from_micros(int(largest)),
                count,
            )
            for span, series, metric, wholes, rests, smallest, largest, count in (
                self.connection.execute(query)
            )
        }

    def day_flags(self, pairs: set[tuple[str, str]]) -> dict[tuple[int, str, str], set[str]]:
        """Per span number, series and metric the quality flags of the window's days."""
        day = source_report_day.c
        query = (
            select(self.windows.c.span, day.series, day.metric, day.quality)
            .select_from(self.windows.join(source_report_day, self._in_window()))
            .where(
                self._of_dataset(),
                tuple_(day.series, day.metric).in_(sorted(pairs)),
                day.quality != (),
            )
            .distinct()
        )
        found: dict[tuple[int, str, str], set[str]] = {}
        for span, series, metric, flags in self.connection.execute(query) if pairs else ():
            found.setdefault((span, series, metric), set()).update(flags)
        return found

    def ranked(self, series: str, metric: str, percent: int) -> dict[int, tuple[Decimal, int]]:
        """Per span number the percentile of the daily figures, in millionths."""
        day = source_report_day.c
        x = day.value_micros.label("x")
        rows = (
            select(self.windows.c.span, x)
            .select_from(self.windows.join(source_report_day, self._in_window()))
            .where(self._of_dataset(), day.series == series, day.metric == metric)
        )
        query = quantile_query(self.windows.c.span, x, rows, percent)
        return quantiles(self.connection, query, percent)

    def exact(
        self, pairs: set[tuple[str, str]]
    ) -> dict[tuple[date, date, str, str], tuple[Decimal | None, tuple[str, ...]]]:
        """By first day, last day, series and metric: the figure asked for at that exact window."""
        if not pairs:
            return {}
        window = source_report_window.c
        query = select(
            window.first_day, window.last_day, window.series, window.metric, window.value,
            window.quality,
        ).where(
            window.source == self.source,
            window.dataset == self.dataset,
            tuple_(window.series, window.metric).in_(sorted(pairs)),
        )  # fmt: skip
        return {(r[0], r[1], r[2], r[3]): (r[4], r[5]) for r in self.connection.execute(query)}

    def time_zone(self) -> str | None:
        """The property's time zone, as its reports said."""
        state = source_state.c
        return self.connection.scalar(
            select(state.time_zone).where(
                state.source == self.source, state.dataset == self.dataset
            )
        )

    def _of_dataset(self) -> ColumnElement[bool]:
        day = source_report_day.c
        return and_(day.source == self.source, day.dataset == self.dataset)

    def _in_window(self) -> ColumnElement[bool]:
        day = source_report_day.c.day
        return and_(day >= self.windows.c.first_day, day <= self.windows.c.last_day)


def _day_windows(spans: Sequence[Span]) -> CTE:
    day_type = source_report_day.c.day.type
    return (
        values(
            column("span", Integer),
            column("first_day", day_type),
            column("last_day", day_type),
            name="windows",
        )
        .data([(number, *_days_of(span)) for number, span in enumerate(spans)])
        .cte("windows")
    )


def _days_of(span: Span) -> tuple[date, date]:
    """The window's first and last day, both inclusive, as GA4 counts."""
    return span.window.start_day, span.window.end_day - timedelta(days=1)


def evaluate_reports(
    connection: Connection, dataset: str, questions: Sequence[Question], zone: ZoneInfo
) -> tuple[Answers, Refusals]:
    """Evaluate metrics over one GA4 property's stored reports.

    A figure whose days are not all stored is refused, never taken for zero.
    """
    spans = list(dict.fromkeys(span for question in questions for span in question.spans))
    store = _Store(connection, dataset, spans)
    reads = {question.metric.name: report_reads(question.metric) for question in questions}
    daily = {
        (read.where.key(), name)
        for found in reads.values()
        for read in found
        for name in read.daily
    }
    exact = {
        (read.where.key(), name)
        for found in reads.values()
        for read in found
        for name in read.exact
    }
    figures = _Figures(
        store,
        store.days(daily),
        store.day_flags(daily),
        store.exact(exact),
        stored_refusals(connection, store.source, store.dataset),
    )
    property_zone = store.time_zone()
    zone_flags = (
        {f"property_time_zone:{property_zone}"}
        if property_zone is not None and property_zone != zone.key
        else set()
    )
    answers: Answers = {}
    refusals: Refusals = {}
    for question in questions:
        metric = question.metric
        try:
            for read in reads[metric.name]:
                figures.check(read)
            answers |= {
                (metric.name, span): _measure(metric, reads[metric.name], figures, span, zone_flags)
                for span in question.spans
            }
        except SourceError as error:
            refusals[metric.name] = f"Metric {metric.name}: {error.user_text}"
    return answers, refusals


@dataclass(frozen=True)
class _Figures:
    store: _Store
    days: dict[tuple[int, str, str], _Days]
    flags: dict[tuple[int, str, str], set[str]]
    exact: dict[tuple[date, date, str, str], tuple[Decimal | None, tuple[str, ...]]]
    refused: dict[tuple[str, str], str]

    def series(self, span: Span, series: str, metric: str, quality: set[str]) -> _Days:
        number = self.store.numbers[span]
        first, last = _days_of(span)
        wanted = (last - first).days + 1
        found = self.days.get((number, series, metric))
        if found is None or found.count < wanted:
            missing = wanted - (found.count if found else 0)
            raise SourceError(
                f"GA4's {metric} of {missing} of the {wanted} days from {first} to {last} is not in "
                "the warehouse. Run `okr-sync sync` for this key result."
            )
        quality |= self.flags.get((number, series, metric), set())
        return found

    def check(self, read: ReportRead) -> None:
        """Raise what GA4 refused this read with, whatever was stored before it did."""
        for name in (*read.daily, *read.exact):
            text = self.refused.get((read.where.key(), name))
            if text is not None:
                raise SourceError(text)

    def window(self, span: Span, series: str, metric: str, quality: set[str]) -> Decimal | None:
        first, last = _days_of(span)
        if (first, last, series, metric) not in self.exact:
            raise SourceError(
                f"GA4's {metric} for exactly {first} to {last} is not in the warehouse. "
                "Run `okr-sync sync` for this key result."
            )
        value, flags = self.exact[first, last, series, metric]
        quality |= set(flags)
        return value


def _measure(
    metric: AnyMetric,
    reads: Sequence[ReportRead],
    figures: _Figures,
    span: Span,
    zone_flags: set[str],
) -> Measurement:
    quality = set(zone_flags)
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


def _amount(read: ReportRead, figures: _Figures, span: Span, quality: set[str]) -> _ReportAmount:
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
    agg: str, series: str, field: str, figures: _Figures, span: Span, quality: set[str]
) -> _ReportAmount:
    days = figures.series(span, series, field, quality)
    percent = percent_of(agg)
    if percent is not None:
        ranked = figures.store.ranked(series, field, percent)
        return _ReportAmount(ranked[figures.store.numbers[span]][0] / MICROS, days.count)
    readers: dict[str, Callable[[_Days], Decimal]] = {
        "sum": lambda d: d.total,
        "average": lambda d: d.total / d.count,
        "min": lambda d: d.smallest,
        "max": lambda d: d.largest,
    }
    return _ReportAmount(readers[agg](days), days.count)
