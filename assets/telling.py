"""Telling people from Dagster: sensors for what breaks and is mended, and the digest's schedule.

Belongs here: when people are told. Does not belong here: what they are told (okr_sync.briefing) or how
it is sent (connectors.telling).
"""

import os

import dagster as dg

from assets.keys import SYNC_JOB
from assets.resources import Clock
from connectors.telling import send_due
from okr_sync import errors
from okr_sync.briefing.alerts import queue_alerts, queue_failed_run
from okr_sync.briefing.digest import queue_digests
from okr_sync.briefing.facts import brief
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Tell
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import find_run
from okr_sync.wording import counted

DIGEST_JOB = "digest"
_EVERY_SECONDS = 60


def telling(bundle: Bundle) -> dg.Definitions:
    """The sensors, job and schedule of a project that says whom to tell; nothing for another."""
    tell = bundle.project.tell
    if tell is None:
        return dg.Definitions()
    job = _digest_job(bundle, tell)
    schedule = dg.ScheduleDefinition(
        name="digest_schedule",
        job=job,
        cron_schedule=tell.digest,
        execution_timezone=bundle.project.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Tells each team of its week.",
    )
    return dg.Definitions(
        jobs=[job],
        schedules=[schedule],
        sensors=[_status_sensor(bundle, tell), _run_failure_sensor(tell)],
    )


def _status_sensor(bundle: Bundle, tell: Tell) -> dg.SensorDefinition:
    @dg.sensor(
        name="tell_status_changes",
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells whom it concerns, once, that a key result is broken, and that it is mended.",
    )
    def tell_status_changes(
        warehouse: dg.ResourceParam[Warehouse], clock: dg.ResourceParam[Clock]
    ) -> dg.SkipReason:
        now = clock.now()
        queued = queue_alerts(warehouse, brief(warehouse, bundle, now), tell, now)
        problems = send_due(warehouse, os.environ, now)
        return dg.SkipReason(" ".join([f"{counted(len(queued), 'message')} queued.", *problems]))

    return tell_status_changes


def _run_failure_sensor(tell: Tell) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="tell_failed_runs",
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells that a run could not be finished, once until a run can.",
    )
    def tell_failed_runs(
        context: dg.RunFailureSensorContext,
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SkipReason:
        run = context.dagster_run
        if run.job_name != SYNC_JOB and not run.asset_selection:
            return dg.SkipReason("Not a sync.")
        known = find_run(warehouse, run.run_id)
        if known is not None and known.finished_at is not None and known.error is None:
            # Its key results are told of one by one, each to its owner.
            return dg.SkipReason("The run came to its end; some key results failed.")
        now = clock.now()
        queued = queue_failed_run(warehouse, tell, _why(context), run.run_id, now)
        problems = send_due(warehouse, os.environ, now)
        return dg.SkipReason(" ".join([f"{counted(len(queued), 'message')} queued.", *problems]))

    return tell_failed_runs


def _why(context: dg.RunFailureSensorContext) -> str:
    """Why a run failed, in our own errors' words; another's text could hold a secret."""
    for event in context.get_step_failure_events():
        found = event.step_failure_data.error
        while found is not None:
            kind = getattr(errors, found.cls_name or "", None)
            if isinstance(kind, type) and issubclass(kind, errors.OkrSyncError):
                return found.message.partition(": ")[2].strip()
            found = found.cause
    return "Something unexpected went wrong; the run's log in Dagster says what."


def _digest_job(bundle: Bundle, tell: Tell) -> dg.JobDefinition:
    @dg.op(description="Makes each team's digest and sends it.")
    def send_digests(
        context: dg.OpExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        now = clock.now()
        queued = queue_digests(warehouse, brief(warehouse, bundle, now), tell, now)
        context.log.info(f"{len(queued)} digests queued")
        for problem in send_due(warehouse, os.environ, now):
            context.log.warning(problem)

    @dg.job(
        name=DIGEST_JOB,
        description="Tells each team of its week: what moved, pace, decisions, what is stale.",
        executor_def=dg.in_process_executor,
    )
    def digest() -> None:
        send_digests()

    return digest
