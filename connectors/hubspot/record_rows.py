"""From records as HubSpot writes them to rows as the mirror keeps them.

Belongs here: a page's records, column by column. Does not belong here: requests (records) or what
one value means (okr_sync.warehouse.record_values).
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final

from connectors.hubspot.transport import Document
from okr_sync.warehouse.checkpoints import Block
from okr_sync.warehouse.mirror import FieldType, Row, Stored, column_name
from okr_sync.warehouse.record_columns import parse_columns

_id: Final = itemgetter("id")
_properties: Final = itemgetter("properties")
_Raw = Sequence[object]


class LackingPropertiesError(Exception):
    """Some record did not even have a property as empty: HubSpot leaves out what the account has none
    of, or what the token may not see."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = tuple(names)


class RowMaker:
    """Makes rows of records with the same fields, whose readers are chosen once.

    Raises LackingPropertiesError before it takes anything of a page in which one is missing.
    """

    def __init__(self, types: Mapping[str, FieldType]) -> None:
        # The fields of a kind stand together, because they are read together.
        kinds = sorted(FieldType, key=FieldType.INSTANT.__eq__)  # created and updated come after it
        self._kinds = [(kind, sorted(n for n in types if types[n] is kind)) for kind in kinds]
        self._names = [name for _, names in self._kinds for name in names]
        # Two of a kind, because with a single name itemgetter gives no tuple.
        self._pick = itemgetter(*self._names, *self._names[:1]) if self._names else None
        columns = [column_name(name) for name in self._names]
        self._columns = ("id", *columns, "created_ms", "updated_ms", "bad_fields")

    def empty(self) -> Block:
        """A block without records, for `take` to add to."""
        return Block(self._columns, [[] for _ in self._columns])

    def take(self, block: Block, records: Sequence[Document]) -> None:
        """Add a page's records to a block.

        Page by page, so that a page's JSON is gone before the next comes.
        """
        if not records:
            return
        fields = self._fields(records)
        times = [[one.get(name) for one in records] for name in ("createdAt", "updatedAt")]
        columns: list[Sequence[Stored]] = [list(map(_id, records))]
        bad: dict[int, list[str]] = {}
        start = 0
        for kind, names in self._kinds:
            raw = fields[start : start + len(names)]
            start += len(names)
            if kind is FieldType.INSTANT:
                raw += times
            parsed = parse_columns(raw, kind)
            columns += [values for values, _ in parsed]
            for name, (_, places) in zip(names, parsed, strict=False):
                for place in places:
                    bad.setdefault(place, []).append(name)
        flags: list[Stored] = [None] * len(records)
        for place, names in bad.items():
            flags[place] = f",{','.join(sorted(names))},"
        columns.append(flags)
        for known, more in zip(block.values, columns, strict=True):
            known += more

    def _fields(self, records: Sequence[Document]) -> list[_Raw]:
        """What the records say of each field."""
        if self._pick is None:
            return []
        properties = list(map(_properties, records))
        try:
            return list(zip(*map(self._pick, properties), strict=True))
        except KeyError as error:
            lacking = [name for name in self._names if not all(name in p for p in properties)]
            raise LackingPropertiesError(sorted(lacking)) from error

    def rows(self, records: Sequence[Document]) -> list[Row]:
        """The rows of these records by column."""
        block = self.empty()
        self.take(block, records)
        return [dict(zip(self._columns, row, strict=True)) for row in block.rows]
