"""From `where` to a GA4 FilterExpression, as the plain mapping that request messages are made of.

Belongs here: what every operator means for GA4's dimensions. Does not belong here: the rest of a
request (requests) or SQL (okr_sync.metrics.filters), whose meaning of an operator this follows:
text compares case-sensitively, and an unset dimension fails all but `not`, `not_in`, `is_set`.
FilterExpression: googleapis google/analytics/data/v1beta/data.proto.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.errors import SourceError
from okr_sync.metrics.report_fields import is_known

MAX_DIMENSIONS = 9
"""Per report, those that only a filter names included (data.proto; api limits)."""

_COMPARISONS = {
    Operator.GT: "GREATER_THAN",
    Operator.GTE: "GREATER_THAN_OR_EQUAL",
    Operator.LT: "LESS_THAN",
    Operator.LTE: "LESS_THAN_OR_EQUAL",
}
_DATE_DIMENSIONS = frozenset({"date", "firstSessionDate"})
_INT64_END = 2**63

Expression = dict[str, Any]


def filter_expression(where: Where) -> Expression | None:
    """The dimension filter that means `where`, with snake_case keys; None for no test at all.

    Raises SourceError, in the user's words, for what GA4 can't filter by.
    """
    dimensions = where.fields() | {"date"}
    if len(dimensions) > MAX_DIMENSIONS:
        raise SourceError(
            f"`where` reads {len(dimensions) - 1} GA4 dimensions, but a report by day takes "
            f"{MAX_DIMENSIONS - 1}. Test fewer of them."
        )
    return _all_of(where)


def _all_of(where: Where) -> Expression | None:
    expressions = [
        expression
        for test in where.tests
        if (expression := _any_of(test) if isinstance(test, AnyOf) else _condition(test))
        is not None
    ]
    if not expressions:
        return None
    if len(expressions) == 1:
        return expressions[0]
    return {"and_group": {"expressions": expressions}}


def _any_of(test: AnyOf) -> Expression | None:
    alternatives: list[Expression] = []
    for alternative in test.alternatives:
        expression = _all_of(alternative)
        if expression is None:
            return None  # one alternative always holds, so the whole test does
        alternatives.append(expression)
    return _or(alternatives)


def _condition(test: Condition) -> Expression:
    # customEvent:plan names a dimension or a metric of the property's own: in a test, the dimension.
    if is_known(test.field) and not test.field.startswith("customEvent:"):
        raise SourceError(
            f"`where` tests {test.field}, which is a GA4 metric. Only dimensions, such as "
            "sessionDefaultChannelGroup or deviceCategory, can be tested."
        )
    match test.operator:
        case Operator.EQ:
            return _equal(test.field, test.values[0])
        case Operator.NOT:
            return _not(_equal(test.field, test.values[0]))
        case Operator.IN:
            return _one_of(test.field, test.values)
        case Operator.NOT_IN:
            return _not(_one_of(test.field, test.values))
        case Operator.CONTAINS:
            return _string(test.field, "CONTAINS", _text(test.field, test.values[0]))
        case Operator.STARTS_WITH:
            return _string(test.field, "BEGINS_WITH", _text(test.field, test.values[0]))
        case Operator.IS_SET:
            empty = {"filter": {"field_name": test.field, "empty_filter": {}}}
            return _not(empty) if test.values[0] in (True, "true") else empty
        case Operator.BETWEEN:
            low, high = (_number(test, value) for value in test.values)
            between = {"from_value": low, "to_value": high}
            return {"filter": {"field_name": test.field, "between_filter": between}}
        case _:
            comparison = _COMPARISONS[test.operator]
            return _numeric(test.field, comparison, _number(test, test.values[0]))


def _equal(field: str, value: Scalar) -> Expression:
    if isinstance(value, Decimal):
        # GA4 pads some numbers (hour 07), so 7 is looked for as a number and not as text.
        return _numeric(field, "EQUAL", _numeric_value(value))
    return _string(field, "EXACT", _text(field, value))


def _one_of(field: str, values: tuple[Scalar, ...]) -> Expression:
    numbers = [value for value in values if isinstance(value, Decimal)]
    texts = [_text(field, value) for value in values if not isinstance(value, Decimal)]
    expressions = [_equal(field, value) for value in numbers]
    if texts or not numbers:
        in_list = {"values": texts, "case_sensitive": True}
        expressions.append({"filter": {"field_name": field, "in_list_filter": in_list}})
    return _or(expressions)


def _string(field: str, match_type: str, text: str) -> Expression:
    string_filter = {"match_type": match_type, "value": text, "case_sensitive": True}
    return {"filter": {"field_name": field, "string_filter": string_filter}}


def _numeric(field: str, operation: str, value: Expression) -> Expression:
    numeric_filter = {"operation": operation, "value": value}
    return {"filter": {"field_name": field, "numeric_filter": numeric_filter}}


def _not(expression: Expression) -> Expression:
    return {"not_expression": expression}


def _or(expressions: list[Expression]) -> Expression:
    if len(expressions) == 1:
        return expressions[0]
    return {"or_group": {"expressions": expressions}}


def _text(field: str, value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return _compact_date(field, value) or value


def _number(test: Condition, value: Scalar) -> Expression:
    if isinstance(value, Decimal):
        return _numeric_value(value)
    if isinstance(value, str):
        compact = _compact_date(test.field, value)
        if compact is not None:
            return _numeric_value(Decimal(compact))
    raise SourceError(
        f"`{test.operator.value}` needs a number, but `where` compares {test.field} with "
        f"{value!r}. GA4 orders only numbers (and days of the dimension date): use eq, in, "
        "contains or starts_with."
    )


def _numeric_value(value: Decimal) -> Expression:
    if value == value.to_integral_value() and abs(value) < _INT64_END:
        return {"int64_value": int(value)}
    return {"double_value": float(value)}


def _compact_date(field: str, text: str) -> str | None:
    """A day as GA4 writes it (20261001), where the dimension holds days and the text is one."""
    if field not in _DATE_DIMENSIONS:
        return None
    try:
        return date.fromisoformat(text).strftime("%Y%m%d")
    except ValueError:
        return None
