"""Metric assets: one step a family that evaluates its metrics from what the pulls have stored.

Belongs here: what the four family modules share. Does not belong here: the evaluation itself
(okr_sync.metrics) or any one family's description (conversion, funnel, pipeline, engagement).
"""

from collections.abc import Iterator

import dagster as dg

from assets.keys import MEASURED_CHECK, dataset_key, labels, metric_key
from assets.metadata import measurement_metadata
from assets.observing import observed
from assets.project import as_of_days, used_metrics
from assets.resources import Clock, Reporter
from assets.run_scope import open_run
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import AnyMetric, Family, FormulaMetric
from okr_sync.metrics.dependencies import datasets_read
from okr_sync.sync.measure import Measured, measure
from okr_sync.warehouse.connect import Warehouse
from okr_sync.wording import counted


def family_assets(bundle: Bundle, family: Family, about: str) -> dg.AssetsDefinition | None:
    """The family's metrics as one subsettable, day-partitioned multi-asset; None if it has none.

    `about` says what the family's metrics tell; it follows each metric's own description.
    """
    metrics = {metric_key(m): m for m in used_metrics(bundle) if m.family is family}
    if not metrics:
        return None

    @dg.multi_asset(
        name=f"measure_{family.value}",
        specs=[
            dg.AssetSpec(
                key,
                deps=_upstream(bundle, metric),
                group_name=family.value,
                kinds={"formula" if isinstance(metric, FormulaMetric) else "sql"},
                description=" ".join(filter(None, (metric.description, about))),
                tags=labels(metric.tags),
            )
            for key, metric in metrics.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                MEASURED_CHECK, asset=key, description="The metric could be evaluated."
            )
            for key in metrics
        ],
        can_subset=True,
        partitions_def=as_of_days(bundle),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def measure_family(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        reporter: dg.ResourceParam[Reporter],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        scope = open_run(context.run, bundle, warehouse, clock.now())
        wanted = {key: m for key, m in metrics.items() if key in context.selected_asset_keys}
        names = [metric.name for metric in wanted.values()]
        with observed("evaluation", run_id=scope.run_id, family=family.value) as told:
            measured = measure(warehouse, bundle, scope.plan, scope.run_id, names)
            told["metrics"] = len(measured)
        for key, metric in wanted.items():
            result = measured.get(metric.name, Measured({}))
            latest = max(result.measurements, key=lambda span: span.as_of, default=None)
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={"windows": len(result.measurements)}
                | (measurement_metadata(result.measurements[latest]) if latest else {}),
            )
            yield dg.AssetCheckResult(
                check_name=MEASURED_CHECK,
                asset_key=key,
                passed=result.error is None,
                severity=dg.AssetCheckSeverity.ERROR,
                description=result.error or "Measured.",
            )
        reporter.say(f"{family.value}: {counted(len(measured), 'metric')} evaluated")

    return measure_family


def _upstream(bundle: Bundle, metric: AnyMetric) -> list[dg.AssetKey]:
    """What a metric is made of: other metrics, or the datasets that it reads."""
    if isinstance(metric, FormulaMetric):
        names = sorted(set(metric.inputs.values()))
        return [metric_key(bundle.metrics[name]) for name in names]
    return [dataset_key(dataset) for dataset in datasets_read(bundle.project, metric)]
