"""Conditions on records, as data: what `where:` says, and nothing about how it is carried out.

Belongs here: the operators and the plain condition types. Does not belong here: reading YAML
(models), SQL (metrics.filters) or a vendor's filter syntax (connectors).
"""

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property


class Operator(StrEnum):
    """The operators of `where`, as people write them."""

    EQ = "eq"
    NOT = "not"
    IN = "in"
    NOT_IN = "not_in"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    BETWEEN = "between"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    IS_SET = "is_set"


Scalar = str | bool | Decimal
"""A value in a condition. Numbers are exact; dates stay text (`2026-10-01`) until the field's type
is known."""


@dataclass(frozen=True)
class Condition:
    """One test of one field; `values` holds one value, two for `between`, any number for in lists."""

    field: str
    operator: Operator
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class AnyOf:
    """True when at least one of the alternatives is."""

    alternatives: tuple["Where", ...]


@dataclass(frozen=True)
class Where:
    """All of these must hold; an empty `Where` holds for every record.

    Its name and its fields are kept, because a thousand metrics are asked for them again and again.
    """

    tests: tuple[Condition | AnyOf, ...] = ()

    def __and__(self, other: "Where") -> "Where":
        return Where(self.tests + other.tests)

    def fields(self) -> frozenset[str]:
        """Every field that any test reads."""
        return self._fields

    @cached_property
    def _fields(self) -> frozenset[str]:
        names: set[str] = set()
        for test in self.tests:
            if isinstance(test, Condition):
                names.add(test.field)
            else:
                for alternative in test.alternatives:
                    names |= alternative.fields()
        return frozenset(names)

    def canonical(self) -> object:
        """The same tests as JSON-able data, independent of the order in which they were written."""
        tests: list[object] = []
        for test in self.tests:
            if isinstance(test, Condition):
                values = [_canonical_scalar(value) for value in test.values]
                if test.operator in (Operator.IN, Operator.NOT_IN):
                    values = sorted(set(values))
                tests.append({"field": test.field, "op": test.operator.value, "values": values})
            else:
                tests.append(
                    {"any": sorted((a.canonical() for a in test.alternatives), key=_sort_key)}
                )
        return sorted(tests, key=_sort_key)

    def key(self) -> str:
        """A short stable name for these tests; empty for no test at all."""
        return self._key

    @cached_property
    def _key(self) -> str:
        if not self.tests:
            return ""
        return hashlib.sha256(_sort_key(self.canonical()).encode()).hexdigest()[:16]


def _canonical_scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value


def _sort_key(data: object) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
