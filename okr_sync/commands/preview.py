"""okr-sync preview: what a key result would say before it counts, and how that differs.

Belongs here: the tables and the JSON. Does not belong here: the steps (previewing) or evaluation
(inspect.draft).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from okr_sync.commands.choose import choose_key_results
from okr_sync.commands.console import errors, output
from okr_sync.commands.previewing import Preview, Published, preview_of
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project
from okr_sync.config.problems import Problem
from okr_sync.inspect.definition import Change
from okr_sync.numbers import show_number, show_percent
from okr_sync.warehouse.json_rows import jsonable
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.reads import HistoryRow
from okr_sync.wording import status_in_words

_BLOCKS = "▁▂▃▄▅▆▇█"


def run_preview(
    folder: Path,
    key_result: str,
    first: date | None,
    *,
    as_diff: bool,
    pull: bool | None,
    as_json: bool,
) -> int:
    """Print what a key result gives as its files define it now; 1 if it can't be measured."""
    bundle = load_project(folder)
    known = {*bundle.key_results, *bundle.quarantined}
    (key_result_id,) = choose_key_results([key_result], known)
    if key_result_id not in bundle.key_results:
        return _invalid(bundle, key_result_id, as_json)
    with errors().status("Evaluating") as shown:

        def watch(dataset: str, rows: int) -> None:
            shown.update(f"Reading {dataset}: {rows:,} rows")

        preview = preview_of(
            bundle,
            bundle.key_results[key_result_id],
            first,
            beside_published=as_diff,
            pull=pull,
            now=datetime.now(UTC),
            watch=watch,
        )
    if as_json:
        click.echo(json.dumps(_as_object(preview, as_diff), indent=2))
    else:
        _print(output(), preview, as_diff)
    return 1 if preview.error else 0


def _invalid(bundle: Bundle, key_result_id: str, as_json: bool) -> int:
    """Tell why a draft can't be measured: everything that was found about it."""
    about = [p for p in bundle.problems if p.key_result_id == key_result_id]
    first = bundle.quarantined[key_result_id]
    if as_json:
        found = [str(problem) for problem in about] or [first]
        click.echo(json.dumps({"key_result_id": key_result_id, "error": first, "problems": found}))
        return 1
    click.echo(f"{key_result_id} can't be measured until this is mended:", err=True)
    for line in _lines(about, first):
        click.echo(f"  {line}", err=True)
    return 1


def _lines(about: Sequence[Problem], first: str) -> list[str]:
    lines = [str(problem) for problem in about]
    return lines if any(problem.text == first for problem in about) else [first, *lines]


# --- for people -----------------------------------------------------------------------------------


def _print(console: Console, preview: Preview, as_diff: bool) -> None:
    key_result = preview.key_result
    console.print(Text(f"{key_result.key_result_id}: {key_result.title}", style="bold"))
    for result in preview.pulls:
        if result.error is not None and result.error == preview.error:
            continue  # said once, below
        text = result.error or f"{result.rows:,} rows in {result.requests:,} requests"
        console.print(f"Read {result.source}.{result.dataset}: {text}", markup=False)
    if preview.error:
        console.print(Text(preview.error, style="red"))
        return
    if not preview.observations:
        console.print(
            f"Nothing to measure yet: its cycle, {key_result.cycle.name}, begins on "
            f"{key_result.cycle.start}."
        )
        return
    _print_latest(console, preview, preview.observations[-1])
    if as_diff:
        _print_diff(console, preview)
    elif len(preview.observations) > 1:
        console.print(_curve_table(preview))
    for dataset, read_at in preview.read_at.items():
        console.print(f"From {dataset} as read at {_time(read_at)}.", style="dim")
    console.print(f"Written: {_written(preview)}.", style="dim")


def _written(preview: Preview) -> str:
    if preview.is_temporary:
        return "a temporary warehouse, which is gone now"
    if preview.pulls:
        return "what was read, into the source tables; no number was published"
    return "nothing"


def _print_latest(console: Console, preview: Preview, latest: KeyResultObservation) -> None:
    measured = latest.measurement
    value = show_number(measured.value, preview.unit)
    console.print(f"Value {value} as of {latest.as_of}: {status_in_words(latest.status)}")
    parts = [
        (name, number)
        for name, number in (
            ("numerator", show_number(measured.numerator, None)),
            ("denominator", show_number(measured.denominator, None)),
            ("sample", "–" if measured.sample_size is None else f"{measured.sample_size:,}"),
            ("progress", show_percent(latest.progress)),
            ("expected", show_percent(latest.expected_progress)),
        )
        if number != "–"
    ]
    console.print("  " + ", ".join(f"{name} {number}" for name, number in parts))
    if latest.quality:
        console.print(f"  notes: {', '.join(latest.quality)}")


def _curve_table(preview: Preview) -> Table:
    """The days; of a number that nothing was divided for, without columns of parts."""
    rows = preview.observations
    known = [row.measurement.value for row in rows if row.measurement.value is not None]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("As of", no_wrap=True)
    has_parts = any(row.measurement.denominator is not None for row in rows)
    parts = ("Numerator", "Denominator") if has_parts else ()
    for name in ("Value", *parts, "Sample", "Progress"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Notes", overflow="fold")
    for row in rows:
        measured = row.measurement
        numbers = (measured.numerator, measured.denominator) if has_parts else ()
        table.add_row(
            row.as_of.isoformat(),
            show_number(measured.value, preview.unit),
            *(show_number(number, None) for number in numbers),
            "–" if measured.sample_size is None else f"{measured.sample_size:,}",
            show_percent(row.progress),
            _block(measured.value, known),
            status_in_words(row.status),
            ", ".join(row.quality),
        )
    return table


def _block(value: Decimal | None, known: Sequence[Decimal]) -> str:
    """The value's height between the smallest and the largest of the curve, as one character."""
    if value is None:
        return ""
    low, high = min(known), max(known)
    share = (value - low) / (high - low) if high > low else Decimal(0)
    return _BLOCKS[int(share * (len(_BLOCKS) - 1))]


def _print_diff(console: Console, preview: Preview) -> None:
    published = preview.published
    if published is None:
        console.print("Nothing has been published of this key result yet.")
        return
    _print_changes(console, preview, published)
    for step in published.along:
        console.print(f"Published by another definition from {step.day} on:", markup=False)
        _print_parts(console, step.parts)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("As of", no_wrap=True)
    for name in ("Published", "Draft", "Change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    for row in preview.observations:
        then = published.rows.get(row.as_of)
        change = _change(then, row)
        table.add_row(
            row.as_of.isoformat(),
            "–" if then is None else show_number(then.value, preview.unit),
            show_number(row.measurement.value, preview.unit),
            "" if change is None else _signed(change, preview.unit),
            _status_change(then, row),
            style="" if change else "dim",
        )
    console.print(table)


def _print_changes(console: Console, preview: Preview, published: Published) -> None:
    short = f"{published.definition_hash[:12]} → {preview.definition_hash[:12]}"
    if published.definition_hash == preview.definition_hash:
        console.print(f"The definition is the published one ({preview.definition_hash[:12]}).")
    elif published.changes is None:
        console.print(
            f"The definition changed ({short}); the published one can't be read any more."
        )
    else:
        console.print(f"The definition changed ({short}):")
        _print_parts(console, published.changes)


def _print_parts(console: Console, parts: Sequence[Change] | None) -> None:
    if parts is None:
        console.print("  what differs can't be read any more")
        return
    for part in parts:
        text = f"  {part.part}: {part.after or 'nothing'} (was {part.before or 'nothing'})"
        console.print(text, markup=False)


def _change(then: HistoryRow | None, row: KeyResultObservation) -> Decimal | None:
    value = row.measurement.value
    if then is None or then.value is None or value is None:
        return None
    return value - then.value


def _signed(change: Decimal, unit: str | None) -> str:
    if not change:
        return "0"
    shown = show_number(change, unit)
    # From 27% to 25% is two points less, and not two per cent.
    points = f"{shown[:-1]} points" if shown.endswith("%") else shown
    return f"{'+' if change > 0 else ''}{points}"


def _status_change(then: HistoryRow | None, row: KeyResultObservation) -> str:
    now = status_in_words(row.status)
    if then is None or then.status == row.status:
        return now
    return f"{status_in_words(then.status)} → {now}"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%MZ")


# --- for programs ---------------------------------------------------------------------------------


def _as_object(preview: Preview, as_diff: bool) -> dict[str, Any]:
    key_result, published = preview.key_result, preview.published
    latest = preview.observations[-1] if preview.observations else None
    found: dict[str, Any] = {
        "key_result_id": key_result.key_result_id,
        "title": key_result.title,
        "metric": key_result.metric,
        "unit": preview.unit,
        "cycle_start": key_result.cycle.start.isoformat(),
        "definition_hash": preview.definition_hash,
        "published_definition_hash": published.definition_hash if published else None,
        "error": preview.error,
        "latest": None if latest is None else observation_object(latest),
        "points": [observation_object(one) for one in preview.observations],
        "read_at": {name: jsonable(at) for name, at in preview.read_at.items()},
        "pulled": [
            {
                "dataset": f"{result.source}.{result.dataset}",
                "rows": result.rows,
                "requests": result.requests,
                "error": result.error,
            }
            for result in preview.pulls
        ],
        "temporary_warehouse": preview.is_temporary,
    }
    if as_diff:
        found["diff"] = [] if published is None else _diff_objects(preview, published)
        found["changed"] = _changed_objects(published)
        found["definition_changes"] = [] if published is None else _along_objects(published)
    return found


def observation_object(one: KeyResultObservation) -> dict[str, Any]:
    """A draft's number for one day as JSON-able data, named as the columns of the history."""
    measured = one.measurement
    named: Mapping[str, Any] = {
        "as_of": one.as_of,
        "value": measured.value,
        "numerator": measured.numerator,
        "denominator": measured.denominator,
        "sample_size": measured.sample_size,
        "progress": one.progress,
        "score": one.score,
        "expected_progress": one.expected_progress,
        "status": one.status,
        "is_final": one.is_final,
        "quality": one.quality,
    }
    return {name: jsonable(value) for name, value in named.items()}


def _diff_objects(preview: Preview, published: Published) -> list[dict[str, Any]]:
    objects = []
    for row in preview.observations:
        then = published.rows.get(row.as_of)
        objects.append(
            {
                "as_of": row.as_of.isoformat(),
                "published": jsonable(then.value) if then else None,
                "draft": jsonable(row.measurement.value),
                "change": jsonable(_change(then, row)),
                "published_status": then.status if then else None,
                "draft_status": row.status,
            }
        )
    return objects


def _changed_objects(published: Published | None) -> list[dict[str, Any]] | None:
    if published is None or published.changes is None:
        return None
    return [
        {"part": change.part, "published": change.before, "draft": change.after}
        for change in published.changes
    ]


def _along_objects(published: Published) -> list[dict[str, Any]]:
    return [
        {
            "day": change.day.isoformat(),
            "before": change.before,
            "after": change.after,
            "used_at": jsonable(change.used_at),
            "parts": None
            if change.parts is None
            else [
                {"part": part.part, "before": part.before, "after": part.after}
                for part in change.parts
            ],
        }
        for change in published.along
    ]
