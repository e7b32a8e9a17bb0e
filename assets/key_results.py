"""Key-result assets: one step a team that judges its key results and publishes them together.

Belongs here: the step, its metadata and how a failed key result ends red. Does not belong here: the
arithmetic (okr_sync.progress) or the transaction (okr_sync.warehouse.publish).

A key result without a new number isn't materialized, and the step fails after it has published the
others: they are materialized all the same, and nothing hides in green.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from assets.keys import KEY_RESULTS_GROUP, identifier, key_result_key, metric_key, tag_text
from assets.metadata import Metadata, measurement_metadata, shown, table_of
from assets.project import as_of_days, key_results_by_team
from assets.resources import Clock, Reporter
from assets.run_scope import RunScope, open_run
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.metrics.measurement import MetricObservation
from okr_sync.sync.measure import Measured, measure
from okr_sync.sync.observe import key_result_rows, objective_rows, observe, stale_after
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.observations import KeyResultFailure, KeyResultObservation
from okr_sync.warehouse.publish import PublishOutcome, publish


def key_result_assets(bundle: Bundle) -> list[dg.AssetsDefinition]:
    """One subsettable, day-partitioned multi-asset for each team."""
    return [_team_step(bundle, team, found) for team, found in key_results_by_team(bundle).items()]


def _team_step(bundle: Bundle, team: str, found: list[KeyResult]) -> dg.AssetsDefinition:
    key_results = {key_result_key(key_result): key_result for key_result in found}

    @dg.multi_asset(
        name=f"publish_{identifier(team)}",
        specs=[_spec(bundle, key, key_result) for key, key_result in key_results.items()],
        can_subset=True,
        partitions_def=as_of_days(bundle),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def publish_team(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        reporter: dg.ResourceParam[Reporter],
    ) -> Iterator[dg.MaterializeResult[None]]:
        scope = open_run(context.run, bundle, warehouse, clock.now())
        wanted = {k: kr for k, kr in key_results.items() if k in context.selected_asset_keys}
        published = _publish(bundle, team, list(wanted.values()), warehouse, scope, clock)
        for key, key_result in wanted.items():
            if key_result.key_result_id not in published.failures:
                yield dg.MaterializeResult(asset_key=key, metadata=_metadata(key_result, published))
        outcome = published.outcome
        reporter.say(
            f"{team}: {outcome.new} new, {outcome.revised} revised, {outcome.unchanged} unchanged"
            + (f", {outcome.failed} failed" if outcome.failed else "")
        )
        if published.failures:
            raise dg.Failure(
                description="\n".join(
                    f"{name}: {error}" for name, error in sorted(published.failures.items())
                ),
                allow_retries=False,
            )

    return publish_team


def _spec(bundle: Bundle, key: dg.AssetKey, key_result: KeyResult) -> dg.AssetSpec:
    metric = bundle.metrics[key_result.metric]
    tags = {
        "team": tag_text(key_result.team),
        "cycle": tag_text(key_result.cycle.name),
        "commitment": key_result.commitment,
    }
    return dg.AssetSpec(
        key,
        deps=[metric_key(metric)],
        group_name=KEY_RESULTS_GROUP,
        description=key_result.title,
        owners=[f"team:{key_result.team}"],
        kinds={"okr"},
        tags=tags,
        metadata={"metric": metric.name, "defined_in": str(key_result.defined_at)},
    )


class _Published:
    """What a team's publish gave: observations, failures by id, and what changed."""

    def __init__(
        self,
        observations: list[KeyResultObservation],
        failures: Mapping[str, str],
        outcome: PublishOutcome,
    ) -> None:
        self.observations = observations
        self.failures = failures
        self.outcome = outcome


def _publish(
    bundle: Bundle,
    team: str,
    key_results: list[KeyResult],
    warehouse: Warehouse,
    scope: RunScope,
    clock: Clock,
) -> _Published:
    due = [kr for kr in key_results if scope.plan.by_key_result.get(kr.key_result_id)]
    metrics = sorted({key_result.metric for key_result in due})
    measured = measure(warehouse, bundle, scope.plan, scope.run_id, metrics)
    observations: list[KeyResultObservation] = []
    metric_observations: dict[Any, MetricObservation] = {}
    failures: dict[str, str] = {}
    for key_result in due:
        result: Measured = measured[key_result.metric]
        if result.error is not None:
            failures[key_result.key_result_id] = result.error
            continue
        spans = scope.plan.by_key_result[key_result.key_result_id]
        own = {span: result.measurements[span] for span in spans}
        observations += observe(bundle, key_result, own, scope.origin, scope.now)
        for span, measurement in own.items():
            metric_observations[key_result.metric, span] = MetricObservation(
                key_result.metric, span.as_of, span.window, measurement
            )
    outcome = publish(
        warehouse,
        run_id=scope.run_id,
        published_at=clock.now(),
        measured_at=scope.now,
        objectives=objective_rows(bundle, team),
        key_results=key_result_rows(bundle, [kr.key_result_id for kr in key_results]),
        observations=observations,
        metric_observations=list(metric_observations.values()),
        failures=[KeyResultFailure(name, error) for name, error in failures.items()],
        stale_after={kr.key_result_id: stale_after(bundle, kr, scope.now) for kr in due},
    )
    return _Published(observations, failures, outcome)


def _metadata(key_result: KeyResult, published: _Published) -> Metadata:
    """What Dagster shows of a key result: its latest number, where it stands, what this run changed."""
    own = [o for o in published.observations if o.key_result_id == key_result.key_result_id]
    metadata: Metadata = {"days_measured": len(own)}
    if own:
        latest = max(own, key=lambda observation: observation.as_of)
        metadata |= measurement_metadata(latest.measurement)
        metadata["as_of"] = latest.as_of.isoformat()
        metadata["status"] = latest.status
        metadata["final"] = latest.is_final
        metadata["quality"] = dg.MetadataValue.text(", ".join(latest.quality) or "no flags")
        if latest.progress is not None:
            metadata["progress"] = shown(latest.progress)
    changes = [c for c in published.outcome.changes if c.key_result_id == key_result.key_result_id]
    metadata["revisions_written"] = len(changes)
    if changes:
        metadata["changes"] = table_of(
            [
                {
                    "as_of": change.as_of.isoformat(),
                    "old": "" if change.old_value is None else str(change.old_value),
                    "new": "" if change.new_value is None else str(change.new_value),
                    "revision": change.revision,
                }
                for change in changes
            ]
        )
    return metadata
