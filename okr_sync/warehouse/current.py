"""The current number of each key result, and whether it is being kept up to date.

Belongs here: what an observation or a failure does to `key_result_current`. Does not belong here:
history (revisions) and the transaction (publish).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from okr_sync.flags import Weight, weighing
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.observations import KeyResultFailure
from okr_sync.warehouse.revisions import Row
from okr_sync.warehouse.tables import key_result, key_result_current
from okr_sync.warehouse.turns import SeriesDay
from okr_sync.warehouse.upsert import upsert

_MEASURES = (
    "key_result_id",
    "value",
    "numerator",
    "denominator",
    "sample_size",
    "progress",
    "score",
    "expected_progress",
    "status",
    "quality",
    "as_of",
    "is_final",
)
_CONFIRMATION = ("measured_at", "run_id")
"""What alone changes when a number is found to be the same again."""


def refresh_current(
    connection: Connection,
    rows: Sequence[Row],
    *,
    stale_after: Mapping[str, datetime | None],
    measured_at: datetime,
    run_id: str,
    newer: Collection[str],
) -> None:
    """Make the greatest as-of day of each key result its current number.

    `rows` are the latest revisions of their days. A day older than the current one changes nothing,
    not even a failure: it says nothing of the present. A number that was found to be the same is
    confirmed, unless its `stale_after` is None (settled): then nothing is written. The failure of a
    run that is among the `newer` ones stays: it is the latest that is known.
    """
    newest: dict[str, Row] = {}
    for row in rows:
        known = newest.setdefault(row["key_result_id"], row)
        if row["as_of"] > known["as_of"]:
            newest[row["key_result_id"]] = row
    stored = _stored(connection, sorted(newest))
    written = []
    for name, row in newest.items():
        before = stored.get(name)
        if before is not None and before["as_of"] is not None and before["as_of"] > row["as_of"]:
            continue
        after = {column: row[column] for column in _MEASURES} | {
            "freshness": "fresh",
            "error": None,
            "stale_after": stale_after[name],
            "measured_at": measured_at,
            "run_id": run_id,
        }
        if before is not None and before["error"] is not None and before["run_id"] in newer:
            kept = {name: before[name] for name in ("error", "run_id")}
            after |= kept | {"freshness": "failed"}
        if after["stale_after"] is None and before is not None and _is_same(before, after):
            continue
        written.append(after)
    upsert(connection, key_result_current, written)


def mark_failed(
    connection: Connection,
    failures: Sequence[KeyResultFailure],
    *,
    run_id: str,
    newer: Collection[str],
    confirmed: Collection[SeriesDay],
) -> None:
    """Record that there is no new number, and why; the last good one stays.

    What a run that is among the `newer` ones has found of the current number stays as well; for a
    settled number that is only known from what they have `confirmed`.

    A key result that the warehouse has no definition of can't be marked; its failure shows in the
    run's counters only.
    """
    ids = sorted({failure.key_result_id for failure in failures})
    stored = _stored(connection, ids)
    defined: set[str] = set()
    for part in in_chunks(ids):
        statement = select(key_result.c.key_result_id).where(key_result.c.key_result_id.in_(part))
        defined |= set(connection.scalars(statement))
    marked, added = [], []
    for failure in failures:
        before = stored.get(failure.key_result_id)
        if before is not None and (
            before["run_id"] in newer or (failure.key_result_id, before["as_of"]) in confirmed
        ):
            continue
        has_number = before is not None and before["as_of"] is not None
        mark: dict[str, Any] = {
            "freshness": "failed" if has_number else "never",
            "error": failure.error,
            "run_id": run_id,
        }
        known = () if before is None else before["quality"]
        # A flag that refuses a number is about the failure, not about the number that stays.
        kept = set(known).difference(weighing(known, Weight.REFUSED))
        mark["quality"] = tuple(sorted(kept.union(failure.quality)))
        if before is not None:
            marked.append(mark | {"id": failure.key_result_id})
        elif failure.key_result_id in defined:
            empty = {"status": "no_data", "is_final": False}
            added.append(mark | empty | {"key_result_id": failure.key_result_id})
    if marked:
        same_id = key_result_current.c.key_result_id == bindparam("id")
        connection.execute(update(key_result_current).where(same_id), marked)
    if added:
        connection.execute(insert(key_result_current), added)


def _stored(connection: Connection, ids: Sequence[str]) -> dict[str, Mapping[Any, Any]]:
    found: dict[str, Mapping[Any, Any]] = {}
    for part in in_chunks(ids):
        statement = select(key_result_current).where(key_result_current.c.key_result_id.in_(part))
        found |= {row["key_result_id"]: row for row in connection.execute(statement).mappings()}
    return found


def _is_same(before: Mapping[Any, Any], after: Row) -> bool:
    return all(before[name] == after[name] for name in after if name not in _CONFIRMATION)
