"""What checks have found, kept when it changes: writing and reading `check_result`.

Belongs here: the rule of its revisions, and which results hold now. Does not belong here: the checks
(okr_sync.checks) or what is shown of them (commands).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, func, insert, select, update

from okr_sync.checks.results import CheckName, CheckResult, CheckSeverity, Subject
from okr_sync.warehouse.chunks import among, in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.tables import check_result
from okr_sync.warehouse.turns import SeriesDay, Turn, confirm, confirmed_by_newer, take_turn_to_note

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
            holds = before["superseded_at"] is None  # else its subject comes back
            if holds and all(before[column] == row[column] for column in _COMPARED):
                unchanged.append(_series(name))
                continue
            # Clocks of two machines differ: a result never holds before the one that it replaces.
            at = max(recorded_at, before["superseded_at"] or before["recorded_at"])
            revision = before["revision"] + 1
            if holds:
                replaced.append(_ended(before, at))
        added.append(row | {"revision": revision, "recorded_at": at, "run_id": run_id})
    _end(connection, replaced)
    if added:
        connection.execute(insert(check_result), added)
    confirm(connection, check_result, unchanged, turn)


def end_checks(
    warehouse: Warehouse,
    *,
    present: Mapping[Subject, Collection[str]],
    run_id: str,
    ended_at: datetime,
) -> None:
    """End the results of subjects that the project no longer has: nothing of them holds any more.

    `present` has the names that it has, by kind; results of other kinds stay, as do those of a run
    that began later. Writes nothing where nothing is gone. Raises LeaseLostError as record_pull.
    """
    table = check_result.c
    holds = table.superseded_at.is_(None)
    subjects = select(table.subject_kind, table.subject).where(holds).distinct()
    with warehouse.read() as connection:
        gone = {
            (kind, name)
            for kind, name in connection.execute(subjects)
            if kind in present and name not in present[Subject(kind)]
        }
    if not gone:
        return
    with warehouse.write() as connection:
        newer = take_turn_to_note(connection, run_id).newer
        known = _latest(connection, {name for _, name in gone})
        ended = [
            _ended(row, max(ended_at, row["recorded_at"]))
            for (kind, name, _), row in known.items()
            if (kind, name) in gone and row["superseded_at"] is None and row["run_id"] not in newer
        ]
        _end(connection, ended)


def _latest(connection: Connection, subjects: Collection[str]) -> dict[_Name, RowMapping]:
    """The latest revision of each check: the one that holds, or the last one of a subject that was gone."""
    table = check_result.c
    key = (table.subject_kind, table.subject, table.check_name)
    found: dict[_Name, RowMapping] = {}
    for some in in_chunks(sorted(subjects)):
        newest = (
            select(*key, func.max(table.revision).label("revision"))
            .where(table.subject.in_(some))
            .group_by(*key)
            .subquery()
        )
        is_newest = and_(*(table[column] == newest.c[column] for column in _KEY))
        for row in connection.execute(select(check_result).join(newest, is_newest)).mappings():
            found[row["subject_kind"], row["subject"], row["check_name"]] = row
    return found


def _ended(row: RowMapping, at: datetime) -> dict[str, Any]:
    return {f"key_{column}": row[column] for column in _KEY} | {"at": at}


def _end(connection: Connection, ended: Sequence[dict[str, Any]]) -> None:
    if ended:
        statement = update(check_result).values(superseded_at=bindparam("at"))
        for column in _KEY:
            statement = statement.where(check_result.c[column] == bindparam(f"key_{column}"))
        connection.execute(statement, ended)


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
    found = []
    with warehouse.read() as connection:
        for chosen in among(table.subject, subjects):
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
                for row in connection.execute(statement.where(chosen)).mappings()
            ]
    return sorted(
        found,
        key=lambda one: (one.result.subject_kind, one.result.subject, one.result.check),
    )
