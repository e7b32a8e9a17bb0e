"""Which fields a metric reads of its dataset and of associated objects, and as what.

Belongs here: the walk over one metric's definition. Does not belong here: inputs of formulas
(dependencies), pulls (plan) or SQL (evaluate_records).

In conditions on HubSpot's records, a field with a dot looks through an association:
`contacts.email_domain` is the property email_domain of an associated contact. A column of a table
or a file may have a dot in its own name.
"""

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    HubSpotSource,
    Project,
    RatioMetric,
    RecordMetric,
    SnapshotMetric,
)

_NUMERIC_AGGS_EXEMPT = ("count", "count_distinct")


def aggregations(metric: AnyMetric) -> tuple[Aggregation, ...]:
    """The aggregations that a metric is made of."""
    if isinstance(metric, AggMetric | SnapshotMetric):
        return (metric.aggregation,)
    if isinstance(metric, RatioMetric):
        return (metric.numerator, metric.denominator)
    return ()


def time_fields(metric: RecordMetric) -> frozenset[str]:
    """The fields that a metric uses as times."""
    if isinstance(metric, ConversionMetric | DurationMetric):
        return frozenset((metric.from_time, metric.to_time))
    if isinstance(metric, SnapshotMetric) or not metric.time:
        return frozenset()
    return frozenset((metric.time,))


def number_fields(metric: RecordMetric) -> frozenset[str]:
    """The fields that a metric adds up, averages or ranks."""
    return frozenset(
        part.field
        for part in aggregations(metric)
        if part.field is not None and part.agg not in _NUMERIC_AGGS_EXEMPT
    )


def fields_of_metric(metric: RecordMetric, project: Project) -> frozenset[str]:
    """Every field of its own dataset that a metric reads."""
    names = set(time_fields(metric)) | _condition_fields(metric)
    for related, fields in associated_fields(metric, project).items():
        names -= {f"{related}.{field}" for field in fields}
    names |= {part.field for part in aggregations(metric) if part.field is not None}
    if metric.by is not None:
        names.add(metric.by)
    if isinstance(metric, AggMetric) and metric.currency_field is not None:
        names.add(metric.currency_field)
    return frozenset(names)


def associated_fields(metric: RecordMetric, project: Project) -> dict[str, frozenset[str]]:
    """By associated object (`contacts`) the fields of it that conditions look at."""
    if not isinstance(project.sources[metric.source], HubSpotSource):
        return {}
    found: dict[str, set[str]] = {}
    for field in _condition_fields(metric):
        related, dot, name = field.partition(".")
        if dot:
            found.setdefault(related, set()).add(name)
    return {related: frozenset(names) for related, names in sorted(found.items())}


def _condition_fields(metric: RecordMetric) -> set[str]:
    """The fields in the metric's own conditions and in those of its aggregations."""
    parts = (part.where for part in aggregations(metric))
    return set(metric.where.fields().union(*(where.fields() for where in parts)))


def anchor_field(metric: RecordMetric) -> str | None:
    """The time field that must lie in the window for a record to count; None: every record does."""
    if isinstance(metric, SnapshotMetric):
        return None
    if isinstance(metric, ConversionMetric):
        return metric.from_time
    if isinstance(metric, DurationMetric):
        return metric.from_time if metric.cohort == "start" else metric.to_time
    if metric.time is None:
        raise ValueError(f"metric {metric.name} has no time field")
    return metric.time


def converts_currency(metric: AnyMetric) -> bool:
    """Whether a metric's amounts are converted at the rates of the project's `fx` dataset."""
    return (
        isinstance(metric, AggMetric)
        and metric.currency is not None
        and metric.currency_field is not None
    )
