"""okr-sync report: the page for leaders, written to a file.

Belongs here: where the page goes, and the same as JSON. Does not belong here: the page (briefing).
"""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from okr_sync.briefing.facts import Briefing, Standing, brief
from okr_sync.briefing.page import report_page
from okr_sync.commands.output_file import write_whole
from okr_sync.commands.project_warehouse import opened
from okr_sync.warehouse.json_rows import jsonable, to_jsonable


def run_report(folder: Path, file: Path, as_json: bool) -> int:
    """Write the report to a file, or to standard output for `-`; with JSON print its facts."""
    with opened(folder) as (bundle, warehouse):
        briefing = brief(warehouse, bundle, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps(_as_object(briefing), indent=2))
        return 0
    page = report_page(briefing)
    if str(file) == "-":
        click.echo(page)
        return 0
    write_whole(file, page.encode())
    click.echo(f"Report: {file}")
    return 0


def _as_object(briefing: Briefing) -> dict[str, Any]:
    return {
        "made_at": jsonable(briefing.made_at),
        "time_zone": str(briefing.zone),
        "unpublished": dict(briefing.unpublished),
        "key_results": [_standing(one) for cycle in briefing.cycles for one in cycle.key_results],
    }


def _standing(one: Standing) -> dict[str, Any]:
    return {
        **to_jsonable(one.row),
        "goal": one.goal,
        "points": [_plain(point) for point in one.points],
        "events": [_plain(event) for event in one.events],
        "move": None if one.move is None else _plain(one.move),
        "doubts": list(one.doubts),
        "notes": list(one.notes),
        "not_fresh_because": one.stale,
        "decisions": list(one.decisions),
        "check_in": None if one.said is None else _plain(one.said),
    }


def _plain(row: Any) -> dict[str, Any]:
    return {field.name: jsonable(getattr(row, field.name)) for field in dataclasses.fields(row)}
