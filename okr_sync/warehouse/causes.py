"""Why a day's number has a revision, and by how much a number that was reported has been restated.

Belongs here: telling the cause of a change from what was published and what is found now, and the
`restated` flag. Does not belong here: whether a revision is written (revisions) or the transaction
(publish).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.revisions import Changed, Row
from okr_sync.warehouse.tables import key_result_current, key_result_history, sync_run


class Cause(StrEnum):
    """Why there is a revision: the column `cause` of key_result_history."""

    FIRST = "first"
    BACKFILL = "backfill"
    DAY_IN_PROGRESS = "day_in_progress"
    RESTATED = "restated"
    DEFINITION = "definition"
    GOAL = "goal"
    BASELINE = "baseline"
    OVERRIDE = "override"
    OVERRIDE_ENDED = "override_ended"
    MANUAL = "manual"
    QUALITY = "quality"
    FINAL = "final"
    SETTINGS = "settings"


RESTATED_FLAG = "restated"
_BY_PEOPLE = {"override": Cause.OVERRIDE, "manual": Cause.MANUAL}
"""The causes of numbers that people set, by their origin."""

_MEASURED = ("value", "numerator", "denominator", "sample_size")
_OF_THE_DAY = frozenset({"provisional"})
_OF_THE_BASELINE = frozenset({"no_baseline", "baseline_is_target", "baseline_not_above_zero"})
_KEEPS_THE_NUMBER = frozenset(
    {Cause.GOAL, Cause.BASELINE, Cause.QUALITY, Cause.FINAL, Cause.SETTINGS}
)
_KEEPS_THE_REPORT = _KEEPS_THE_NUMBER | {Cause.RESTATED}
"""After these the number that was first reported of the day is still the one to compare with."""

KeyDay = tuple[str, date]


def first_cause(origin: str) -> Cause:
    """The cause of a day's first number, by its origin."""
    if origin == "backfill":
        return Cause.BACKFILL
    return _BY_PEOPLE.get(origin, Cause.FIRST)


def cause_of(
    before: Mapping[Any, Any], after: Row, *, day_was_over: bool, other_goals: Collection[str]
) -> Cause:
    """Why a day's number differs from the one before it; both are rows of key_result_history.

    `day_was_over` says whether the day had ended when it was last measured; `other_goals` are the
    hashes that the definition has with the goals of other days.
    """
    has_changed = any(before[name] != after[name] for name in _MEASURED)
    origins = before["origin"], after["origin"]
    # While an override counts no check-in does: only its end lets one through.
    if origins[0] == "override" != origins[1]:
        return Cause.OVERRIDE_ENDED
    if origins[1] in _BY_PEOPLE and (has_changed or origins[0] != origins[1]):
        return _BY_PEOPLE[origins[1]]
    has_other_goal = before["definition_hash"] != after["definition_hash"]
    if has_other_goal and before["definition_hash"] not in other_goals:
        return Cause.DEFINITION
    # A goal judges a number and can't change it: where both are new, the source has changed it.
    if has_changed:
        return Cause.RESTATED if day_was_over else Cause.DAY_IN_PROGRESS
    if has_other_goal:
        return Cause.GOAL
    flags = set(before["quality"]) ^ set(after["quality"])
    if flags & _OF_THE_BASELINE:
        return Cause.BASELINE
    if before["is_final"] != after["is_final"]:
        return Cause.FINAL
    if {flag for flag in flags if not _is_restated(flag)} - _OF_THE_DAY:
        return Cause.QUALITY
    return Cause.SETTINGS


def restated_share(reported: Decimal | None, value: Decimal | None) -> Decimal:
    """By which share of what was reported a number has changed: 0.12 for 100 that became 112 or 88.

    A number that appeared where none was reported is no restatement (0); one that vanished, or that
    was 0 and isn't, has changed by all of it (1).
    """
    if reported is None or reported == value:
        return Decimal(0)
    if value is None or reported == 0:
        return Decimal(1)
    return abs((value - reported) / reported)


def restated_flag(share: Decimal) -> str:
    """The flag of a restatement, with its share in two decimals: `restated:0.12`."""
    return f"{RESTATED_FLAG}:{share:.2f}"


def keep_restated(row: Row, before: Mapping[Any, Any]) -> None:
    """Let a row have the `restated` flag of the revision before it, which no measurement knows of."""
    kept = [flag for flag in before["quality"] if _is_restated(flag)]
    if kept:
        row["quality"] = tuple(sorted({*row["quality"], *kept}))


def explain_changes(
    connection: Connection,
    changed: Sequence[Changed],
    observed: Mapping[KeyDay, KeyResultObservation],
) -> None:
    """Set `cause` and the `restated` flag in every changed row, which is about to be written."""
    if not changed:
        return
    over = _days_that_were_over(connection, changed, observed)
    for one in changed:
        key = _key(one)
        cause = cause_of(
            one.before,
            one.row,
            day_was_over=key in over,
            other_goals=observed[key].other_goals,
        )
        one.row["cause"] = cause.value
    restated = [one for one in changed if one.row["cause"] == Cause.RESTATED]
    reported = _reported(connection, [one for one in restated if one.before["revision"] > 1])
    for one in changed:
        if one.row["cause"] in _KEEPS_THE_NUMBER:
            continue
        flags = {flag for flag in one.row["quality"] if not _is_restated(flag)}
        limit = observed[_key(one)].restated_from
        if one.row["cause"] == Cause.RESTATED and limit is not None:
            share = restated_share(reported.get(_key(one), one.before["value"]), one.row["value"])
            if share and share >= limit:
                flags.add(restated_flag(share))
        one.row["quality"] = tuple(sorted(flags))


def _days_that_were_over(
    connection: Connection,
    changed: Sequence[Changed],
    observed: Mapping[KeyDay, KeyResultObservation],
) -> set[KeyDay]:
    """The days that had ended when they were last measured.

    A revision's run says when that was, but it may have been found unchanged since: every run that
    measures a key result measures its recent days again, and the last one shows in its current number.
    """
    started = _found(
        connection,
        sync_run.c.run_id,
        sync_run.c.started_at,
        {one.before["run_id"] for one in changed},
    )
    confirmed = _found(
        connection,
        key_result_current.c.key_result_id,
        key_result_current.c.measured_at,
        {one.row["key_result_id"] for one in changed},
    )
    over = set()
    for one in changed:
        ended_at = observed[_key(one)].ended_at
        measured = (started.get(one.before["run_id"]), confirmed.get(one.row["key_result_id"]))
        if ended_at is None or any(at is not None and at >= ended_at for at in measured):
            over.add(_key(one))
    return over


def _found(
    connection: Connection, key: Any, at: Any, wanted: Iterable[str]
) -> dict[str, datetime | None]:
    return {
        name: when
        for names in in_chunks(sorted(wanted))
        for name, when in connection.execute(select(key, at).where(key.in_(names)))
    }


def _reported(connection: Connection, restated: Sequence[Changed]) -> dict[KeyDay, Decimal | None]:
    """What was reported of each day before it was restated for the first time.

    Small restatements add up: each is compared with the number that was reported and not with the
    last one.
    """
    if not restated:
        return {}
    wanted = {_key(one) for one in restated}
    days = [as_of for _, as_of in wanted]
    table = key_result_history.c
    found: dict[KeyDay, Decimal | None] = {}
    for names in in_chunks(sorted({name for name, _ in wanted})):
        rows = connection.execute(
            select(table.key_result_id, table.as_of, table.value, table.cause)
            .where(table.key_result_id.in_(names), table.as_of.between(min(days), max(days)))
            .order_by(table.key_result_id, table.as_of, table.revision)
        )
        for name, as_of, value, cause in rows:
            if (name, as_of) in wanted and cause not in _KEEPS_THE_REPORT:
                found[name, as_of] = value
    return found


def _key(one: Changed) -> KeyDay:
    return one.row["key_result_id"], one.row["as_of"]


def _is_restated(flag: str) -> bool:
    return flag.partition(":")[0] == RESTATED_FLAG
