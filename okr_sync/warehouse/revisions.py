"""Append-only history with revisions: what changed is added, what did not writes nothing.

Belongs here: the bitemporal rule, for any table with `revision`, `recorded_at`, `superseded_at` and
`run_id`. Does not belong here: which numbers those are (publish).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, bindparam, select, update

from okr_sync.warehouse.bulk import insert_all
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.turns import Turn, confirm, confirmed_by_newer, series_day

Row = dict[str, Any]


class Recorded(NamedTuple):
    """What became of one row: `before` is the latest revision as it was, None if there was none.

    `revision` is the latest one now; the same as before when nothing had changed. An outdated row
    was not compared: a run that began later has spoken of its key.
    """

    row: Row
    before: Row | None
    revision: int
    is_outdated: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that differs from the latest revision of its key, `before`."""

    row: Row
    before: Row


def append_revisions(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    compared: Sequence[str],
    recorded_at: datetime,
    run_id: str,
    turn: Turn,
    carry: Callable[[Row, Row], None] | None = None,
    explain: Callable[[Sequence[Changed]], None] | None = None,
) -> list[Recorded]:
    """Add a revision for each row whose `compared` columns differ from its latest revision.

    `rows` have the table's columns without revision, times and run; a key comes once. The caller's
    transaction must be the only one that appends. The earlier revision's `superseded_at` is the
    only thing that is ever changed in it. What a newer run than `turn`'s has said is left alone.
    `carry` may take over into a row, before it is compared, what only the latest revision knows;
    `explain` may complete the rows that have changed before they are written.
    """
    keys = [column.name for column in table.primary_key if column.name != "revision"]
    key_of = itemgetter(*keys)
    latest = _latest(connection, table, keys, rows)
    confirmed = confirmed_by_newer(connection, table, turn)
    unchanged: list[Row] = []
    results: list[Recorded] = []
    added: list[Row] = []
    changed: list[Changed] = []
    superseded: list[Row] = []
    for row in rows:
        before = latest.get(key_of(row))
        if before is not None and carry is not None:
            carry(row, before)
        if before is None:
            at, revision = recorded_at, 1
        elif before["run_id"] in turn.newer or series_day(row, keys) in confirmed:
            results.append(Recorded(row, before, before["revision"], is_outdated=True))
            continue
        elif all(before[name] == row[name] for name in compared):
            unchanged.append(row)
            results.append(Recorded(row, before, before["revision"]))
            continue
        else:
            # Clocks of two machines differ: a revision never begins before the one it replaces.
            at, revision = max(recorded_at, before["recorded_at"]), before["revision"] + 1
            superseded.append(
                {f"key_{name}": row[name] for name in keys}
                | {"key_revision": before["revision"], "at": at}
            )
            changed.append(Changed(row, before))
        row |= {"revision": revision, "recorded_at": at, "run_id": run_id}
        added.append(row)
        results.append(Recorded(row, before, revision))
    if explain is not None:
        explain(changed)
    if superseded:
        statement = update(table).values(superseded_at=bindparam("at"))
        for name in (*keys, "revision"):
            statement = statement.where(table.c[name] == bindparam(f"key_{name}"))
        connection.execute(statement, superseded)
    insert_all(connection, table, added)
    confirm(connection, table, (series_day(row, keys) for row in unchanged), turn)
    return results


def _latest(
    connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Row]
) -> dict[tuple[Any, ...], Row]:
    if not rows:
        return {}
    first_key = keys[0]
    key_of = itemgetter(*keys)
    days = [row["as_of"] for row in rows]
    found: dict[tuple[Any, ...], Row] = {}
    for names in in_chunks(sorted({row[first_key] for row in rows})):
        statement = select(table).where(
            table.c[first_key].in_(names),
            table.c.as_of.between(min(days), max(days)),
            table.c.superseded_at.is_(None),
        )
        for row in connection.execute(statement).mappings():
            found[key_of(row)] = dict(row)
    return found
