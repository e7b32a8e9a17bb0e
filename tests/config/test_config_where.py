"""`where`: every operator, `any`, and what is said of a wrong condition."""

from decimal import Decimal

import pytest

from okr_sync.config.findings import Findings
from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.config.where_reader import read_where
from okr_sync.config.yaml_reader import read_yaml


def read(text: str) -> tuple[Where, Findings]:
    """The `where` written as YAML."""
    root, problems = read_yaml(text, "f.yaml")
    assert root is not None and problems == []
    findings = Findings()
    return read_where(root, str, findings), findings


@pytest.mark.parametrize(
    ("text", "operator", "values"),
    [
        ("{f: closedwon}", Operator.EQ, ("closedwon",)),
        ("{f: 5}", Operator.EQ, (Decimal(5),)),
        ("{f: -1.5}", Operator.EQ, (Decimal("-1.5"),)),
        ("{f: '5'}", Operator.EQ, ("5",)),
        ("{f: 007}", Operator.EQ, ("007",)),
        ("{f: 1_2}", Operator.EQ, ("1_2",)),
        ("{f: true}", Operator.EQ, (True,)),
        ("{f: yes}", Operator.EQ, ("yes",)),
        ("{f: 2026-10-01}", Operator.EQ, ("2026-10-01",)),
        ("{f: {eq: a}}", Operator.EQ, ("a",)),
        ("{f: {not: a}}", Operator.NOT, ("a",)),
        ("{f: [PAID_SEARCH, 3]}", Operator.IN, ("PAID_SEARCH", Decimal(3))),
        ("{f: {in: [a]}}", Operator.IN, ("a",)),
        ("{f: {not_in: [a, b]}}", Operator.NOT_IN, ("a", "b")),
        ("{f: {gt: 1000}}", Operator.GT, (Decimal(1000),)),
        ("{f: {gte: £50k}}", Operator.GTE, (Decimal(50000),)),
        ("{f: {lt: 18%}}", Operator.LT, (Decimal("0.18"),)),
        ("{f: {lte: 2026-10-01}}", Operator.LTE, ("2026-10-01",)),
        ("{f: {gte: '2026-10-01T09:00:00Z'}}", Operator.GTE, ("2026-10-01T09:00:00Z",)),
        ("{f: {between: [10, 2_000]}}", Operator.BETWEEN, (Decimal(10), Decimal(2000))),
        ("{f: {contains: 5}}", Operator.CONTAINS, ("5",)),
        ("{f: {starts_with: /blog}}", Operator.STARTS_WITH, ("/blog",)),
        ("{f: {is_set: false}}", Operator.IS_SET, (False,)),
    ],
)  # fmt: skip
def test_every_operator(text: str, operator: Operator, values: tuple[Scalar, ...]) -> None:
    """A scalar means eq, a list means in, a mapping names its operators."""
    where, findings = read(text)
    assert findings.problems == []
    assert where == Where((Condition("f", operator, values),))


def test_several_operators_on_a_field_all_hold() -> None:
    """A mapping of two operators is two conditions."""
    where, _ = read("{amount: {gte: 10, lt: 20}, stage: won}")
    assert [test.operator for test in where.tests if isinstance(test, Condition)] == [
        Operator.GTE, Operator.LT, Operator.EQ,
    ]  # fmt: skip


def test_any_holds_alternatives() -> None:
    """`any` is a list of `where` mappings, which may nest."""
    where, findings = read("{a: 1, any: [{b: x}, {any: [{c: y}], d: z}]}")
    assert findings.problems == []
    either = where.tests[1]
    assert isinstance(either, AnyOf)
    assert where.fields() == {"a", "b", "c", "d"}
    assert len(either.alternatives) == 2


@pytest.mark.parametrize(
    ("text", "place", "rule", "words"),
    [
        ("{f: {gtr: 5}}", "1:6", "unknown-operator", "Did you mean `gt"),
        ("{f: {'>=': 5}}", "1:6", "unknown-operator", "Did you mean `gte`?"),
        ("{f: {like: x}}", "1:6", "unknown-operator", "Did you mean `contains`?"),
        ("{f: {zzz: x}}", "1:6", "unknown-operator", "Use eq, not, in"),
        ("{f: {gt: 1,5}}", "1:12", "unknown-operator", "a comma ends the value"),
        ("{f: {gt: abc}}", "1:10", "bad-number", "not a number"),
        ("{f: {gt: '1,5'}}", "1:10", "bad-number", "ambiguous"),
        ("{f: {gt: 2026-02-30}}", "1:10", "bad-date", "not a day"),
        ("{f: {gt: [1]}}", "1:10", "bad-condition", "takes one value"),
        ("{f: {not: [1]}}", "1:11", "bad-condition", "use `not_in`"),
        ("{f: {in: a}}", "1:10", "bad-condition", "needs a list"),
        ("{f: []}", "1:5", "bad-condition", "empty list"),
        ("{f: {between: [1]}}", "1:15", "bad-condition", "two ends"),
        ("{f: {between: [5, 1]}}", "1:15", "bad-condition", "smaller value first"),
        ("{f: {between: [1, 2026-01-01]}}", "1:15", "bad-condition", "mixes"),
        ("{f: {is_set: yes}}", "1:14", "bad-condition", "true or false"),
        ("{f: }", "1:5", "empty-value", "is_set"),
        ("{f: ''}", "1:5", "empty-value", "is_set"),
        ("{f: {}}", "1:5", "empty-value", "no condition"),
        ("{}", "1:1", "empty-value", "no condition"),
        ("[a]", "1:1", "wrong-type", "mapping"),
        ("{any: {a: 1}}", "1:7", "wrong-type", "list"),
        ("{any: []}", "1:7", "wrong-type", "list"),
        ("{f: 1, f: 2}", "1:8", "duplicate-key", "twice"),
        ("{f: [[1]]}", "1:6", "bad-condition", "one value"),
    ],
)  # fmt: skip
def test_wrong_conditions_are_told_where_they_stand(
    text: str, place: str, rule: str, words: str
) -> None:
    """Each mistake has its place, its rule and what to do."""
    _, findings = read(text)
    problem = findings.problems[0]
    assert (str(problem.position), problem.rule) == (f"f.yaml:{place}", rule)
    assert words in f"{problem.message} {problem.fix}"
