"""Auditing the published tables: what must hold of them at every instant, whatever happened.

Belongs here: the invariants, as checks that read. Does not belong here: mending anything, and
whether a number is right (metrics).
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

from sqlalchemy import Connection, Table, func, select

from okr_sync.warehouse.tables import (
    check_result,
    key_result_current,
    key_result_goal,
    key_result_history,
    lease,
    metric_value,
    run_outcome,
    sync_run,
)

_BOOKKEEPING = frozenset({"revision", "recorded_at", "superseded_at", "run_id", "origin", "cause"})
_MEASURES = (
    "value",
    "numerator",
    "denominator",
    "sample_size",
    "progress",
    "score",
    "expected_progress",
    "status",
    "is_final",
)


def violations(connection: Connection) -> list[str]:
    """What is wrong in the published tables, a sentence each; empty when all is as it must be.

    Revisions of a day, and of a check, are numbered without a gap, each begins when the one before it
    ends, differs from it, and comes from a run that didn't begin earlier. Current is the latest revision
    of the newest day. Goals are numbered without a gap. The counters of an ended run say what its status
    says.
    """
    tokens: dict[str, int] = {
        row.run_id: row.token for row in connection.execute(select(lease.c.run_id, lease.c.token))
    }
    return [
        *_of_revisions(connection, key_result_history, tokens),
        *_of_revisions(connection, metric_value, tokens),
        *_of_revisions(connection, check_result, tokens, may_end=True),
        *_of_current(connection),
        *_of_goals(connection),
        *_of_runs(connection),
    ]


def _of_revisions(
    connection: Connection, table: Table, tokens: dict[str, int], *, may_end: bool = False
) -> Iterator[str]:
    """`may_end`: what it speaks of may go, and come back as it was."""
    keys = [column.name for column in table.primary_key if column.name != "revision"]
    order = [table.c[name] for name in (*keys, "revision")]
    rows = connection.execute(select(table).order_by(*order)).mappings()
    for key, group in groupby(rows, key=lambda row: tuple(row[name] for name in keys)):
        name = f"{table.name} {' '.join(map(str, key))}"
        revisions: Sequence[Any] = list(group)
        if [row["revision"] for row in revisions] != list(range(1, len(revisions) + 1)):
            yield f"{name}: the revisions are not numbered 1, 2, 3 and so on."
        if revisions[-1]["superseded_at"] is not None and not may_end:
            yield f"{name}: the latest revision is superseded by nothing."
        for row in revisions:
            if row["run_id"] not in tokens:
                yield f"{name}: revision {row['revision']} is of no known run."
        for before, after in pairwise(revisions):
            number = after["revision"]
            ends, begins = before["superseded_at"], after["recorded_at"]
            was_gone = may_end and ends is not None and ends < begins
            if ends != begins and not was_gone:
                yield f"{name}: revision {number} doesn't begin when the one before it ends."
            if after["recorded_at"] < before["recorded_at"]:
                yield f"{name}: revision {number} was recorded before the one that it replaces."
            is_same = all(before[c] == after[c] for c in before if c not in _BOOKKEEPING)
            if is_same and not may_end:
                yield f"{name}: revision {number} says the same as the one before it."
            if tokens.get(after["run_id"], 0) < tokens.get(before["run_id"], 0):
                yield f"{name}: revision {number} is of an older run than the one before it."


def _of_current(connection: Connection) -> Iterator[str]:
    history = key_result_history
    newest = (
        select(history.c.key_result_id, func.max(history.c.as_of).label("as_of"))
        .group_by(history.c.key_result_id)
        .subquery()
    )
    statement = select(history).join(
        newest,
        (history.c.key_result_id == newest.c.key_result_id)
        & (history.c.as_of == newest.c.as_of)
        & history.c.superseded_at.is_(None),
    )
    latest = {row["key_result_id"]: row for row in connection.execute(statement).mappings()}
    current = {
        row["key_result_id"]: row
        for row in connection.execute(select(key_result_current)).mappings()
    }
    for name in sorted(latest.keys() | current.keys()):
        then, now = latest.get(name), current.get(name)
        if now is None:
            yield f"key_result_current {name}: it has a history and no current number."
        elif then is None:
            if now["as_of"] is not None:
                yield f"key_result_current {name}: its number is not in the history."
        elif any(then[column] != now[column] for column in ("as_of", *_MEASURES)) or not (
            then["quality"] == now["quality"]
            # What failed since has flags of its own, beside those of the number that stays.
            or (now["error"] is not None and set(then["quality"]) <= set(now["quality"]))
        ):
            yield f"key_result_current {name}: it is not the latest revision of the newest day."


def _of_goals(connection: Connection) -> Iterator[str]:
    table = key_result_goal.c
    rows = connection.execute(
        select(table.key_result_id, func.count(), func.max(table.change)).group_by(
            table.key_result_id
        )
    )
    for name, number, last in rows:
        if number != last:
            yield f"key_result_goal {name}: the changes are not numbered 1, 2, 3 and so on."


def _of_runs(connection: Connection) -> Iterator[str]:
    for run in connection.execute(select(sync_run)):
        good = run.key_results_ok + run.key_results_unchanged
        if run.status == "running":
            mine = select(func.count()).where(run_outcome.c.run_id == run.run_id)
            if connection.scalar(mine) != good + run.key_results_failed:
                yield f"sync_run {run.run_id}: its counters are not what it has reported."
        elif run.finished_at is None:
            yield f"sync_run {run.run_id}: it has ended and not said when."
        elif run.status == "success" and (
            good < run.key_results_expected or run.key_results_failed or run.error
        ):
            yield f"sync_run {run.run_id}: it is no success."
