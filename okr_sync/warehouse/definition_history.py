"""By which definitions a key result's numbers were measured, over time.

Belongs here: reading them from the history. Does not belong here: what differs between two of them
(inspect.definition_changes).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.tables import key_result_history, sync_run


@dataclass(frozen=True)
class DefinitionPeriod:
    """A definition, with its goal, and the days whose numbers it has given.

    `first_day` to `last_day` are the days that it has ever given a number of, `recorded_at` is when
    the first of these numbers became known, by a run with the configuration `config_hash`.
    """

    key_result_id: str
    definition_hash: str
    first_day: date
    last_day: date
    recorded_at: datetime
    run_id: str
    config_hash: str | None


def definition_periods(
    connection: Connection, key_result_ids: Collection[str]
) -> dict[str, list[DefinitionPeriod]]:
    """The definitions of each key result that has numbers, by its id, in the order they came up."""
    history = key_result_history.c
    found: dict[str, list[DefinitionPeriod]] = {}
    for ids in in_chunks(sorted(set(key_result_ids))):
        same = (history.key_result_id, history.definition_hash)
        ranked = (
            select(
                *same,
                func.min(history.as_of).over(partition_by=same).label("first_day"),
                func.max(history.as_of).over(partition_by=same).label("last_day"),
                history.recorded_at,
                history.run_id,
                func.row_number()
                .over(partition_by=same, order_by=(history.recorded_at, history.as_of))
                .label("place"),
            )
            .where(history.key_result_id.in_(ids))
            .subquery()
        )
        first = ranked.c
        rows = connection.execute(
            select(*(column for column in first if column.name != "place"), sync_run.c.config_hash)
            .join_from(ranked, sync_run, sync_run.c.run_id == first.run_id, isouter=True)
            .where(first.place == 1)
            .order_by(first.key_result_id, first.recorded_at, first.first_day)
        ).mappings()
        for row in rows:
            found.setdefault(row["key_result_id"], []).append(DefinitionPeriod(**row))
    return found
