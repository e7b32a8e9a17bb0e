"""Reported numbers that were changed afterwards, and by how much.

Belongs here: reading restatements, for readers and checks. Does not belong here: what counts as one
(causes), or writing them (publish).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from okr_sync.warehouse.causes import RESTATED_FLAG, Cause, restated_share
from okr_sync.warehouse.revisions import in_chunks
from okr_sync.warehouse.tables import key_result_history


@dataclass(frozen=True)
class Restatement:
    """A number of a day that was over, as it was known and as the source says since.

    `share` is by how much of the former it has changed: 0.12 for 100 that became 112 or 88. `flagged`
    is the detail of the flag `restated`, the share since the day was first reported, where that has
    reached the key result's limit; else None.
    """

    key_result_id: str
    as_of: date
    revision: int
    old_value: Decimal | None
    new_value: Decimal | None
    share: Decimal
    flagged: Decimal | None
    was_final: bool
    known_from: datetime
    restated_at: datetime
    run_id: str
    is_latest: bool


def restatements(
    connection: Connection,
    key_result_ids: Collection[str] | None = None,
    *,
    run_id: str | None = None,
    since: datetime | None = None,
) -> list[Restatement]:
    """Restatements in order of key result, day and revision, each change of a number once.

    Only those of a run with `run_id`, only those that were recorded at or after `since`. What people
    set, and what another definition gives, is none.
    """
    after, before = key_result_history.c, key_result_history.alias("before").c
    statement = (
        select(
            after.key_result_id,
            after.as_of,
            after.revision,
            before.value.label("old_value"),
            after.value.label("new_value"),
            after.quality,
            before.is_final.label("was_final"),
            before.recorded_at.label("known_from"),
            after.recorded_at.label("restated_at"),
            after.run_id,
            after.superseded_at.is_(None).label("is_latest"),
        )
        .join_from(
            after.key_result_id.table,
            before.key_result_id.table,
            (before.key_result_id == after.key_result_id)
            & (before.as_of == after.as_of)
            & (before.revision == after.revision - 1),
        )
        .where(after.cause == Cause.RESTATED.value)
        .order_by(after.key_result_id, after.as_of, after.revision)
    )
    if run_id is not None:
        statement = statement.where(after.run_id == run_id)
    if since is not None:
        statement = statement.where(after.recorded_at >= since)
    parts = (
        [statement]
        if key_result_ids is None
        else [
            statement.where(after.key_result_id.in_(ids))
            for ids in in_chunks(sorted(set(key_result_ids)))
        ]
    )
    found = []
    for part in parts:
        for row in connection.execute(part).mappings():
            if row["old_value"] == row["new_value"]:
                continue  # only its parts or its sample were restated
            plain = {name: value for name, value in row.items() if name != "quality"}
            share = restated_share(row["old_value"], row["new_value"])
            found.append(Restatement(**plain, share=share, flagged=_flagged(row["quality"])))
    return found


def _flagged(quality: tuple[str, ...]) -> Decimal | None:
    for flag in quality:
        name, _, share = flag.partition(":")
        if name == RESTATED_FLAG:
            return Decimal(share)
    return None
