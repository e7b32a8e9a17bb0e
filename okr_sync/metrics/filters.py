"""From `where` to SQL conditions on the record mirror, by each field's type.

Belongs here: what every operator means for text, numbers, instants, days and flags. Does not belong
here: vendors' filter syntax (connectors) or what is aggregated (evaluate).

A record whose field is empty fails every operator but `not`, `not_in` and `is_set: false`: an empty
source is "not paid search". Text compares case-sensitively, the same in every engine.

A test of an associated object (`contacts.country`) holds for a record that has at least one
associated contact for which it holds, negations included. All tests of one object in the same
mapping hold for the same contact.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)

from okr_sync.config.numbers import parse_number
from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.errors import OkrSyncError, SourceError
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.encoding import day_number, epoch_ms, micros
from okr_sync.warehouse.mirror import FieldType, column_name
from okr_sync.warehouse.tables import source_association

if TYPE_CHECKING:
    from okr_sync.metrics.measures import Measure

_ORDERING = {Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.BETWEEN}
_TEXTUAL = {Operator.CONTAINS, Operator.STARTS_WITH}


@dataclass(frozen=True)
class Filterable:
    """A table whose columns hold the fields, the fields' types, and the project's zone.

    `related` has, by object, the tables that conditions look at through associations; `dataset` is
    the table's own name among them, as `source.dataset`.
    """

    table: FromClause
    types: Mapping[str, FieldType]
    zone: ZoneInfo
    dataset: str = ""
    related: Mapping[str, "Filterable"] = field(default_factory=dict)
    conditions: dict[str, ColumnElement[bool]] = field(default_factory=dict, init=False, repr=False)
    """Those that were asked for, by their key: teams filter by the same few conditions."""
    measures: dict[str, tuple["Measure", ...]] = field(default_factory=dict, init=False, repr=False)
    """Those that were asked for, by a name of what they are made of."""

    def column(self, field: str) -> ColumnElement[object]:
        """The column that holds a field."""
        return self.table.c[column_name(field)]


@dataclass(frozen=True)
class RelatedTests:
    """Tests of an associated object (`contacts`), all of which one associated record satisfies."""

    related: str
    where: Where


def condition_sql(where: Where, source: Filterable) -> ColumnElement[bool]:
    """A condition that holds for the records that satisfy every test of `where`.

    Raises SourceError where an operator or a value doesn't fit the field's type.
    """
    key = where.key()
    if key not in source.conditions:
        tests = (test_sql(test, source) for test in split_tests(where, source))
        source.conditions[key] = and_(true(), *tests)
    return source.conditions[key]


def split_tests(where: Where, source: Filterable) -> list[Condition | AnyOf | RelatedTests]:
    """The tests of `where`, all of which must hold: those of an associated object are one test."""
    tests: list[Condition | AnyOf | RelatedTests] = []
    of_related: dict[str, list[Condition]] = {}
    for test in where.tests:
        if isinstance(test, Condition):
            related, _, name = test.field.partition(".")
            if related in source.related and name:
                moved = Condition(name, test.operator, test.values)
                of_related.setdefault(related, []).append(moved)
                continue
        tests.append(test)
    for related, moved_tests in of_related.items():
        tests.append(RelatedTests(related, Where(tuple(moved_tests))))
    return tests


def test_sql(test: Condition | AnyOf | RelatedTests, source: Filterable) -> ColumnElement[bool]:
    """A condition that holds for the records that satisfy one test."""
    if isinstance(test, AnyOf):
        return or_(false(), *(condition_sql(each, source) for each in test.alternatives))
    if isinstance(test, RelatedTests):
        return _related_sql(test.related, test.where, source)
    return _field_sql(test, source)


def single_values(test: Condition, source: Filterable) -> tuple[str | int, ...] | None:
    """The stored values that `eq`, `in`, `not` or `not_in` compares a field with, one by one.

    None for other operators, and where a value stands for a range (a day written for an instant).
    """
    if test.operator not in (Operator.EQ, Operator.IN, Operator.NOT, Operator.NOT_IN):
        return None
    kind = source.types[test.field]
    ranges = [_value_range(test, value, kind, source.zone) for value in test.values]
    if any(each.first != each.last for each in ranges):
        return None
    return tuple(each.first for each in ranges)


def _related_sql(related: str, where: Where, source: Filterable) -> ColumnElement[bool]:
    """That at least one associated record satisfies every test of `where`."""
    own = source.related[related]
    # An alias: the associated object may be read by the query that this condition is part of.
    other = Filterable(own.table.alias(), own.types, own.zone)
    source_name, _, dataset = source.dataset.partition(".")
    pair = source_association.c
    return (
        exists()
        .where(
            pair.source == source_name,
            pair.dataset == dataset,
            pair.to_dataset == related,
            pair.from_id == source.table.c.id,
            pair.to_id == other.table.c.id,
            condition_sql(where, other),
        )
        .correlate(source.table)
    )


def _field_sql(test: Condition, source: Filterable) -> ColumnElement[bool]:
    column = source.column(test.field)
    if test.operator is Operator.IS_SET:
        return column.is_not(None) if test.values[0] in (True, "true") else column.is_(None)
    kind = source.types[test.field]
    if test.operator in _TEXTUAL:
        return _text_part(test, column, kind)
    if test.operator in _ORDERING and kind in (FieldType.TEXT, FieldType.FLAG):
        raise SourceError(
            f"`{test.operator.value}` needs a number or a date, but {test.field} holds "
            f"{'text' if kind is FieldType.TEXT else 'true or false'}. Use eq, in, contains or "
            "starts_with, or another field."
        )
    ranges = [_value_range(test, value, kind, source.zone) for value in test.values]
    if test.operator in (Operator.EQ, Operator.IN):
        return or_(false(), *(each.contains(column) for each in ranges))
    if test.operator in (Operator.NOT, Operator.NOT_IN):
        return or_(
            column.is_(None), not_(or_(false(), *(each.contains(column) for each in ranges)))
        )
    return _ordering(test.operator, column, ranges)


def _ordering(
    operator: Operator, column: ColumnElement[object], ranges: list["_Range"]
) -> ColumnElement[bool]:
    first = ranges[0]
    if operator is Operator.GT:
        return column > literal(first.last)
    if operator is Operator.GTE:
        return column >= literal(first.first)
    if operator is Operator.LT:
        return column < literal(first.first)
    if operator is Operator.LTE:
        return column <= literal(first.last)
    return and_(column >= literal(first.first), column <= literal(ranges[1].last))


@dataclass(frozen=True)
class _Range:
    """The stored values, first to last inclusive, that one written value stands for.

    A day written for an instant stands for all its milliseconds; anything else for itself.
    """

    first: str | int
    last: str | int

    def contains(self, column: ColumnElement[object]) -> ColumnElement[bool]:
        if self.first == self.last:
            return column == literal(self.first)
        return and_(column >= literal(self.first), column <= literal(self.last))


def _value_range(test: Condition, value: Scalar, kind: FieldType, zone: ZoneInfo) -> _Range:
    readers: dict[FieldType, Callable[[Scalar, ZoneInfo], _Range]] = {
        FieldType.TEXT: _text_value,
        FieldType.FLAG: _flag_value,
        FieldType.NUMBER: _number_value,
        FieldType.DAY: _day_value,
        FieldType.INSTANT: _instant_value,
    }
    try:
        return readers[kind](value, zone)
    except (ValueError, OkrSyncError) as error:
        wanted = {
            FieldType.FLAG: "true or false",
            FieldType.NUMBER: "a number",
            FieldType.DAY: "a day such as 2026-10-01",
            FieldType.INSTANT: "a day such as 2026-10-01 or a time such as 2026-10-01T09:00:00Z",
        }.get(kind, "text")
        raise SourceError(
            f"`where` compares {test.field} with {value!r}, but the field wants {wanted}."
        ) from error


def _text_value(value: Scalar, zone: ZoneInfo) -> _Range:
    text = _as_text(value)
    return _Range(text, text)


def _flag_value(value: Scalar, zone: ZoneInfo) -> _Range:
    text = _as_text(value).lower()
    if text not in ("true", "false"):
        raise ValueError(text)
    return _Range(text, text)


def _number_value(value: Scalar, zone: ZoneInfo) -> _Range:
    number = value if isinstance(value, Decimal) else parse_number(_as_text(value))
    stored = micros(number)
    return _Range(stored, stored)


def _day_value(value: Scalar, zone: ZoneInfo) -> _Range:
    day = day_number(date.fromisoformat(_as_text(value)))
    return _Range(day, day)


def _instant_value(value: Scalar, zone: ZoneInfo) -> _Range:
    text = _as_text(value)
    if len(text) == len("2026-10-01"):
        day = date.fromisoformat(text)
        next_day = local_midnight(day + timedelta(days=1), zone)
        return _Range(epoch_ms(local_midnight(day, zone)), epoch_ms(next_day) - 1)
    at = datetime.fromisoformat(text)
    at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    return _Range(epoch_ms(at), epoch_ms(at))


def _as_text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else value


def _text_part(
    test: Condition, column: ColumnElement[object], kind: FieldType
) -> ColumnElement[bool]:
    if kind is not FieldType.TEXT:
        raise SourceError(
            f"`{test.operator.value}` needs text, but {test.field} holds a {kind.value}. "
            "Use eq, gte, lte or between."
        )
    text = _as_text(test.values[0])
    if test.operator is Operator.CONTAINS:
        # LIKE ignores case in SQLite and not in PostgreSQL; removing the text is the same in both.
        return func.replace(column, text, "") != column
    return func.substr(column, 1, len(text)) == text
