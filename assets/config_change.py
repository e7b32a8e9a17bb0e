"""The sensor that syncs when the project's files have changed, without waiting for the schedule.

Belongs here: noticing, by what the files hold. Does not belong here: loading them (okr_sync.config).

A worker process reads the files anew for each run, so a changed binding runs at once; the graph in
Dagster's UI shows it when the code location is reloaded.
"""

import json

import dagster as dg

from assets.keys import SYNC_JOB
from assets.project import as_of_days
from assets.resources import Clock
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project
from okr_sync.errors import OkrSyncError
from okr_sync.sync.observe import calendar_of

SENSOR = "config_change_sensor"

_SECONDS = 60


def config_change_sensor(bundle: Bundle, clock: Clock) -> dg.SensorDefinition:
    """A run for every change of the files' contents that has stood for two evaluations.

    The cursor holds the hash that was last run for and the one last seen, with the instant. A change
    must be seen twice, so that nobody's half-saved edit is run; saving a file as it was is no change.
    Going back to what ran before is one. There is no run of a day before the first that has partitions,
    here or in the changed files: such a change waits for it.
    """

    def runs_of_change(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            now = load_project(bundle.folder)
        except OkrSyncError as error:
            return dg.SkipReason(f"The project can't be read: {error.user_text}")
        known = json.loads(context.cursor) if context.cursor else {"ran": bundle.config_hash}
        if now.config_hash == known["ran"]:
            cursor = {"ran": now.config_hash}
            return dg.SensorResult(
                skip_reason="The files are as they were in the last run.", cursor=json.dumps(cursor)
            )
        # Cursors of before had no instant: such a change is seen as if for the first time.
        if known.get("seen") != now.config_hash or "seen_at" not in known:
            seen_at = clock.now().isoformat()
            cursor = {"ran": known["ran"], "seen": now.config_hash, "seen_at": seen_at}
            return dg.SensorResult(
                skip_reason="The files have changed; they run if they stay so for a minute.",
                cursor=json.dumps(cursor),
            )
        today = clock.now().astimezone(calendar_of(now.project).zone).date()
        begins = max(as_of_days(one).start.date() for one in (bundle, now) if one.key_results)
        if today < begins:
            return dg.SkipReason(f"The files have changed; the first cycle begins on {begins}.")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    # Dagster never runs a key twice: the instant tells this change from an earlier one
                    # to the same contents.
                    run_key=f"config {now.config_hash} {known['seen_at']}",
                    partition_key=today.isoformat(),
                )
            ],
            cursor=json.dumps({"ran": now.config_hash}),
        )

    return dg.SensorDefinition(
        name=SENSOR,
        job_name=SYNC_JOB,
        evaluation_fn=runs_of_change,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Syncs when bindings have changed, so that a mistake in them is told early.",
    )
