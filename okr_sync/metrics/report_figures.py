"""Stored GA4 figures over the windows of one evaluation: totals of days, and exact windows.

Belongs here: reading source_report_day and source_report_window, and refusing what isn't there.
Does not belong here: what the figures mean for a metric (evaluate_reports), writing them
(warehouse.report_store).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    and_,
    column,
    false,
    func,
    or_,
    select,
)

from okr_sync.config.models import RecordMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.literal_rows import literal_rows
from okr_sync.metrics.quantiles import quantile_query, quantiles
from okr_sync.metrics.report_reads import ReportRead, report_reads
from okr_sync.metrics.spans import Span
from okr_sync.metrics.whole_numbers import rest, whole_quotient
from okr_sync.warehouse.encoding import MICROS, from_micros
from okr_sync.warehouse.report_store import ReportAccount, refusals, report_account
from okr_sync.warehouse.tables import source_report_day, source_report_window

_Pairs = set[tuple[str, str]]
"""Series and metric: a metric under one filter."""


@dataclass(frozen=True)
class DayTotals:
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

    def days(self, pairs: _Pairs) -> dict[tuple[int, str, str], DayTotals]:
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
                func.sum(whole_quotient(micros, MICROS)),
                func.sum(rest(micros, MICROS)),
                func.min(micros),
                func.max(micros),
                func.count(),
            )
            .select_from(self.windows.join(source_report_day, self._in_window()))
            .where(self._of_dataset(), _one_of(pairs, day.series, day.metric))
            .group_by(self.windows.c.span, day.series, day.metric)
        )
        return {
            (span, series, metric): DayTotals(
                from_micros(int(wholes) * MICROS + int(rests)),
                from_micros(int(smallest)),
                from_micros(int(largest)),
                count,
            )
            for span, series, metric, wholes, rests, smallest, largest, count in (
                self.connection.execute(query)
            )
        }

    def day_flags(self, pairs: _Pairs) -> dict[tuple[int, str, str], set[str]]:
        """Per span number, series and metric the quality flags of the window's days."""
        day = source_report_day.c
        query = (
            select(self.windows.c.span, day.series, day.metric, day.quality)
            .select_from(self.windows.join(source_report_day, self._in_window()))
            .where(
                self._of_dataset(),
                _one_of(pairs, day.series, day.metric),
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
        self, pairs: _Pairs
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
            _one_of(pairs, window.series, window.metric),
        )  # fmt: skip
        return {(r[0], r[1], r[2], r[3]): (r[4], r[5]) for r in self.connection.execute(query)}

    def account(self) -> ReportAccount | None:
        """Whose figures these are, and the zone and currency of its reports."""
        return report_account(self.connection, self.source, self.dataset)

    def _of_dataset(self) -> ColumnElement[bool]:
        day = source_report_day.c
        return and_(day.source == self.source, day.dataset == self.dataset)

    def _in_window(self) -> ColumnElement[bool]:
        day = source_report_day.c.day
        return and_(day >= self.windows.c.first_day, day <= self.windows.c.last_day)


def _day_windows(spans: Sequence[Span]) -> CTE:
    day_type = source_report_day.c.day.type
    return literal_rows(
        "windows",
        [column("span", Integer), column("first_day", day_type), column("last_day", day_type)],
        [(number, *_days_of(span)) for number, span in enumerate(spans)],
    )


def _one_of(
    pairs: _Pairs, series: ColumnElement[str], metric: ColumnElement[str]
) -> ColumnElement[bool]:
    """Whether a row is of one of the pairs: no list of pairs, which BigQuery's dialect can't write."""
    by_metric: dict[str, list[str]] = {}
    for key, name in sorted(pairs):
        by_metric.setdefault(name, []).append(key)
    each = (and_(metric == name, series.in_(keys)) for name, keys in by_metric.items())
    return or_(false(), *each)


def _days_of(span: Span) -> tuple[date, date]:
    """The window's first and last day, both inclusive, as GA4 counts."""
    return span.window.start_day, span.window.end_day - timedelta(days=1)


_INCOMPLETE_ROWS = ("thresholded", "other_row", "truncated")
"""Flags of reports that can lack a whole row. A sample has every row, by its estimate."""


def _check_zero(metric: str, first: date, last: date, flags: Iterable[str]) -> None:
    """Refuse a 0 that GA4 only seems to give: its rows may have been held back or cut off."""
    doubts = sorted(set(flags).intersection(_INCOMPLETE_ROWS))
    if doubts:
        raise SourceError(
            f"GA4 shows nothing of {metric} from {first} to {last}, and its report is "
            f"{' and '.join(doubts)}: rows may be missing, so this is no 0. Look at it in GA4; a "
            "wider filter or window, or another reporting identity, can bring the rows back."
        )


def refusal_flags(connection: Connection, metric: RecordMetric) -> frozenset[str]:
    """The flags that say why the figures of a metric over a GA4 property can't be had; mostly none."""
    source, _, dataset = metric.dataset.partition(".")
    refused = {
        key: one for key, one in refusals(connection, source, dataset).items() if one.quality
    }
    if not refused:
        return frozenset()
    return frozenset(
        flag
        for read in report_reads(metric)
        for name in (*read.daily, *read.exact)
        if (series := (read.where.key(), name)) in refused
        for flag in refused[series].quality
    )


class ReportFigures:
    """The stored figures of one GA4 dataset that an evaluation reads, over its spans.

    Methods add the quality flags of what they return to `quality`, and raise SourceError for what
    GA4 refused or what is not stored: a day that was never pulled is not a day of zero.
    """

    def __init__(
        self,
        connection: Connection,
        dataset: str,
        spans: Sequence[Span],
        reads: Iterable[ReportRead],
    ) -> None:
        reads = list(reads)
        daily = {(read.where.key(), name) for read in reads for name in read.daily}
        exact = {(read.where.key(), name) for read in reads for name in read.exact}
        self._store = _Store(connection, dataset, spans)
        self._days = self._store.days(daily)
        self._flags = self._store.day_flags(daily)
        self._exact = self._store.exact(exact)
        self._refused = refusals(connection, self._store.source, self._store.dataset)
        account = self._store.account()
        self.time_zone = None if account is None else account.time_zone
        self.currency = None if account is None else account.currency

    def series(self, span: Span, series: str, metric: str, quality: set[str]) -> DayTotals:
        """A metric's daily figures over the span's days, all of them."""
        number = self._store.numbers[span]
        first, last = _days_of(span)
        wanted = (last - first).days + 1
        found = self._days.get((number, series, metric))
        if found is None or found.count < wanted:
            missing = wanted - (found.count if found else 0)
            raise SourceError(
                f"GA4's {metric} of {missing} of the {wanted} days from {first} to {last} is not in "
                "the warehouse. Run `okr-sync sync` for this key result."
            )
        flags = self._flags.get((number, series, metric), set())
        if not found.total:
            _check_zero(metric, first, last, flags)
        quality |= flags
        return found

    def check(self, read: ReportRead) -> None:
        """Raise what GA4 refused this read with, whatever was stored before it did."""
        for name in (*read.daily, *read.exact):
            refused = self._refused.get((read.where.key(), name))
            if refused is not None:
                raise SourceError(refused.text)

    def window(self, span: Span, series: str, metric: str, quality: set[str]) -> Decimal | None:
        """A metric's figure of exactly the span's days; None for a rate over nothing."""
        first, last = _days_of(span)
        if (first, last, series, metric) not in self._exact:
            raise SourceError(
                f"GA4's {metric} for exactly {first} to {last} is not in the warehouse. "
                "Run `okr-sync sync` for this key result."
            )
        value, flags = self._exact[first, last, series, metric]
        if not value:
            _check_zero(metric, first, last, flags)
        quality |= set(flags)
        return value

    def percentile(self, span: Span, series: str, metric: str, percent: int) -> Decimal:
        """The percentile of a series' daily figures; `series` must have found its days complete."""
        ranked = self._store.ranked(series, metric, percent)
        return ranked[self._store.numbers[span]][0] / MICROS
