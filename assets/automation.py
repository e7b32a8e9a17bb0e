"""The job that is a sync, the schedule that runs it, and the sensor that runs it when bindings change.

Belongs here: what runs together, when, and when it is better not to. Does not belong here: what the
steps do, or which days were missed (okr_sync.sync.catch_up).
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from cronsim import CronSim

from assets.config_change import config_change_sensor
from assets.keys import RANGE_END_TAG, RANGE_START_TAG, SYNC_JOB
from assets.project import as_of_days
from assets.resources import Clock
from okr_sync.config.bundle import Bundle
from okr_sync.sync.catch_up import missed_days

SCHEDULE = "sync_schedule"

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_GIVEN_UP_AFTER = timedelta(hours=6)
"""A run that has not ended by then is taken for dead, and stands in nobody's way any more."""


def automation(bundle: Bundle, resources: Mapping[str, Any]) -> dg.Definitions:
    """The sync job, its schedule and the sensor of changed bindings.

    The job runs everything, source to key result, in one process: a spawned step would import it all
    again, which costs more than most syncs. `resources` are the definitions' own.
    """
    job = dg.define_asset_job(
        SYNC_JOB,
        selection=dg.AssetSelection.all(),
        description="Pull the sources, measure the metrics, publish the key results.",
        executor_def=dg.in_process_executor,
    )
    clock = resources["clock"]
    return dg.Definitions(
        jobs=[job],
        schedules=[_schedule(bundle, clock)],
        sensors=[config_change_sensor(bundle, clock)],
    )


def _schedule(bundle: Bundle, clock: Clock) -> dg.ScheduleDefinition:
    """The project's `schedule`, in its time zone; each tick is a run as of the day it falls on.

    After downtime Dagster evaluates ticks that it missed: only the latest runs, and the days that
    nobody measured meanwhile are one more run, over a range. A tick that finds a run of its day waiting
    or going on leaves it at that.
    """
    zone = ZoneInfo(bundle.project.time_zone)
    first_day = as_of_days(bundle).start.date()

    def runs_of_tick(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        tick = context.scheduled_execution_time.astimezone(zone)
        now = clock.now()
        following = next(CronSim(bundle.project.schedule, tick))
        if following <= now:
            yield dg.SkipReason(
                f"A later tick, of {following:%Y-%m-%d %H:%M}, does this one's work."
            )
            return
        today = tick.date()
        if today < first_day:
            yield dg.SkipReason(f"No cycle has begun: the first begins on {first_day}.")
            return
        # Asked for once a day, however many ticks find days missing: Dagster itself compares the keys of
        # one tick only.
        once = f"catch-up before {today}"
        missed = None if _was_asked(context.instance, once) else missed_days(bundle, today)
        if missed is not None:
            first, last = missed
            yield dg.RunRequest(
                run_key=once,
                tags={RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()},
            )
        going_on = _unfinished(context.instance, today, now)
        if going_on is None:
            yield dg.RunRequest(run_key=tick.isoformat(), partition_key=today.isoformat())
        elif missed is None:
            yield dg.SkipReason(f"Run {going_on} of {today} has not ended yet.")

    return dg.ScheduleDefinition(
        name=SCHEDULE,
        job_name=SYNC_JOB,
        cron_schedule=bundle.project.schedule,
        execution_timezone=bundle.project.time_zone,
        execution_fn=runs_of_tick,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Keeps the key results up to date, and catches up after downtime.",
    )


def _was_asked(instance: dg.DagsterInstance, run_key: str) -> bool:
    """Whether a sync of this key is known, however it stands."""
    asked = dg.RunsFilter(job_name=SYNC_JOB, tags={"dagster/run_key": run_key})
    return bool(instance.get_run_records(asked, limit=1))


def _unfinished(instance: dg.DagsterInstance, day: date, now: datetime) -> str | None:
    """The id of a sync of everything as of the day that waits or goes on, None if there is none."""
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=SYNC_JOB,
            statuses=_UNFINISHED,
            tags={"dagster/partition": day.isoformat()},
            created_after=now - _GIVEN_UP_AFTER,
        )
    )
    for record in records:
        if not record.dagster_run.asset_selection:
            return record.dagster_run.run_id
    return None
