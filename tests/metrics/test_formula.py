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
    ("text", "position", "words"),
    [
        ("", 0, "empty"),
        ("a +", 3, "ends where a number"),
        ("a b", 2, "operator is missing"),
        ("2a", 1, "operator is missing"),
        ("1e9", 1, "operator is missing"),
        ("(a", 0, "never closed"),
        ("(a b)", 3, "operator or )"),
        ("a)", 1, "without its ("),
        ("* a", 0, "before '*'"),
        ("a ** b", 3, "before '*'"),
        ("18% * a", 2, "0.18"),
        ("a ^ 2", 2, "powers"),
        ("a.b", 1, "plain name"),
        ("abs(a)", 0, "no function"),
        ("__import__(os)", 0, "no function"),
        ("min", 0, "in parentheses"),
        ("min()", 4, "before ')'"),
        ("a if b else c", 2, "operator is missing"),
        ("\u0663 + a", 0, "can't be used"),
        ("(" * 21 + "a" + ")" * 21, 20, "nested more than 20"),
        ("1+" * 500 + "1", 1000, "1000 are allowed"),
    ],
)
def test_mistakes_say_what_and_where(text: str, position: int, words: str) -> None:
    """Each mistake has a sentence and the offset of what is wrong."""
    with pytest.raises(FormulaError) as raised:
        parse_formula(text)
    assert raised.value.position == position
    assert words in str(raised.value)


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
