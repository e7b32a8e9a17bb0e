"""What a metric hangs on: the metrics that a formula is made of, and the datasets that are read.

Belongs here: the walk over definitions. Does not belong here: which fields of a dataset are read
(record_fields) or what is pulled (plan).
"""

from collections.abc import Iterable, Mapping

from okr_sync.config.models import (
    AnyMetric,
    FormulaMetric,
    LeafMetric,
    ManualMetric,
    Project,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.metrics.needs import QueriesNeed
from okr_sync.metrics.record_fields import associated_fields, converts_currency


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


def leaf_metrics(metrics: Mapping[str, AnyMetric], metric: AnyMetric) -> tuple[LeafMetric, ...]:
    """The metrics that rest on no other, of which a metric is made: itself, unless it is a formula."""
    return tuple(
        one for one in with_inputs(metrics, [metric.name]) if not isinstance(one, FormulaMetric)
    )


def datasets_read(project: Project, metric: AnyMetric) -> tuple[str, ...]:
    """The datasets (`hubspot.deals`) that a metric reads itself, its own first; none for a formula.

    Beside its own these are the objects that its conditions look through associations at, and the
    exchange rates. Check-ins may come from a dataset of files, if the project names one.
    """
    if isinstance(metric, FormulaMetric):
        return ()
    if isinstance(metric, ManualMetric):
        return () if project.check_ins.dataset is None else (project.check_ins.dataset,)
    if isinstance(metric, SqlMetric):
        return (f"{metric.source}.{QueriesNeed.dataset}",)
    datasets = [metric.dataset]
    datasets += (f"{metric.source}.{name}" for name in associated_fields(metric, project))
    if converts_currency(metric) and project.fx:
        datasets.append(project.fx)
    return tuple(dict.fromkeys(datasets))


def is_live(metrics: Mapping[str, AnyMetric], metric: AnyMetric) -> bool:
    """Whether the metric can only be measured as of today: a level, or a formula over one."""
    return any(
        isinstance(each, SnapshotMetric) or (isinstance(each, SqlMetric) and each.snapshot)
        for each in leaf_metrics(metrics, metric)
    )
