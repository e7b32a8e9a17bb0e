"""Key results that the files say had another id before (`was`).

Belongs here: having them renamed when a run begins, and finding those that nobody knows. Does not belong
here: how rows get their new id (warehouse.renames), or what is said of mistakes (config.rename_rules).
"""

from datetime import datetime

from sqlalchemy import Connection

from okr_sync.config.bundle import Bundle
from okr_sync.config.problems import Problem
from okr_sync.config.rename_rules import unknown_former_id
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.renames import Rename, apply_renames, known_ids


def rename_key_results(warehouse: Warehouse, bundle: Bundle, now: datetime) -> list[Rename]:
    """Rename what the project's files say was renamed, before a run looks anything up."""
    return apply_renames(
        warehouse, renames_of(bundle), renamed_at=now, config_hash=bundle.config_hash
    )


def renames_of(bundle: Bundle) -> list[Rename]:
    """The ids that the files say have changed."""
    return [
        Rename(one.was, one.key_result_id)
        for one in bundle.key_results.values()
        if one.was is not None
    ]


def unknown_former_ids(connection: Connection, bundle: Bundle) -> list[Problem]:
    """A warning for each `was` that names an id which no key result of the warehouse has ever had.

    None in a warehouse without key results, which has no history to keep.
    """
    known = known_ids(connection)
    if not known:
        return []
    former = known - bundle.key_results.keys()
    return [
        unknown_former_id(one, former)
        for one in bundle.key_results.values()
        if one.was is not None and one.was not in known
    ]
