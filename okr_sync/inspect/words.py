"""Definitions in words: conditions, aggregations, windows and goals as people say them.

Belongs here: text from the binding language's types. Does not belong here: how numbers are rounded
for reading (a function that is passed in) or where the text is shown (commands).
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from okr_sync.config.models import Aggregation, Goal, Over, OverKind
from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.warehouse.causes import Cause
from okr_sync.wording import ends_in_words

Show = Callable[[Decimal | None], str]
"""How a number of the key result is shown with its unit."""

_OPERATORS = {
    Operator.EQ: "is",
    Operator.NOT: "is not",
    Operator.IN: "is one of",
    Operator.NOT_IN: "is none of",
    Operator.GT: "is more than",
    Operator.GTE: "is at least",
    Operator.LT: "is less than",
    Operator.LTE: "is at most",
    Operator.BETWEEN: "is between",
    Operator.CONTAINS: "contains",
    Operator.STARTS_WITH: "starts with",
}
_AGGREGATIONS = {
    "sum": "sum of",
    "average": "average of",
    "median": "median of",
    "min": "smallest",
    "max": "largest",
    "count_distinct": "number of different",
}


def where_in_words(where: Where) -> str:
    """What must hold, such as `amount is at least 1000 and stage is one of won, lost`.

    Empty for no condition at all.
    """
    return " and ".join(_test_in_words(test) for test in where.tests)


def _test_in_words(test: Condition | AnyOf) -> str:
    if isinstance(test, AnyOf):
        alternatives = (where_in_words(alternative) for alternative in test.alternatives)
        return f"({' or '.join(alternatives)})"
    if test.operator is Operator.IS_SET:
        filled = test.values[0] in (True, "true")
        return f"{test.field} is {'filled in' if filled else 'empty'}"
    values = [scalar_in_words(value) for value in test.values]
    joined = " and ".join(values) if test.operator is Operator.BETWEEN else ", ".join(values)
    return f"{test.field} {_OPERATORS[test.operator]} {joined}"


def scalar_in_words(value: Scalar) -> str:
    """A value of a condition as it is written in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal_in_words(value) if isinstance(value, Decimal) else value


def decimal_in_words(number: Decimal) -> str:
    """An exact number without exponent or trailing zeros."""
    return format(number.normalize(), "f")


def aggregation_in_words(aggregation: Aggregation) -> str:
    """What is taken of the records, such as `sum of amount, where stage is won`."""
    agg, field = aggregation.agg, aggregation.field
    if agg == "count":
        text = "number of records"
    else:
        text = f"{_AGGREGATIONS.get(agg, f'{agg} of')} {field}"
    where = where_in_words(aggregation.where)
    return f"{text}, where {where}" if where else text


def duration_in_words(length: timedelta) -> str:
    """A length of time as it is written in YAML: `45d`, `36h`, `90min`."""
    minutes = length // timedelta(minutes=1)
    if minutes % 1440 == 0:
        return f"{minutes // 1440}d"
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}min"


def over_in_words(over: Over) -> str:
    """Which days are looked at, such as `the last 28 days`."""
    if over.kind is OverKind.LAST:
        return f"the last {over.days} days"
    if over.kind is OverKind.TO_DATE:
        return f"the {over.period} to date"
    if over.kind is OverKind.PREVIOUS:
        return f"the last whole {over.period}"
    return "the cycle so far"


def goal_in_words(goal: Goal, show: Show) -> str:
    """What is to be reached, such as `18% → 27%` or `≥ 200`."""
    share = goal.relative_target
    return ends_in_words(goal.kind, goal.baseline, goal.target, goal.low, show, share)


def cause_in_words(cause: str | None) -> str:
    """Why a number was written, from the column `cause`."""
    return _CAUSES[Cause(cause)] if cause is not None else "why is not recorded"


_CAUSES = {
    Cause.FIRST: "the day's first number",
    Cause.BACKFILL: "the day's first number, measured afterwards",
    Cause.DAY_IN_PROGRESS: "the day had not been over when it was last measured",
    Cause.RESTATED: "the source has restated a day that was over",
    Cause.DEFINITION: "the definition has changed",
    Cause.GOAL: "the goal has changed",
    Cause.BASELINE: "the measured baseline has become known",
    Cause.OVERRIDE: "somebody set the number",
    Cause.OVERRIDE_ENDED: "the number that somebody had set no longer counts",
    Cause.MANUAL: "somebody checked the number in",
    Cause.QUALITY: "the number is the same, its flags are not",
    Cause.FINAL: "the number is the same, and final now",
    Cause.SETTINGS: "the number is the same, judged by other settings of the project",
}
