"""Which as-of days a run evaluates for each key result.

Belongs here: the day asked for, the days that are revised with it, and cycles that are left alone.
Does not belong here: windows of a day (metrics.spans) or what is pulled for them (metrics.plan).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.hashes import definition_hash
from okr_sync.config.models import KeyResult
from okr_sync.metrics.spans import closing_day, is_closed
from okr_sync.warehouse.tables import key_result_current, key_result_history


@dataclass(frozen=True)
class RunDays:
    """The as-of days that a run was asked for.

    Those of a backfill were named as such, so that no other day is to be touched.
    """

    days: tuple[date, ...]
    is_backfill: bool = False


def days_by_key_result(
    connection: Connection,
    bundle: Bundle,
    key_result_ids: Iterable[str],
    run: RunDays,
    calendar: Calendar,
    now: datetime,
) -> dict[str, tuple[date, ...]]:
    """The as-of days to evaluate, by key result id; none where nothing can change any more.

    A backfill evaluates the days it names. Any other run evaluates its day and, because sources
    restate, every day within `revise` before it that already has a number. A cycle that was over,
    settled and past revising before the run's day is left alone once it has a last number, unless
    its definition has changed since or it is marked failed (a mark that only a measurement takes away).
    """
    chosen = {key_result_id: bundle.key_results[key_result_id] for key_result_id in key_result_ids}
    measured = _measured_days(connection, chosen.values(), run)
    failed = _failed(connection)
    wanted: dict[str, tuple[date, ...]] = {}
    for key_result_id, key_result in chosen.items():
        metric = bundle.metrics[key_result.metric]
        known = measured.get(key_result_id, {})
        last = closing_day(key_result, metric)
        days = set(run.days)
        is_left_alone = (
            is_closed(key_result, metric, calendar, now)
            and known.get(last) == definition_hash(key_result, metric)
            and key_result_id not in failed
        )
        if is_left_alone and not run.is_backfill and run.days[0] > last:
            wanted[key_result_id] = ()
            continue
        if not run.is_backfill:
            day = min(run.days[0], last)
            days |= {each for each in known if day - key_result.revise <= each < day}
        wanted[key_result_id] = tuple(sorted(days))
    return wanted


def _measured_days(
    connection: Connection, key_results: Iterable[KeyResult], run: RunDays
) -> dict[str, dict[date, str]]:
    """By key result id the as-of days that have been measured, and the hash of what was measured.

    As far back as a run may look: the days that it may revise, and each cycle's last one.
    """
    history = key_result_history.c
    key_results = list(key_results)
    if not key_results:
        return {}
    revise = max(key_result.revise for key_result in key_results)
    last_days = (key_result.cycle.end - timedelta(days=1) for key_result in key_results)
    since = min(min(run.days), *last_days) - revise
    rows = connection.execute(
        select(history.key_result_id, history.as_of, history.definition_hash).where(
            history.superseded_at.is_(None),
            history.as_of >= since,
            history.key_result_id.in_([key_result.key_result_id for key_result in key_results]),
        )
    )
    found: dict[str, dict[date, str]] = {}
    for key_result_id, as_of, measured_definition in rows:
        found.setdefault(key_result_id, {})[as_of] = measured_definition
    return found


def _failed(connection: Connection) -> set[str]:
    """The key results whose latest run had no number for them."""
    current = key_result_current.c
    return set(connection.scalars(select(current.key_result_id).where(current.error.is_not(None))))
