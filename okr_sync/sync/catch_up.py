"""The days that nobody measured while the worker was down, to be made up for by one run.

Belongs here: which days those are, and how many of them at most. Does not belong here: when that is
asked (assets.automation) or the run (sync.days).
"""

import os
from datetime import date, datetime, time, timedelta
from typing import Final

from cronsim import CronSim
from sqlalchemy import func, select

from okr_sync.config.bundle import Bundle
from okr_sync.errors import WarehouseError
from okr_sync.metrics.spans import closing_day
from okr_sync.sync.observe import calendar_of
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.overrides import OVERRIDE
from okr_sync.warehouse.revisions import in_chunks
from okr_sync.warehouse.tables import key_result_history

MOST_DAYS: Final = 31
"""How far back is caught up by itself; `okr-sync sync --backfill` reaches further."""


def missed_days(bundle: Bundle, today: date) -> tuple[date, date] | None:
    """The first and last day before today that the schedule should have measured; None for none.

    Where a scheduled day was missed, from the last day that any running key result was measured: that
    one was perhaps not over yet. A project that has never run has missed nothing. A warehouse that can't
    be asked is left to the run to complain of.
    """
    running = [
        key_result_id
        for key_result_id, one in bundle.key_results.items()
        if one.cycle.start < today
        and closing_day(one, bundle.metrics[one.metric], bundle.metrics) >= today
    ]
    last = _last_measured(bundle, running)
    if last is None:
        return None
    earliest = max(last, today - timedelta(days=MOST_DAYS))
    days = [earliest + timedelta(days=i) for i in range(1, (today - earliest).days)]
    if last < earliest:
        days.insert(0, earliest)
    missed = [day for day in days if _is_scheduled(bundle, day)]
    return (earliest, max(missed)) if missed else None


def _is_scheduled(bundle: Bundle, day: date) -> bool:
    """Whether the schedule has a tick on a local day."""
    zone = calendar_of(bundle.project).zone
    before = datetime.combine(day, time(), tzinfo=zone) - timedelta(microseconds=1)
    return next(CronSim(bundle.project.schedule, before)).date() == day


def _last_measured(bundle: Bundle, key_result_ids: list[str]) -> date | None:
    url = warehouse_url(bundle.project.warehouse_url_env, bundle.folder, os.environ)
    history = key_result_history.c
    found: list[date] = []
    try:
        warehouse = open_warehouse(url, migrate=False)
    except WarehouseError:
        return None
    try:
        with warehouse.read() as connection:
            for ids in in_chunks(key_result_ids):
                day = connection.scalar(
                    select(func.max(history.as_of)).where(
                        history.key_result_id.in_(ids), history.origin != OVERRIDE
                    )
                )
                if day is not None:
                    found.append(day)
    except WarehouseError:
        return None
    finally:
        warehouse.close()
    return max(found, default=None)
