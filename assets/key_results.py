"""Key-result assets: one step a team that judges its key results and publishes them together.

Belongs here: the step, its metadata and how a failed key result ends red. Does not belong here: what
is published of a team's key results (okr_sync.sync.team).

A key result without a new number isn't materialized, and the step fails after it has published the
others: they are materialized all the same, and nothing hides in green.
"""

from collections.abc import Iterator

import dagster as dg

from assets.keys import (
    KEY_RESULTS_GROUP,
    identifier,
    key_result_key,
    labels,
    metric_key,
    tag_name,
)
from assets.metadata import Metadata, measurement_metadata, shown, table_of
from assets.observing import note, observed
from assets.project import as_of_days, key_results_by_team
from assets.resources import Clock, Reporter
from assets.run_scope import open_run
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.sync.team import Published, publish_key_results
from okr_sync.warehouse.connect import Warehouse


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
        with observed("publish", run_id=scope.run_id, team=team) as told:
            published = publish_key_results(
                bundle, team, list(wanted.values()), warehouse, scope, clock.now()
            )
            told |= {
                "new": published.outcome.new,
                "revised": published.outcome.revised,
                "unchanged": published.outcome.unchanged,
                "failed": published.outcome.failed,
            }
        _note_each(scope.run_id, published)
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


def _note_each(run_id: str, published: Published) -> None:
    """A log line for each number that is new or revised, and for each that could not be had."""
    for change in published.outcome.changes:
        note(
            "key_result_changed",
            run_id=run_id,
            key_result=change.key_result_id,
            as_of=change.as_of.isoformat(),
            revision=change.revision,
        )
    for name, error in sorted(published.failures.items()):
        note("key_result_failed", run_id=run_id, key_result=name, error=error)


def _spec(bundle: Bundle, key: dg.AssetKey, key_result: KeyResult) -> dg.AssetSpec:
    metric = bundle.metrics[key_result.metric]
    objective = bundle.objectives.get(key_result.objective_id)
    supports = objective.supports if objective else ()
    tags = {
        "team": tag_name(key_result.team),
        "cycle": tag_name(key_result.cycle.name),
        "commitment": key_result.commitment,
    }
    tags |= labels(key_result.shared_with, "shared_with")
    tags |= labels((name.replace("/", ".") for name in supports), "supports")
    tags |= labels(metric.tags)
    return dg.AssetSpec(
        key,
        deps=[metric_key(metric)],
        group_name=KEY_RESULTS_GROUP,
        description=key_result.title,
        owners=[f"team:{key_result.team}"],
        kinds={"okr"},
        tags=tags,
        metadata={
            "metric": metric.name,
            "defined_in": str(key_result.defined_at),
            "objective": key_result.objective_id,
            "shared_with": list(key_result.shared_with),
            "supports": list(supports),
        },
    )


def _metadata(key_result: KeyResult, published: Published) -> Metadata:
    """What Dagster shows of a key result: its latest number, where it stands, what this run changed."""
    own = [o for o in published.observations if o.key_result_id == key_result.key_result_id]
    metadata: Metadata = {"days_measured": len(own)}
    if own:
        latest = max(own, key=lambda observation: observation.as_of)
        metadata |= measurement_metadata(latest.measurement)
        metadata["as_of"] = latest.as_of.isoformat()
        metadata["status"] = latest.status
        metadata["origin"] = latest.origin
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
