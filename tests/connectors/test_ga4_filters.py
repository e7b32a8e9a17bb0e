"""Each operator of `where` as a GA4 filter, and that GA4's own messages can hold it."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.ga4.filters import filter_expression
from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.errors import SourceError


def one(field: str, operator: Operator, *values: Scalar) -> Where:
    """A `where` of a single test."""
    return Where((Condition(field, operator, values),))


def string(field: str, match_type: str, value: str) -> dict[str, Any]:
    """A string filter as a mapping."""
    told = {"match_type": match_type, "value": value, "case_sensitive": True}
    return {"filter": {"field_name": field, "string_filter": told}}


def number(field: str, operation: str, **value: float) -> dict[str, Any]:
    """A numeric filter as a mapping."""
    told = {"operation": operation, "value": value}
    return {"filter": {"field_name": field, "numeric_filter": told}}


def in_list(field: str, *values: str) -> dict[str, Any]:
    """An in-list filter as a mapping."""
    told = {"values": list(values), "case_sensitive": True}
    return {"filter": {"field_name": field, "in_list_filter": told}}


EMPTY_COUNTRY = {"filter": {"field_name": "country", "empty_filter": {}}}

TABLE: list[tuple[Where, dict[str, Any] | None]] = [
    (Where(), None),
    (one("country", Operator.EQ, "Germany"), string("country", "EXACT", "Germany")),
    (one("country", Operator.EQ, True), string("country", "EXACT", "true")),
    (one("hour", Operator.EQ, Decimal(7)), number("hour", "EQUAL", int64_value=7)),
    (one("date", Operator.EQ, "2026-10-01"), string("date", "EXACT", "20261001")),
    (
        one("country", Operator.NOT, "Germany"),
        {"not_expression": string("country", "EXACT", "Germany")},
    ),
    (one("country", Operator.IN, "Germany", "Austria"), in_list("country", "Germany", "Austria")),
    (
        one("country", Operator.NOT_IN, "Germany", "Austria"),
        {"not_expression": in_list("country", "Germany", "Austria")},
    ),
    (
        one("hour", Operator.IN, Decimal(7), Decimal(8)),
        {
            "or_group": {
                "expressions": [
                    number("hour", "EQUAL", int64_value=7),
                    number("hour", "EQUAL", int64_value=8),
                ]
            }
        },
    ),
    (
        one("hour", Operator.IN, "(not set)", Decimal(8)),
        {
            "or_group": {
                "expressions": [
                    number("hour", "EQUAL", int64_value=8),
                    in_list("hour", "(not set)"),
                ]
            }
        },
    ),
    (one("hour", Operator.GT, Decimal(7)), number("hour", "GREATER_THAN", int64_value=7)),
    (one("hour", Operator.GTE, Decimal(7)), number("hour", "GREATER_THAN_OR_EQUAL", int64_value=7)),
    (one("hour", Operator.LT, Decimal("7.5")), number("hour", "LESS_THAN", double_value=7.5)),
    (one("hour", Operator.LTE, Decimal(7)), number("hour", "LESS_THAN_OR_EQUAL", int64_value=7)),
    (
        one("date", Operator.GTE, "2026-10-01"),
        number("date", "GREATER_THAN_OR_EQUAL", int64_value=20261001),
    ),
    (
        one("hour", Operator.BETWEEN, Decimal(7), Decimal(9)),
        {
            "filter": {
                "field_name": "hour",
                "between_filter": {
                    "from_value": {"int64_value": 7},
                    "to_value": {"int64_value": 9},
                },
            }
        },
    ),
    (one("landingPage", Operator.CONTAINS, "price"), string("landingPage", "CONTAINS", "price")),
    (
        one("landingPage", Operator.STARTS_WITH, "/blog"),
        string("landingPage", "BEGINS_WITH", "/blog"),
    ),
    (one("country", Operator.IS_SET, True), {"not_expression": EMPTY_COUNTRY}),
    (one("country", Operator.IS_SET, False), EMPTY_COUNTRY),
    (
        one("country", Operator.EQ, "Germany") & one("deviceCategory", Operator.EQ, "mobile"),
        {
            "and_group": {
                "expressions": [
                    string("country", "EXACT", "Germany"),
                    string("deviceCategory", "EXACT", "mobile"),
                ]
            }
        },
    ),
    (
        Where(
            (
                AnyOf(
                    (
                        one("country", Operator.EQ, "Germany")
                        & one("deviceCategory", Operator.EQ, "mobile"),
                        one("country", Operator.EQ, "Austria"),
                    )
                ),
            )
        ),
        {
            "or_group": {
                "expressions": [
                    {
                        "and_group": {
                            "expressions": [
                                string("country", "EXACT", "Germany"),
                                string("deviceCategory", "EXACT", "mobile"),
                            ]
                        }
                    },
                    string("country", "EXACT", "Austria"),
                ]
            }
        },
    ),
    (Where((AnyOf((Where(), one("country", Operator.EQ, "Austria"))),)), None),
]


@pytest.mark.parametrize(("where", "expected"), TABLE)
def test_expression(where: Where, expected: dict[str, Any] | None) -> None:
    """Each operator means in GA4 what it means in SQL: exact, case-sensitive, unset fails."""
    assert filter_expression(where) == expected


def test_messages_hold_every_expression() -> None:
    """The mappings are what GA4's FilterExpression is made of: nothing is lost on the way."""
    from google.analytics.data_v1beta.types import FilterExpression
    from google.protobuf.json_format import MessageToDict

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: told(each) for key, each in value.items()}
        if isinstance(value, list):
            return [told(each) for each in value]
        # JSON writes 64-bit integers as text.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    for _, expected in TABLE:
        if expected is not None:
            message = FilterExpression.pb(FilterExpression(expected))
            assert MessageToDict(message, preserving_proto_field_name=True) == told(expected)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (one("sessions", Operator.GT, Decimal(10)), "GA4 metric"),
        (one("country", Operator.GT, "Germany"), "needs a number"),
        (one("country", Operator.BETWEEN, "A", "B"), "needs a number"),
        (
            Where(tuple(Condition(f"customEvent:f{n}", Operator.EQ, ("x",)) for n in range(9))),
            "reads 9 GA4 dimensions",
        ),
    ],
)
def test_what_ga4_cannot_filter_by(where: Where, words: str) -> None:
    """What GA4 can't do is refused in words before anything is sent."""
    with pytest.raises(SourceError) as refused:
        filter_expression(where)
    assert words in refused.value.user_text
