"""okr-sync explain: from a number back to everything that made it.

Belongs here: layout, JSON and the list of records. Does not belong here: the words (explaining) or
the facts (inspect.explanation).
"""

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from okr_sync import __version__
from okr_sync.commands.choose import choose_measured
from okr_sync.commands.console import output
from okr_sync.commands.explaining import explanation_lines
from okr_sync.commands.project_warehouse import opened
from okr_sync.commands.records import RecordRow, record_rows, write_csv
from okr_sync.commands.status import check_object
from okr_sync.inspect.definition import definition_parts
from okr_sync.inspect.explanation import Explanation, explain
from okr_sync.numbers import show_number
from okr_sync.warehouse.goals import RecordedGoal
from okr_sync.warehouse.json_rows import jsonable, to_jsonable
from okr_sync.warehouse.status import status


def run_explain(
    folder: Path,
    key_result: str,
    as_of: date | None,
    *,
    as_records: bool,
    csv_file: Path | None,
    as_json: bool,
) -> int:
    """Print how a number came about, with `as_records` the records behind it, too.

    With `csv_file` the records are written there, and only their number is said.
    """
    now = datetime.now(UTC)
    with opened(folder) as (bundle, warehouse):
        known = {row.key_result_id for row in status(warehouse, now=now)}
        key_result_id = choose_measured(key_result, known, bundle)
        found = explain(warehouse, bundle, key_result_id, as_of, now)
        wanted = as_records or csv_file is not None
        rows = record_rows(warehouse, found) if wanted else None
    if csv_file is not None and rows is not None:
        written = write_csv(csv_file, rows)
        click.echo(f"{csv_file}: {written} records", err=as_json)
    if as_json:
        click.echo(json.dumps(_as_object(found, rows if as_records else None), indent=2))
    elif csv_file is None or as_records:
        _print(output(), found, rows)
    return 0


def _print(console: Console, found: Explanation, rows: list[RecordRow] | None) -> None:
    title = f"{found.row.key_result_id}: {found.key_result.title}"
    console.print(Text(title, style="bold"))
    heading = None
    for section, text in explanation_lines(found, __version__):
        label = "" if section == heading else section
        heading = section
        console.print(f"{label:<12}{text}", markup=False, soft_wrap=True)
    if rows is not None:
        console.print(_table(rows, found.key_result.unit))


def _table(rows: list[RecordRow], unit: str | None) -> Table:
    several = len({row.metric for row in rows}) > 1
    divides = any(row.in_denominator is not None for row in rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    if several:
        table.add_column("Metric")
    for name in ("Record", "At", "Numerator", "Denominator") if divides else ("Record", "At"):
        table.add_column(name, no_wrap=True)
    table.add_column("Amount", justify="right", no_wrap=True)
    table.add_column("Left out", overflow="fold")
    table.add_column("Link", overflow="fold")
    for row in rows:
        at = row.at.strftime("%Y-%m-%d %H:%MZ") if isinstance(row.at, datetime) else row.at
        sides = [_mark(row.in_numerator), _mark(row.in_denominator)] if divides else []
        table.add_row(
            *([row.metric] if several else []),
            row.record_id,
            "–" if at is None else str(at),
            *sides,
            show_number(row.amount, None),
            row.left_out or "",
            row.url or "",
            style="" if row.counted or row.in_numerator else "dim",
        )
    return table


def _mark(flag: bool | None) -> str:
    return "–" if flag is None else "yes" if flag else "no"


def _as_object(found: Explanation, rows: list[RecordRow] | None) -> dict[str, Any]:
    definition, span, run = found.definition, found.span, found.run
    object_: dict[str, Any] = {
        "key_result_id": found.row.key_result_id,
        "title": found.key_result.title,
        "unit": found.key_result.unit,
        "baseline": jsonable(found.key_result.baseline),
        "target": jsonable(found.key_result.target),
        "number": to_jsonable(found.row),
        "error": found.key_result.error,
        "before": None if found.before is None else to_jsonable(found.before),
        "goals": [_goal(one) for one in found.goals],
        "definition": None,
        "window": None,
        "records_counted": [_plain(one) for one in found.tallies],
        "records_uncounted_because": found.uncounted,
        "pulls": [to_jsonable(pull) for pull in found.pulls],
        "read_at": {name: jsonable(state.complete_at) for name, state in found.read_at},
        "run": None if run is None else to_jsonable(run),
        "git_sha": found.git_sha,
        "inputs": [_plain(one) for one in found.inputs],
        "groups": [_plain(one) for one in found.groups],
        "check_ins": [_plain(one) for one in found.check_ins],
        "checks": [check_object(one) for one in found.checks],
        "override": None if found.override is None else _plain(found.override),
        "version": __version__,
        "lines": [list(line) for line in explanation_lines(found, __version__)],
    }
    if definition is not None:
        unit = found.key_result.unit
        key_result = definition.key_result
        object_["definition"] = {
            "file": key_result.defined_at.file,
            "line": key_result.defined_at.line,
            "is_current": definition.is_current,
            "parts": definition_parts(
                definition.bundle, key_result, lambda number: show_number(number, unit)
            ),
        }
    if span is not None and definition is not None:
        object_["window"] = {
            "time_zone": definition.bundle.project.time_zone,
            "start_day": span.window.start_day.isoformat(),
            "end_day": span.window.end_day.isoformat(),
            "start_at": jsonable(span.window.start_at),
            "end_at": jsonable(span.window.end_at),
            "as_of_at": jsonable(span.as_of_at),
        }
    if rows is not None:
        object_["records"] = [_plain(row) for row in rows]
    return object_


def _goal(one: RecordedGoal) -> dict[str, Any]:
    return _plain(one.agreed) | {
        "change": one.change,
        "recorded_at": jsonable(one.recorded_at),
        "run_id": one.run_id,
    }


def _plain(row: Any) -> dict[str, Any]:
    return {field.name: jsonable(getattr(row, field.name)) for field in dataclasses.fields(row)}
