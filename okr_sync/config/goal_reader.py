"""Reading what a key result asks for: its goal, its window (`over`), its cycle.

Belongs here: the YAML shapes of these three. Does not belong here: how a goal is judged (progress)
and which days a window means (metrics.windows).
"""

import re
from datetime import timedelta
from decimal import Decimal

from okr_sync.config.cycles import cycle_between, parse_cycle
from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Findings
from okr_sync.config.models import Cycle, Goal, GoalKind, Over, OverKind
from okr_sync.config.numbers import parse_number
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import listed, near_miss, quoted
from okr_sync.config.yaml_reader import ListNode, MappingNode, Node, ScalarNode

_GOAL_FORMS = "Write {from: 18%, to: 27%}, {at_least: 20}, {at_most: 5%} or {between: [10, 20]}."
# A target with a sign and a per-cent sign is a share of the baseline.
_RELATIVE = re.compile(r"(?P<sign>[-+\u2212])\s?(?P<size>[0-9]{1,6}(?:\.[0-9]{1,6})?\s?%)")
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
    is_measured = _is_measured(fields)
    relative = _relative_target(fields)
    baseline = target = None
    if not is_measured:
        hint = "Add the number that you start from, or `from: measured`."
        baseline = fields.parsed("from", _parse_baseline, required=True, hint=hint)
    if relative is None:
        hint = "Add the number that you want to reach."
        target = fields.parsed("to", _parse_target, required=True, hint=hint)
    if (baseline is None and not is_measured) or (target is None and relative is None):
        return None
    if relative is not None and baseline is not None:
        if baseline <= 0:
            fields.findings.error(
                fields.position("to"),
                "relative-target",
                "A share of a baseline that isn't above 0 is no way up or down.",
                "Write the number to reach.",
            )
            return None
        # Known at once, so it is an ordinary goal.
        target, relative = baseline * (1 + relative), None
    if baseline is not None and baseline == target:
        fields.findings.error(
            fields.position("to"),
            "goal-is-baseline",
            "`from` and `to` are the same number, so there is no way to go.",
            "Change one of them, or write {at_least: …} to keep a level.",
        )
        return None
    return Goal(
        kind=GoalKind.FROM_TO,
        baseline=baseline,
        target=target,
        measured_baseline=is_measured,
        relative_target=relative,
    )


def _is_measured(fields: Fields) -> bool:
    entry = fields.node.entries.get("from")
    return (
        entry is not None
        and isinstance(entry.value, ScalarNode)
        and entry.value.text.strip() == "measured"
    )


def _relative_target(fields: Fields) -> Decimal | None:
    """The share by which `to: +25%` or `-10%` differs from the baseline; None for other targets."""
    entry = fields.node.entries.get("to")
    text = entry.value.text.strip() if entry and isinstance(entry.value, ScalarNode) else ""
    match = _RELATIVE.fullmatch(text)
    if match is None:
        return None
    share = parse_number(match["size"])
    if share == 0 or (match["sign"] != "+" and share > 1):
        fields.findings.error(
            fields.position("to"),
            "relative-target",
            f"A target of {text} is {'no change' if share == 0 else 'less than nothing'}.",
            "Write the change as in +25% or -10%.",
        )
    return share if match["sign"] == "+" else -share


def _parse_baseline(text: str) -> Decimal:
    if text.startswith("+"):
        raise BadValue(
            "bad-number", f"{quoted(text)} is not a number.", "Write a baseline without a sign."
        )
    if near_miss(text, ["measured"]):
        raise BadValue("bad-number", f"{quoted(text)} is not a number.", "Did you mean `measured`?")
    return parse_number(text)


def _parse_target(text: str) -> Decimal:
    if text.startswith("+"):
        raise BadValue(
            "relative-target",
            f"{quoted(text)} is not a share of the baseline.",
            "Write it in per cent, as in +25%, or the number to reach without a sign.",
        )
    return parse_number(text)


def _read_between(fields: Fields) -> Goal | None:
    ends = read_ends(fields)
    if ends is None:
        return None
    return Goal(kind=GoalKind.BETWEEN, target=ends[1], low=ends[0], high=ends[1])


def read_ends(fields: Fields) -> tuple[Decimal, Decimal] | None:
    """The two numbers of `between`, the smaller one first; None, with findings, where they aren't."""
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
    return ends[0], ends[1]


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
