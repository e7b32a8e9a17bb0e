"""Key results that get another id and keep their history.

Belongs here: giving a key result's rows its new id, and what is recorded of that. Does not belong
here: which ids the files say have changed (sync.renames, config.rules).

History is append-only, and stays so: its rows refer to `key_result`, where the id is changed, and the
database carries the change along. Nothing else of them changes, and no other right is needed for it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, insert, literal, select, update

from okr_sync.config.identifiers import in_place_name
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.tables import (
    check_in,
    key_result,
    key_result_current,
    key_result_history,
    key_result_rename,
    lease,
    measured_baseline,
    metric_value,
    value_override,
)

_NUMBERED = ((value_override, "override_id"), (check_in, "check_in_id"))
"""Tables that count what people have said of a key result, and refer to it by its id alone."""


@dataclass(frozen=True)
class Rename:
    """A key result's id before and now, both `team/id`."""

    old_id: str
    new_id: str


def apply_renames(
    warehouse: Warehouse, renames: Sequence[Rename], *, renamed_at: datetime, config_hash: str
) -> list[Rename]:
    """Let the history of each old id go on under the new one; return those that had to be renamed.

    An old id that the warehouse doesn't know, or has renamed so already, changes nothing. Where the
    new id has numbers of its own, because a run found it before it was said what it was, they are set
    aside under `new~1`, and days that the old one lacks are copied from there. A run that began before
    this one publishes nothing more under the old id.
    """
    with warehouse.read() as connection:
        if not _due(connection, renames):
            return []
    done = []
    with warehouse.write() as connection:
        hold(connection, Lock.PUBLISH)
        for rename in _due(connection, renames):
            _rename(connection, rename, renamed_at, config_hash)
            done.append(rename)
    return done


def renamed_since(connection: Connection, token: int) -> set[str]:
    """The ids that were given up after the run with this token had begun."""
    table = key_result_rename.c
    return set(connection.scalars(select(table.old_id).where(table.token >= token)))


def earlier_ids(connection: Connection, key_result_id: str) -> list[str]:
    """The ids that a key result has had, the newest first."""
    rows = connection.execute(
        select(key_result_rename).order_by(key_result_rename.c.rename_id.desc())
    )
    found, name = [], key_result_id
    for row in rows:
        if row.new_id == name:
            name = row.old_id
            found.append(name)
    return found


def known_ids(connection: Connection) -> set[str]:
    """Every id that key results have or have had."""
    ids = set(connection.scalars(select(key_result.c.key_result_id)))
    return ids | set(connection.scalars(select(key_result_rename.c.old_id)))


def _due(connection: Connection, renames: Sequence[Rename]) -> list[Rename]:
    wanted = {one.old_id for one in renames}
    present = _present(connection, wanted | {one.new_id for one in renames})
    return [
        one
        for one in renames
        if one.old_id in present
        # The new one may be this one already, and the old id made again by an older checkout.
        and (one.new_id not in present or one.old_id not in earlier_ids(connection, one.new_id))
    ]


def _present(connection: Connection, ids: Iterable[str]) -> set[str]:
    table = key_result.c.key_result_id
    return {
        name
        for part in in_chunks(sorted(ids))
        for name in connection.scalars(select(table).where(table.in_(part)))
    }


def _rename(connection: Connection, rename: Rename, at: datetime, config_hash: str) -> None:
    old, new = rename.old_id, rename.new_id
    aside = _free_name(connection, new)
    was_published = bool(_present(connection, [new]))
    if was_published:
        _give_id(connection, new, aside)
    # A baseline is frozen before its key result's first publish, which may never have come.
    _move_baselines(connection, new, aside)
    _give_id(connection, old, new)
    _move_baselines(connection, old, new)
    for table, number in _NUMBERED:
        _move_numbered(connection, table, number, old, new)
    mark = update(key_result)
    connection.execute(mark.where(key_result.c.key_result_id == new).values(retired_at=None))
    if was_published:
        # From its first number on: whoever asks what was known then finds the days under the new id.
        history = key_result_history.c
        first = select(func.min(history.recorded_at)).where(history.key_result_id == aside)
        since = connection.scalar(first) or at
        connection.execute(mark.where(key_result.c.key_result_id == aside).values(retired_at=since))
        _carry_days(connection, aside, new)
    _carry_metrics(connection, old, new)
    last = connection.scalar(select(func.max(key_result_rename.c.rename_id))) or 0
    row = {
        "rename_id": last + 1,
        "old_id": old,
        "new_id": new,
        "renamed_at": at,
        "config_hash": config_hash,
        "token": connection.scalar(select(func.max(lease.c.token))) or 0,
    }
    connection.execute(insert(key_result_rename), [row])


def _give_id(connection: Connection, old: str, new: str) -> None:
    """Change an id where it is defined; the rows that refer to it follow (ON UPDATE CASCADE)."""
    table = key_result.c.key_result_id
    connection.execute(update(key_result).where(table == old).values(key_result_id=new))


def _free_name(connection: Connection, key_result_id: str) -> str:
    """A name that no file can give: ids have no `~`."""
    number = 1
    owner = measured_baseline.c.key_result_id
    mine = owner.startswith(f"{key_result_id}~", autoescape=True)
    taken = set(connection.scalars(select(owner).where(mine)))
    while (name := f"{key_result_id}~{number}") in taken or _present(connection, [name]):
        number += 1
    return name


def _move_baselines(connection: Connection, old: str, new: str) -> None:
    table = measured_baseline
    connection.execute(update(table).where(table.c.key_result_id == old).values(key_result_id=new))


def _move_numbered(connection: Connection, table: Table, number: str, old: str, new: str) -> None:
    """What was said of the old id counts as said before what was said of the new one."""
    counted, owner = table.c[number], table.c.key_result_id
    highest = {
        name: connection.scalar(select(func.max(counted)).where(owner == name)) or 0
        for name in (old, new)
    }
    if highest[old] and highest[new]:
        # By more than both: a number must be free at every moment of the statement.
        shift = highest[old] + highest[new]
        connection.execute(update(table).where(owner == new).values({number: counted + shift}))
    connection.execute(update(table).where(owner == old).values(key_result_id=new))


def _carry_days(connection: Connection, aside: str, new: str) -> None:
    """Copy the days that only the rows set aside have, and the current number if it is one of them."""
    history, current = key_result_history, key_result_current
    own = select(history.c.as_of).where(history.c.key_result_id == new)
    names = [column.name for column in history.columns if column.name != "key_result_id"]
    copied = select(_text(new, history), *(history.c[name] for name in names)).where(
        history.c.key_result_id == aside, history.c.as_of.not_in(own)
    )
    connection.execute(insert(history).from_select(["key_result_id", *names], copied))
    rows = connection.execute(
        select(current).where(current.c.key_result_id.in_([aside, new]))
    ).mappings()
    shown: dict[str, dict[str, Any]] = {row["key_result_id"]: dict(row) for row in rows}
    if aside not in shown or shown[aside]["as_of"] is None:
        return
    row = shown[aside] | {"key_result_id": new}
    if new not in shown:
        connection.execute(insert(current), [row])
    elif shown[new]["as_of"] is None or shown[new]["as_of"] < row["as_of"]:
        connection.execute(update(current).where(current.c.key_result_id == new).values(row))


def _carry_metrics(connection: Connection, old: str, new: str) -> None:
    """Copy the values of metrics that are written in the key result, which are named after it.

    A level of a past day can't be measured again: it is looked up by its metric's name.
    """
    table = metric_value
    name, now = in_place_name(old), in_place_name(new)
    inputs = table.c.metric.startswith(f"{name}__", autoescape=True)
    found = connection.scalars(
        select(table.c.metric).where((table.c.metric == name) | inputs).distinct()
    ).all()
    known = _metrics(connection, [now + metric.removeprefix(name) for metric in found])
    columns = [column.name for column in table.columns if column.name != "metric"]
    for metric in found:
        copy = now + metric.removeprefix(name)
        if copy not in known:
            copied = select(_text(copy, table), *(table.c[each] for each in columns)).where(
                table.c.metric == metric
            )
            connection.execute(insert(table).from_select(["metric", *columns], copied))


def _metrics(connection: Connection, names: Collection[str]) -> set[str]:
    table = metric_value.c.metric
    return set(connection.scalars(select(table).where(table.in_(names)).distinct()))


def _text(value: str, table: Table) -> Any:
    """A text as a column of a SELECT whose rows are inserted."""
    return literal(value, next(iter(table.columns)).type)
