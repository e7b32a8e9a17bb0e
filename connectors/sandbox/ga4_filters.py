"""GA4 filter expressions, checked once and then carried out on columns.

Belongs here: FilterExpression in all its forms, on dimensions and on metrics. Does not belong here:
whether a field exists (the caller's `check_field`) or what its values are (ga4_facts, ga4_metrics).
"""

import re
from collections.abc import Callable
from functools import reduce

import numpy as np
import numpy.typing as npt
from google.analytics.data_v1beta.types import Filter, FilterExpression, NumericValue

from connectors.sandbox.ga4_errors import invalid
from connectors.sandbox.ga4_schema import NOT_SET
from connectors.sandbox.ga4_sessions import BoolArray, Coded

FloatArray = npt.NDArray[np.float64]
DimensionFilter = Callable[[Callable[[str], Coded]], BoolArray]
"""Given the column of a name, tells for each element whether it stays."""
MetricFilter = Callable[[Callable[[str], FloatArray]], BoolArray]

_Test = Callable[[str], bool]
_NumberTest = Callable[[FloatArray], BoolArray]
_MatchType = Filter.StringFilter.MatchType
_Operation = Filter.NumericFilter.Operation
# RE2, which the service uses, has neither look-around nor back references; Python's re does.
_NOT_IN_RE2 = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]")


def filter_fields(expression: FilterExpression) -> list[str]:
    """The names of all fields that the expression tests, in order, with repetitions."""
    if "and_group" in expression:
        return [n for part in expression.and_group.expressions for n in filter_fields(part)]
    if "or_group" in expression:
        return [n for part in expression.or_group.expressions for n in filter_fields(part)]
    if "not_expression" in expression:
        return filter_fields(expression.not_expression)
    return [str(expression.filter.field_name)]


def dimension_filter(expression: FilterExpression) -> DimensionFilter:
    """Compile a filter on dimensions; raises Ga4ApiError (400) when it is malformed."""
    if (parts := _group_parts(expression)) is not None:
        compiled = [dimension_filter(part) for part in parts]
        join = np.logical_and if "and_group" in expression else np.logical_or
        return lambda column: reduce(join, [one(column) for one in compiled])
    if "not_expression" in expression:
        inner = dimension_filter(expression.not_expression)
        return lambda column: ~inner(column)
    name = _field_name(expression)
    test = _text_test(expression.filter)

    def keep(column: Callable[[str], Coded]) -> BoolArray:
        coded = column(name)
        by_code = np.array([test(value) for value in coded.values], dtype=np.bool_)
        if len(by_code) == 0:
            return np.zeros(len(coded.codes), dtype=np.bool_)
        return by_code[coded.codes]

    return keep


def metric_filter(expression: FilterExpression) -> MetricFilter:
    """Compile a filter on metrics; raises Ga4ApiError (400) when it is malformed."""
    if (parts := _group_parts(expression)) is not None:
        compiled = [metric_filter(part) for part in parts]
        join = np.logical_and if "and_group" in expression else np.logical_or
        return lambda column: reduce(join, [one(column) for one in compiled])
    if "not_expression" in expression:
        inner = metric_filter(expression.not_expression)
        return lambda column: ~inner(column)
    name = _field_name(expression)
    test = _number_test(expression.filter)
    if test is None:
        raise invalid(f"The filter on metric {name} must be a numericFilter or a betweenFilter.")
    return lambda column: test(column(name))


def _group_parts(expression: FilterExpression) -> list[FilterExpression] | None:
    if "and_group" in expression:
        parts = list(expression.and_group.expressions)
    elif "or_group" in expression:
        parts = list(expression.or_group.expressions)
    else:
        return None
    if not parts:
        raise invalid("A FilterExpressionList must have at least one expression.")
    return parts


def _field_name(expression: FilterExpression) -> str:
    if "filter" not in expression:
        raise invalid(
            "A FilterExpression must have one of andGroup, orGroup, notExpression, filter."
        )
    name = str(expression.filter.field_name)
    if not name:
        raise invalid("A Filter must have a fieldName.")
    return name


def _text_test(one: Filter) -> _Test:
    if "string_filter" in one:
        return _string_test(one.string_filter)
    if "in_list_filter" in one:
        return _list_test(one.in_list_filter)
    if "empty_filter" in one:
        return lambda value: value in ("", NOT_SET)
    test = _number_test(one)
    if test is None:
        raise invalid(f"The filter on {one.field_name} has no condition.")
    return lambda value: bool(test(np.array([_number(value)]))[0])


def _string_test(wanted: Filter.StringFilter) -> _Test:
    match_type = int(wanted.match_type)
    if match_type not in set(map(int, _MatchType)):
        raise invalid(f"Invalid value for StringFilter.match_type: {match_type}.")
    if match_type in (_MatchType.FULL_REGEXP, _MatchType.PARTIAL_REGEXP):
        pattern = _regexp(wanted.value, case_sensitive=wanted.case_sensitive)
        found = pattern.fullmatch if match_type == _MatchType.FULL_REGEXP else pattern.search
        return lambda value: found(value) is not None
    fold: Callable[[str], str] = str if wanted.case_sensitive else str.lower
    text = fold(wanted.value)
    if match_type == _MatchType.BEGINS_WITH:
        return lambda value: fold(value).startswith(text)
    if match_type == _MatchType.ENDS_WITH:
        return lambda value: fold(value).endswith(text)
    if match_type == _MatchType.CONTAINS:
        return lambda value: text in fold(value)
    return lambda value: fold(value) == text


def _regexp(text: str, *, case_sensitive: bool) -> re.Pattern[str]:
    try:
        if _NOT_IN_RE2.search(text):
            raise re.error("not supported")
        return re.compile(text, 0 if case_sensitive else re.IGNORECASE)
    except re.error:
        raise invalid(f"The regular expression {text} is invalid.") from None


def _list_test(wanted: Filter.InListFilter) -> _Test:
    if not wanted.values:
        raise invalid("An InListFilter must have at least one value.")
    fold: Callable[[str], str] = str if wanted.case_sensitive else str.lower
    texts = {fold(value) for value in wanted.values}
    return lambda value: fold(value) in texts


def _number_test(one: Filter) -> _NumberTest | None:
    if "numeric_filter" in one:
        limit = _numeric(one.numeric_filter.value)
        return _comparison(int(one.numeric_filter.operation), limit)
    if "between_filter" in one:
        low = _numeric(one.between_filter.from_value)
        high = _numeric(one.between_filter.to_value)
        if low > high:
            raise invalid("A BetweenFilter must have a fromValue that is at most its toValue.")
        return lambda values: (values >= low) & (values <= high)
    return None


def _comparison(operation: int, limit: float) -> _NumberTest:
    if operation == _Operation.EQUAL:
        return lambda values: values == limit
    if operation == _Operation.LESS_THAN:
        return lambda values: values < limit
    if operation == _Operation.LESS_THAN_OR_EQUAL:
        return lambda values: values <= limit
    if operation == _Operation.GREATER_THAN:
        return lambda values: values > limit
    if operation == _Operation.GREATER_THAN_OR_EQUAL:
        return lambda values: values >= limit
    raise invalid("A NumericFilter must have an operation.")


def _numeric(value: NumericValue) -> float:
    if "int64_value" in value:
        return float(value.int64_value)
    if "double_value" in value:
        return float(value.double_value)
    raise invalid("A NumericValue must have one of int64Value, doubleValue.")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")  # no comparison holds for it
