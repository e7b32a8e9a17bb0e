"""The earlier numbers that a key result's new one is held against.

Belongs here: which of them are comparable, and reading them. Does not belong here: the checks
(key_results).

Comparable are numbers of the same definition that a run has measured, whatever goal they were judged
by, over the same window or one that moves on with the day: the first day of a month says nothing of a
figure `to_date: month`.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, select

from okr_sync.config.cycles import Calendar
from okr_sync.config.models import KeyResult, OverKind
from okr_sync.metrics.windows import resolve_window
from okr_sync.warehouse.check_ins import MANUAL
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.overrides import OVERRIDE
from okr_sync.warehouse.tables import key_result_history

LOOKED_AT = timedelta(days=42)
"""How far back: six weeks have every weekday six times."""

Past = Mapping[date, Decimal | None]
"""Day → the number that holds of it, None where it had none."""


def past_numbers(
    connection: Connection, definitions: Mapping[str, Collection[str]], until: date
) -> dict[str, Past]:
    """The numbers of the six weeks before a day, by key result id, as they are known now.

    `definitions` are the definition hashes by key result id: one for each of its goals.
    """
    history = key_result_history.c
    found: dict[str, dict[date, Decimal | None]] = {name: {} for name in definitions}
    for ids in in_chunks(sorted(definitions)):
        rows = connection.execute(
            select(history.key_result_id, history.as_of, history.value, history.definition_hash)
            .where(
                history.key_result_id.in_(ids),
                history.as_of.between(until - LOOKED_AT, until - timedelta(days=1)),
                history.superseded_at.is_(None),
                history.origin.not_in((OVERRIDE, MANUAL)),
            )
            .order_by(history.as_of)
        )
        for name, as_of, value, measured_by in rows:
            if measured_by in definitions[name]:
                found[name][as_of] = value
    return dict(found)


def comparable(
    key_result: KeyResult, past: Past, as_of: date, calendar: Calendar, now: datetime
) -> dict[date, Decimal | None]:
    """The earlier numbers whose window began where that of `as_of` begins, or moves on with the day."""
    earlier = {day: value for day, value in past.items() if day < as_of}
    if key_result.over.kind in (OverKind.LAST, OverKind.CYCLE):
        return earlier
    start = _start(key_result, as_of, calendar, now)
    return {
        day: value
        for day, value in earlier.items()
        if _start(key_result, day, calendar, now) == start
    }


def _start(key_result: KeyResult, day: date, calendar: Calendar, now: datetime) -> date | None:
    window = resolve_window(key_result.over, key_result.cycle, day, calendar, now)
    return None if window is None else window.start_day
