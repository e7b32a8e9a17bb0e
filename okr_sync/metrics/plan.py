"""From bindings and days to what must be computed, and to the smallest set of pulls for it.

Belongs here: which spans each key result and metric is evaluated over, and the union of properties,
series and windows that they read. Does not belong here: how a pull is made (connectors) or what is
skipped because it is already stored (report_trim).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.models import (
    FormulaMetric,
    Ga4Source,
    ManualMetric,
    Project,
    RecordMetric,
    SqlMetric,
)
from okr_sync.config.where import Where
from okr_sync.metrics.dependencies import datasets_read, with_inputs
from okr_sync.metrics.fx import FX_FIELDS, FX_RATE_FIELD, FX_TIME_FIELD
from okr_sync.metrics.needs import (
    CheckInsNeed,
    ExactWindowNeed,
    Need,
    QueriesNeed,
    QueryNeed,
    RecordsNeed,
    ReportsNeed,
    SeriesNeed,
)
from okr_sync.metrics.record_fields import (
    associated_fields,
    converts_currency,
    fields_of_metric,
    number_fields,
    time_fields,
)
from okr_sync.metrics.report_reads import report_reads
from okr_sync.metrics.spans import Span, spans_for


@dataclass(frozen=True)
class Plan:
    """What a run computes: spans by key result id, and by metric name all that its users ask for."""

    by_key_result: Mapping[str, tuple[Span, ...]]
    by_metric: Mapping[str, tuple[Span, ...]]


def make_plan(
    bundle: Bundle, days_of: Mapping[str, Iterable[date]], calendar: Calendar, now: datetime
) -> Plan:
    """Plan the key results named in `days_of`, each for its as-of days.

    A key result whose cycle has not begun gets no span; a metric's spans are the union of those of
    its users: key results, and formulas that it is an input of.
    """
    by_key_result: dict[str, tuple[Span, ...]] = {}
    by_metric: dict[str, dict[Span, None]] = defaultdict(dict)
    for key_result_id, days in days_of.items():
        key_result = bundle.key_results[key_result_id]
        metric = bundle.metrics[key_result.metric]
        spans = spans_for(key_result, metric, bundle.metrics, days, calendar, now)
        by_key_result[key_result_id] = spans
        for one in with_inputs(bundle.metrics, [metric.name]):
            by_metric[one.name].update(dict.fromkeys(spans))
    return Plan(by_key_result, {name: tuple(spans) for name, spans in by_metric.items()})


def needs_of(bundle: Bundle, plan: Plan) -> tuple[Need, ...]:
    """What a plan reads, one need a dataset, in the order of the datasets' names.

    A dataset that no span looks at is not read. One that is read as records is read with every field
    that any key result of the project binds, planned or not: a mirror holds whole records, and a
    field left out today would mean reading all of them again tomorrow.
    """
    looked_at = [
        metric
        for metric in (bundle.metrics[name] for name, spans in plan.by_metric.items() if spans)
        if not isinstance(metric, FormulaMetric)
    ]
    queries: dict[str, list[SqlMetric]] = defaultdict(list)
    reports: dict[str, list[RecordMetric]] = defaultdict(list)
    records: set[str] = set()
    reads_check_ins = False
    for metric in looked_at:
        if isinstance(metric, ManualMetric):
            reads_check_ins = True
        elif isinstance(metric, SqlMetric):
            queries[metric.source].append(metric)
        elif isinstance(bundle.project.sources[metric.source], Ga4Source):
            reports[metric.dataset].append(metric)
        else:
            records.update(datasets_read(bundle.project, metric))
    bound = _BoundFields(bundle)
    needs: list[Need] = [bound.need(dataset) for dataset in records]
    needs += (_reports_need(dataset, metrics, plan) for dataset, metrics in reports.items())
    needs += (_queries_need(source, metrics, plan) for source, metrics in queries.items())
    if reads_check_ins and bundle.project.check_ins.dataset is not None:
        needs.append(_check_ins_need(bundle, bundle.project.check_ins.dataset))
    return tuple(sorted(needs, key=lambda need: (need.source, need.dataset)))


class _BoundFields:
    """All that the project's key results read as records, by dataset."""

    def __init__(self, bundle: Bundle) -> None:
        self._fields: dict[str, set[str]] = defaultdict(set)
        self._times: dict[str, set[str]] = defaultdict(set)
        self._numbers: dict[str, set[str]] = defaultdict(set)
        self._rates: dict[str, set[str]] = defaultdict(set)
        self._measured: dict[str, set[str]] = defaultdict(set)
        self._associations: dict[str, set[str]] = defaultdict(set)
        named = {key_result.metric for key_result in bundle.key_results.values()}
        for metric in with_inputs(bundle.metrics, named):
            if not isinstance(metric, FormulaMetric | SqlMetric | ManualMetric):
                self._add(bundle.project, metric)

    def _add(self, project: Project, metric: RecordMetric) -> None:
        self._measured[metric.dataset] |= fields_of_metric(metric, project)
        self._fields[metric.dataset] |= self._measured[metric.dataset]
        self._times[metric.dataset] |= time_fields(metric)
        self._numbers[metric.dataset] |= number_fields(metric)
        for related, names in associated_fields(metric, project).items():
            self._associations[metric.dataset].add(related)
            self._fields[f"{metric.source}.{related}"] |= names
        if project.fx is not None and converts_currency(metric):
            self._fields[project.fx] |= FX_FIELDS
            self._times[project.fx].add(FX_TIME_FIELD)
            self._rates[project.fx].add(FX_RATE_FIELD)

    def need(self, dataset: str) -> RecordsNeed:
        """All that is read of a dataset."""
        source, _, name = dataset.partition(".")
        return RecordsNeed(
            source,
            name,
            frozenset(self._fields[dataset]),
            frozenset(self._times[dataset]),
            frozenset(self._numbers[dataset]),
            frozenset(self._associations[dataset]),
            frozenset(self._rates[dataset] - self._measured[dataset]),
        )


def _check_ins_need(bundle: Bundle, dataset: str) -> CheckInsNeed:
    source, _, name = dataset.partition(".")
    manual = {name: one for name, one in bundle.key_results.items() if one.is_manual}
    others = frozenset(bundle.key_results) - manual.keys()
    return CheckInsNeed(source, name, manual, others, ZoneInfo(bundle.project.time_zone))


def _queries_need(source: str, metrics: Iterable[SqlMetric], plan: Plan) -> QueriesNeed:
    return QueriesNeed(
        source,
        tuple(
            QueryNeed(
                metric.name, metric.text, span.as_of, span.window.start_day, span.window.end_day
            )
            for metric in metrics
            for span in plan.by_metric[metric.name]
        ),
    )


def _reports_need(dataset: str, metrics: Iterable[RecordMetric], plan: Plan) -> ReportsNeed:
    source, _, name = dataset.partition(".")
    series: dict[Where, tuple[set[str], list[date]]] = {}
    windows: dict[tuple[Where, date, date], set[str]] = {}
    for metric in metrics:
        for read in report_reads(metric):
            for span in plan.by_metric[metric.name]:
                first, last = span.window.start_day, span.window.end_day - timedelta(days=1)
                if read.daily:
                    names, days = series.setdefault(read.where, (set(), []))
                    names.update(read.daily)
                    days += (first, last)
                if read.exact:
                    windows.setdefault((read.where, first, last), set()).update(read.exact)
    return ReportsNeed(
        source,
        name,
        tuple(
            SeriesNeed(where, frozenset(names), min(days), max(days))
            for where, (names, days) in series.items()
        ),
        tuple(
            ExactWindowNeed(where, frozenset(names), first, last)
            for (where, first, last), names in windows.items()
        ),
    )
