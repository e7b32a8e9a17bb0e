"""A team's key results: from what a run has measured to what is published of them, together.

Belongs here: which measurements, baselines and overrides make a key result's numbers. Does not belong
here: the arithmetic (progress), the observations (observe) or the transaction (warehouse.publish).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from okr_sync.checks.key_results import Standing, beyond_bounds, key_result_checks
from okr_sync.checks.metrics import doubt_checks, measured_checks
from okr_sync.checks.past import past_numbers
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.metrics.dependencies import with_inputs
from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.sync.baselines import baselines_of, find_baseline
from okr_sync.sync.check_ins import check_in_failures, worth_publishing
from okr_sync.sync.days import active_overrides
from okr_sync.sync.goals import definition_hashes, goals_of
from okr_sync.sync.measure import Measured, measure
from okr_sync.sync.observe import (
    calendar_of,
    key_result_rows,
    objective_rows,
    observe,
    stale_after,
)
from okr_sync.sync.scope import RunScope
from okr_sync.warehouse.baselines import MeasuredBaseline, freeze_baselines
from okr_sync.warehouse.check_ins import CheckIn, check_ins_of
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.metric_values import published_measurements
from okr_sync.warehouse.observations import KeyResultFailure, KeyResultObservation
from okr_sync.warehouse.overrides import override_on
from okr_sync.warehouse.publish import PublishOutcome, publish

_NOTHING = Measured({})
"""What a run has measured of a metric that it did not ask for."""


@dataclass(frozen=True)
class Published:
    """What a team's publish gave: observations, failures by id, and what changed."""

    observations: list[KeyResultObservation]
    failures: Mapping[str, str]
    outcome: PublishOutcome


def publish_key_results(
    bundle: Bundle,
    team: str,
    key_results: list[KeyResult],
    warehouse: Warehouse,
    scope: RunScope,
    published_at: datetime,
) -> Published:
    """Judge key results of a team by what the run has measured, and publish them together.

    Baselines that have become known are frozen right before.
    """
    due = [
        one
        for one in key_results
        if scope.plan.by_key_result.get(one.key_result_id) or one.key_result_id in scope.kept
    ]
    inputs = with_inputs(bundle.metrics, {key_result.metric for key_result in due})
    measured = measure(
        warehouse, bundle, scope.plan, scope.run_id, [metric.name for metric in inputs]
    )
    baselines = _baselines(bundle, due, warehouse, scope, measured)
    with warehouse.read() as connection:
        goals = goals_of(connection, bundle, key_results, calendar_of(bundle.project), scope.now)
        baselines |= baselines_of(connection, key_results)
        overrides = active_overrides(connection, [one.key_result_id for one in due])
        check_ins: dict[str, list[CheckIn]] = {}
        for one in check_ins_of(connection, [kr.key_result_id for kr in due if kr.is_manual]):
            check_ins.setdefault(one.key_result_id, []).append(one)
        kept = {
            name: published_measurements(connection, bundle.key_results[name].metric, spans)
            for name, spans in scope.kept.items()
        }
        definitions = {
            one.key_result_id: definition_hashes(bundle, one, goals[one.key_result_id]).values()
            for one in due
        }
        earlier = past_numbers(connection, definitions, max(scope.days.days) + timedelta(days=1))
    standings: list[Standing] = []
    observations: list[KeyResultObservation] = []
    metric_observations: dict[Any, MetricObservation] = {}
    failures = check_in_failures(warehouse, bundle, scope.run_id, due)
    failure_flags: dict[str, tuple[str, ...]] = {}
    for key_result in due:
        name = key_result.key_result_id
        spans = scope.plan.by_key_result.get(name, ())
        result = measured.get(key_result.metric, _NOTHING)
        past, own_overrides = kept.get(name, {}), overrides.get(name, [])
        if result.error is None:
            own = {**past, **{span: result.measurements[span] for span in spans}}
            if key_result.is_manual:
                with warehouse.read() as connection:
                    own = worth_publishing(connection, key_result, own, own_overrides)
            else:
                _collect(bundle, key_result, scope, measured, baselines, metric_observations)
        else:
            # What people have set goes on while the source fails; what failed is said beside it.
            failures[name], failure_flags[name] = result.error, result.flags
            own = {
                span: Measurement(None) for span in spans if override_on(own_overrides, span.as_of)
            }
            own |= past
        found = observe(
            bundle,
            key_result,
            own,
            scope.origin,
            scope.now,
            goals=goals[name],
            baseline=baselines.get(name),
            overrides=own_overrides,
        )
        refused = beyond_bounds(bundle, key_result, found)
        if refused:
            failures.setdefault(name, refused[max(refused)])
            found = [one for one in found if one.as_of not in refused]
        observations += found
        standings.append(
            Standing(
                key_result,
                max(found, key=lambda one: one.as_of, default=None),
                earlier.get(name, {}),
                refused[max(refused)] if refused else None,
            )
        )
    calendar = calendar_of(bundle.project)
    outcome = publish(
        warehouse,
        run_id=scope.run_id,
        published_at=published_at,
        measured_at=scope.now,
        objectives=objective_rows(bundle, team),
        key_results=key_result_rows(bundle, key_results, goals, baselines, scope.now),
        goals=[one.unrecorded for one in goals.values() if one.unrecorded is not None],
        observations=observations,
        metric_observations=list(metric_observations.values()),
        failures=[
            KeyResultFailure(name, error, failure_flags.get(name, ()))
            for name, error in failures.items()
        ],
        stale_after={
            kr.key_result_id: stale_after(
                bundle, kr, scope.now, check_ins.get(kr.key_result_id, ())
            )
            for kr in due
        },
        check=lambda flags: [
            *measured_checks({name: one.error for name, one in measured.items()}),
            *doubt_checks({name: one.newest_flags for name, one in measured.items()}),
            *key_result_checks(bundle, standings, flags, calendar, scope.now),
        ],
    )
    return Published(observations, failures, outcome)


def _baselines(
    bundle: Bundle,
    due: list[KeyResult],
    warehouse: Warehouse,
    scope: RunScope,
    measured: Mapping[str, Measured],
) -> dict[str, MeasuredBaseline]:
    """Freeze the baselines that this run has found, and return them by key result id."""
    calendar = calendar_of(bundle.project)
    found: list[MeasuredBaseline] = []
    with warehouse.read() as connection:
        for key_result in due:
            asked = scope.baselines.get(key_result.key_result_id)
            result = measured.get(key_result.metric, _NOTHING)
            if asked is None or result.error is not None:
                continue
            baseline = find_baseline(
                connection,
                bundle,
                key_result,
                asked,
                result.measurements,
                calendar,
                scope.now,
                scope.run_id,
            )
            if baseline is not None:
                found.append(baseline)
    return freeze_baselines(warehouse, found)


def _collect(
    bundle: Bundle,
    key_result: KeyResult,
    scope: RunScope,
    measured: Mapping[str, Measured],
    baselines: Mapping[str, MeasuredBaseline],
    into: dict[Any, MetricObservation],
) -> None:
    """Add what was measured for a key result: its metric, the inputs of formulas, its baseline."""
    name = key_result.key_result_id
    spans = list(scope.plan.by_key_result.get(name, ()))
    asked = scope.baselines.get(name)
    if asked is not None and not asked.is_past:
        frozen = baselines.get(name)
        spans += [asked.span]
        spans += [one for one in asked.instead if frozen and one.as_of == frozen.as_of]
    for metric in with_inputs(bundle.metrics, [key_result.metric]):
        for span in spans:
            measurement = measured[metric.name].measurements[span]
            into[metric.name, span] = MetricObservation(
                metric.name, span.as_of, span.window, measurement
            )
