"""What follows a pull: the checks of its dataset, recorded together with the pull.

Belongs here: gathering what the checks look at. Does not belong here: pulling (connectors), the checks
themselves (checks.datasets) or Dagster (assets.sources).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, inspect

from okr_sync.checks.datasets import Pulled, dataset_checks, untouched_checks
from okr_sync.checks.results import CheckName, CheckResult
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Ga4Source
from okr_sync.metrics.field_lineage import DatasetField
from okr_sync.sync.observe import calendar_of, longest_pause
from okr_sync.warehouse.check_results import write_checks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import (
    FieldState,
    count_records,
    fields_of,
    record_table,
    state_of,
    table_name,
)
from okr_sync.warehouse.reads import PullRow
from okr_sync.warehouse.runs import PullRecord, record_pull
from okr_sync.warehouse.turns import take_turn_to_note

Fields = Mapping[str, FieldState]


def fields_before(warehouse: Warehouse, source: str, dataset: str) -> Fields:
    """What is known of a dataset's fields before it is pulled."""
    with warehouse.read() as connection:
        return fields_of(connection, source, dataset)


def record_checked_pull(
    warehouse: Warehouse,
    bundle: Bundle,
    run_id: str,
    pull: PullRecord,
    before: Fields,
    users: Mapping[DatasetField, Sequence[str]],
    now: datetime,
) -> tuple[PullRecord, list[CheckResult]]:
    """Check a dataset after its pull, record both, and return the pull as it counts, with the checks.

    A pull after which the warehouse does not hold what the source counts is not complete, whatever it
    said itself: nothing is measured from it. `users` are the key results that rest on each field.
    """
    name = f"{pull.source}.{pull.dataset}"
    with warehouse.read() as connection:
        state = state_of(connection, pull.source, pull.dataset)
        after = fields_of(connection, pull.source, pull.dataset)
        stored = _stored(connection, bundle, pull)
    pulled = Pulled(
        bundle.project.sources[pull.source],
        PullRow(run_id=run_id, **vars(pull)),
        stored,
        state.complete_at if state else None,
        longest_pause(bundle.project, calendar_of(bundle.project), now),
        before,
        after,
        {field: names for (dataset, field), names in users.items() if dataset == name},
    )
    checks = dataset_checks(pulled, now)
    unreconciled = next(
        (one for one in checks if one.check is CheckName.RECONCILED and not one.passed), None
    )
    if pull.is_complete and unreconciled is not None:
        pull = replace(pull, is_complete=False, error=unreconciled.message)
    record_pull(warehouse, run_id, pull, checks=checks, recorded_at=now)
    return pull, checks


def record_untouched(
    warehouse: Warehouse, run_id: str, dataset: str, now: datetime
) -> list[CheckResult]:
    """Record that a dataset had not to be read."""
    checks = untouched_checks(dataset)
    with warehouse.write() as connection:
        turn = take_turn_to_note(connection, run_id)
        write_checks(connection, checks, run_id=run_id, recorded_at=now, turn=turn)
    return checks


def _stored(connection: Connection, bundle: Bundle, pull: PullRecord) -> int | None:
    """How many records the mirror holds; None where the dataset has none (reports, queries)."""
    if isinstance(bundle.project.sources[pull.source], Ga4Source):
        return None
    if not inspect(connection).has_table(table_name(pull.source, pull.dataset)):
        return None
    return count_records(connection, record_table(pull.source, pull.dataset, {}))
