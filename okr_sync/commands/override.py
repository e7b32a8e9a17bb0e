"""okr-sync override: a number that a person sets in the place of the measured one, for some days.

Belongs here: reading what people write, and saying what happens next. Does not belong here: keeping
overrides (warehouse.overrides) or publishing them (sync.observe).
"""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import click

from okr_sync.commands.choose import choose_key_results
from okr_sync.commands.people import user_name
from okr_sync.commands.project_warehouse import opened
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.config.numbers import parse_in_unit
from okr_sync.config.problems import BadValue
from okr_sync.errors import UsageError
from okr_sync.metrics.spans import closing_day
from okr_sync.numbers import show_number
from okr_sync.sync.observe import calendar_of
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.json_rows import jsonable
from okr_sync.warehouse.overrides import (
    Override,
    add_override,
    override_on,
    overrides_of,
    withdraw_override,
)


@dataclass(frozen=True)
class Asked:
    """What was typed: the value as text, why, until and from which day, and by whom."""

    value: str
    reason: str
    until: date
    first: date | None
    author: str | None


def run_override(folder: Path, key_result: str, asked: Asked, as_json: bool) -> int:
    """Record an override; it is published by the next sync. UsageError for a value or days that can't be."""
    with opened(folder, migrate=True) as (bundle, warehouse):
        chosen = _chosen(bundle, key_result)
        today = datetime.now(calendar_of(bundle.project).zone).date()
        first = asked.first or today
        if asked.until < first:
            raise UsageError(
                f"The override would end on {asked.until}, before it begins on {first}."
            )
        if not asked.reason.strip():
            raise UsageError("Say why in --reason: whoever reads the number will ask.")
        value = _value(asked.value, chosen.unit)
        last = closing_day(chosen, bundle.metrics[chosen.metric], bundle.metrics)
        if first > last:
            raise UsageError(
                f"{chosen.key_result_id} has no number after {last}, so an override from {first} on "
                f"would never count. Add --from {last}, or an earlier day."
            )
        added = add_override(
            warehouse,
            key_result_id=chosen.key_result_id,
            value=value,
            reason=asked.reason.strip(),
            author=asked.author or user_name(),
            from_day=first,
            until_day=asked.until,
            recorded_at=datetime.now(UTC),
        )
    if as_json:
        click.echo(json.dumps(_as_object(added), indent=2))
        return 0
    click.echo(f"Recorded: {_told(added, chosen.unit)}.")
    beneath = (
        "What is checked in goes on beneath it, and counts"
        if chosen.is_manual
        else "The automatic value is still measured beneath it, and counts"
    )
    click.echo(
        f"The next `okr-sync sync` publishes it. {beneath} again after {added.until_day}, or after "
        f"`okr-sync override {added.key_result_id} --withdraw`."
    )
    return 0


def run_withdraw(folder: Path, key_result: str, as_json: bool) -> int:
    """Take back the override that was recorded last; UsageError if there is none."""
    with opened(folder, migrate=True) as (bundle, warehouse):
        chosen = _chosen(bundle, key_result)
        active = _active(warehouse, chosen)
        if not active:
            raise UsageError(f"{chosen.key_result_id} has no override to withdraw.")
        newest = active[-1]
        at = datetime.now(UTC)
        withdraw_override(warehouse, chosen.key_result_id, newest.override_id, at)
        withdrawn = dataclasses.replace(newest, withdrawn_at=at)
        today = at.astimezone(calendar_of(bundle.project).zone).date()
        beneath = override_on(active[:-1], today)
    if as_json:
        click.echo(json.dumps(_as_object(withdrawn), indent=2))
        return 0
    click.echo(f"Withdrawn: {_told(withdrawn, chosen.unit)}.")
    then = (
        ("what was checked in" if chosen.is_manual else "the automatic value")
        if beneath is None
        else f"the one before it, {_told(beneath, chosen.unit)}"
    )
    click.echo(f"The next `okr-sync sync` publishes {then}.")
    return 0


def _chosen(bundle: Bundle, key_result: str) -> KeyResult:
    (key_result_id,) = choose_key_results([key_result], bundle.key_results)
    return bundle.key_results[key_result_id]


def _active(warehouse: Warehouse, key_result: KeyResult) -> list[Override]:
    with warehouse.read() as connection:
        found = overrides_of(connection, [key_result.key_result_id])
    return [one for one in found if one.withdrawn_at is None]


def _value(text: str, unit: str | None) -> Decimal:
    """The number that was typed, in the unit of the key result."""
    try:
        return parse_in_unit(text, unit)
    except BadValue as error:
        raise UsageError(str(error)) from error


def _told(override: Override, unit: str | None) -> str:
    return (
        f"{override.key_result_id} is {show_number(override.value, unit)} from {override.from_day} "
        f"until {override.until_day}, by {override.author}, because: {override.reason}"
    )


def _as_object(override: Override) -> dict[str, object]:
    return {name: jsonable(value) for name, value in dataclasses.asdict(override).items()}
