"""Which fields of which datasets a number rests on, and which key results rest on a field.

Belongs here: the walk from key results to fields and back. Does not belong here: what of a field is
read as what (record_fields, report_reads) or how it is shown (assets.lineage, checks).
"""

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AnyMetric,
    FormulaMetric,
    Ga4Source,
    ManualMetric,
    Project,
    SqlMetric,
)
from okr_sync.metrics.dependencies import with_inputs
from okr_sync.metrics.record_fields import associated_fields, fields_of_metric
from okr_sync.metrics.report_reads import report_reads

DatasetField = tuple[str, str]
"""A dataset and a field of it: `("hubspot.deals", "amount")`."""


def fields_read(project: Project, metric: AnyMetric) -> list[DatasetField]:
    """The fields that a metric reads itself, in order; none for a formula, a query or
    what people check in."""
    if isinstance(metric, FormulaMetric | ManualMetric | SqlMetric):
        return []
    if isinstance(project.sources[metric.source], Ga4Source):
        names = {name for read in report_reads(metric) for name in (*read.daily, *read.exact)}
        return [(metric.dataset, name) for name in sorted(names)]
    found = [(metric.dataset, name) for name in sorted(fields_of_metric(metric, project))]
    for related, names_of_related in associated_fields(metric, project).items():
        found += [(f"{metric.source}.{related}", name) for name in sorted(names_of_related)]
    return found


def key_results_by_field(bundle: Bundle) -> dict[DatasetField, list[str]]:
    """The ids of the key results that rest on each field, also through formulas."""
    found: dict[DatasetField, list[str]] = {}
    by_metric: dict[str, list[str]] = {}
    for key_result_id, key_result in sorted(bundle.key_results.items()):
        by_metric.setdefault(key_result.metric, []).append(key_result_id)
    for name, key_result_ids in by_metric.items():
        fields = {
            field: None
            for metric in with_inputs(bundle.metrics, [name])
            for field in fields_read(bundle.project, metric)
        }
        for field in fields:
            found.setdefault(field, []).extend(key_result_ids)
    return {field: sorted(ids) for field, ids in found.items()}
