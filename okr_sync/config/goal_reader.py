"""Reading what a key result asks for: its goal, its window (`over`), its cycle.

Belongs here: the YAML shapes of these three. Does not belong here: how a goal is judged (progress)
and which days a window means (metrics.windows).
"""

from datetime import timedelta
from decimal import Decimal

from okr_sync.config.cycles import cycle_between, parse_cycle
from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Findings
from okr_sync.config.models import Cycle, Goal, GoalKind, Over, OverKind
from okr_sync.config.numbers import parse_number
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import listed, near_miss, not_supported
from okr_sync.config.yaml_reader import ListNode, MappingNode, Node, ScalarNode

_GOAL_FORMS = "Write {from: 18%, to: 27%}, {at_least: 20}, {at_most: 5%} or {between: [10, 20]}."
_PERIODS = ("week", "month", "quarter", "year")
_OVER_FORMS = "Write cycle, {last: 28d}, {to_date: quarter} or {previous: month}."
_MAX_DAYS = 3660


def read_goal(node: Node, findings: Findings) -> Goal | None:
    """A goal in one of its four forms; None, with findings, where it is none."""
    if not isinstance(node, MappingNode):
        findings.error(node.position, "wrong-type", f"`goal` is {shape(node)}.", _GOAL_FORMS)
        return None
    fields = Fields(node, "A goal", findings)
    forms = [form for form in ("from", "to", "at_least", "at_most", "between") if fields.has(form)]
    fields.finish()
    if not forms:
        if not node.entries:
            findings.error(node.position, "missing-key", "The goal names no target.", _GOAL_FORMS)
        return None
    if forms[0] in ("from", "to") and set(forms) <= {"from", "to"}:
        return _read_from_to(fields)
    if len(forms) > 1:
        findings.error(
            node.entries[forms[1]].position,
            "two-goals",
            f"The goal mixes {listed((f'`{form}`' for form in forms), 'and')}.",
            "Keep one form. For a range write {between: [10, 20]}.",
        )
        return None
    if forms[0] == "between":
        return _read_between(fields)
    threshold = fields.number(forms[0])
    if threshold is None:
        return None
    if forms[0] == "at_least":
        return Goal(kind=GoalKind.AT_LEAST, target=threshold, low=threshold)
    return Goal(kind=GoalKind.AT_MOST, target=threshold, high=threshold)


def _read_from_to(fields: Fields) -> Goal | None:
    def parse_baseline(text: str) -> Decimal:
        if text == "measured":
            raise not_supported("`from: measured` is", "Write the number that you start from.")
        return parse_number(text)

    def parse_target(text: str) -> Decimal:
        if text.startswith("+"):
            raise not_supported("A relative target (`to: +…`) is", "Write the number to reach.")
        return parse_number(text)

    baseline = fields.parsed(
        "from", parse_baseline, required=True, hint="Add the number that you start from."
    )
    target = fields.parsed(
        "to", parse_target, required=True, hint="Add the number that you want to reach."
    )
    if baseline is None or target is None:
        return None
    if baseline == target:
        fields.findings.error(
            fields.position("to"),
            "goal-is-baseline",
            "`from` and `to` are the same number, so there is no way to go.",
            "Change one of them, or write {at_least: …} to keep a level.",
        )
        return None
    return Goal(kind=GoalKind.FROM_TO, baseline=baseline, target=target)


def _read_between(fields: Fields) -> Goal | None:
    items = fields.items("between", "the two ends")
    if not items:
        return None
    ends: list[Decimal] = []
    for item in items:
        if not isinstance(item, ScalarNode):
            fields.wrong_type(item, "An end of `between`", "a number")
            return None
        try:
            ends.append(parse_number(item.text))
        except BadValue as bad:
            fields.findings.bad(item.position, bad)
            return None
    if len(ends) != 2 or ends[0] >= ends[1]:
        fields.findings.error(
            fields.position("between"),
            "bad-range",
            "`between` needs two numbers, the smaller one first.",
            "Write {between: [10, 20]}.",
        )
        return None
    return Goal(kind=GoalKind.BETWEEN, target=ends[1], low=ends[0], high=ends[1])


def read_over(node: Node, findings: Findings) -> Over:
    """The window of a key result; what is wrong goes to `findings`."""
    if isinstance(node, ScalarNode) and node.text == "cycle":
        return Over()
    if not isinstance(node, MappingNode):
        findings.error(
            node.position,
            "bad-over",
            f"`over` is {shape(node)}.",
            _guess_over(node) or _OVER_FORMS,
        )
        return Over()
    fields = Fields(node, "`over`", findings)
    kinds = [kind for kind in ("last", "to_date", "previous") if fields.has(kind)]
    fields.finish()
    if len(kinds) > 1 or not node.entries:
        findings.error(node.position, "bad-over", "`over` needs exactly one form.", _OVER_FORMS)
    if len(kinds) != 1:
        return Over()
    if kinds[0] != "last":
        period = fields.choice(kinds[0], _PERIODS)
        return Over(kind=OverKind(kinds[0]), period=period)
    length = fields.duration("last")
    if length is not None and (length % timedelta(days=1) or not length):
        findings.error(
            fields.position("last"),
            "bad-duration",
            "`last` counts whole days.",
            "Write it as in {last: 28d} or {last: 4w}.",
        )
    return Over(kind=OverKind.LAST, days=length.days if length is not None else None)


def _guess_over(node: Node) -> str | None:
    if not isinstance(node, ScalarNode):
        return None
    if node.text in _PERIODS:
        return (
            f"Write {{to_date: {node.text}}} for the one in progress, or {{previous: {node.text}}}."
        )
    if near_miss(node.text, ["cycle"]):
        return "Did you mean `cycle`?"
    if node.text[:1].isdigit() and len(node.text) < 10:
        return f"Did you mean {{last: {node.text}}}?"
    return None


def read_cycle(node: Node, fiscal_year_start: int, findings: Findings) -> Cycle | None:
    """A cycle by its name, or by its first and last day; None, with findings, where it is none."""
    if isinstance(node, MappingNode):
        fields = Fields(node, "A cycle", findings)
        start = fields.day("start", required=True)
        end = fields.day("end", required=True)
        fields.finish()
        if start is None or end is None:
            return None
        try:
            return cycle_between(start, end)
        except BadValue as bad:
            findings.bad(fields.position("end"), bad)
            return None
    if isinstance(node, ListNode):
        findings.error(
            node.position, "bad-cycle", "`cycle` is a list.", "Write one cycle, such as 2026-Q4."
        )
        return None
    try:
        return parse_cycle(node.text, fiscal_year_start)
    except BadValue as bad:
        findings.bad(node.position, bad)
        return None
