"""What checks have found, kept when it changes: writing and reading `check_result`.

Belongs here: the rule of its revisions, and which results hold now. Does not belong here: the checks
(okr_sync.checks) or what is shown of them (commands).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from okr_sync.checks.results import CheckName, CheckResult, CheckSeverity, Subject
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.revisions import in_chunks
from okr_sync.warehouse.tables import check_result
from okr_sync.warehouse.turns import SeriesDay, Turn, confirm, confirmed_by_newer

_Name = tuple[str, str, str]
"""Kind, subject and check."""

_KEY = ("subject_kind", "subject", "check_name", "revision")
_COMPARED = ("passed", "severity", "is_blocking", "message")

_NO_DAY = date.min
"""What is confirmed is of a day; a check's result is of none."""


@dataclass(frozen=True)
class RecordedCheck:
    """A result that holds now, and since when."""

    result: CheckResult
    recorded_at: datetime
    run_id: str


def write_checks(
    connection: Connection,
    results: Iterable[CheckResult],
    *,
    run_id: str,
    recorded_at: datetime,
    turn: Turn,
) -> None:
    """Add a revision for each result that differs from the one that holds, in the caller's transaction.

    A result that is as it was writes nothing. What a run that began later has found stays.
    """
    found = {(one.subject_kind.value, one.subject, one.check.value): one for one in results}
    known = _latest(connection, {subject for _, subject, _ in found})
    confirmed = confirmed_by_newer(connection, check_result, turn)
    added: list[dict[str, Any]] = []
    replaced: list[dict[str, Any]] = []
    unchanged: list[SeriesDay] = []
    for name, one in found.items():
        before = known.get(name)
        row: dict[str, Any] = {
            "subject_kind": name[0],
            "subject": name[1],
            "check_name": name[2],
            "passed": one.passed,
            "severity": one.severity.value,
            "is_blocking": one.is_blocking,
            "message": one.message,
        }
        at, revision = recorded_at, 1
        if before is not None:
            if before["run_id"] in turn.newer or _series(name) in confirmed:
                continue
            if all(before[column] == row[column] for column in _COMPARED):
                unchanged.append(_series(name))
                continue
            # Clocks of two machines differ: a result never holds before the one that it replaces.
            at, revision = max(recorded_at, before["recorded_at"]), before["revision"] + 1
            replaced.append({f"key_{column}": before[column] for column in _KEY} | {"at": at})
        added.append(row | {"revision": revision, "recorded_at": at, "run_id": run_id})
    if replaced:
        statement = update(check_result).values(superseded_at=bindparam("at"))
        for column in _KEY:
            statement = statement.where(check_result.c[column] == bindparam(f"key_{column}"))
        connection.execute(statement, replaced)
    if added:
        connection.execute(insert(check_result), added)
    confirm(connection, check_result, unchanged, turn)


def _latest(connection: Connection, subjects: Collection[str]) -> dict[_Name, RowMapping]:
    found: dict[_Name, RowMapping] = {}
    table = check_result.c
    for some in in_chunks(sorted(subjects)):
        rows = connection.execute(
            select(check_result).where(table.subject.in_(some), table.superseded_at.is_(None))
        )
        found |= {
            (row["subject_kind"], row["subject"], row["check_name"]): row for row in rows.mappings()
        }
    return found


def _series(name: _Name) -> SeriesDay:
    return " ".join(name), _NO_DAY


def checks_now(
    warehouse: Warehouse,
    *,
    subjects: Collection[str] | None = None,
    only_failing: bool = False,
) -> list[RecordedCheck]:
    """The results that hold now, of some subjects or of all, by kind, subject and check."""
    table = check_result.c
    statement = select(check_result).where(table.superseded_at.is_(None))
    if only_failing:
        statement = statement.where(table.passed.is_(False))
    wanted: Sequence[Sequence[str] | None] = [None]
    if subjects is not None:
        wanted = list(in_chunks(sorted(set(subjects))))
    found = []
    with warehouse.read() as connection:
        for some in wanted:
            part = statement if some is None else statement.where(table.subject.in_(some))
            found += [
                RecordedCheck(
                    CheckResult(
                        Subject(row["subject_kind"]),
                        row["subject"],
                        CheckName(row["check_name"]),
                        row["passed"],
                        row["message"],
                        CheckSeverity(row["severity"]),
                        row["is_blocking"],
                    ),
                    row["recorded_at"],
                    row["run_id"],
                )
                for row in connection.execute(part).mappings()
            ]
    return sorted(
        found,
        key=lambda one: (one.result.subject_kind, one.result.subject, one.result.check),
    )
