"""From bindings and days to what must be computed, and to the smallest set of pulls for it.

Belongs here: which spans each key result and metric is evaluated over, and the union of properties,
series and windows that they read. Does not belong here: how a pull is made (connectors) or what is
skipped because it is already stored (report_trim).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.models import AnyMetric, Ga4Source
from okr_sync.config.where import Where
from okr_sync.metrics.needs import ExactWindowNeed, Need, RecordsNeed, ReportsNeed, SeriesNeed
from okr_sync.metrics.record_fields import fields_of_metric, number_fields, time_fields
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

    A key result whose cycle has not begun gets no span; a metric's spans are the union of its users'.
    """
    by_key_result: dict[str, tuple[Span, ...]] = {}
    by_metric: dict[str, dict[Span, None]] = defaultdict(dict)
    for key_result_id, days in days_of.items():
        key_result = bundle.key_results[key_result_id]
        metric = bundle.metrics[key_result.metric]
        spans = spans_for(key_result, metric, days, calendar, now)
        by_key_result[key_result_id] = spans
        by_metric[metric.name].update(dict.fromkeys(spans))
    return Plan(by_key_result, {name: tuple(spans) for name, spans in by_metric.items()})


def needs_of(bundle: Bundle, plan: Plan) -> tuple[Need, ...]:
    """What a plan reads, one need a dataset, in the order of the datasets' names.

    A dataset that no span looks at is not read. One that is read as records is read with every field
    that any key result of the project binds, planned or not: a mirror holds whole records, and a
    field left out today would mean reading all of them again tomorrow.
    """
    looked_at = [bundle.metrics[name] for name, spans in plan.by_metric.items() if spans]
    by_dataset: dict[str, list[AnyMetric]] = defaultdict(list)
    for metric in looked_at:
        by_dataset[metric.dataset].append(metric)
    bound = {key_result.metric for key_result in bundle.key_results.values()}
    needs: list[Need] = []
    for dataset, metrics in sorted(by_dataset.items()):
        if isinstance(bundle.project.sources[dataset.partition(".")[0]], Ga4Source):
            needs.append(_reports_need(dataset, metrics, plan))
        else:
            users = (bundle.metrics[name] for name in sorted(bound))
            needs.append(_records_need(dataset, [m for m in users if m.dataset == dataset]))
    return tuple(needs)


def _records_need(dataset: str, metrics: Sequence[AnyMetric]) -> RecordsNeed:
    source, _, name = dataset.partition(".")
    return RecordsNeed(
        source,
        name,
        frozenset().union(*(fields_of_metric(metric) for metric in metrics)),
        frozenset().union(*(time_fields(metric) for metric in metrics)),
        frozenset().union(*(number_fields(metric) for metric in metrics)),
    )


def _reports_need(dataset: str, metrics: Iterable[AnyMetric], plan: Plan) -> ReportsNeed:
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
