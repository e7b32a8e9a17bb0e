"""okr-sync history: a key result's numbers over time, with every revision.

Belongs here: the table. Does not belong here: reading the warehouse (warehouse.reads).
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from okr_sync.commands.choose import choose_key_results
from okr_sync.commands.console import output
from okr_sync.commands.numbers import show_number, show_percent
from okr_sync.commands.project_warehouse import opened
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.reads import HistoryRow, history, status, to_jsonable


def run_history(folder: Path, key_result: str, as_known_on: date | None, as_json: bool) -> int:
    """Print the history of one key result; `as_known_on` is a day in the project's time zone."""
    with opened(folder) as (bundle, warehouse):
        rows_by_id = {row.key_result_id: row for row in status(warehouse, now=datetime.now(UTC))}
        (key_result_id,) = choose_key_results([key_result], rows_by_id)
        known_at = None
        if as_known_on is not None:
            zone = ZoneInfo(bundle.project.time_zone)
            known_at = local_midnight(as_known_on + timedelta(days=1), zone)
        rows = history(warehouse, key_result_id, as_known_on=known_at)
    if as_json:
        click.echo(json.dumps([to_jsonable(row) for row in rows], indent=2))
    elif not rows:
        click.echo(f"{key_result_id} has not been measured yet.")
    else:
        output().print(_table(rows, rows_by_id[key_result_id].unit))
    return 0


def _table(rows: list[HistoryRow], unit: str | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("As of", "Rev."):
        table.add_column(name, no_wrap=True)
    for name in ("Value", "Numerator", "Denominator", "Sample", "Progress"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("Status", "Final", "Recorded", "Origin", "Notes"):
        table.add_column(name, no_wrap=name != "Notes")
    for row in rows:
        table.add_row(
            row.as_of.isoformat(),
            str(row.revision),
            show_number(row.value, unit),
            show_number(row.numerator, None),
            show_number(row.denominator, None),
            "–" if row.sample_size is None else f"{row.sample_size:,}",
            show_percent(row.progress),
            row.status.replace("_", " "),
            "yes" if row.is_final else "no",
            row.recorded_at.strftime("%Y-%m-%d %H:%MZ"),
            row.origin,
            ", ".join([*row.quality, *(["superseded"] if row.superseded_at else [])]),
            style="dim" if row.superseded_at else "",
        )
    return table
