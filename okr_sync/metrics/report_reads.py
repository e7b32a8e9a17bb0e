"""What a metric over GA4 reports reads: daily series that add up, and figures of exact windows.

Belongs here: the walk from a metric's aggregations to (filter, GA4 metric) pairs, shared by the plan
and by evaluation. Does not belong here: what GA4's metrics mean (report_fields) or SQL.
"""

from dataclasses import dataclass

from okr_sync.config.models import Aggregation, RecordMetric
from okr_sync.config.where import Where
from okr_sync.metrics.record_fields import aggregations
from okr_sync.metrics.report_fields import Additivity, additivity, basis, parts


@dataclass(frozen=True)
class ReportRead:
    """The GA4 metrics that one aggregation reads under one filter: as daily series, or at the window."""

    aggregation: Aggregation
    where: Where
    daily: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()


def report_read(metric: RecordMetric, aggregation: Aggregation) -> ReportRead:
    """What one aggregation of a metric reads. The metric's own filter applies to every part."""
    where = metric.where & aggregation.where
    field = aggregation.field
    if field is None:
        raise ValueError(f"metric {metric.name} counts report rows")
    kind = additivity(field)
    if kind is Additivity.SUM:
        return ReportRead(aggregation, where, daily=(field,))
    ratio = parts(field)
    if ratio is not None:
        return ReportRead(aggregation, where, daily=(ratio.numerator, ratio.denominator))
    rests_on = basis(field) if kind is Additivity.EXACT else None
    return ReportRead(aggregation, where, exact=(field, rests_on) if rests_on else (field,))


def report_reads(metric: RecordMetric) -> tuple[ReportRead, ...]:
    """What each aggregation of a metric reads, in the order of the aggregations."""
    return tuple(report_read(metric, aggregation) for aggregation in aggregations(metric))
