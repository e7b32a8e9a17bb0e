"""What a metric hangs on: the metrics that a formula is made of, and the datasets that are read.

Belongs here: the walk over definitions. Does not belong here: which fields of a dataset are read
(record_fields) or what is pulled (plan).
"""

from collections.abc import Iterable, Mapping

from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    FormulaMetric,
    HubSpotSource,
    Project,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.metrics.needs import QueriesNeed
from okr_sync.metrics.record_fields import aggregations


def with_inputs(metrics: Mapping[str, AnyMetric], names: Iterable[str]) -> list[AnyMetric]:
    """The named metrics and all that their formulas are made of, inputs before what uses them."""
    found: dict[str, AnyMetric] = {}

    def visit(name: str) -> None:
        if name in found:
            return
        metric = metrics[name]
        if isinstance(metric, FormulaMetric):
            for input_name in sorted(metric.inputs.values()):
                visit(input_name)
        found[name] = metric

    for name in sorted(names):
        visit(name)
    return list(found.values())


def datasets_read(project: Project, metric: AnyMetric) -> tuple[str, ...]:
    """The datasets (`hubspot.deals`) that a metric reads itself, its own first; none for a formula.

    Beside its own these are the objects that its conditions look through associations at, and the
    exchange rates.
    """
    if isinstance(metric, FormulaMetric):
        return ()
    if isinstance(metric, SqlMetric):
        return (f"{metric.source}.{QueriesNeed.dataset}",)
    datasets = {metric.dataset: None}
    if isinstance(project.sources[metric.source], HubSpotSource):
        conditions = metric.where.fields().union(
            *(part.where.fields() for part in aggregations(metric))
        )
        objects = sorted({field.partition(".")[0] for field in conditions if "." in field})
        datasets |= dict.fromkeys(f"{metric.source}.{name}" for name in objects)
    if isinstance(metric, AggMetric) and metric.currency_field and project.fx:
        datasets[project.fx] = None
    return tuple(datasets)


def is_live(metrics: Mapping[str, AnyMetric], metric: AnyMetric) -> bool:
    """Whether the metric can only be measured as of today: a level, or a formula over one."""
    return any(
        isinstance(each, SnapshotMetric) or (isinstance(each, SqlMetric) and each.snapshot)
        for each in with_inputs(metrics, [metric.name])
    )
