"""Numbers as people read them: rounded, and never to more than is true."""

from decimal import Decimal as D

import pytest

from okr_sync.numbers import show_number, show_percent


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        ("0.996", "99%"),
        ("0.9999", "99%"),
        ("1", "100%"),
        ("1.004", "100%"),
        ("0.784", "78%"),
        ("-0.003", "0%"),
        ("0.003", "0%"),
        ("-0.998", "-99%"),
        ("-1", "-100%"),
        ("12.34", "1,234%"),
    ],
)
def test_only_all_of_it_is_a_hundred_percent(share: str, shown: str) -> None:
    """A goal that is nearly reached does not read as reached, and nothing is less than no percent."""
    assert show_percent(D(share)) == shown


@pytest.mark.parametrize(
    ("unit", "shown"),
    [("percent", "0.0%"), ("days", "0.0 d"), ("USD", "$0"), (None, "0.00")],
)
def test_there_is_no_negative_nothing(unit: str | None, shown: str) -> None:
    """A number just below 0 is shown as 0 in every unit."""
    assert show_number(D("-0.0001"), unit) == shown
