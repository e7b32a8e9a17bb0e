"""Where the key results stand: each with the number that holds, now, for a day, or as it was once known.

Belongs here: that SELECT and its rows. Does not belong here: histories, runs and pulls (reads), how
rows are shown (commands), and anything that writes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, true

from okr_sync.warehouse.as_known import numbers_known
from okr_sync.warehouse.chunks import among
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.goals import agreed_on, recorded_goals
from okr_sync.warehouse.observations import AgreedGoal
from okr_sync.warehouse.tables import key_result, key_result_current, key_result_history

_MEASURES = (
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


@dataclass(frozen=True)
class StatusRow:
    """A key result with its number: the columns of `key_result` and `key_result_current`.

    `goal_kind`, `baseline`, `target`, `commitment` and `low` (the lower bound of a threshold) are those
    by which the number is judged, which newer days may not be; without a number, those of the day.
    `freshness` is fresh, stale, failed or never, as of the instant of reading.
    """

    key_result_id: str
    objective_id: str
    team: str
    cycle: str
    cycle_start: date
    cycle_end: date
    title: str
    metric: str
    unit: str | None
    baseline: Decimal | None
    target: Decimal | None
    low: Decimal | None
    goal_kind: str
    commitment: str
    indicator: str | None
    owner: str | None
    family: str
    definition_hash: str
    config_hash: str
    defined_in: str
    retired_at: datetime | None
    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    sample_size: int | None
    progress: Decimal | None
    score: Decimal | None
    expected_progress: Decimal | None
    status: str
    freshness: str
    quality: tuple[str, ...]
    as_of: date | None
    is_final: bool
    measured_at: datetime | None
    stale_after: datetime | None
    run_id: str | None
    error: str | None


def status(
    warehouse: Warehouse,
    *,
    now: datetime,
    key_result_ids: Collection[str] | None = None,
    as_of: date | None = None,
    as_known_on: datetime | None = None,
    even_retired: bool = False,
) -> list[StatusRow]:
    """Every key result that is not retired, with its current number, by team, cycle and id.

    With `as_of` the numbers are the latest revisions for that day, `measured_at` is when they were
    recorded, and a key result without a number has no value; freshness and error still say whether
    the key result is being kept up to date.

    With `as_known_on` they are what was known at that instant: of the day `as_of`, or else of the
    newest day that had a number then. Key results are those that had a number and were not retired
    then. Whether they were kept up to date is not known: what has a number counts as fresh, and
    there is no error. Unknown ids are left out.
    """
    is_present: ColumnElement[bool] = key_result.c.retired_at.is_(None)
    if as_known_on is not None:
        is_present |= key_result.c.retired_at > as_known_on
    if even_retired:
        is_present = true()
    statement = (
        select(key_result, *_other_columns(), *_HELD_COLUMNS)
        .select_from(key_result.outerjoin(key_result_current).outerjoin(_held, _IS_HELD))
        .where(is_present)
    )
    with warehouse.read() as connection:
        found = [
            _filled(row, now)
            for chosen in among(key_result.c.key_result_id, key_result_ids)
            for row in connection.execute(statement.where(chosen)).mappings()
        ]
        if as_known_on is not None:
            known = numbers_known(connection, as_known_on, as_of, key_result_ids)
            found = [
                _as_of_day(row | _UNKNOWN_CARE, known[row["key_result_id"]])
                for row in found
                if row["key_result_id"] in known
            ]
        elif as_of is not None:
            then = _latest_of_day(connection, as_of, key_result_ids)
            found = [_as_of_day(row, then.get(row["key_result_id"])) for row in found]
        found = _with_goals(connection, found, as_known_on or now, as_of)
    return sorted(
        (StatusRow(**row) for row in found),
        key=lambda row: (row.team, row.cycle_start, row.cycle, row.key_result_id),
    )


def _other_columns() -> Sequence[Any]:
    return [column for column in key_result_current.c if column.name != "key_result_id"]


# What a number was judged by stands in its revision: `key_result` has the goal of the newest day, and the
# current number may have stayed from an older one. Revisions from before that was kept have no cause
# either; in all others null means none.
_held = key_result_history.alias()
_IS_HELD = (
    (_held.c.key_result_id == key_result_current.c.key_result_id)
    & (_held.c.as_of == key_result_current.c.as_of)
    & _held.c.superseded_at.is_(None)
)
_JUDGED_BY = ("baseline", "target")
_HELD_COLUMNS = [_held.c[name].label(f"held_{name}") for name in ("cause", *_JUDGED_BY)]
_UNKNOWN_CARE: dict[str, Any] = {"freshness": "fresh", "error": None, "stale_after": None}


def _filled(row: Mapping[Any, Any], now: datetime) -> dict[str, Any]:
    filled = dict(row)
    held = {column.name: filled.pop(column.name) for column in _HELD_COLUMNS}
    if held["held_cause"] is not None:
        filled |= {name: held[f"held_{name}"] for name in _JUDGED_BY}
    if filled["status"] is None:  # defined, and nothing has been published of it yet
        filled |= {"status": "no_data", "freshness": "never", "quality": (), "is_final": False}
    stale_after = filled["stale_after"]
    if filled["freshness"] == "fresh" and stale_after is not None and now > stale_after:
        filled["freshness"] = "stale"
    return filled


def _latest_of_day(
    connection: Connection, as_of: date, key_result_ids: Collection[str] | None
) -> dict[str, Mapping[Any, Any]]:
    table = key_result_history.c
    statement = select(key_result_history).where(
        and_(table.as_of == as_of, table.superseded_at.is_(None))
    )
    return {
        row["key_result_id"]: row
        for chosen in among(table.key_result_id, key_result_ids)
        for row in connection.execute(statement.where(chosen)).mappings()
    }


def _as_of_day(row: dict[str, Any], then: Mapping[Any, Any] | None) -> dict[str, Any]:
    if then is None:
        nothing = dict.fromkeys(_MEASURES) | {"status": "no_data", "quality": (), "is_final": False}
        return row | nothing | {"measured_at": None, "run_id": None}
    judged_by = {} if then["cause"] is None else {name: then[name] for name in _JUDGED_BY}
    return (
        row
        | judged_by
        | {name: then[name] for name in _MEASURES}
        | {"measured_at": then["recorded_at"], "run_id": then["run_id"]}
    )


def _with_goals(
    connection: Connection, rows: Sequence[dict[str, Any]], known_at: datetime, as_of: date | None
) -> list[dict[str, Any]]:
    """The rows with the goals that their days are judged by, of those recorded by `known_at`."""
    recorded = recorded_goals(connection, [row["key_result_id"] for row in rows])
    found = []
    for row in rows:
        own = [one for one in recorded.get(row["key_result_id"], ()) if one.recorded_at <= known_at]
        day = row["as_of"] or as_of or known_at.date()
        agreed = agreed_on(own, row["cycle_start"], day)
        found.append(row | {"low": None} if agreed is None else row | _terms(agreed, row))
    return found


def _terms(agreed: AgreedGoal, row: Mapping[str, Any]) -> dict[str, Any]:
    """A goal as it was agreed; ends that hang on a measured baseline are as the row has them."""
    is_open = agreed.baseline_is_measured
    return {
        "goal_kind": agreed.goal_kind,
        "commitment": agreed.commitment,
        "baseline": row["baseline"] if is_open else agreed.baseline,
        "target": row["target"] if agreed.target is None else agreed.target,
        "low": agreed.low,
    }
