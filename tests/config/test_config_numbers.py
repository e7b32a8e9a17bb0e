"""Numbers and durations as people write them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okr_sync.config.numbers import parse_duration, parse_number
from okr_sync.config.problems import BadValue


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250", "250"), ("0", "0"), ("-3", "-3"), ("−3", "-3"), ("1.50", "1.50"),
        ("18%", "0.18"), ("18 %", "0.18"), ("0.5%", "0.005"), ("-12.5%", "-0.125"),
        ("3.5M", "3500000"), ("3.5m", "3500000"), ("2mn", "2000000"), ("50k", "50000"),
        ("50 K", "50000"), ("1.5B", "1500000000"), ("1.5bn", "1500000000"),
        ("£50k", "50000"), ("$2.1M", "2100000"), ("R$ 5M", "5000000"), ("€1,000", "1000"),
        ("-$5", "-5"), ("$-5", "-5"), ("USD 5M", "5000000"), ("5 EUR", "5"), ("5M USD", "5000000"),
        ("2_100_000", "2100000"), ("2,100,000", "2100000"), ("2,100.25", "2100.25"),
        ("1e3", "1000"), ("2.5e-2", "0.025"), ("007", "7"), (" 4 ", "4"), ("-0", "0"),
        ("0.1234567890123456789", "0.1234567890123456789"),
    ],
)  # fmt: skip
def test_numbers_are_read_exactly(text: str, number: str) -> None:
    """What people write becomes the exact decimal that they mean."""
    assert parse_number(text) == Decimal(number)
    assert "E" not in str(parse_number("5M"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,5", "ambiguous"), ("1.234,56", "ambiguous"), ("1,5M", "ambiguous"),
        ("1.234.567", "several decimal points"), ("abc", "not a number"), ("", "not a number"),
        ("1,23,456", "not a number"), ("5x", "not a number"), ("nan", "not a number"),
        ("inf", "not a number"), ("1/3", "not a number"), ("0x1F", "not a number"),
        ("--3", "not a number"), ("-$-3", "not a number"), ("1e3M", "not a number"),
        ("+5", "not a number"), ("1e999", "kept exactly"), ("9" * 25, "kept exactly"),
        ("٣", "not a number"), ("9" * 5000, "not a number"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_refused(text: str, words: str) -> None:
    """A text with two readings, or none, is an error that says what to write."""
    with pytest.raises(BadValue, match=words) as refused:
        parse_number(text)
    assert refused.value.fix


@settings(max_examples=200, deadline=None)
@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4
    )
)
def test_plain_decimals_come_back(number: Decimal) -> None:
    """Any ordinary decimal is read as itself."""
    assert parse_number(format(number, "f")) == number


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("45d", timedelta(days=45)), ("45 days", timedelta(days=45)), ("1 day", timedelta(days=1)),
        ("48h", timedelta(hours=48)), ("6w", timedelta(weeks=6)), ("90min", timedelta(minutes=90)),
        ("0h", timedelta(0)), ("3660d", timedelta(days=3660)),
    ],
)  # fmt: skip
def test_durations_are_read(text: str, length: timedelta) -> None:
    """Minutes, hours, days and weeks, in short and in words."""
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30m", "minutes or months"), ("2 months", "no fixed length"), ("1y", "no fixed length"),
        ("45", "not a length of time"), ("1.5d", "not a length of time"), ("-3d", "not a length"),
        ("5 fortnights", "unknown unit"), ("3661d", "longer than ten years"),
        ("999999999w", "longer than ten years"), ("", "not a length of time"),
    ],
)  # fmt: skip
def test_uncertain_durations_are_refused(text: str, words: str) -> None:
    """A length that could be two things, or isn't fixed, is an error."""
    with pytest.raises(BadValue, match=words):
        parse_duration(text)
