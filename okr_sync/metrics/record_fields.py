"""Which fields of a dataset a metric reads, and as what.

Belongs here: the walk over a metric's definition. Does not belong here: pulls (plan) or SQL
(evaluate_records).
"""

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    RatioMetric,
)

_NUMERIC_AGGS_EXEMPT = ("count", "count_distinct")


def aggregations(metric: AnyMetric) -> tuple[Aggregation, ...]:
    """The aggregations that a metric is made of."""
    if isinstance(metric, AggMetric):
        return (metric.aggregation,)
    if isinstance(metric, RatioMetric):
        return (metric.numerator, metric.denominator)
    return ()


def time_fields(metric: AnyMetric) -> frozenset[str]:
    """The fields that a metric uses as times."""
    if isinstance(metric, ConversionMetric | DurationMetric):
        return frozenset((metric.from_time, metric.to_time))
    return frozenset((metric.time,)) if metric.time else frozenset()


def number_fields(metric: AnyMetric) -> frozenset[str]:
    """The fields that a metric adds up, averages or ranks."""
    return frozenset(
        part.field
        for part in aggregations(metric)
        if part.field is not None and part.agg not in _NUMERIC_AGGS_EXEMPT
    )


def fields_of_metric(metric: AnyMetric) -> frozenset[str]:
    """Every field that a metric reads."""
    names = set(metric.where.fields() | time_fields(metric))
    for part in aggregations(metric):
        names |= part.where.fields()
        if part.field is not None:
            names.add(part.field)
    return frozenset(names)


def anchor_field(metric: AnyMetric) -> str:
    """The time field that must lie in the window for a record to count."""
    if isinstance(metric, ConversionMetric):
        return metric.from_time
    if isinstance(metric, DurationMetric):
        return metric.from_time if metric.cohort == "start" else metric.to_time
    if metric.time is None:
        raise ValueError(f"metric {metric.name} has no time field")
    return metric.time
