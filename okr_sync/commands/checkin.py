"""okr-sync checkin: the number of a key result without a metric, as somebody says it.

Belongs here: reading what people type, the list of check-ins, and saying what happens next. Does not
belong here: what makes a right check-in (sync.check_in_rows) or keeping it (warehouse.check_ins).
"""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from okr_sync.commands.choose import choose_key_results
from okr_sync.commands.console import output
from okr_sync.commands.people import user_name
from okr_sync.commands.project_warehouse import opened
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.config.numbers import parse_in_unit
from okr_sync.config.problems import BadValue
from okr_sync.errors import UsageError
from okr_sync.numbers import show_number
from okr_sync.sync.check_in_rows import check_day, read_author, read_confidence, read_note
from okr_sync.sync.observe import calendar_of
from okr_sync.warehouse.check_ins import (
    CheckIn,
    Said,
    add_check_in,
    check_in_on,
    check_ins_of,
    withdraw_check_in,
)
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.json_rows import jsonable


@dataclass(frozen=True)
class Asked:
    """What was typed: the value and the confidence as text, why, of which day, and by whom."""

    value: str
    confidence: str
    note: str | None
    day: date | None
    author: str | None


def run_checkin(folder: Path, key_result: str, asked: Asked, as_json: bool) -> int:
    """Record a check-in; the next sync publishes it. UsageError for what can't be one."""
    with opened(folder, migrate=True) as (bundle, warehouse):
        chosen = _chosen(bundle, key_result)
        at = datetime.now(UTC)
        said = _said(chosen, asked, at.astimezone(calendar_of(bundle.project).zone).date())
        before = _counting(warehouse, chosen, said.day)
        added = add_check_in(warehouse, said, at)
    if as_json:
        click.echo(json.dumps(_as_object(added), indent=2))
        return 0
    click.echo(f"Recorded: {_told(added, chosen.unit)}.")
    if before is not None and before.day == added.day and before != added:
        click.echo(f"It takes the place of {show_number(before.value, chosen.unit)} of that day.")
    click.echo("The next `okr-sync sync` publishes it.")
    return 0


def run_withdraw(folder: Path, key_result: str, day: date | None, as_json: bool) -> int:
    """Take back the check-in that counts for a day, by default the newest; UsageError if none does."""
    with opened(folder, migrate=True) as (bundle, warehouse):
        chosen = _chosen(bundle, key_result)
        found = _counting(warehouse, chosen, day or date.max)
        if found is None or (day is not None and found.day != day):
            of_day = "" if day is None else f" of {day}"
            raise UsageError(f"{chosen.key_result_id} has no check-in{of_day} to withdraw.")
        if found.dataset is not None:
            raise UsageError(
                f"The check-in of {found.day} stands in {found.place}. Remove that row, and the next "
                "`okr-sync sync` takes it back."
            )
        at = datetime.now(UTC)
        withdraw_check_in(warehouse, chosen.key_result_id, found.check_in_id, at)
        beneath = _counting(warehouse, chosen, date.max)
    if as_json:
        click.echo(json.dumps(_as_object(dataclasses.replace(found, withdrawn_at=at)), indent=2))
        return 0
    click.echo(f"Withdrawn: {_told(found, chosen.unit)}.")
    then = "no number" if beneath is None else _told(beneath, chosen.unit)
    click.echo(f"The next `okr-sync sync` publishes what is left: {then}.")
    return 0


def run_list(folder: Path, key_result: str, as_json: bool) -> int:
    """Print every check-in of a key result, the newest first."""
    with opened(folder) as (bundle, warehouse):
        chosen = _chosen(bundle, key_result)
        with warehouse.read() as connection:
            found = check_ins_of(connection, [chosen.key_result_id])
    found.sort(key=lambda one: (one.day, one.check_in_id), reverse=True)
    if as_json:
        click.echo(json.dumps([_as_object(one) for one in found], indent=2))
        return 0
    if not found:
        click.echo(
            f"Nobody has checked in yet. Say the number with `okr-sync checkin "
            f"{chosen.key_result_id} VALUE --confidence N`."
        )
        return 0
    output().print(_table(found, chosen))
    return 0


def _table(found: list[CheckIn], key_result: KeyResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Day", "Value", "Confidence", "Author", "Recorded"):
        table.add_column(name, no_wrap=True)
    table.add_column("Note", overflow="fold")
    for one in found:
        where = [] if one.place is None else [f"({one.place})"]
        gone = [] if one.withdrawn_at is None else ["withdrawn"]
        table.add_row(
            one.day.isoformat(),
            show_number(one.value, key_result.unit),
            f"{one.confidence} of 10",
            Text(one.author),
            one.recorded_at.strftime("%Y-%m-%d %H:%MZ"),
            Text(" ".join([*([one.note] if one.note else []), *where, *gone])),
            style="dim" if one.withdrawn_at else "",
        )
    return table


def _chosen(bundle: Bundle, key_result: str) -> KeyResult:
    (key_result_id,) = choose_key_results([key_result], {*bundle.key_results, *bundle.quarantined})
    if key_result_id in bundle.quarantined:
        raise UsageError(f"{key_result_id} can't be used: {bundle.quarantined[key_result_id]}")
    chosen = bundle.key_results[key_result_id]
    if not chosen.is_manual:
        raise UsageError(
            f"{key_result_id} has a metric, {chosen.metric}, so its number isn't checked in. To set "
            f"it for some days, use `okr-sync override {key_result_id} VALUE --reason … --until DAY`."
        )
    return chosen


def _said(key_result: KeyResult, asked: Asked, today: date) -> Said:
    last = key_result.cycle.end - timedelta(days=1)
    try:
        return Said(
            key_result.key_result_id,
            check_day(key_result, asked.day or min(today, last), today),
            parse_in_unit(asked.value, key_result.unit),
            read_confidence(asked.confidence),
            read_note(asked.note),
            read_author(asked.author or user_name()),
        )
    except BadValue as bad:
        raise UsageError(str(bad)) from bad


def _counting(warehouse: Warehouse, key_result: KeyResult, day: date) -> CheckIn | None:
    with warehouse.read() as connection:
        found = check_ins_of(connection, [key_result.key_result_id])
    return check_in_on(found, day, key_result.cycle.start)


def _told(one: CheckIn, unit: str | None) -> str:
    note = "" if one.note is None else f": {one.note}"
    return (
        f"{one.key_result_id} is {show_number(one.value, unit)} as of {one.day}, confidence "
        f"{one.confidence} of 10, by {one.author}{note}"
    )


def _as_object(one: CheckIn) -> dict[str, object]:
    return {name: jsonable(value) for name, value in dataclasses.asdict(one).items()}
