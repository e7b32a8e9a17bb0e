"""What a mirror holds, or would hold once what was found is written.

Belongs here: a mirror (or a stage) under changes that are not written yet: how many records, which,
and with which values. Does not belong here: what HubSpot holds (records) and the comparison
(reconcile).
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy import Table

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import (
    Row,
    count_records,
    ids_present,
    recent_ids,
)


class Held:
    """A mirror's records with `rows` written over them and those in `gone` taken out."""

    def __init__(self, warehouse: Warehouse, table: Table) -> None:
        self._warehouse = warehouse
        self._table = table
        self.rows: dict[str, Row] = {}
        self.gone: set[str] = set()
        self._new: set[str] = set()  # of `rows`: those that the table doesn't have
        self._lost: set[str] = set()  # of `gone`: those that it has
        with warehouse.read() as connection:
            self._stored = count_records(connection, table)

    @property
    def count(self) -> int:
        """How many records there are."""
        return self._stored + len(self._new) - len(self._lost)

    def put(self, rows: Iterable[Row]) -> None:
        """Write records over those there are, unless one is there already, the same or a newer."""
        given = {str(row["id"]): row for row in rows}
        stored = self._stored_rows(given)
        for one, row in given.items():
            self._back(one)
            if one not in stored:
                self._new.add(one)
                self.rows[one] = row
            elif one in self.rows or (stored[one] != row and not _is_older(row, stored[one])):
                self.rows[one] = row

    def _back(self, one: str) -> None:
        self.gone.discard(one)
        self._lost.discard(one)

    def take_out(self, ids: Collection[str]) -> None:
        """Take records out."""
        self._lost |= self._in_table(ids)
        for one in ids:
            self.gone.add(one)
            self._new.discard(one)
            self.rows.pop(one, None)

    def present(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that there are."""
        return (self._in_table(ids) | (self._new & set(ids))) - self.gone

    def current(self, ids: Collection[str]) -> dict[str, Row]:
        """The records with these ids, by id."""
        found = self._stored_rows(ids)
        found.update({one: self.rows[one] for one in ids if one in self.rows})
        return {one: row for one, row in found.items() if one not in self.gone}

    def changed_since(self, at: datetime) -> set[str]:
        """The ids of the records that were created or changed at an instant or later."""
        with self._warehouse.read() as connection:
            stored = recent_ids(connection, self._table, at)
        recent = {one for one, row in self.rows.items() if _is_since(row, at)}
        return (stored | recent) - self.gone

    def made_since(self, at: datetime) -> bool:
        """Whether some stored record was created at an instant or later, or nobody knows when."""
        made = self._table.c.created_ms
        is_new = sa.or_(made.is_(None), made >= epoch_ms(at))
        query = sa.select(self._table.c.id).where(is_new)
        with self._warehouse.read() as connection:
            return connection.scalar(query.limit(1)) is not None

    # --- ranges of ids, by number ---

    def count_between(self, low: int, high: int) -> int:
        """How many records have ids from `low` to `high`."""
        with self._warehouse.read() as connection:
            query = sa.select(sa.func.count()).select_from(self._table)
            stored = int(connection.scalar(query.where(self._is_between(low, high))) or 0)
        new = sum(low <= int(one) <= high for one in self._new)
        lost = sum(low <= int(one) <= high for one in self._lost)
        return stored + new - lost

    def ids_between(self, low: int, high: int) -> set[str]:
        """The ids from `low` to `high`."""
        with self._warehouse.read() as connection:
            query = sa.select(self._table.c.id).where(self._is_between(low, high))
            stored = set(connection.scalars(query))
        return (stored | {one for one in self._new if low <= int(one) <= high}) - self.gone

    def nth(self, place: int, low: int, high: int) -> int | None:
        """The id at a place among the stored ones from `low` to `high`; None if there is none."""
        order = self._number if self._digits is None else self._table.c.id
        query = sa.select(self._table.c.id).where(self._is_between(low, high)).order_by(order)
        with self._warehouse.read() as connection:
            found = connection.scalar(query.offset(place).limit(1))
        return None if found is None else int(found)

    @property
    def _number(self) -> sa.ColumnElement[int]:
        return sa.cast(self._table.c.id, sa.BigInteger())

    def _is_between(self, low: int, high: int) -> sa.ColumnElement[bool]:
        digits = self._digits
        if digits is None:
            return self._number.between(low, high)
        if low >= 10**digits or high < low:
            return sa.false()
        last = min(high, 10**digits - 1)
        return self._table.c.id.between(f"{low:0{digits}}", f"{last:0{digits}}")

    @cached_property
    def _digits(self) -> int | None:
        """How long all stored ids are, or None if they differ: of like length their order as texts,
        which has an index, is that of the numbers."""
        length = sa.func.length(self._table.c.id)
        with self._warehouse.read() as connection:
            least, most = connection.execute(
                sa.select(sa.func.min(length), sa.func.max(length))
            ).one()
        return int(least) if least is not None and least == most else None

    # --- the table ---

    def _in_table(self, ids: Collection[str]) -> set[str]:
        with self._warehouse.read() as connection:
            return ids_present(connection, self._table, ids)

    def _stored_rows(self, ids: Collection[str]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        with self._warehouse.read() as connection:
            for some in in_chunks(sorted(ids)):
                query = sa.select(self._table).where(self._table.c.id.in_(some))
                for row in connection.execute(query).mappings():
                    found[str(row["id"])] = _as_row(dict(row))
        return found


def _is_older(row: Row, than: Row) -> bool:
    mine, theirs = row["updated_ms"], than["updated_ms"]
    return isinstance(mine, int) and isinstance(theirs, int) and mine < theirs


def _as_row(stored: Mapping[str, object]) -> Row:
    return {name: value for name, value in stored.items() if isinstance(value, str | int | None)}


def _is_since(row: Row, at: datetime) -> bool:
    times = (row["created_ms"], row["updated_ms"])
    return any(isinstance(ms, int) and ms >= epoch_ms(at) for ms in times)
