"""From records as HubSpot writes them to rows as the mirror keeps them.

Belongs here: a page's or several pages' records, column by column. Does not belong here: requests
(records) or what one value means (okr_sync.warehouse.record_values).
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from connectors.hubspot.transport import Document
from okr_sync.warehouse.checkpoints import Block
from okr_sync.warehouse.mirror import FieldType, Row, column_name
from okr_sync.warehouse.record_columns import parse_column

_properties: Final = itemgetter("properties")
_id: Final = itemgetter("id")


class RowMaker:
    """Makes rows of records with the same fields, whose readers are chosen once.

    `lacking` names the fields that some record did not even have as empty: HubSpot leaves out what
    the account has no property for.
    """

    def __init__(self, types: Mapping[str, FieldType]) -> None:
        self._names = sorted(types)
        self._types = [types[name] for name in self._names]
        columns = [column_name(name) for name in self._names]
        self.columns = ("id", *columns, "bad_fields", "created_ms", "updated_ms")
        self.lacking: set[str] = set()

    def block(self, records: Sequence[Document]) -> Block:
        """The rows of these records, in their order."""
        if not records:
            return Block(self.columns, [])
        columns: list[list[Any]] = [[_id(record) for record in records]]
        bad: dict[int, list[str]] = {}
        for name, kind, raw in zip(self._names, self._types, self._raw(records), strict=True):
            values, places = parse_column(raw, kind)
            columns.append(values)
            for place in places:
                bad.setdefault(place, []).append(name)
        flags: list[str | None] = [None] * len(records)
        for place, names in bad.items():
            flags[place] = f",{','.join(names)},"
        columns.append(flags)
        for key in ("createdAt", "updatedAt"):
            times = [record.get(key) for record in records]
            columns.append(parse_column(times, FieldType.INSTANT)[0])
        return Block(self.columns, list(zip(*columns, strict=True)))

    def rows(self, records: Sequence[Document]) -> list[Row]:
        """The rows of these records by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.block(records).rows]

    def _raw(self, records: Sequence[Document]) -> list[Sequence[object]]:
        """The values of each field, in the order of the records."""
        properties = [_properties(record) for record in records]
        if not self._names:
            return []
        try:
            if len(self._names) == 1:
                return [list(map(itemgetter(self._names[0]), properties))]
            return list(zip(*map(itemgetter(*self._names), properties), strict=True))
        except KeyError:
            for name in self._names:
                if not all(name in one for one in properties):
                    self.lacking.add(name)
            return [[one.get(name) for one in properties] for name in self._names]
