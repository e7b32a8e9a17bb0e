"""The goals of key results over time: what was agreed, when that was recorded, and from which day on.

Belongs here: reading and adding rows of key_result_goal, and which of them a day is judged by. Does not
belong here: goals that files have and no run has recorded (sync.goals), what follows from one (progress).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.observations import AgreedGoal
from okr_sync.warehouse.tables import key_result_goal

T = TypeVar("T")


@dataclass(frozen=True)
class RecordedGoal:
    """A goal as it was agreed, the key result's `change`-th, and when and by which run it was recorded."""

    change: int
    agreed: AgreedGoal
    recorded_at: datetime
    run_id: str


def recorded_goals(
    connection: Connection, key_result_ids: Collection[str]
) -> dict[str, list[RecordedGoal]]:
    """The goals that have been recorded of key results, by id, in the order they were recorded."""
    found: dict[str, list[RecordedGoal]] = {}
    table = key_result_goal
    for ids in in_chunks(sorted(set(key_result_ids))):
        statement = (
            select(table)
            .where(table.c.key_result_id.in_(ids))
            .order_by(table.c.key_result_id, table.c.change)
        )
        for row in connection.execute(statement).mappings():
            columns = dict(row)
            change, recorded_at, run_id = (
                columns.pop(name) for name in ("change", "recorded_at", "run_id")
            )
            one = RecordedGoal(change, AgreedGoal(**columns), recorded_at, run_id)
            found.setdefault(one.agreed.key_result_id, []).append(one)
    return found


def counting_on(changes: Sequence[tuple[date, T]], day: date) -> T:
    """What a day is judged by, of goals with their first days in the order they were recorded.

    That is the last of those that count by then; a day before all of them is judged by the first.
    """
    reached = [goal for start, goal in changes if start <= day]
    return reached[-1] if reached else changes[0][1]


def agreed_on(recorded: Sequence[RecordedGoal], cycle_start: date, day: date) -> AgreedGoal | None:
    """The recorded goal that a day of a cycle is judged by; None where none is recorded of the cycle."""
    changes = [
        (one.agreed.effective_from, one.agreed)
        for one in recorded
        if one.agreed.cycle_start == cycle_start
    ]
    return counting_on(changes, day) if changes else None


def record_goals(
    connection: Connection, agreed: Sequence[AgreedGoal], *, recorded_at: datetime, run_id: str
) -> None:
    """Add the goals that are not the ones recorded last, inside the publish's transaction.

    A goal that another run has recorded meanwhile is not added again.
    """
    known = recorded_goals(connection, [one.key_result_id for one in agreed])
    added: list[dict[str, Any]] = []
    for one in agreed:
        last = known.get(one.key_result_id, [])[-1:]
        if last and _content(last[0].agreed) == _content(one):
            continue
        change = last[0].change + 1 if last else 1
        added.append(asdict(one) | {"change": change, "recorded_at": recorded_at, "run_id": run_id})
    if added:
        connection.execute(insert(key_result_goal), added)


def _content(agreed: AgreedGoal) -> dict[str, Any]:
    """What makes two records the same goal from the same day on."""
    return {name: value for name, value in asdict(agreed).items() if name != "config_hash"}
