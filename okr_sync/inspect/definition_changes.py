"""Where a key result's curve passes from one definition or goal to another, and what differs.

Belongs here: the days, and the parts that changed in words. Does not belong here: the definitions'
days as the history has them (warehouse.definition_history), nor how it is laid out (commands).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from sqlalchemy import Connection

from okr_sync.config.hashes import definition_hash
from okr_sync.inspect.definition import (
    Change,
    changes,
    defined_then,
    definition_parts,
    recorded_config,
)
from okr_sync.inspect.words import Show
from okr_sync.sync.goals import judged_by, terms_of, terms_recorded
from okr_sync.warehouse.definition_history import DefinitionPeriod, definition_periods
from okr_sync.warehouse.goals import recorded_goals
from okr_sync.warehouse.reads import HistoryRow


@dataclass(frozen=True)
class DefinitionChange:
    """From `day` on, the published numbers are of another definition, which was first used at `used_at`.

    `parts` are what differs from the days before; None where one of the two can't be read any more.
    """

    day: date
    before: str
    after: str
    used_at: datetime
    parts: Sequence[Change] | None


def definition_changes(
    connection: Connection, key_result_id: str, latest: Sequence[HistoryRow], show: Show
) -> list[DefinitionChange]:
    """The changes along a key result's curve, in order of day.

    `latest` are the revisions that hold, in order of day; `show` puts numbers into words.
    """
    steps = [
        (before.definition_hash, after)
        for before, after in pairwise(latest)
        if before.definition_hash != after.definition_hash
    ]
    if not steps:
        return []
    found = definition_periods(connection, [key_result_id]).get(key_result_id, [])
    periods = {period.definition_hash: period for period in found}
    parts_of = _reader(connection, show)
    told = []
    for hash_, row in steps:
        before, after = parts_of(periods[hash_]), parts_of(periods[row.definition_hash])
        told.append(
            DefinitionChange(
                day=row.as_of,
                before=hash_,
                after=row.definition_hash,
                used_at=periods[row.definition_hash].recorded_at,
                parts=None if before is None or after is None else changes(before, after),
            )
        )
    return told


def _reader(
    connection: Connection, show: Show
) -> Callable[[DefinitionPeriod], dict[str, str] | None]:
    """A function for the parts of a definition, by the files of the run that used it first.

    Its goal may be another one than the files': a backfill judges each day by the goal of that day.
    """
    known: dict[str, dict[str, str] | None] = {}

    def read(period: DefinitionPeriod) -> dict[str, str] | None:
        if period.config_hash is None:
            return None
        recorded = recorded_config(connection, period.config_hash)
        defined = defined_then(connection, recorded, period.key_result_id)
        if recorded is None or recorded.bundle is None or defined is None:
            return None
        metrics = recorded.bundle.metrics
        goals = recorded_goals(connection, [period.key_result_id]).get(period.key_result_id, [])
        for terms in (terms_of(defined), *(terms_recorded(goal.agreed) for goal in goals)):
            judged = judged_by(defined, terms)
            hash_ = definition_hash(judged, metrics[judged.metric], metrics)
            if hash_ == period.definition_hash:
                return definition_parts(recorded.bundle, judged, show)
        return None

    def parts_of(period: DefinitionPeriod) -> dict[str, str] | None:
        if period.definition_hash not in known:
            known[period.definition_hash] = read(period)
        return known[period.definition_hash]

    return parts_of
