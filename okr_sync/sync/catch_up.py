"""The days that nobody measured while the worker was down, to be made up for by one run.

Belongs here: which days those are, and how many of them at most. Does not belong here: when that is
asked (assets.automation) or the run (sync.days).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from cronsim import CronSim
from sqlalchemy import Connection, func, select

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import KeyResult
from okr_sync.errors import WarehouseError
from okr_sync.metrics.dependencies import is_live
from okr_sync.metrics.spans import closing_day
from okr_sync.sync.observe import calendar_of
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.overrides import OVERRIDE
from okr_sync.warehouse.tables import key_result_history, sync_run

MOST_DAYS: Final = 31
"""How far back is caught up by itself; `okr-sync sync --backfill` reaches further."""

_OF_DAGSTER: Final = ("schedule", "dagster")
"""Triggers of runs that Dagster started, and no command."""


def missed_days(bundle: Bundle, today: date) -> tuple[date, date] | None:
    """The first and last day before today that the schedule should have measured; None for none.

    A day was missed if it has a tick, a key result ran on it, and none has a measured number for it;
    runs of other days make no difference. From the last measured day before the first missed one: that
    one was perhaps not over yet. Nothing was missed before the first run of Dagster's that published:
    gaps from then are somebody's choice. A warehouse that can't be asked is left to the run to
    complain of.
    """
    since = today - timedelta(days=MOST_DAYS)
    last_days = _last_days(bundle, since, today)
    known = _known(bundle, last_days, since, today)
    if known is None:
        return None
    start = max(since, known.first_run)
    missed = [
        day
        for day in (start + timedelta(days=i) for i in range((today - start).days))
        if day not in known.measured
        and any(bundle.key_results[one].cycle.start <= day <= last_days[one] for one in last_days)
        and _is_scheduled(bundle, day)
    ]
    if not missed:
        return None
    before = [day for day in known.measured if day < missed[0]]
    return max(before, default=missed[0]), missed[-1]


def _last_days(bundle: Bundle, since: date, today: date) -> dict[str, date]:
    """The last day to measure of each key result that ran between the days, by id.

    Not of those that can only be measured as of today, nor of those that people check in, of which
    every run judges all days.
    """

    def closing(one: KeyResult) -> date:
        return closing_day(one, bundle.metrics[one.metric], bundle.metrics)

    return {
        key_result_id: closing(one)
        for key_result_id, one in bundle.key_results.items()
        if one.cycle.start < today
        and closing(one) >= since
        and not one.is_manual
        and not is_live(bundle.metrics, bundle.metrics[one.metric])
    }


def _is_scheduled(bundle: Bundle, day: date) -> bool:
    """Whether the schedule has a tick on a local day."""
    zone = calendar_of(bundle.project).zone
    before = datetime.combine(day, time(), tzinfo=zone) - timedelta(microseconds=1)
    return next(CronSim(bundle.project.schedule, before)).date() == day


@dataclass(frozen=True)
class _Known:
    """The local day of Dagster's first run that published, and the days that have a measured number."""

    first_run: date
    measured: frozenset[date]


def _known(
    bundle: Bundle, key_result_ids: Iterable[str], since: date, today: date
) -> _Known | None:
    """What is known of the days from `since` to before today; None if nothing, or nobody can say."""
    url = warehouse_url(bundle.project.warehouse_url_env, bundle.folder, os.environ)
    try:
        warehouse = open_warehouse(url, migrate=False)
    except WarehouseError:
        return None
    try:
        with warehouse.read() as connection:
            first_at = connection.scalar(
                select(func.min(sync_run.c.started_at)).where(
                    sync_run.c.trigger.in_(_OF_DAGSTER),
                    sync_run.c.key_results_ok + sync_run.c.key_results_unchanged > 0,
                )
            )
            if first_at is None:
                return None
            measured = _measured_days(connection, key_result_ids, since, today)
    except WarehouseError:
        return None
    finally:
        warehouse.close()
    return _Known(first_at.astimezone(calendar_of(bundle.project).zone).date(), measured)


def _measured_days(
    connection: Connection, key_result_ids: Iterable[str], since: date, today: date
) -> frozenset[date]:
    history = key_result_history.c
    return frozenset(
        day
        for ids in in_chunks(list(key_result_ids))
        for day in connection.scalars(
            select(history.as_of)
            .distinct()
            .where(
                history.key_result_id.in_(ids),
                history.origin != OVERRIDE,
                history.as_of >= since,
                history.as_of < today,
            )
        )
    )
