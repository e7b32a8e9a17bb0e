"""Reading `where`: conditions as people write them into the plain types of config.where.

Belongs here: the YAML shape of conditions and which values suit which operator. Does not belong here:
what a condition selects (metrics.filters) or how a vendor writes it (connectors).
"""

import re
from collections.abc import Callable
from decimal import Decimal

from okr_sync.config.fields import comma_advice, parse_day, report_duplicates, shape
from okr_sync.config.findings import Findings
from okr_sync.config.numbers import parse_number
from okr_sync.config.problems import BadValue
from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.config.wording import listed, near_miss, quoted
from okr_sync.config.yaml_reader import ListNode, MappingNode, Node, ScalarNode

ANY = "any"

# A number whose text is its only spelling, so that ids such as 007 and 1_2 stay what they are.
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,12})?")
_INSTANT = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
    r"(Z|[-+][0-9]{2}:[0-5][0-9])?"
)
_LOOKS_LIKE_DAY = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*", re.DOTALL)

_ORDER = (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.BETWEEN)
_SYNONYMS = {
    "=": "eq", "==": "eq", "equals": "eq", "is": "eq",
    "!=": "not", "<>": "not", "ne": "not", "neq": "not", "not_eq": "not",
    ">": "gt", ">=": "gte", "ge": "gte", "min": "gte", "<": "lt", "<=": "lte", "le": "lte",
    "max": "lte", "notin": "not_in", "nin": "not_in", "like": "contains", "has": "contains",
    "begins_with": "starts_with", "prefix": "starts_with", "exists": "is_set", "known": "is_set",
    "has_property": "is_set", "is_null": "is_set", "not_null": "is_set",
}  # fmt: skip


def read_where(node: Node, check_field: Callable[[str], object], findings: Findings) -> Where:
    """The conditions of a `where` mapping; what is wrong goes to `findings` and is left out.

    `check_field` raises BadValue for a name that the dataset can't have.
    """
    if not isinstance(node, MappingNode):
        _wrong(findings, node, "`where`", "a mapping, as in `where: {dealstage: closedwon}`")
        return Where()
    report_duplicates(node, findings)
    tests: list[Condition | AnyOf] = []
    if not node.entries:
        findings.error(
            node.position, "empty-value", "`where` holds no condition.", "Write one, or remove it."
        )
    for entry in node.entries.values():
        if entry.name == ANY:
            alternatives = _read_alternatives(entry.value, check_field, findings)
            if alternatives:
                tests.append(AnyOf(alternatives))
            continue
        try:
            check_field(entry.name)
        except BadValue as bad:
            findings.bad(entry.position, bad)
        tests += _read_tests(entry.name, entry.value, findings)
    return Where(tuple(tests))


def _read_alternatives(
    node: Node, check_field: Callable[[str], object], findings: Findings
) -> tuple[Where, ...]:
    if not isinstance(node, ListNode) or not node.items:
        _wrong(findings, node, "`any`", "a list of conditions, as in `any: [{a: 1}, {b: 2}]`")
        return ()
    return tuple(read_where(item, check_field, findings) for item in node.items)


def _read_tests(field: str, node: Node, findings: Findings) -> list[Condition]:
    if not isinstance(node, MappingNode):
        operator = Operator.IN if isinstance(node, ListNode) else Operator.EQ
        return _condition(field, operator, node, findings)
    report_duplicates(node, findings)
    if not node.entries:
        findings.error(
            node.position,
            "empty-value",
            f"{quoted(field)} has no condition.",
            f"Write one, as in `{field}: {{gte: 1000}}`.",
        )
    conditions: list[Condition] = []
    for entry in node.entries.values():
        if entry.name in set(Operator):
            conditions += _condition(field, Operator(entry.name), entry.value, findings)
            continue
        names = [operator.value for operator in Operator]
        meant = _SYNONYMS.get(entry.name.lower()) or near_miss(entry.name, names)
        findings.error(
            entry.position,
            "unknown-operator",
            f"There is no operator {quoted(entry.name)}.",
            comma_advice(entry)
            or (f"Did you mean `{meant}`?" if meant else f"Use {listed(names)}."),
        )
    return conditions


def _condition(field: str, operator: Operator, node: Node, findings: Findings) -> list[Condition]:
    try:
        values = _values(operator, node)
    except _BadNode as bad:
        findings.bad(bad.node.position, bad.value)
        return []
    return [Condition(field, operator, values)]


class _BadNode(Exception):
    """A BadValue and the part of the condition that it is about."""

    def __init__(self, node: Node, message: str, fix: str, rule: str = "bad-condition") -> None:
        super().__init__(message)
        self.node = node
        self.value = BadValue(rule, message, fix)


def _values(operator: Operator, node: Node) -> tuple[Scalar, ...]:
    name = operator.value
    if operator in (Operator.IN, Operator.NOT_IN):
        if not isinstance(node, ListNode):
            raise _BadNode(node, f"`{name}` needs a list.", f"Write `{name}: [a, b]`.")
        if not node.items:
            raise _BadNode(node, f"`{name}` has an empty list.", "List at least one value.")
        return tuple(_value(operator, item) for item in node.items)
    if operator is Operator.BETWEEN:
        if not isinstance(node, ListNode) or len(node.items) != 2:
            raise _BadNode(
                node,
                "`between` needs its two ends.",
                "Write `between: [10, 20]`: both belong to it.",
            )
        low, high = (_ordered(operator, item) for item in node.items)
        if isinstance(low, Decimal) != isinstance(high, Decimal):
            raise _BadNode(node, "`between` mixes a number and a day.", "Give two of a kind.")
        if _is_above(low, high):
            raise _BadNode(
                node, "`between` begins above its end.", "Write the smaller value first."
            )
        return (low, high)
    if isinstance(node, ListNode):
        lists = {Operator.EQ: "in", Operator.NOT: "not_in"}
        fix = (
            f"For several values use `{lists[operator]}`."
            if operator in lists
            else "For several values use `any`, with a condition for each."
        )
        raise _BadNode(node, f"`{name}` takes one value.", fix)
    return (_value(operator, node),)


def _value(operator: Operator, node: Node) -> Scalar:
    if not isinstance(node, ScalarNode):
        raise _BadNode(node, f"A value of `{operator.value}` is {shape(node)}.", "Write one value.")
    value = node.value
    if operator is Operator.IS_SET:
        if isinstance(value, bool):
            return value
        raise _BadNode(node, f"`is_set` is {shape(node)}.", "Write true or false.")
    if value is None or value == "":
        raise _BadNode(
            node,
            "A condition has no value.",
            "Write one. To test for an empty field use {is_set: false}, else {is_set: true}.",
            "empty-value",
        )
    if operator in _ORDER:
        return _ordered(operator, node)
    if operator in (Operator.CONTAINS, Operator.STARTS_WITH):
        return node.text
    if isinstance(value, bool):
        return value
    if node.is_plain and _PLAIN_NUMBER.fullmatch(value):
        return Decimal(value)
    return value


def _ordered(operator: Operator, node: Node) -> Decimal | str:
    """A number, or a day as text: what can be more or less than something."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        raise _BadNode(
            node, f"A value of `{operator.value}` is {shape(node)}.", "Write a number or a day."
        )
    text = node.text.strip()
    try:
        if _INSTANT.fullmatch(text):
            return text
        if _LOOKS_LIKE_DAY.fullmatch(text):
            return parse_day(text).isoformat()
        return parse_number(text)
    except BadValue as bad:
        raise _BadNode(
            node,
            f"`{operator.value}` compares numbers or days. {bad.message}",
            bad.fix,
            bad.rule,
        ) from bad


def _is_above(first: Decimal | str, second: Decimal | str) -> bool:
    if isinstance(first, Decimal) and isinstance(second, Decimal):
        return first > second
    # Days, mostly; of instants in several zones this compares no more than the days.
    return str(first)[:10] > str(second)[:10]


def _wrong(findings: Findings, node: Node, subject: str, wanted: str) -> None:
    findings.error(
        node.position, "wrong-type", f"{subject} is {shape(node)}.", f"It must be {wanted}."
    )
