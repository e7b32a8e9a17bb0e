"""okr-sync history: a key result's numbers over time, with every revision.

Belongs here: the table. Does not belong here: reading the warehouse (warehouse.reads).
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import click
from rich.table import Table

from okr_sync.commands.choose import choose_measured
from okr_sync.commands.console import is_narrow, output
from okr_sync.commands.explaining import goal_lines
from okr_sync.commands.project_warehouse import end_of_day, opened
from okr_sync.numbers import show_number, show_percent
from okr_sync.warehouse.goals import recorded_goals
from okr_sync.warehouse.json_rows import to_jsonable
from okr_sync.warehouse.reads import HistoryRow, history
from okr_sync.warehouse.status import status
from okr_sync.wording import status_in_words


def run_history(folder: Path, key_result: str, as_known_on: date | None, as_json: bool) -> int:
    """Print the history of one key result; `as_known_on` is a day in the project's time zone."""
    with opened(folder) as (bundle, warehouse):
        known = status(warehouse, now=datetime.now(UTC), even_retired=True)
        rows_by_id = {row.key_result_id: row for row in known}
        key_result_id = choose_measured(key_result, rows_by_id, bundle)
        known_at = (
            None if as_known_on is None else end_of_day(bundle.project.time_zone, as_known_on)
        )
        rows = history(warehouse, key_result_id, as_known_on=known_at)
        with warehouse.read() as connection:
            goals = recorded_goals(connection, [key_result_id]).get(key_result_id, [])
    if as_json:
        click.echo(json.dumps([to_jsonable(row) for row in rows], indent=2))
    elif not rows and as_known_on is not None:
        click.echo(f"Nothing was known yet of {key_result_id} at the end of {as_known_on}.")
    elif not rows:
        click.echo(f"{key_result_id} has not been measured yet.")
    else:
        console = output()
        unit = rows_by_id[key_result_id].unit
        console.print(_table(rows, unit, is_narrow(console)))
        known_goals = [one for one in goals if known_at is None or one.recorded_at <= known_at]
        for line in goal_lines(known_goals, unit):
            console.print(f"Goal {line}", style="dim", markup=False)
    return 0


_NARROW_COLUMNS = ("As of", "Rev.", "Value", "Progress", "Status", "Recorded", "Cause", "Notes")
_NUMBERS = ("Value", "Numerator", "Denominator", "Sample", "Progress")


def _table(rows: list[HistoryRow], unit: str | None, narrow: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = [_cells(row, unit, "%Y-%m-%d" if narrow else "%Y-%m-%d %H:%MZ") for row in rows]
    names = _NARROW_COLUMNS if narrow else tuple(lines[0])
    for name in names:
        justify: Literal["left", "right"] = "right" if name in _NUMBERS else "left"
        table.add_column(name, justify=justify, no_wrap=name != "Notes", overflow="fold")
    for row, cells in zip(rows, lines, strict=True):
        style = "dim" if row.superseded_at else ""
        table.add_row(*(cells[name] for name in names), style=style)
    return table


def _cells(row: HistoryRow, unit: str | None, time_format: str) -> dict[str, str]:
    """What the table shows of a revision, by column, in order."""
    return {
        "As of": row.as_of.isoformat(),
        "Rev.": str(row.revision),
        "Value": show_number(row.value, unit),
        "Numerator": show_number(row.numerator, None),
        "Denominator": show_number(row.denominator, None),
        "Sample": "–" if row.sample_size is None else f"{row.sample_size:,}",
        "Progress": show_percent(row.progress),
        "Status": status_in_words(row.status),
        "Final": "yes" if row.is_final else "no",
        "Recorded": row.recorded_at.strftime(time_format),
        "Cause": _cause(row),
        "Notes": ", ".join([*row.quality, *(["superseded"] if row.superseded_at else [])]),
    }


def _cause(row: HistoryRow) -> str:
    """Why there is the revision, with where its number comes from if that doesn't say it."""
    cause = (row.cause or "not recorded").replace("_", " ")
    return cause if row.origin in ("automatic", row.cause) else f"{cause} ({row.origin})"
