"""What somebody has to decide or do about a key result, in words.

Belongs here: the rules by which a key result asks for a decision, and why a number is not fresh. Does
not belong here: gathering the facts (facts) or sending anything.
"""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from okr_sync.warehouse.check_ins import CheckIn
from okr_sync.warehouse.status import StatusRow
from okr_sync.wording import counted

_UNSURE = 3
"""A confidence at which people say that they don't believe in it."""

_HALF = Decimal("0.5")


def decisions_of(row: StatusRow, said: CheckIn | None, today: date) -> tuple[str, ...]:
    """What is to be decided about a key result, each as a sentence; nothing once its cycle is over."""
    if row.cycle_end < today:
        return ()
    found = []
    behind = _behind(row)
    if row.status == "severely_lagging":
        found.append(
            f"Severely lagging{behind}: help it, change the plan, or agree on another goal."
        )
    elif row.status == "lagging" and row.goal_kind != "from_to":
        found.append("It misses its goal: decide what brings it back.")
    elif row.status == "lagging" and (row.expected_progress or Decimal(0)) >= _HALF:
        found.append(f"Lagging{behind} in the second half of the cycle: decide what changes.")
    if row.status == "no_data" and row.freshness != "failed" and row.error is None:
        found.append("There is no number yet: see that it can be measured, or check it in.")
    if "baseline_is_target" in row.quality or "baseline_not_above_zero" in row.quality:
        found.append("The target says nothing beside the measured baseline: write another.")
    if said is not None and said.confidence <= _UNSURE:
        found.append(f"{said.author} is not sure of it: confidence {said.confidence} of 10.")
    return tuple(found)


def why_not_fresh(
    row: StatusRow, said: CheckIn | None, zone: ZoneInfo, *, is_manual: bool
) -> str | None:
    """Why a number isn't fresh, and what mends it; None where it is."""
    if row.freshness == "fresh":
        return None
    if row.error is not None:
        return row.error
    if is_manual:
        since = (
            "Nobody has checked in yet" if said is None else f"The last check-in is of {said.day}"
        )
        return f"{since}. Say the number with `okr-sync checkin {row.key_result_id}`."
    if row.freshness == "never" or row.measured_at is None:
        return "It has not been measured yet. Run `okr-sync sync`."
    return (
        f"It was last measured on {_local(row.measured_at, zone)}, and the runs after that are missing: "
        "see whether the schedule runs."
    )


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d at %H:%M")


def _behind(row: StatusRow) -> str:
    if row.progress is None or row.expected_progress is None:
        return ""
    points = (row.expected_progress - row.progress) * 100
    return f", {counted(round(points), 'point')} behind" if points >= 1 else ""
