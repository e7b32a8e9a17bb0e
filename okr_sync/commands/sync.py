"""okr-sync sync: run the project's Dagster job in this process and say what came of it.

Belongs here: which days and key results are asked for, the run, and its summary. Does not belong
here: the steps (assets), where Dagster keeps its records (dagster_instance). A manual and a scheduled
run are the same job.
"""

import warnings
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

import click
import dagster as dg
from rich.console import Console

from assets.keys import RANGE_END_TAG, RANGE_START_TAG, SYNC_JOB, TRIGGER_TAG
from assets.project import as_of_days, upstream_keys
from assets.resources import Reporter
from okr_sync.commands.choose import choose_key_results
from okr_sync.commands.console import output
from okr_sync.commands.dagster_instance import keeps_records, own_instance, places_given_back
from okr_sync.commands.project_warehouse import opened
from okr_sync.config.bundle import Bundle
from okr_sync.definitions import build_definitions
from okr_sync.errors import OkrSyncError, UsageError
from okr_sync.sync.observe import calendar_of
from okr_sync.sync.renames import unknown_former_ids
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import RunRow, find_run
from okr_sync.warehouse.runs import finish_run
from okr_sync.warehouse.status import status
from okr_sync.wording import counted


class ConsoleReporter(Reporter):
    """Prints what each step did, a line each; on a terminal also what is being read just now."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._reading = console.status("")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._reading.stop()
        self._console.print(f"  {text}", markup=False, soft_wrap=True)

    def reading(self, dataset: str, rows: int) -> None:
        """Show a line that moves, where it can."""
        if self._console.is_terminal:
            self._reading.update(f"{dataset}: {rows:,} rows")
            self._reading.start()


def run_sync(
    folder: Path,
    key_results: Sequence[str],
    as_of: date | None,
    backfill: tuple[date, date] | None,
) -> int:
    """Sync the named key results, or all; exit status 1 if any failed or is quarantined."""
    # Opened first, so that a warehouse that can't be had is said at once and in one line.
    with opened(folder, migrate=True) as (bundle, warehouse):
        with warehouse.read() as connection:
            renamed_from_nothing = unknown_former_ids(connection, bundle)
        for problem in (*bundle.problems, *renamed_from_nothing):
            click.echo(str(problem), err=True)
        if not bundle.key_results:
            raise OkrSyncError(
                "The project has no key result that can be measured. `okr-sync check` says why."
            )
        named = choose_key_results(key_results, {*bundle.key_results, *bundle.quarantined})
        chosen = [name for name in named if name in bundle.key_results]
        for name in named:
            if name not in chosen:
                click.echo(f"{name}: {bundle.quarantined[name]}", err=True)
        if named and not chosen:
            return 1
        days = _days(bundle, as_of, backfill)
        run = _execute(bundle, warehouse, chosen, days, is_backfill=backfill is not None)
        exit_status = _summary(bundle, warehouse, run, chosen, days[1])
        return 1 if len(chosen) < len(named) else exit_status


def _days(
    bundle: Bundle, as_of: date | None, backfill: tuple[date, date] | None
) -> tuple[date, date]:
    """The first and last as-of day; UsageError for a day that has no numbers yet or never had."""
    today = datetime.now(calendar_of(bundle.project).zone).date()
    first, last = backfill or (as_of or today, as_of or today)
    start = as_of_days(bundle).start.date()
    if last > today:
        raise UsageError(f"{last} has not begun in {bundle.project.time_zone}; today is {today}.")
    if first < start:
        raise UsageError(f"No key result's cycle had begun on {first}; the first begins {start}.")
    return first, last


def _execute(
    bundle: Bundle,
    warehouse: Warehouse,
    chosen: Sequence[str],
    days: tuple[date, date],
    *,
    is_backfill: bool,
) -> RunRow:
    first, last = days
    about = counted(len(chosen) or len(bundle.key_results), "key result")
    click.echo(f"Syncing {about} as of {f'{first}..{last}' if is_backfill else first}")
    reporter = ConsoleReporter(output())
    with warnings.catch_warnings():
        # Dagster warns of its own use of its own beta features; nothing a user could mend.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        definitions = build_definitions(bundle, {"reporter": reporter}, with_checks=keeps_records())
        job = definitions.resolve_job_def(SYNC_JOB)
    tags = {TRIGGER_TAG: "backfill" if is_backfill else "manual"}
    if is_backfill:
        tags |= {RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()}
    with own_instance() as instance, places_given_back(instance, warehouse, reporter.say):
        result = job.execute_in_process(
            instance=instance,
            partition_key=None if is_backfill else first.isoformat(),
            tags=tags,
            asset_selection=_selection(bundle, chosen),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    error = _unexpected_error(result)
    if find_run(warehouse, result.run_id) is None:
        raise OkrSyncError(error or "The run ended before its first step.")
    return finish_run(warehouse, result.run_id, finished_at=datetime.now(UTC), error=error)


def _selection(bundle: Bundle, chosen: Sequence[str]) -> list[dg.AssetKey] | None:
    if not chosen:
        return None
    found = (upstream_keys(bundle, bundle.key_results[name]) for name in chosen)
    return list(dict.fromkeys(chain.from_iterable(found)))


def _unexpected_error(result: dg.ExecuteInProcessResult) -> str | None:
    """What ended a step, in words: none for key results that failed, which say so themselves."""
    for event in result.get_step_failure_events():
        failure = event.step_failure_data
        if failure.user_failure_data is None and failure.error is not None:
            cause = failure.error.cause or failure.error
            if cause.cls_name == dg.DagsterExecutionInterruptedError.__name__:
                return "The sync was interrupted. Run it again: it goes on from what is stored."
            name, _, text = cause.message.strip().partition(": ")
            if name.startswith(f"{OkrSyncError.__module__}."):
                return text
            return f"Step {event.step_key} broke: {cause.message.strip()}"
    return None


def _summary(
    bundle: Bundle, warehouse: Warehouse, run: RunRow, chosen: Sequence[str], last_day: date
) -> int:
    click.echo(
        f"{run.status}: {run.key_results_ok} changed, {run.key_results_unchanged} unchanged, "
        f"{run.key_results_failed} failed"
    )
    if run.error:
        click.echo(run.error, err=True)
    wanted = set(chosen) or {*bundle.key_results, *bundle.quarantined}
    rows = [row for row in status(warehouse, now=datetime.now(UTC)) if row.key_result_id in wanted]
    for row in rows:
        if row.error:
            click.echo(f"{row.key_result_id}: {row.error}", err=True)
    newer = [row.as_of for row in rows if row.as_of is not None and row.as_of > last_day]
    if newer:
        click.echo(
            f"The current numbers stay those of {max(newer)}, the newest day; "
            f"`okr-sync status --as-of {last_day}` shows this one's."
        )
    if run.status == "success":
        return 0
    click.echo("The last good values stay; `okr-sync status` shows them.", err=True)
    return 1
