"""Source assets: one step a source that pulls the datasets that the run's key results read.

Belongs here: turning needs into pulls, and pulls into materializations, checks and `source_pull`.
Does not belong here: how an API is read (connectors) or what is checked (okr_sync.checks).

A pull that fails doesn't stop the step: key results of other sources must go on, and Dagster skips
everything downstream of a failed step. So the asset is materialized with `complete: false`, its check
`complete` fails, and the step that publishes the key results that needed it ends red. Where the failure
may pass by itself the step is tried again first; what was read completely is not read twice.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from assets.checks import DATASET_CHECKS, check_results, check_specs, recorded_results
from assets.keys import SOURCES_GROUP, dataset_key, identifier
from assets.lineage import dataset_columns, source_link
from assets.metadata import Metadata, pull_metadata
from assets.observing import Told, observed
from assets.project import used_metrics
from assets.resources import Clock, Connectors, Reporter, StepRetries
from assets.run_scope import begin_step, ended_step
from connectors.base import Connector, PullResult
from connectors.endpoints import is_elsewhere
from okr_sync.checks.results import CheckResult
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import FilesSource, Ga4Source, HubSpotSource, Source, SqlSource
from okr_sync.metrics.dependencies import datasets_read
from okr_sync.metrics.field_lineage import DatasetField, key_results_by_field
from okr_sync.metrics.needs import Need, ReportsNeed
from okr_sync.metrics.plan import needs_of
from okr_sync.metrics.report_trim import trim_reports_need
from okr_sync.sync.pulled import fields_before, record_checked_pull, record_untouched
from okr_sync.warehouse.check_results import checks_now
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import state_of
from okr_sync.warehouse.reads import pulls
from okr_sync.warehouse.report_store import report_account
from okr_sync.warehouse.runs import PullRecord
from okr_sync.wording import counted

_KINDS = {
    Ga4Source: "google_analytics",
    HubSpotSource: "hubspot",
    SqlSource: "sql",
    FilesSource: "file",
}

Users = Mapping[DatasetField, Sequence[str]]
"""The key results that rest on each field."""


def source_assets(bundle: Bundle, *, with_checks: bool = True) -> list[dg.AssetsDefinition]:
    """One subsettable multi-asset for each source that a key result reads."""
    datasets: dict[str, set[str]] = {}
    for metric in used_metrics(bundle):
        for dataset in datasets_read(bundle.project, metric):
            datasets.setdefault(dataset.partition(".")[0], set()).add(dataset)
    users = key_results_by_field(bundle)
    return [
        _source_step(bundle, bundle.project.sources[name], sorted(found), users, with_checks)
        for name, found in sorted(datasets.items())
    ]


def _spec(source: Source, dataset: str, users: Users) -> dg.AssetSpec:
    fields = [field for name, field in users if name == dataset]
    metadata: Metadata = dict(dataset_columns(fields))
    if isinstance(source, Ga4Source) and not is_elsewhere("ga4", source.endpoint, os.environ):
        metadata |= source_link(source, dataset, source.property)
    return dg.AssetSpec(
        dataset_key(dataset),
        group_name=SOURCES_GROUP,
        kinds={_KINDS[type(source)]},
        description=f"What the key results read of {dataset}.",
        metadata=metadata,
    )


@dataclass(frozen=True)
class _Read:
    """What a try has read of a dataset: what to show of it, and whether another try may do better."""

    dataset: str
    metadata: Metadata
    checks: Sequence[CheckResult]
    error: str | None = None
    may_pass: bool = False


def _source_step(
    bundle: Bundle, source: Source, datasets: Sequence[str], users: Users, with_checks: bool
) -> dg.AssetsDefinition:
    keys = {dataset_key(dataset): dataset for dataset in datasets}
    checks = DATASET_CHECKS if with_checks else ()

    @dg.multi_asset(
        name=f"pull_{identifier(source.name)}",
        specs=[_spec(source, dataset, users) for dataset in datasets],
        check_specs=[spec for key in keys for spec in check_specs(key, checks)],
        can_subset=True,
        pool=identifier(source.name),
    )
    def pull_source(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        connectors: dg.ResourceParam[Connectors],
        clock: dg.ResourceParam[Clock],
        reporter: dg.ResourceParam[Reporter],
        retries: dg.ResourceParam[StepRetries],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield from recorded_results(context, warehouse, keys)
        if not context.selected_asset_keys:
            return
        scope = begin_step(context, bundle, warehouse, clock.now())
        needs = {f"{need.source}.{need.dataset}": need for need in needs_of(bundle, scope.plan)}
        wanted = [dataset for key, dataset in keys.items() if key in context.selected_asset_keys]
        connector = connectors.connect(source)
        read: list[_Read] = []
        try:
            for dataset in wanted:
                need = _still_needed(needs.get(dataset), bundle, source, warehouse, scope.now)
                if need is None:
                    reporter.say(f"{dataset}: nothing to read")
                    checks = record_untouched(warehouse, scope.run_id, dataset, scope.now)
                    read.append(_Read(dataset, {"rows": 0, "requests": 0}, checks))
                    continue
                again = (
                    _already_read(warehouse, scope.run_id, dataset)
                    if context.retry_number
                    else None
                )
                read.append(
                    again
                    or _read(
                        connector, need, bundle, warehouse, users, scope.run_id, scope.now, reporter
                    )
                )
        finally:
            connector.close()
        if any(one.may_pass for one in read) and context.retry_number < retries.most:
            raise dg.RetryRequested(retries.most, retries.wait(context.retry_number))
        for one in read:
            key = dataset_key(one.dataset)
            yield dg.MaterializeResult(
                asset_key=key, metadata=one.metadata | _link(source, one.dataset, warehouse)
            )
            yield from check_results(context, key, one.checks)
        first_error = next((one.error for one in read if one.error is not None), None)
        ended_step(context, bundle, warehouse, clock.now(), first_error)

    return pull_source


def _read(
    connector: Connector[Any],
    need: Need,
    bundle: Bundle,
    warehouse: Warehouse,
    users: Users,
    run_id: str,
    now: datetime,
    reporter: Reporter,
) -> _Read:
    """Pull a dataset, check it, record both."""
    dataset = f"{need.source}.{need.dataset}"

    def progress(rows: int) -> None:
        reporter.reading(dataset, rows)

    progress(0)
    before = fields_before(warehouse, need.source, need.dataset)
    ids = {"run_id": run_id, "source": need.source, "dataset": need.dataset}
    with observed("pull", **ids) as told:
        result = connector.pull(need, warehouse, now, progress)
        told |= _observation(result)
    pull, checks = record_checked_pull(
        warehouse, bundle, run_id, _record(result), before, users, now
    )
    reporter.say(_told(pull))
    for warning in result.warnings:
        reporter.say(f"Warning: {warning}")
    may_pass = result.is_transient and not result.is_deferred
    metadata = pull_metadata(pull)
    if result.quality:
        metadata["quality"] = dg.MetadataValue.text(", ".join(result.quality))
    if result.warnings:
        metadata["warnings"] = dg.MetadataValue.text("\n".join(result.warnings))
    return _Read(dataset, metadata, checks, pull.error, may_pass)


def _already_read(warehouse: Warehouse, run_id: str, dataset: str) -> _Read | None:
    """What an earlier try of this step has read completely; None for what it has not."""
    for pull in pulls(warehouse, run_id):
        if f"{pull.source}.{pull.dataset}" == dataset and pull.is_complete:
            checks = [one.result for one in checks_now(warehouse, subjects=[dataset])]
            return _Read(dataset, pull_metadata(pull), checks)
    return None


def _link(source: Source, dataset: str, warehouse: Warehouse) -> Metadata:
    """The dataset's page in HubSpot, whose portal is only known once it has been read."""
    if not isinstance(source, HubSpotSource) or is_elsewhere(
        "hubspot", source.endpoint, os.environ
    ):
        return {}
    with warehouse.read() as connection:
        state = state_of(connection, source.name, dataset.partition(".")[2])
    return source_link(source, dataset.partition(".")[2], state.account if state else None)


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


def _told(pull: PullRecord) -> str:
    name = f"{pull.source}.{pull.dataset}"
    if pull.error:
        return f"{name}: {pull.error}"
    read = f"{counted(pull.rows, 'row')} in {counted(pull.requests, 'request')}"
    return f"{name}: {read}, {pull.seconds:.1f} s"
