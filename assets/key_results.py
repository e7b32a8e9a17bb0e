"""Key results as assets: what each is, where it stands, and what a run changed.

Belongs here: a key result's asset and what is shown of its numbers. Does not belong here: the step that
publishes (steps) or what is published (okr_sync.sync.team).

A key result without a new number isn't materialized, and its step fails after it has published the
others: they are materialized all the same, and nothing hides in green.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial

import dagster as dg

from assets.checks import KEY_RESULT_CHECKS, check_results
from assets.keys import (
    KEY_RESULTS_GROUP,
    key_result_key,
    labels,
    metric_key,
    owners,
    tag_name,
)
from assets.lineage import defined_at, key_result_columns, key_result_lineage
from assets.metadata import (
    Metadata,
    add_by_day,
    latest_of,
    measurement_metadata,
    shown,
    table_of,
)
from okr_sync.checks.results import CheckResult, Subject
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Goal, KeyResult
from okr_sync.inspect.words import goal_in_words
from okr_sync.metrics.spans import is_closed
from okr_sync.numbers import show_number
from okr_sync.sync.observe import calendar_of, longest_pause
from okr_sync.sync.team import Published
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.publish import Change


def key_result_spec(bundle: Bundle, key: dg.AssetKey, key_result: KeyResult) -> dg.AssetSpec:
    """A key result's asset: what it is, whose, what it hangs on, and until when it counts as fresh."""
    metric = bundle.metrics[key_result.metric]
    objective = bundle.objectives.get(key_result.objective_id)
    supports = objective.supports if objective else ()
    owner = key_result.owner or (objective.owner if objective else None)
    tags = {
        "team": tag_name(key_result.team),
        "cycle": tag_name(key_result.cycle.name),
        "commitment": key_result.commitment,
    }
    tags |= labels(key_result.shared_with, "shared_with")
    tags |= labels((name.replace("/", ".") for name in supports), "supports")
    tags |= labels(metric.tags)
    unit = key_result.unit or metric.unit
    return dg.AssetSpec(
        key,
        deps=[metric_key(metric)],
        group_name=KEY_RESULTS_GROUP,
        description=_described(bundle, key_result),
        owners=owners(key_result.team, owner),
        kinds={"okr"},
        tags=tags,
        freshness_policy=_freshness(bundle, key_result),
        metadata={
            "metric": metric.name,
            "objective": key_result.objective_id,
            "goal": _goal(key_result.goal, unit),
            "owner": owner or key_result.team,
            "shared_with": list(key_result.shared_with),
            "supports": list(supports),
        }
        | defined_at(bundle, key_result.defined_at)
        | key_result_columns(bundle, key_result),
    )


def key_result_results(
    context: dg.AssetExecutionContext,
    bundle: Bundle,
    key_results: Sequence[KeyResult],
    published: Published,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """What Dagster is told of key results that were published, those that failed included."""
    observed: dict[str, list[KeyResultObservation]] = {}
    for one in published.observations:
        observed.setdefault(one.key_result_id, []).append(one)
    changed: dict[str, list[Change]] = {}
    for change in published.outcome.changes:
        changed.setdefault(change.key_result_id, []).append(change)
    checked: dict[str, list[CheckResult]] = {}
    for result in published.outcome.checks:
        if result.subject_kind is Subject.KEY_RESULT:
            checked.setdefault(result.subject, []).append(result)
    for key_result in key_results:
        name, key = key_result.key_result_id, key_result_key(key_result)
        if name not in published.failures:
            written = published.outcome.flags.get(name, {})
            by_day = {
                one.as_of: _figures(one, written.get(one.as_of, one.quality))
                for one in observed.get(name, ())
            }
            changes = changed.get(name, [])
            add_by_day(context, key, by_day)
            _report_restated(context, key, by_day, changes)
            yield dg.MaterializeResult(
                asset_key=key,
                metadata=_of_the_run(published, name, by_day, changes)
                | latest_of(context, by_day)
                | key_result_lineage(bundle, key_result),
            )
        yield from check_results(context, key, checked.get(name) or _not_due(name))


def _not_due(name: str) -> list[CheckResult]:
    """The checks of a key result that a run has left alone, because nothing of it can change."""
    text = "Nothing can change any more, or its cycle has not begun: nothing was measured."
    return [CheckResult(Subject.KEY_RESULT, name, check, True, text) for check in KEY_RESULT_CHECKS]


def _described(bundle: Bundle, key_result: KeyResult) -> str:
    """A key result in words: its title, what it serves, what it counts and over which days."""
    objective = bundle.objectives.get(key_result.objective_id)
    metric = bundle.metrics[key_result.metric]
    last_day = date.fromordinal(key_result.cycle.end.toordinal() - 1)
    lines = [key_result.title]
    if objective is not None:
        lines.append(f"Objective: {objective.title}")
    lines.append(
        f"Metric `{metric.name}`" + (f": {metric.description}" if metric.description else "")
    )
    goal = _goal(key_result.goal, key_result.unit or metric.unit)
    lines.append(
        f"Goal: {goal} ({key_result.commitment}), {key_result.cycle.name} "
        f"({key_result.cycle.start} to {last_day})"
    )
    return "\n\n".join(lines)


def _goal(goal: Goal, unit: str | None) -> str:
    return goal_in_words(goal, partial(show_number, unit=unit))


def _freshness(bundle: Bundle, key_result: KeyResult) -> dg.FreshnessPolicy | None:
    """Fresh as long as `stale_after` says at its widest; None once nothing can change any more."""
    now = datetime.now(UTC)
    calendar = calendar_of(bundle.project)
    metric = bundle.metrics[key_result.metric]
    if is_closed(key_result, metric, bundle.metrics, calendar, now):
        return None
    return dg.FreshnessPolicy.time_window(fail_window=longest_pause(bundle.project, calendar, now))


def _figures(one: KeyResultObservation, quality: Sequence[str]) -> Metadata:
    """A day's number and where it stands, with its flags as written; Dagster plots numbers over time."""
    metadata = measurement_metadata(one.measurement)
    metadata["as_of"] = one.as_of.isoformat()
    metadata["status"] = one.status
    metadata["origin"] = one.origin
    metadata["final"] = one.is_final
    metadata["quality"] = dg.MetadataValue.text(", ".join(quality) or "no flags")
    for name in ("progress", "score", "expected_progress"):
        number = getattr(one, name)
        if number is not None:
            metadata[name] = shown(number)
    return metadata


def _of_the_run(
    published: Published,
    name: str,
    by_day: Mapping[date, Metadata],
    changes: Sequence[Change],
) -> Metadata:
    """What a run did to a key result: how many days, which numbers it changed."""
    metadata: Metadata = {"days_measured": len(by_day), "revisions_written": len(changes)}
    if name in published.outcome.revisions:
        metadata["revisions"] = published.outcome.revisions[name]
    if changes:
        metadata["changes"] = table_of(
            [
                {
                    "as_of": change.as_of.isoformat(),
                    "old": "" if change.old_value is None else str(change.old_value),
                    "new": "" if change.new_value is None else str(change.new_value),
                    "revision": change.revision,
                    "cause": change.cause,
                }
                for change in changes
            ]
        )
    return metadata


def _report_restated(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    by_day: Mapping[date, Metadata],
    changes: Sequence[Change],
) -> None:
    """Tell Dagster of earlier days that this run has changed, so that its plots have them right."""
    for change in changes:
        day = change.as_of.isoformat()
        if day not in context.partition_keys and change.as_of in by_day:
            context.log_event(
                dg.AssetMaterialization(
                    key,
                    partition=day,
                    metadata=by_day[change.as_of]
                    | {"restated_by_run_of": context.partition_keys[-1]},
                )
            )
