"""The job that is a sync, and the schedule that runs it.

Belongs here: what runs together and when. Does not belong here: what the steps do.
"""

from zoneinfo import ZoneInfo

import dagster as dg

from assets.keys import SYNC_JOB
from okr_sync.config.bundle import Bundle


def automation(bundle: Bundle) -> dg.Definitions:
    """The sync job and its schedule.

    The job runs everything, source to key result, in one process: a spawned step would import it all
    again, which costs more than most syncs.
    """
    job = dg.define_asset_job(
        SYNC_JOB,
        selection=dg.AssetSelection.all(),
        description="Pull the sources, evaluate the metrics, publish the key results.",
        executor_def=dg.in_process_executor,
    )
    return dg.Definitions(jobs=[job], schedules=[_schedule(bundle)])


def _schedule(bundle: Bundle) -> dg.ScheduleDefinition:
    """The project's `schedule`, in its time zone; each tick is a run as of the day it falls on."""

    zone = ZoneInfo(bundle.project.time_zone)

    def run_of_tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tick = context.scheduled_execution_time
        today = tick.astimezone(zone).date()
        return dg.RunRequest(run_key=tick.isoformat(), partition_key=today.isoformat())

    return dg.ScheduleDefinition(
        name="sync_schedule",
        job_name=SYNC_JOB,
        cron_schedule=bundle.project.schedule,
        execution_timezone=bundle.project.time_zone,
        execution_fn=run_of_tick,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Keeps the key results up to date.",
    )
