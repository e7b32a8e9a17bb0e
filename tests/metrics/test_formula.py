"""The grammar of formulas: what it computes, what it refuses and that nothing else can happen."""

import string
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okr_sync.metrics.formula import DEEPEST, LONGEST, FormulaError, parse_formula

VALUES = {"a": D(6), "b": D(4), "c": D("0.5"), "zero": D(0)}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3", D(7)),
        ("(1 + 2) * 3", D(9)),
        ("10 - 4 - 3", D(3)),
        ("24 / 4 / 3", D(2)),
        ("-a + b", D(-2)),
        ("- -a", D(6)),
        ("2 * -3", D(-6)),
        ("100 * (a - b) / c", D(400)),
        ("a \u2212 b \u00d7 c \u00f7 2", D(5)),
        ("min(a, b, 5) + max(a, b)", D(10)),
        ("min(a)", D(6)),
        ("0.1 + 0.2", D("0.3")),
        (".5 + 1_000", D("1000.5")),
        ("1 / 3 * 3", D(1)),
        ("a / zero", None),
        ("1 + max(2, a / (b - 4))", None),
        ("zero / a", D(0)),
    ],
)
def test_formulas_compute_exactly(text: str, result: D | None) -> None:
    """Precedence, signs and exact decimals are those of arithmetic; x / 0 is no value."""
    assert parse_formula(text).evaluate(VALUES) == result


def test_a_formula_names_its_inputs_once_in_order() -> None:
    """`names` is what must be given; the functions are not names."""
    assert parse_formula("100 * (b - a) / max(b, 1)").names == ("b", "a")


@pytest.mark.parametrize(
    ("text", "position", "sentence"),
    [
        ("", 0, "The formula is empty."),
        ("a +", 3, "The formula ends where a number or a name must come."),
        ("a b", 2, "An operator is missing before 'b'."),
        ("2a", 1, "An operator is missing before 'a'."),
        ("1e9", 1, "An operator is missing before 'e9'."),
        ("(a", 0, "This ( is never closed."),
        ("(a b)", 3, "An operator or ) is missing before 'b'."),
        ("a)", 1, "There is a ) without its (."),
        ("* a", 0, "A number or a name must come before '*'."),
        ("a ** b", 3, "A number or a name must come before '*'."),
        ("18% * a", 2, "'%' can't be used in a formula. Write 0.18 for 18%."),
        ("a ^ 2", 2, "'^' can't be used in a formula. There are no powers: multiply instead."),
        (
            "a.b",
            1,
            "'.' can't be used in a formula. Give each metric a plain name under `inputs` and use that.",
        ),
        ("abs(a)", 0, "'abs' is no function. There are min() and max()."),
        ("__import__(os)", 0, "'__import__' is no function. There are min() and max()."),
        ("min", 0, "min needs its arguments in parentheses: min(a, b)."),
        ("min()", 4, "A number or a name must come before ')'."),
        ("a if b else c", 2, "An operator is missing before 'if'."),
        (
            "a $ b",
            2,
            "'$' can't be used in a formula. Use numbers, names of inputs, + - * /, parentheses, min() and max().",
        ),
        ("(" * 21 + "a" + ")" * 21, 20, "Parentheses are nested more than 20 deep."),
        ("1+" * 500 + "1", 1000, "The formula is 1001 characters long; 1000 are allowed."),
    ],
)
def test_mistakes_say_what_and_where(text: str, position: int, sentence: str) -> None:
    """Each mistake has a sentence and the offset of what is wrong."""
    with pytest.raises(FormulaError) as raised:
        parse_formula(text)
    assert raised.value.position == position
    assert str(raised.value) == sentence


def test_digits_of_other_scripts_are_no_numbers() -> None:
    """An Arabic three looks like a number to Python and is none here."""
    with pytest.raises(FormulaError, match="can't be used in a formula"):
        parse_formula("\u0663 + a")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("big", D(10) ** 28),
        ("big + 1", D(10) ** 28),  # 29 digits: rounded to 28
        ("big - 1", D(9999999999999999999999999999)),
        ("big * big", D(10) ** 56),
        ("20 * 30", D(600)),
        ("0 - big - 6", -(D(10) ** 28) - 10),  # half to even is not asked for: the nearest
        ("2 / 3", D("0.6666666666666666666666666667")),
    ],
)
def test_results_are_rounded_once_to_28_digits(text: str, result: D) -> None:
    """Whole numbers of 28 digits come out digit for digit, longer ones as near as 28 digits allow."""
    found = parse_formula(text).evaluate({"big": D(10) ** 28})
    assert found == result
    assert found is not None
    assert len(found.as_tuple().digits) <= 29


def test_closed_parentheses_do_not_count_towards_the_depth() -> None:
    """Any number beside each other, at any depth; but one below the deepest is too much."""
    beside = "+".join(["(a)"] * 30)
    assert parse_formula(beside).evaluate(VALUES) == 180
    assert parse_formula("(" * 19 + "(a)+(b)" + ")" * 19).evaluate(VALUES) == 10
    with pytest.raises(FormulaError, match="nested more than 20"):
        parse_formula("(" * 19 + "(a)+((b))" + ")" * 19)
    with pytest.raises(FormulaError, match="never closed") as raised:
        parse_formula("a + max(b, (c)")
    assert raised.value.position == 7


def test_a_formula_keeps_its_text() -> None:
    """As it was written."""
    assert parse_formula(" +a  -b ").text == " +a  -b "
    assert parse_formula(" +a  -b ").evaluate(VALUES) == 2


def test_the_longest_and_deepest_formulas_work() -> None:
    """The bounds themselves are allowed, and a long chain does not run out of stack."""
    assert parse_formula("1+" * (LONGEST // 2 - 1) + "1").evaluate({}) == LONGEST // 2
    assert parse_formula("-(" * DEEPEST + "1" + ")" * DEEPEST).evaluate({}) == 1
    assert parse_formula("-" * (LONGEST - 1) + "1").evaluate({}) == -1


@settings(max_examples=1000, deadline=None)
@given(
    st.text(
        st.sampled_from(string.ascii_lowercase[:3] + "019._+-*/(),%\u2212\u00d7\u00f7 'mineax[]"),
        max_size=60,
    )
)
def test_any_text_is_a_formula_or_a_mistake(text: str) -> None:
    """Whatever is typed is read or refused with a place inside it; nothing else can happen."""
    try:
        formula = parse_formula(text)
    except FormulaError as error:
        assert 0 <= error.position <= len(text)
    else:
        formula.evaluate(dict.fromkeys(formula.names, D("1.5")))
