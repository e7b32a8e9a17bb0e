"""From records as HubSpot writes them to rows as the mirror keeps them.

Belongs here: a page's or several pages' records, column by column. Does not belong here: requests
(records) or what one value means (okr_sync.warehouse.record_values).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from connectors.hubspot.transport import Document
from okr_sync.warehouse.checkpoints import Block
from okr_sync.warehouse.mirror import FieldType, Row, column_name
from okr_sync.warehouse.record_columns import parse_column

_id: Final = itemgetter("id")
_properties: Final = itemgetter("properties")


class LackingPropertiesError(Exception):
    """Some record did not even have a property as empty: HubSpot leaves out what the account has none
    of, or what the token may not see."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = tuple(names)


@dataclass
class Raw:
    """Records cut down to what is kept of them, in HubSpot's words: a value of each list a record.

    It is taken page by page, so that a page's JSON is gone before the next comes.
    """

    ids: list[str] = field(default_factory=list)
    values: list[tuple[object, ...]] = field(default_factory=list)
    created: list[object] = field(default_factory=list)
    updated: list[object] = field(default_factory=list)


class RowMaker:
    """Makes rows of records with the same fields, whose readers are chosen once.

    Raises LackingPropertiesError before it takes anything of a page in which one is missing.
    """

    def __init__(self, types: Mapping[str, FieldType]) -> None:
        self._names = sorted(types)
        self._types = [types[name] for name in self._names]
        # Two of a kind, because with a single name itemgetter gives no tuple.
        self._pick = itemgetter(*self._names, *self._names[:1]) if self._names else None
        columns = [column_name(name) for name in self._names]
        self.columns = ("id", *columns, "bad_fields", "created_ms", "updated_ms")

    def take(self, raw: Raw, records: Sequence[Document]) -> None:
        """Add to `raw` what is kept of these records."""
        properties = list(map(_properties, records))
        if self._pick is not None:
            try:
                values = list(map(self._pick, properties))
            except KeyError as error:
                lacking = [n for n in self._names if not all(n in one for one in properties)]
                raise LackingPropertiesError(lacking) from error
            raw.values += values
        raw.ids += map(_id, records)
        raw.created += [record.get("createdAt") for record in records]
        raw.updated += [record.get("updatedAt") for record in records]

    def made(self, raw: Raw) -> Block:
        """The rows of what has been taken, in its order."""
        count = len(raw.ids)
        if not count:
            return Block(self.columns, [])
        columns: list[Sequence[Any]] = [raw.ids]
        bad: dict[int, list[str]] = {}
        # zip stops with the last name, before the value that is there twice.
        for name, kind, texts in zip(
            self._names, self._types, zip(*raw.values, strict=False), strict=False
        ):
            values, places = parse_column(texts, kind)
            columns.append(values)
            for place in places:
                bad.setdefault(place, []).append(name)
        flags: list[str | None] = [None] * count
        for place, names in bad.items():
            flags[place] = f",{','.join(names)},"
        columns.append(flags)
        columns += [parse_column(at, FieldType.INSTANT)[0] for at in (raw.created, raw.updated)]
        return Block(self.columns, list(zip(*columns, strict=True)))

    def rows(self, records: Sequence[Document]) -> list[Row]:
        """The rows of these records by column."""
        raw = Raw()
        self.take(raw, records)
        return [dict(zip(self.columns, row, strict=True)) for row in self.made(raw).rows]
