"""A Dagster run as okr-sync sees it: which key results, which days, since when, asked for by whom.

Belongs here: reading a run's selection, partition and tags, and its row in `sync_run`. Does not
belong here: what the steps do with it (sources, steps).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from assets.keys import RANGE_END_TAG, RANGE_START_TAG, TRIGGER_TAG, key_result_key
from okr_sync.config.bundle import Bundle
from okr_sync.metrics.plan import make_plan
from okr_sync.sync.baselines import baseline_spans, plan_with_baselines
from okr_sync.sync.days import RunDays, days_by_key_result, kept_spans
from okr_sync.sync.observe import calendar_of
from okr_sync.sync.quarantine import publish_quarantined, quarantined_failures
from okr_sync.sync.renames import rename_key_results
from okr_sync.sync.scope import RunScope
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.lease import resume
from okr_sync.warehouse.reads import find_run
from okr_sync.warehouse.runs import (
    mark_dead_runs,
    record_config_version,
    report_step,
    start_run,
)

_PARTITION = "dagster/partition"
_RETRY_STEP_FAILURES = "dagster/retry_on_asset_or_op_failure"
_SCHEDULE = "dagster/schedule_name"


def begin_step(
    context: dg.AssetExecutionContext, bundle: Bundle, warehouse: Warehouse, clock_now: datetime
) -> RunScope:
    """The scope of the run that a step belongs to, which is kept from being run again for its failures.

    What a later try may mend is tried again within the step (sources). What is left needs a person: a
    token, a scope, a binding. A run whose process died is still started again, where the instance says so.
    """
    if context.run.tags.get(_RETRY_STEP_FAILURES) != "false":
        context.instance.add_run_tags(context.run.run_id, {_RETRY_STEP_FAILURES: "false"})
    return open_run(context.run, bundle, warehouse, clock_now)


_opened: dict[tuple[str, str, str], RunScope] = {}
"""The scope of the run whose steps this process runs: working it out is a quarter of the work of a sync
in which nothing has changed, and no step of the run changes it for another one."""


def open_run(
    run: dg.DagsterRun, bundle: Bundle, warehouse: Warehouse, clock_now: datetime
) -> RunScope:
    """The scope of a Dagster run; its first step also records that it began.

    A run over everything also tells readers which key results the project can't run any more: those
    that are quarantined become `failed`, those that are gone are retired. Raises dg.Failure for a day
    that has not begun.
    """
    name = (run.run_id, bundle.config_hash, warehouse.label)
    if name in _opened:
        resume(warehouse, run.run_id)
        return _opened[name]
    chosen = _chosen_key_results(run, bundle)
    known = find_run(warehouse, run.run_id)
    now = known.started_at if known else clock_now
    calendar = calendar_of(bundle.project)
    days = _days_of(run.tags, now.astimezone(calendar.zone).date(), bundle.project.time_zone)
    if known is None:
        # Before anything is looked up by the new ids, and before this run has its place among others.
        rename_key_results(warehouse, bundle, now)
    with warehouse.read() as connection:
        wanted = days_by_key_result(connection, bundle, chosen, days, calendar, now)
        kept = kept_spans(connection, bundle, wanted, calendar, now)
        plan = make_plan(bundle, wanted, calendar, now)
        due = {name for name, spans in plan.by_key_result.items() if spans} | kept.keys()
        concerned = [bundle.key_results[name] for name in sorted(due)]
        baselines = baseline_spans(connection, bundle, concerned, calendar, now)
    plan = plan_with_baselines(plan, bundle, baselines)
    if known is None:
        _record_start(
            run, bundle, warehouse, chosen, len(due) if _publishes(run, bundle) else 0, now
        )
    else:
        resume(warehouse, run.run_id)
    origin = "backfill" if days.is_backfill else "automatic"
    scope = RunScope(run.run_id, now, days, tuple(chosen), plan, kept, baselines, origin)
    _opened.clear()
    _opened[name] = scope
    return scope


def _record_start(
    run: dg.DagsterRun,
    bundle: Bundle,
    warehouse: Warehouse,
    chosen: Sequence[str],
    due: int,
    now: datetime,
) -> None:
    covers_all = len(chosen) == len(bundle.key_results)
    failures = quarantined_failures(warehouse, bundle) if covers_all else []
    mark_dead_runs(warehouse, now=now)
    record_config_version(
        warehouse,
        config_hash=bundle.config_hash,
        loaded_at=now,
        files=bundle.files,
        folder=bundle.folder,
    )
    start_run(
        warehouse,
        run_id=run.run_id,
        trigger=_trigger(run),
        dagster_run_id=run.run_id,
        config_hash=bundle.config_hash,
        expected=due + len(failures),
        started_at=now,
    )
    if covers_all:
        publish_quarantined(warehouse, bundle, failures, run.run_id, now)


def ended_step(
    context: dg.AssetExecutionContext,
    bundle: Bundle,
    warehouse: Warehouse,
    clock_now: datetime,
    error: str | None = None,
) -> None:
    """Note that a step has done its work; the last one of a run without key results ends that run.

    A run with key results ends with the publish of the last of them.
    """
    run = context.run
    if _publishes(run, bundle):
        return
    plan = context.instance.get_execution_plan_snapshot(str(run.execution_plan_snapshot_id))
    report_step(
        warehouse,
        run.run_id,
        step=context.op_execution_context.get_step_execution_context().step.key,
        steps=len(plan.step_keys_to_execute),
        finished_at=clock_now,
        error=error,
    )


def _publishes(run: dg.DagsterRun, bundle: Bundle) -> bool:
    """Whether a run is about key results, and not only about what they hang on."""
    selection = run.asset_selection
    return not selection or any(
        key_result_key(one) in selection for one in bundle.key_results.values()
    )


def _chosen_key_results(run: dg.DagsterRun, bundle: Bundle) -> Sequence[str]:
    """The key results that a run is about: those selected, or all when only upstreams are."""
    selection = run.asset_selection
    if selection is None:
        return list(bundle.key_results)
    selected = [
        key_result_id
        for key_result_id, key_result in bundle.key_results.items()
        if key_result_key(key_result) in selection
    ]
    return selected or list(bundle.key_results)


def _trigger(run: dg.DagsterRun) -> str:
    if TRIGGER_TAG in run.tags:
        return run.tags[TRIGGER_TAG]
    return "schedule" if _SCHEDULE in run.tags else "dagster"


def _days_of(tags: Mapping[str, str], today: date, time_zone: str) -> RunDays:
    days = RunDays((today,))
    if _PARTITION in tags:
        days = RunDays((date.fromisoformat(tags[_PARTITION]),))
    elif RANGE_START_TAG in tags:
        first, last = (date.fromisoformat(tags[tag]) for tag in (RANGE_START_TAG, RANGE_END_TAG))
        range_ = tuple(first + timedelta(days=i) for i in range((last - first).days + 1))
        days = RunDays(range_, is_backfill=True)
    if max(days.days) > today:
        # Dagster's daemon and this machine may disagree about what day it is.
        raise dg.Failure(
            f"{max(days.days)} has not begun in {time_zone}: today is {today}. Nothing was done.",
            allow_retries=False,
        )
    return days
