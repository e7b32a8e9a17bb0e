"""Codes: records that no condition can tell apart get the same number.

Belongs here: from many conditions to the few classes of records that they distinguish, as SQL, and
which classes satisfy a condition. Does not belong here: what an operator means (filters), counting
the records of a class (tallies).

A field that is only compared with single values gets a code for each of them, one for all other
values and one for none; any other test is a code of its own, 1 where it holds. A thousand conditions
on six fields are then six numbers of a record, and each condition a set of numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from sqlalchemy import ColumnElement, case, literal_column

from okr_sync.config.where import AnyOf, Condition, Operator, Where
from okr_sync.metrics.filters import Filterable, RelatedTests, single_values, split_tests, test_sql

_NONE, _OTHER, _FIRST_VALUE = 0, 1, 2
_MOST: Final = 2**62
"""Codes are packed into whole numbers that every engine can hold."""

Combination = Mapping[str, int]
"""Codes by dimension."""

Packed = tuple[int, ...]
"""The codes of a record, as the engine gives them back."""


@dataclass(frozen=True)
class _Test:
    """Holds where a dimension's code is one of `codes`; with `is_none`, where it is none of them."""

    dimension: str
    codes: frozenset[int]
    is_none: bool = False


@dataclass(frozen=True)
class Matcher:
    """A condition over codes."""

    tests: tuple["_Test | tuple[Matcher, ...]", ...]
    dimensions: frozenset[str]

    def holds(self, codes: Combination) -> bool:
        """Whether records with these codes satisfy the condition."""
        for test in self.tests:
            if isinstance(test, _Test):
                if (codes[test.dimension] in test.codes) is test.is_none:
                    return False
            elif not any(alternative.holds(codes) for alternative in test):
                return False
        return True


class Codes:
    """The dimensions by which the conditions given to `matcher` tell a table's records apart."""

    def __init__(self, source: Filterable) -> None:
        self._source = source
        self._values: dict[str, dict[str | int, int]] = {}
        self._bits: dict[str, ColumnElement[bool]] = {}

    def matcher(self, wheres: Iterable[Where]) -> Matcher:
        """The conditions, all of which must hold, over codes; SourceError as condition_sql."""
        tests: list[_Test | tuple[Matcher, ...]] = []
        dimensions: set[str] = set()
        for where in wheres:
            for test in split_tests(where, self._source):
                if isinstance(test, AnyOf):
                    any_of = tuple(self.matcher([each]) for each in test.alternatives)
                    tests.append(any_of)
                    dimensions.update(*(each.dimensions for each in any_of))
                else:
                    coded = self._coded(test)
                    tests.append(coded)
                    dimensions.add(coded.dimension)
        return Matcher(tuple(tests), frozenset(dimensions))

    def _coded(self, test: Condition | RelatedTests) -> _Test:
        if isinstance(test, Condition):
            if test.operator is Operator.IS_SET:
                self._values.setdefault(test.field, {})
                is_set = test.values[0] in (True, "true")
                return _Test(f"value {test.field}", frozenset((_NONE,)), is_none=is_set)
            values = single_values(test, self._source)
            if values is not None:
                known = self._values.setdefault(test.field, {})
                codes = (known.setdefault(value, _FIRST_VALUE + len(known)) for value in values)
                is_none = test.operator in (Operator.NOT, Operator.NOT_IN)
                return _Test(f"value {test.field}", frozenset(codes), is_none)
        name = f"test {test!r}"
        if name not in self._bits:
            self._bits[name] = test_sql(test, self._source)
        return _Test(name, frozenset((1,)))

    def size(self, dimensions: Iterable[str]) -> int:
        """Into how many classes these dimensions part the records at most."""
        return prod(self._size(name) for name in dimensions)

    def _size(self, dimension: str) -> int:
        kind, _, field = dimension.partition(" ")
        return _FIRST_VALUE + len(self._values[field]) if kind == "value" else 2

    def _column(self, dimension: str) -> ColumnElement[Any]:
        kind, _, field = dimension.partition(" ")
        if kind == "test":
            return case((self._bits[dimension], literal_column("1")), else_=literal_column("0"))
        column = self._source.column(field)
        return case(
            (column.is_(None), literal_column(str(_NONE))),
            *(
                (column == value, literal_column(str(code)))
                for value, code in self._values[field].items()
            ),
            else_=literal_column(str(_OTHER)),
        )

    def packed(self, dimensions: Sequence[str]) -> list[ColumnElement[Any]]:
        """The codes of these dimensions as SQL, several packed into one number."""
        packs: list[ColumnElement[Any]] = []
        for some in self._packs(dimensions):
            pack = self._column(some[0])
            for name in some[1:]:
                pack = pack * literal_column(str(self._size(name))) + self._column(name)
            packs.append(pack)
        return packs

    def unpacked(self, dimensions: Sequence[str], packs: Sequence[int]) -> dict[str, int]:
        """The codes by dimension again."""
        codes: dict[str, int] = {}
        for some, packed in zip(self._packs(dimensions), packs, strict=True):
            rest = packed
            for name in reversed(some):
                rest, codes[name] = divmod(rest, self._size(name))
        return codes

    def _packs(self, dimensions: Sequence[str]) -> list[list[str]]:
        packs: list[list[str]] = []
        size = _MOST
        for name in dimensions:
            if size * self._size(name) >= _MOST:
                packs.append([])
                size = 1
            packs[-1].append(name)
            size *= self._size(name)
        return packs


class Classes:
    """The classes of records that there are, and which of them satisfy a condition."""

    def __init__(self, combinations: Mapping[Packed, Combination]) -> None:
        self._combinations = combinations
        self._by_dimensions: dict[frozenset[str], list[tuple[Combination, list[Packed]]]] = {}
        self._matching: dict[int, tuple[Matcher, list[Packed]]] = {}

    def matching(self, matcher: Matcher) -> list[Packed]:
        """The classes, as packed codes, whose records satisfy a condition."""
        known = self._matching.get(id(matcher))  # itself held, so that nothing else gets its id
        if known is None:
            known = self._matching[id(matcher)] = matcher, self._looked_up(matcher)
        return known[1]

    def _looked_up(self, matcher: Matcher) -> list[Packed]:
        told_apart = self._by_dimensions.get(matcher.dimensions)
        if told_apart is None:
            told_apart = self._by_dimensions[matcher.dimensions] = self._by(matcher.dimensions)
        return [packed for codes, some in told_apart if matcher.holds(codes) for packed in some]

    def _by(self, dimensions: frozenset[str]) -> list[tuple[Combination, list[Packed]]]:
        names = sorted(dimensions)
        alike: dict[tuple[int, ...], list[Packed]] = defaultdict(list)
        for packed, codes in self._combinations.items():
            alike[tuple(codes[name] for name in names)].append(packed)
        return [(dict(zip(names, codes, strict=True)), some) for codes, some in alike.items()]
