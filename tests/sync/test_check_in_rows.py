"""Rows of check-ins, read one by one: what is meant, what is refused, and whom it is about."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from okr_sync.config.models import Cycle, Goal, GoalKind, KeyResult, Position
from okr_sync.sync.check_in_rows import RefusedRow, read_row
from okr_sync.warehouse.check_ins import Said

TODAY = date(2026, 2, 2)


def key_result(name: str, unit: str) -> KeyResult:
    """A key result without a metric in the first quarter of 2026."""
    return KeyResult(
        key_result_id=name,
        objective_id="brand/known",
        team="brand",
        title="Be known",
        metric="m",
        goal=Goal(kind=GoalKind.AT_LEAST, low=Decimal(1), target=Decimal(1)),
        cycle=Cycle("2026-Q1", date(2026, 1, 1), date(2026, 4, 1)),
        unit=unit,
        settle=timedelta(days=2),
        revise=timedelta(days=7),
        check_in_every=timedelta(days=7),
        defined_at=Position("okrs.yaml", 1, 1),
    )


MANUAL = {
    name: key_result(name, unit)
    for name, unit in (
        ("brand/markets", "markets"),
        ("brand/recall", "percent"),
        ("pr/recall", "x"),
    )
}
GOOD = {
    "key_result": "brand/markets",
    "day": "2026-01-30",
    "value": "5",
    "confidence": "7",
    "note": " ",
    "author": "ana",
}


@pytest.mark.parametrize(
    ("change", "value", "day"),
    [
        ({}, Decimal(5), 30),
        ({"key_result": "markets", "value": "1,200"}, Decimal(1200), 30),
        ({"confidence": "7.0", "day": "2026-01-29T00:00:00"}, Decimal(5), 29),
        ({"key_result": "brand/recall", "value": "22.5%", "note": None}, Decimal("0.225"), 30),
        ({"key_result": "brand/recall", "value": "0.225"}, Decimal("0.225"), 30),
    ],
)
def test_a_row_is_read_as_people_write_it(
    change: dict[str, str | None], value: Decimal, day: int
) -> None:
    """Numbers in the key result's unit, days of spreadsheets, an id alone where one team has it."""
    row = {**GOOD, **change}
    found = read_row(row, MANUAL, (), TODAY)
    assert found is not None
    name = str(row["key_result"])
    name = {"markets": "brand/markets"}.get(name, name)
    assert found == Said(name, date(2026, 1, day), value, 7, None, "ana")


@pytest.mark.parametrize(
    ("change", "about", "text"),
    [
        ({"value": "many"}, "brand/markets", "`many` is not a number"),
        ({"value": "5%"}, "brand/markets", "in markets, not in percent. Write 5."),
        ({"key_result": "brand/recall", "value": "25"}, "brand/recall", "Write 25% (or 0.25"),
        ({"confidence": "12"}, "brand/markets", "`12` is not a confidence"),
        ({"confidence": "7.5"}, "brand/markets", "from 1 (a guess) to 10 (certain)"),
        ({"confidence": "NaN"}, "brand/markets", "is not a confidence"),
        ({"day": "30.1.2026"}, "brand/markets", "Write it as 2026-10-01"),
        ({"day": "2026-02-14"}, "brand/markets", "2026-02-14 has not come yet"),
        ({"author": ""}, "brand/markets", "The column author is empty"),
        ({"note": "x" * 2001}, "brand/markets", "at most 2000 characters"),
        ({"key_result": ""}, None, "The column key_result is empty"),
        ({"key_result": "brand/market"}, None, "Did you mean `brand/markets`?"),
        ({"key_result": "recall"}, None, "brand/recall or pr/recall"),
        ({"key_result": "web/leads"}, None, "web/leads has a metric"),
    ],
)
def test_a_row_that_is_no_check_in_says_why(
    change: dict[str, str], about: str | None, text: str
) -> None:
    """And whom it is about, where that can be read."""
    with pytest.raises(RefusedRow) as caught:
        read_row({**GOOD, **change}, MANUAL, ("web/leads",), TODAY)
    assert caught.value.key_result_id == about
    assert text in str(caught.value)


def test_a_row_under_an_earlier_id_goes_on() -> None:
    """A key result that was renamed needs no mending in files that go back."""
    renamed = {"brand/countries": MANUAL["brand/markets"].model_copy(
        update={"key_result_id": "brand/countries", "was": "brand/markets"}
    )}  # fmt: skip
    found = read_row(GOOD, renamed, (), TODAY)
    assert found is not None and found.key_result_id == "brand/countries"


def test_days_outside_the_cycle() -> None:
    """Those before it belong to an earlier cycle of the same id; those after it can't count."""
    assert read_row({**GOOD, "day": "2025-12-30"}, MANUAL, (), TODAY) is None
    with pytest.raises(RefusedRow, match="Say where it ended with the day 2026-03-31"):
        read_row({**GOOD, "day": "2026-04-03"}, MANUAL, (), date(2026, 4, 9))
