"""The step that measures and publishes: all metrics and key results, in as few steps as can be.

Belongs here: what goes into one step, and the step. Does not belong here: the assets in it
(conversion, funnel, pipeline, engagement, key_results) and the steps that pull (sources).

A step is dear: a spawned one imports everything again, and each has to work out the run's plan. A step
with very many assets is dearer: its cost grows with the square of them. So a project has one step that
measures and publishes, beside one for each source; one with more than a hundred metrics and key results
has as many as it takes, first those of metrics, then those of key results.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from assets.checks import (
    KEY_RESULT_CHECKS,
    METRIC_CHECKS,
    check_results,
    check_specs,
    recorded_results,
)
from assets.conversion import conversion_specs
from assets.engagement import engagement_specs
from assets.funnel import funnel_specs
from assets.key_results import key_result_results, key_result_spec
from assets.keys import key_result_key, metric_key
from assets.metric_specs import metric_result
from assets.observing import note, observed
from assets.pipeline import pipeline_specs
from assets.project import as_of_days, key_results_by_team, used_metrics
from assets.resources import Clock, Reporter
from assets.run_scope import begin_step, ended_step
from okr_sync.checks.metrics import doubt_checks, measured_checks
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import AnyMetric, KeyResult
from okr_sync.sync.measure import Measured, measure
from okr_sync.sync.team import Published, publish_key_results
from okr_sync.warehouse.connect import Warehouse
from okr_sync.wording import counted

MOST_ASSETS = 100
"""Assets in one step."""

Result = dg.MaterializeResult[None] | dg.AssetCheckResult


@dataclass(frozen=True)
class Step:
    """A step's name and what it measures and publishes."""

    name: str
    metrics: tuple[AnyMetric, ...] = ()
    key_results: tuple[KeyResult, ...] = ()


def layout(bundle: Bundle, most: int = MOST_ASSETS) -> list[Step]:
    """The steps that measure and publish a project, none with more than `most` assets.

    Inputs of formulas are never in a later step than what uses them. Teams stay whole where they fit.
    """
    metrics = used_metrics(bundle)
    teams = list(key_results_by_team(bundle).values())
    everything = [key_result for team in teams for key_result in team]
    if not everything:
        return []
    if len(metrics) + len(everything) <= most:
        return [Step("publish", tuple(metrics), tuple(everything))]
    measuring = [metrics[start : start + most] for start in range(0, len(metrics), most)]
    publishing: list[list[KeyResult]] = [[]]
    for team in teams:
        if len(publishing[-1]) + len(team) > most and publishing[-1]:
            publishing.append([])
        for key_result in team:
            if len(publishing[-1]) == most:
                publishing.append([])
            publishing[-1].append(key_result)
    return [
        *(Step(f"measure_{i}", metrics=tuple(some)) for i, some in enumerate(measuring, 1)),
        *(Step(f"publish_{i}", key_results=tuple(some)) for i, some in enumerate(publishing, 1)),
    ]


def measuring_steps(bundle: Bundle, *, with_checks: bool = True) -> list[dg.AssetsDefinition]:
    """The steps that measure and publish, as assets; none for a project without usable key results."""
    specs = {
        spec.key: spec
        for family in (conversion_specs, funnel_specs, pipeline_specs, engagement_specs)
        for spec in family(bundle)
    }
    return [_step(bundle, step, specs, with_checks) for step in layout(bundle)]


def _step(
    bundle: Bundle, step: Step, specs: dict[dg.AssetKey, dg.AssetSpec], with_checks: bool
) -> dg.AssetsDefinition:
    metrics = {metric_key(metric): metric for metric in step.metrics}
    key_results = {key_result_key(one): one for one in step.key_results}
    names = {key: metric.name for key, metric in metrics.items()}
    names |= {key: one.key_result_id for key, one in key_results.items()}
    checks = [
        *(spec for key in metrics for spec in check_specs(key, METRIC_CHECKS)),
        *(spec for key in key_results for spec in check_specs(key, KEY_RESULT_CHECKS)),
    ]

    @dg.multi_asset(
        name=step.name,
        specs=[
            *(specs[key] for key in metrics),
            *(key_result_spec(bundle, key, one) for key, one in key_results.items()),
        ],
        check_specs=checks if with_checks else (),
        can_subset=True,
        partitions_def=as_of_days(bundle),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def measure_and_publish(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        reporter: dg.ResourceParam[Reporter],
    ) -> Iterator[Result]:
        yield from recorded_results(context, warehouse, names)
        if not context.selected_asset_keys:
            return
        scope = begin_step(context, bundle, warehouse, clock.now())
        wanted = [one for key, one in metrics.items() if key in context.selected_asset_keys]
        if wanted:
            names_wanted = [metric.name for metric in wanted]
            with observed("evaluation", run_id=scope.run_id) as told:
                measured = measure(warehouse, bundle, scope.plan, scope.run_id, names_wanted)
                told["metrics"] = len(measured)
            for metric in wanted:
                found = measured.get(metric.name, Measured({}))
                yield metric_result(context, bundle, metric, found)
                yield from check_results(
                    context,
                    metric_key(metric),
                    [
                        *measured_checks({metric.name: found.error}),
                        *doubt_checks({metric.name: found.newest_flags}),
                    ],
                )
            reporter.say(f"{counted(len(measured), 'metric')} evaluated")
        failures: dict[str, str] = {}
        for team, own in _teams(context, key_results).items():
            with observed("publish", run_id=scope.run_id, team=team) as told:
                published = publish_key_results(bundle, team, own, warehouse, scope, clock.now())
                told |= {
                    "new": published.outcome.new,
                    "revised": published.outcome.revised,
                    "unchanged": published.outcome.unchanged,
                    "failed": published.outcome.failed,
                }
            _note_each(scope.run_id, published)
            yield from key_result_results(context, bundle, own, published)
            failures |= published.failures
            outcome = published.outcome
            reporter.say(
                f"{team}: {outcome.new} new, {outcome.revised} revised, {outcome.unchanged} unchanged"
                + (f", {outcome.failed} failed" if outcome.failed else "")
            )
        ended_step(context, bundle, warehouse, clock.now())
        if failures:
            raise dg.Failure(
                description="\n".join(f"{name}: {why}" for name, why in sorted(failures.items())),
                allow_retries=False,
            )

    return measure_and_publish


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


def _teams(
    context: dg.AssetExecutionContext, key_results: dict[dg.AssetKey, KeyResult]
) -> dict[str, list[KeyResult]]:
    """The selected key results by team: each team's are published together."""
    found: dict[str, list[KeyResult]] = {}
    for key, one in key_results.items():
        if key in context.selected_asset_keys:
            found.setdefault(one.team, []).append(one)
    return found
