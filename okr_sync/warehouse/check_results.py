"""What checks have found, kept when it changes: writing and reading `check_result`.

Belongs here: the rule of its revisions, and which results hold now. Does not belong here: the checks
(okr_sync.checks) or what is shown of them (commands).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, tuple_, update

from okr_sync.checks.results import CheckName, CheckResult, CheckSeverity, Subject
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.revisions import in_chunks
from okr_sync.warehouse.tables import check_result
from okr_sync.warehouse.turns import newer_runs

_COMPARED = ("passed", "severity", "is_blocking", "message")


@dataclass(frozen=True)
class RecordedCheck:
    """A result that holds now, and since when."""

    result: CheckResult
    recorded_at: datetime
    run_id: str


def write_checks(
    connection: Connection, results: Iterable[CheckResult], *, run_id: str, recorded_at: datetime
) -> None:
    """Add a revision for each result that differs from the one that holds, in the caller's transaction.

    A result that is as it was writes nothing. What a run that began later has found stays.
    """
    found = {(one.subject_kind.value, one.subject, one.check.value): one for one in results}
    if not found:
        return
    table = check_result.c
    key = tuple_(table.subject_kind, table.subject, table.check_name)
    newer = newer_runs(connection, run_id)
    known: dict[tuple[str, str, str], RowMapping] = {}
    subjects = sorted({subject for _, subject, _ in found})
    for some in in_chunks(subjects):
        rows = connection.execute(
            select(check_result).where(table.subject.in_(some), table.superseded_at.is_(None))
        )
        known |= {
            (row["subject_kind"], row["subject"], row["check_name"]): row for row in rows.mappings()
        }
    added = []
    replaced = []
    for name, one in found.items():
        before = known.get(name)
        after = {
            "passed": one.passed,
            "severity": one.severity.value,
            "is_blocking": one.is_blocking,
            "message": one.message,
        }
        if before is not None:
            if before["run_id"] in newer or all(before[key] == after[key] for key in _COMPARED):
                continue
            replaced.append(name)
        added.append(
            after
            | {
                "subject_kind": name[0],
                "subject": name[1],
                "check_name": name[2],
                "revision": 1 if before is None else before["revision"] + 1,
                "recorded_at": recorded_at,
                "run_id": run_id,
            }
        )
    for start in range(0, len(replaced), 100):
        connection.execute(
            update(check_result)
            .where(key.in_(replaced[start : start + 100]), table.superseded_at.is_(None))
            .values(superseded_at=recorded_at)
        )
    if added:
        connection.execute(insert(check_result), added)


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
