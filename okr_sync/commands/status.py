"""okr-sync status: where the key results stand, as a table people like to look at or as JSON.

Belongs here: the table. Does not belong here: reading the warehouse (warehouse.status).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from okr_sync.checks.failing import failing_checks
from okr_sync.checks.results import CheckSeverity
from okr_sync.commands.choose import choose_measured
from okr_sync.commands.console import is_narrow, output
from okr_sync.commands.project_warehouse import end_of_day, outlined
from okr_sync.config.outline import Outline
from okr_sync.numbers import show_number, show_percent
from okr_sync.warehouse.check_results import RecordedCheck
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.json_rows import jsonable, to_jsonable
from okr_sync.warehouse.status import StatusRow, status
from okr_sync.wording import ends_in_words, status_in_words

_COLOURS = {
    "exceeding": "bold green",
    "achieved": "bold green",
    "on_track": "green",
    "lagging": "yellow",
    "severely_lagging": "red",
    "insufficient_data": "dim",
    "no_data": "dim",
}
_BAR_CELLS = 10


def run_status(
    folder: Path,
    key_results: Sequence[str],
    as_of: date | None,
    as_known_on: date | None,
    as_json: bool,
) -> int:
    """Print the status; exit status 1 if any key result shown is failed or quarantined.

    With `as_known_on`, a day in the project's time zone, it is the status as it was known at that
    day's end; what fails now doesn't belong to it.
    """
    with outlined(folder) as (outline, warehouse):
        known_at = None if as_known_on is None else end_of_day(outline.time_zone, as_known_on)
        now = datetime.now(UTC)
        rows = status(warehouse, now=now, as_of=as_of, as_known_on=known_at)
        unpublished = quarantined_without(rows, outline) if known_at is None else {}
        if key_results:
            known = {*unpublished, *(row.key_result_id for row in rows)}
            chosen = [choose_measured(name, known, outline) for name in key_results]
            rows = [row for row in rows if row.key_result_id in chosen]
            unpublished = {name: text for name, text in unpublished.items() if name in chosen}
        if as_json:
            names = [row.key_result_id for row in rows]
            # What fails now says nothing of what was known on another day.
            checks = failing_checks(warehouse, outline.rests_on(names)) if known_at is None else {}
            objects = [
                to_jsonable(row)
                | {"checks": [check_object(one) for one in checks.get(row.key_result_id, ())]}
                for row in rows
            ]
            click.echo(json.dumps(objects, indent=2))
            for name, text in unpublished.items():
                click.echo(f"{name}: {text}", err=True)
        elif as_known_on is not None and not rows:
            click.echo(f"Nothing was known yet at the end of {as_known_on}.")
        else:
            show_status(output(), rows, warehouse, unpublished)
            if known_at is None:
                show_failing_checks(output(), rows, warehouse, outline)
    return 1 if unpublished or any(row.error for row in rows) else 0


def quarantined_without(rows: Sequence[StatusRow], outline: Outline) -> dict[str, str]:
    """The quarantined key results that have no row, because they never ran, and why they can't."""
    published = {row.key_result_id for row in rows}
    return {
        name: text for name, text in sorted(outline.quarantined.items()) if name not in published
    }


def show_status(
    console: Console,
    rows: Sequence[StatusRow],
    warehouse: Warehouse,
    unpublished: Mapping[str, str],
) -> None:
    """Print the status table, then what went wrong, one line each."""
    if not rows:
        console.print("No key result has been measured yet. Run `okr-sync sync`.")
    else:
        console.print(_table(rows, is_narrow(console)))
    for row in rows:
        if row.error:
            console.print(Text(f"{row.key_result_id}: {row.error}", style="red"))
    for key_result_id, text in unpublished.items():
        console.print(Text(f"{key_result_id}: {text}", style="red"))
    console.print(Text(f"Warehouse: {warehouse.label}", style="dim"))


def show_failing_checks(
    console: Console, rows: Sequence[StatusRow], warehouse: Warehouse, outline: Outline
) -> None:
    """Print what failing checks say of the key results shown, each once, unless it was said already."""
    said = {row.error for row in rows}
    failing = failing_checks(warehouse, outline.rests_on(row.key_result_id for row in rows))
    for one in dict.fromkeys(check for checks in failing.values() for check in checks):
        result = one.result
        if result.message not in said:
            style = "red" if result.severity is CheckSeverity.ERROR else "yellow"
            text = f"{result.subject}, check {result.check}: {result.message}"
            console.print(Text(text, style=style))


def check_object(one: RecordedCheck) -> dict[str, Any]:
    """A failing check as JSON-able data."""
    result = one.result
    return {
        "subject_kind": result.subject_kind.value,
        "subject": result.subject,
        "check": result.check.value,
        "severity": result.severity.value,
        "is_blocking": result.is_blocking,
        "message": result.message,
        "since": jsonable(one.recorded_at),
    }


def _table(rows: Sequence[StatusRow], narrow: bool) -> Table:
    """The table, ids beside titles; a narrow one has day and notes below the title, and no bars."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Key result", overflow="fold", min_width=20)
    table.add_column("Value", justify="right", no_wrap=True)
    for name in ("Goal", "Progress", "Status"):
        table.add_column(name, no_wrap=True)
    if not narrow:
        table.add_column("As of", no_wrap=True)
        table.add_column("Notes", overflow="fold")
    heading = None
    for row in rows:
        show = partial(show_number, unit=row.unit)
        if (row.team, row.cycle) != heading:
            heading = (row.team, row.cycle)
            table.add_row(Text(f"{row.team} · {row.cycle}", style="bold"))
        day = "–" if row.as_of is None else row.as_of.isoformat()
        title = Text(row.title).append(f" ({row.key_result_id.partition('/')[2]})", style="dim")
        beside = [day, _notes(row)]
        if narrow:
            title.append(f"\n{', '.join(filter(None, beside))}", style="dim")
        table.add_row(
            Padding(title, (0, 0, 0, 2)),
            show(row.value),
            ends_in_words(row.goal_kind, row.baseline, row.target, row.low, show),
            _progress(row, with_bar=not narrow),
            Text(status_in_words(row.status), style=_COLOURS.get(row.status, "")),
            *([] if narrow else beside),
        )
    return table


def _progress(row: StatusRow, *, with_bar: bool) -> Text:
    if row.progress is None:
        if row.score is None:
            return Text("–", style="dim")
        return Text("met" if row.score else "not met")
    if not with_bar:
        return Text(show_percent(row.progress))
    share = min(max(row.progress, Decimal(0)), Decimal(1))
    filled = int(share * _BAR_CELLS)
    bar = "█" * filled + "░" * (_BAR_CELLS - filled)
    return Text(f"{bar} {show_percent(row.progress)}")


def _notes(row: StatusRow) -> str:
    notes = [] if row.freshness == "fresh" else [row.freshness]
    return ", ".join([*notes, *row.quality])
