"""okr-sync demo: the whole job on a made-up company, from nothing, kept in one folder.

Belongs here: setting the folder up and running the other commands in order. Does not belong here:
the company's files (connectors.sandbox.generate) or the project's (okr_sync.demo).
"""

import os
import shutil
from datetime import UTC, date, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import click

from connectors.sandbox.generate import LAST_DAY, write_demo_account
from connectors.sandbox.serve import Sandbox
from okr_sync.commands.console import output
from okr_sync.commands.project_warehouse import opened
from okr_sync.commands.report import run_report
from okr_sync.commands.status import quarantined_without, show_status
from okr_sync.commands.sync import run_sync
from okr_sync.config.outline import outline_of
from okr_sync.warehouse.address import WAREHOUSE_VARIABLE
from okr_sync.warehouse.status import status

_DAYS = tuple(LAST_DAY - timedelta(weeks=weeks) for weeks in (2, 1, 0))
"""The days that are synced: a curve, and what moved in a week, need more than one."""


def run_demo(folder: Path) -> int:
    """Write the demo's files if they aren't there, sync them through the sandbox, show where they stand."""
    folder = folder.absolute()
    account, project, dagster_home = (folder / name for name in ("account", "project", "dagster"))
    _set_up(account, project, dagster_home)
    # The demo keeps everything in its own folder, whatever the shell has set for real work.
    os.environ.pop(WAREHOUSE_VARIABLE, None)
    os.environ["DAGSTER_HOME"] = str(dagster_home)
    click.echo(f"Serving HubSpot and GA4 from {account} on this machine")
    with Sandbox(account) as sandbox:
        os.environ.update(sandbox.environment())
        exit_statuses = [run_sync(project, (), day, None) for day in _DAYS]
    with opened(project) as (bundle, warehouse):
        click.echo()
        now = datetime.now(UTC)
        rows = status(warehouse, now=now)
        show_status(output(), rows, warehouse, quarantined_without(rows, outline_of(bundle)))
    click.echo()
    run_report(project, folder / "report.html", as_json=False)
    click.echo(_where_next(folder, LAST_DAY))
    return max(exit_statuses)


def _set_up(account: Path, project: Path, dagster_home: Path) -> None:
    if not (account / "account.yaml").exists():
        click.echo(f"Writing a made-up company to {account}")
        write_demo_account(account)
    if not (project / "okr_sync.yaml").exists():
        click.echo(f"Writing its OKRs to {project}")
        with as_file(files("okr_sync.demo") / "project") as template:
            shutil.copytree(template, project, dirs_exist_ok=True)
    dagster_home.mkdir(parents=True, exist_ok=True)
    settings = dagster_home / "dagster.yaml"
    if not settings.exists():
        settings.write_bytes((files("okr_sync.templates") / "dagster.yaml").read_bytes())


def _where_next(folder: Path, as_of: date) -> str:
    project = folder / "project"
    return f"""
Where to look next:
  {folder / "report.html"} opens in any browser
  {project}/okrs and metrics hold the bindings; change one and run this again
  okr-sync history --project {project} demand-gen/mql-to-sql
  okr-sync sandbox {folder / "account"} -- okr-sync sync --project {project} --backfill 2026-10-01..{as_of}
  make dev   opens Dagster's UI on this demo (in a clone of the repository)
"""
