"""What `check` reads of a warehouse: figures from before a key result's cycle, and ids it has had.

Belongs here: looking them up, without making anything. Does not belong here: what they mean for a goal
(config.governance) or a rename (sync.renames).
"""

import os
from decimal import Decimal

from sqlalchemy import Connection, desc, select

from okr_sync.config.bundle import Bundle
from okr_sync.config.governance import PriorFigures, sandbagging
from okr_sync.config.models import KeyResult, OverKind
from okr_sync.config.problems import Problem
from okr_sync.config.rule_settings import RuleSettings
from okr_sync.errors import WarehouseError
from okr_sync.sync.renames import unknown_former_ids
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.tables import measured_baseline, metric_value


def warehouse_problems(bundle: Bundle, settings: RuleSettings) -> list[Problem]:
    """Warnings of targets that were met before their cycle, and of renames of what was never there.

    None where there is no warehouse, or it can't be read as it is: `check` makes nothing, and says
    nothing of what `doctor` tells.
    """
    try:
        url = warehouse_url(bundle.project.warehouse_url_env, bundle.folder, os.environ)
        warehouse = open_warehouse(url, migrate=False)
    except WarehouseError:
        return []
    try:
        with warehouse.read() as connection:
            found: list[Problem | None] = [
                sandbagging(key_result, _figures(connection, key_result))
                for key_result in bundle.key_results.values()
            ]
            found += unknown_former_ids(connection, bundle)
    except WarehouseError:
        return []
    finally:
        warehouse.close()
    return [one for one in found if one is not None and not settings.silences(one)]


def _figures(connection: Connection, key_result: KeyResult) -> PriorFigures:
    baseline = connection.execute(
        select(measured_baseline.c.baseline).where(
            measured_baseline.c.key_result_id == key_result.key_result_id,
            measured_baseline.c.cycle_start == key_result.cycle.start,
        )
    ).scalar_one_or_none()
    return PriorFigures(baseline, _last_result(connection, key_result))


def _last_result(connection: Connection, key_result: KeyResult) -> Decimal | None:
    """The metric's last value over a whole window like the key result's, before its cycle."""
    length = key_result.cycle.end - key_result.cycle.start
    rows = connection.execute(
        select(metric_value.c.value, metric_value.c.window_start, metric_value.c.window_end)
        .where(
            metric_value.c.metric == key_result.metric,
            metric_value.c.window_end <= key_result.cycle.start,
            metric_value.c.superseded_at.is_(None),
            metric_value.c.value.is_not(None),
        )
        .order_by(desc(metric_value.c.window_end), desc(metric_value.c.as_of))
        .limit(50)
    )
    for value, start, end in rows:
        days = (end - start).days
        if key_result.over.kind is OverKind.CYCLE:
            # Quarters differ by a day or two; anything shorter is a cycle in progress.
            is_alike = abs(days - length.days) <= 3
        elif key_result.over.kind is OverKind.LAST:
            is_alike = days == key_result.over.days
        else:
            is_alike = False
        if is_alike:
            return Decimal(value)
    return None
