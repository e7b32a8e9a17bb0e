"""Source assets: one step a source that pulls the datasets that the run's key results read.

Belongs here: turning needs into pulls, and pulls into materializations, checks and `source_pull`.
Does not belong here: how an API is read (connectors).

A pull that fails doesn't stop the step: key results of other sources must go on, and Dagster skips
everything downstream of a failed step. So the asset is materialized with `complete: false`, its check
`complete` fails, and the steps of the key results that needed it end red.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from assets.keys import COMPLETE_CHECK, SOURCES_GROUP, dataset_key, identifier
from assets.metadata import pull_metadata
from assets.observing import Told, observed
from assets.project import used_metrics
from assets.resources import Clock, Connectors, Reporter
from assets.run_scope import open_run
from connectors.base import Connector, PullResult
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import FilesSource, Ga4Source, HubSpotSource, Source, SqlSource
from okr_sync.metrics.dependencies import datasets_read
from okr_sync.metrics.needs import Need, ReportsNeed
from okr_sync.metrics.plan import needs_of
from okr_sync.metrics.report_trim import trim_reports_need
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.report_store import report_account
from okr_sync.warehouse.runs import PullRecord, record_pull
from okr_sync.wording import counted

_KINDS = {
    Ga4Source: "google_analytics",
    HubSpotSource: "hubspot",
    SqlSource: "sql",
    FilesSource: "file",
}


def source_assets(bundle: Bundle) -> list[dg.AssetsDefinition]:
    """One subsettable multi-asset for each source that a key result reads."""
    datasets: dict[str, set[str]] = {}
    for metric in used_metrics(bundle):
        for dataset in datasets_read(bundle.project, metric):
            datasets.setdefault(dataset.partition(".")[0], set()).add(dataset)
    return [
        _source_step(bundle, bundle.project.sources[name], sorted(found))
        for name, found in sorted(datasets.items())
    ]


def _source_step(bundle: Bundle, source: Source, datasets: Sequence[str]) -> dg.AssetsDefinition:
    keys = {dataset_key(dataset): dataset for dataset in datasets}

    @dg.multi_asset(
        name=f"pull_{identifier(source.name)}",
        specs=[
            dg.AssetSpec(
                key,
                group_name=SOURCES_GROUP,
                kinds={_KINDS[type(source)]},
                description=f"What the key results read of {dataset}.",
            )
            for key, dataset in keys.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                COMPLETE_CHECK,
                asset=key,
                description="Everything was read, by the source's own count.",
            )
            for key in keys
        ],
        can_subset=True,
        pool=identifier(source.name),
    )
    def pull_source(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        connectors: dg.ResourceParam[Connectors],
        clock: dg.ResourceParam[Clock],
        reporter: dg.ResourceParam[Reporter],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        scope = open_run(context.run, bundle, warehouse, clock.now())
        needs = {f"{need.source}.{need.dataset}": need for need in needs_of(bundle, scope.plan)}
        wanted = [dataset for key, dataset in keys.items() if key in context.selected_asset_keys]
        connector = connectors.connect(source)
        try:
            for dataset in wanted:
                need = _still_needed(needs.get(dataset), bundle, source, warehouse, scope.now)
                if need is None:
                    reporter.say(f"{dataset}: nothing to read")
                    yield dg.MaterializeResult(
                        asset_key=dataset_key(dataset), metadata={"rows": 0, "requests": 0}
                    )
                    yield _complete(dataset, True, "Nothing to read: all figures are final.")
                    continue
                ids = {"run_id": scope.run_id, "source": need.source, "dataset": need.dataset}
                with observed("pull", **ids) as told:
                    result = _pull(connector, need, warehouse, scope.now, reporter)
                    told |= _observation(result)
                record_pull(warehouse, scope.run_id, _record(result))
                reporter.say(_told(result))
                for warning in result.warnings:
                    reporter.say(f"Warning: {warning}")
                yield dg.MaterializeResult(
                    asset_key=dataset_key(dataset), metadata=pull_metadata(result)
                )
                yield _complete(dataset, result.is_complete, result.error or "Complete.")
        finally:
            connector.close()

    return pull_source


def _pull(
    connector: Connector[Any],
    need: Need,
    warehouse: Warehouse,
    now: datetime,
    reporter: Reporter,
) -> PullResult:
    dataset = f"{need.source}.{need.dataset}"

    def progress(rows: int) -> None:
        reporter.reading(dataset, rows)

    progress(0)
    return connector.pull(need, warehouse, now, progress)


def _still_needed(
    need: Need | None, bundle: Bundle, source: Source, warehouse: Warehouse, now: datetime
) -> Need | None:
    """The need without what is stored for good; None when nothing of it is left."""
    if not isinstance(need, ReportsNeed) or not isinstance(source, Ga4Source):
        return need
    revise = max(key_result.revise for key_result in bundle.key_results.values())
    with warehouse.read() as connection:
        stored = report_account(connection, need.source, need.dataset)
        if stored is None or stored.account != source.property:
            return need  # what is stored, if anything, is another property's
        trimmed = trim_reports_need(connection, need, revise, stored.zone, now)
    return trimmed if trimmed.series or trimmed.exact_windows else None


def _complete(dataset: str, passed: bool, text: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=COMPLETE_CHECK,
        asset_key=dataset_key(dataset),
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=text,
    )


def _record(result: PullResult) -> PullRecord:
    return PullRecord(
        source=result.source,
        dataset=result.dataset,
        requests=result.requests,
        rows=result.rows,
        rows_expected=result.rows_expected,
        is_complete=result.is_complete,
        cursor_from=result.cursor_from,
        cursor_to=result.cursor_to,
        quota=result.quota,
        seconds=result.seconds,
        error=result.error,
    )


def _observation(result: PullResult) -> Told:
    found: Told = {
        "rows": result.rows,
        "requests": result.requests,
        "complete": result.is_complete,
        "seconds": round(result.seconds, 3),
    }
    return found | ({"error": result.error} if result.error else {})


def _told(result: PullResult) -> str:
    name = f"{result.source}.{result.dataset}"
    if result.error:
        return f"{name}: {result.error}"
    read = f"{counted(result.rows, 'row')} in {counted(result.requests, 'request')}"
    return f"{name}: {read}, {result.seconds:.1f} s"
