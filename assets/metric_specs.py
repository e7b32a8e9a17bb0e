"""Metrics as assets: what the four family modules share.

Belongs here: a metric's asset and what is shown of its figures. Does not belong here: the
step that measures (steps), the evaluation (okr_sync.metrics) or any one family's description
(conversion, funnel, pipeline, engagement).
"""

import dagster as dg

from assets.keys import dataset_key, labels, metric_key, owners
from assets.lineage import metric_columns, metric_lineage
from assets.metadata import Metadata, add_by_day, latest_of, measurement_metadata
from assets.project import used_metrics
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import AnyMetric, Family, FormulaMetric, ManualMetric
from okr_sync.metrics.dependencies import datasets_read
from okr_sync.sync.measure import Measured

_KINDS: dict[type[AnyMetric], str] = {FormulaMetric: "formula", ManualMetric: "manual"}
"""How a metric's number comes about; the others are SQL over the warehouse."""


def family_specs(bundle: Bundle, family: Family, about: str) -> list[dg.AssetSpec]:
    """The family's metrics that key results use, as assets.

    `about` says what the family's metrics tell; it follows each metric's own description.
    """
    return [
        dg.AssetSpec(
            metric_key(metric),
            deps=_upstream(bundle, metric),
            group_name=family.value,
            owners=owners(metric.owner),
            kinds={_KINDS.get(type(metric), "sql")},
            description=" ".join(filter(None, (metric.description, about))),
            tags=labels(metric.tags),
            metadata=metric_columns(bundle, metric),
        )
        for metric in used_metrics(bundle)
        if metric.family is family
    ]


def _upstream(bundle: Bundle, metric: AnyMetric) -> list[dg.AssetKey]:
    """What a metric is made of: other metrics, or the datasets that it reads."""
    if isinstance(metric, FormulaMetric):
        names = sorted(set(metric.inputs.values()))
        return [metric_key(bundle.metrics[name]) for name in names]
    return [dataset_key(dataset) for dataset in datasets_read(bundle.project, metric)]


def metric_result(
    context: dg.AssetExecutionContext, bundle: Bundle, metric: AnyMetric, measured: Measured
) -> dg.MaterializeResult[None]:
    """What Dagster is told of a metric that was measured: its figures, each day's own in a range."""
    key = metric_key(metric)
    by_day = {
        span.as_of: measurement_metadata(measured.measurements[span])
        for span in sorted(measured.measurements, key=lambda span: span.as_of)
    }
    add_by_day(context, key, by_day)
    return dg.MaterializeResult(
        asset_key=key,
        metadata={"windows": len(measured.measurements)}
        | latest_of(context, by_day)
        | _why_not(measured)
        | metric_lineage(bundle, metric),
    )


def _why_not(measured: Measured) -> Metadata:
    """Why a metric has no number, in words and flags; nothing where it has one."""
    if measured.error is None:
        return {}
    return {
        "error": dg.MetadataValue.text(measured.error),
        "quality": dg.MetadataValue.text(", ".join(measured.flags) or "no flags"),
    }
