"""What a draft would say: evaluated from the source tables, reading first what they don't hold.

Belongs here: the steps of a preview, for the command and for notebooks. Does not belong here: how it
is shown (preview, notebook), evaluation (inspect.draft) or pulls (pulling).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from okr_sync.commands.project_warehouse import opened_or_temporary
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.errors import UsageError
from okr_sync.inspect.definition import (
    Change,
    changes,
    defined_then,
    definition_parts,
    recorded_config,
)
from okr_sync.inspect.definition_changes import DefinitionChange, definition_changes
from okr_sync.inspect.draft import (
    Curve,
    Drafted,
    datasets_of,
    days_between,
    definition_hash_of,
    draft_curve,
    draft_of,
    last_day,
)
from okr_sync.numbers import show_number
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import state_of
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.reads import HistoryRow, history
from okr_sync.warehouse.status import StatusRow, status

if TYPE_CHECKING:
    from connectors.base import PullResult
    from okr_sync.commands.pulling import Watch


@dataclass(frozen=True)
class Published:
    """What is published of the same key result: its definition's fingerprint, and numbers by day."""

    definition_hash: str
    rows: Mapping[date, HistoryRow]
    changes: Sequence[Change] | None
    """The parts in which the draft differs; None where the published definition isn't known."""
    along: Sequence[DefinitionChange]
    """Where the published numbers themselves pass from one definition or goal to another."""


@dataclass(frozen=True)
class Preview:
    """A draft's numbers over the days asked for, or why there are none.

    `read_at` says by dataset when the source tables were last complete; `published` is None where
    nothing has been published yet. `pulls` are those that the preview made.
    """

    key_result: KeyResult
    unit: str | None
    as_of: date
    definition_hash: str
    observations: tuple[KeyResultObservation, ...]
    error: str | None
    published: Published | None
    read_at: Mapping[str, datetime]
    is_temporary: bool
    pulls: Sequence["PullResult"] = field(default=())


def preview_of(
    bundle: Bundle,
    key_result: KeyResult,
    first: date | None,
    *,
    beside_published: bool,
    pull: bool | None,
    now: datetime,
    watch: "Watch",
) -> Preview:
    """Evaluate a key result as its files define it now, from `first` (default: only the newest day).

    With `beside_published` every day of the cycle that has a published number is evaluated, too.
    `pull` says whether to read the sources first; None reads them only if the source tables can't
    answer. Raises UsageError for a first day that is after the newest one.
    """
    newest = last_day(bundle, key_result, now)
    if first is not None and first > newest:
        raise UsageError(f"{first} is after {newest}, the newest day that can be measured.")
    with opened_or_temporary(bundle) as (warehouse, is_temporary):
        published = None if is_temporary else _published(warehouse, bundle, key_result, now)
        days = {newest} if first is None else set(days_between(first, newest))
        if beside_published and published is not None:
            start = first or key_result.cycle.start
            days |= {day for day in published.rows if start <= day <= newest}
        with warehouse.read() as connection:
            drafted = draft_of(connection, bundle, key_result, days, now)
        curve, pulls = _evaluated(warehouse, bundle, drafted, pull, now, watch)
        with warehouse.read() as connection:
            read_at = _read_at(connection, bundle, key_result)
    return Preview(
        key_result=key_result,
        unit=key_result.unit,
        as_of=newest,
        definition_hash=definition_hash_of(bundle, key_result),
        observations=curve.observations,
        error=curve.error,
        published=published,
        read_at=read_at,
        is_temporary=is_temporary,
        pulls=pulls,
    )


def _evaluated(
    warehouse: Warehouse,
    bundle: Bundle,
    drafted: Drafted,
    pull: bool | None,
    now: datetime,
    watch: "Watch",
) -> tuple[Curve, Sequence["PullResult"]]:
    if not pull:
        with warehouse.read() as connection:
            curve = draft_curve(connection, bundle, drafted, now)
        if curve.error is None or pull is False:
            return curve, ()
    # Imported here: only a preview that reads sources pays for Dagster and the connectors.
    from okr_sync.commands.pulling import pull_for

    pulls = pull_for(warehouse, bundle, drafted.plan, now, watch)
    failed = next((result.error for result in pulls if not result.is_complete), None)
    if failed is not None:
        return Curve(error=failed), pulls
    with warehouse.read() as connection:
        return draft_curve(connection, bundle, drafted, now), pulls


def _published(
    warehouse: Warehouse, bundle: Bundle, key_result: KeyResult, now: datetime
) -> Published | None:
    found = status(warehouse, now=now, key_result_ids=[key_result.key_result_id], even_retired=True)
    if not found and key_result.was is not None:  # no run has renamed it yet
        found = status(warehouse, now=now, key_result_ids=[key_result.was], even_retired=True)
    if not found:
        return None
    row = found[0]

    def show(number: Decimal | None) -> str:
        return show_number(number, key_result.unit)

    holding = [one for one in history(warehouse, row.key_result_id) if one.superseded_at is None]
    latest = {one.as_of: one for one in holding}
    parts: Sequence[Change] | None = ()
    with warehouse.read() as connection:
        along = definition_changes(connection, row.key_result_id, holding, show)
        if row.definition_hash != definition_hash_of(bundle, key_result):
            then = _parts_then(connection, row)
            now_parts = definition_parts(bundle, key_result, show)
            parts = None if then is None else changes(then, now_parts)
    return Published(row.definition_hash, latest, parts, along)


def _parts_then(connection: Connection, row: StatusRow) -> dict[str, str] | None:
    recorded = recorded_config(connection, row.config_hash)
    then = defined_then(connection, recorded, row.key_result_id)
    if then is None or recorded is None or recorded.bundle is None:
        return None
    return definition_parts(recorded.bundle, then, lambda number: show_number(number, row.unit))


def _read_at(connection: Connection, bundle: Bundle, key_result: KeyResult) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for dataset in datasets_of(bundle, bundle.metrics[key_result.metric]):
        source, _, name = dataset.partition(".")
        state = state_of(connection, source, name)
        if state is not None and state.complete_at is not None:
            found[dataset] = state.complete_at
    return found
