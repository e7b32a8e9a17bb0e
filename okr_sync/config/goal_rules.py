"""Rules on a goal and the metric it is set for: what it can reach, its unit, its words, its window.

Belongs here: what shows when a key result and its metric are both known. Does not belong here: the
shape of a goal (goal_reader), what makes a good key result (governance).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from okr_sync.config.cycles import Calendar
from okr_sync.config.findings import Draft, Findings
from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    Goal,
    GoalKind,
    KeyResult,
    Position,
    Project,
    RatioMetric,
    SnapshotMetric,
)
from okr_sync.config.money import currencies_of, is_code
from okr_sync.config.numbers import parse_number
from okr_sync.config.problems import BadValue
from okr_sync.config.rules import node_at, place_of
from okr_sync.config.window_rules import check_window
from okr_sync.config.wording import listed, quoted
from okr_sync.config.yaml_reader import ListNode, Node, ScalarNode
from okr_sync.numbers import show_number

_TIME_UNITS = ("minutes", "hours", "weeks", "months", "min", "h", "w", "hour", "week", "month")
_RATES = frozenset(
    ("engagementRate", "bounceRate", "sessionKeyEventRate", "userKeyEventRate", "purchaserRate",
     "crashFreeUsersRate", "organicGoogleSearchClickThroughRate")
)  # fmt: skip
_DOWN = re.compile(
    r"\b(reduc\w+|cut|cutting|lower(?:ing)?|decreas\w+|shorten\w*|shrink\w*|halv\w+|drop|minimi[sz]e|"
    r"bring .{1,60} down)\b"
)
_UP = re.compile(r"\b(increas\w+|grow|growing|rais\w+|lift|boost\w*|doubl\w+|tripl\w+|expand\w*)\b")
_FROM_TO = re.compile(r"\bfrom (\S+(?: (?:%|[kKmM]\b))?) to (\S+(?: (?:%|[kKmM]\b))?)")


def check_goals(
    key_results: Sequence[Draft[KeyResult]],
    metrics: Sequence[Draft[AnyMetric]],
    project: Project,
    findings: Findings,
) -> None:
    """Everything that is odd or wrong about goals, windows and units for the metrics they are set for.

    The unit of a key result that names none becomes its metric's, or `percent` for a goal in per cent.
    """
    usable = {draft.name: draft.item for draft in metrics if draft.item is not None}
    calendar = Calendar(ZoneInfo(project.time_zone), project.fiscal_year_start)
    for draft in key_results:
        if draft.item is None:
            continue
        own = Findings()
        metric = usable[draft.item.metric]
        numbers = list(_numbers(draft.node, draft.item.goal))
        unit = draft.item.unit or metric.unit
        if unit is None and _whole_or_days(metric) is None and _percents(numbers):
            unit = "percent"
        draft.item = draft.item.model_copy(update={"unit": unit})
        _check_share(metric, unit, numbers, own)
        _check_percent(metric, unit, numbers, draft.node, own)
        _check_currency(metric, project.currency, unit, numbers, draft.node, own)
        _check_title(draft.item, draft.node, own)
        _check_since(draft.item, draft.node, own)
        check_window(draft.item, metric, usable, calendar, draft.node, own)
        if own.first_error is not None:
            draft.reject(own.first_error)
        findings.include(own, draft.name)


def _numbers(node: Node, goal: Goal) -> Iterator[tuple[Position, str, Decimal]]:
    """Each number of the goal: where it stands, how it was written and what it is."""
    written = {
        "from": goal.baseline,
        "to": goal.target,
        "at_least": goal.low,
        "at_most": goal.high,
    }
    for key, number in written.items():
        found = node_at(node, ("goal", key))
        if isinstance(found, ScalarNode) and number is not None:
            yield found.position, found.text.strip(), number
    between = node_at(node, ("goal", "between"))
    if isinstance(between, ListNode) and goal.kind is GoalKind.BETWEEN:
        for item, end in zip(between.items, (goal.low, goal.high), strict=True):
            if isinstance(item, ScalarNode) and end is not None:
                yield item.position, item.text.strip(), end


def _check_share(
    metric: AnyMetric,
    unit: str | None,
    numbers: list[tuple[Position, str, Decimal]],
    findings: Findings,
) -> None:
    beyond = [one for one in numbers if abs(one[2]) > 1]
    if not beyond:
        return
    position, text, number = beyond[0]
    fix = f"Did you mean `{text}%`?" if "%" not in text else "Write a share up to 100%."
    if isinstance(metric, ConversionMetric):
        findings.error(
            position,
            "goal-beyond-conversion",
            f"A conversion lies between 0% and 100%, so it never reaches {quoted(text)}.",
            fix,
        )
    elif _is_share(metric):
        what = "A share of records" if isinstance(metric, RatioMetric) else "A rate of GA4"
        findings.error(
            position,
            "goal-beyond-share",
            f"{what} lies between 0% and 100%, so it never reaches {quoted(text)}.",
            fix,
        )
    elif unit == "percent" and "%" not in text:
        findings.warn(
            position,
            "percent-sign",
            f"{quoted(text)} with the unit percent means {format(abs(number) * 100, 'f')}%.",
            f"If {text} percent is meant, write `{text}%`.",
        )


def _is_share(metric: AnyMetric) -> bool:
    """Whether a metric lies between 0 and 1 by what it is."""
    if isinstance(metric, RatioMetric):
        halves = (metric.numerator, metric.denominator)
        return all(half.agg == "count" for half in halves) and not metric.denominator.where.tests
    if isinstance(metric, AggMetric) and metric.time is None:
        return (metric.aggregation.field or "").partition(":")[0] in _RATES
    return False


def _check_percent(
    metric: AnyMetric,
    unit: str | None,
    numbers: list[tuple[Position, str, Decimal]],
    node: Node,
    findings: Findings,
) -> None:
    if isinstance(metric, DurationMetric) and unit is not None and unit.lower() in _TIME_UNITS:
        findings.warn(
            place_of(node, ("unit",)),
            "unit-of-duration",
            f"A duration is in days, not in {unit}.",
            "Write the goal in days and `unit: days`.",
        )
    percents = _percents(numbers)
    if not percents:
        return
    position, text, number = percents[0]
    what = _whole_or_days(metric)
    if what is not None:
        findings.warn(
            position,
            "percent-of-count",
            f"{what}, and {quoted(text)} means {format(number, 'f')}.",
            "Write the number; for growth write {from: measured, to: +25%}.",
        )
    elif unit is not None and unit != "percent":
        written = node_at(node, ("unit",))
        findings.warn(
            position if written is None else written.position,
            "percent-in-other-unit",
            f"The goal is in per cent and the unit is {quoted(unit)}: {quoted(text)} will be shown "
            f"as {show_number(number, unit)}.",
            "Write `unit: percent`.",
        )


def _percents(numbers: list[tuple[Position, str, Decimal]]) -> list[tuple[Position, str, Decimal]]:
    return [one for one in numbers if one[1].endswith("%")]


def _whole_or_days(metric: AnyMetric) -> str | None:
    """What a number that can't be per cent is instead; None where it can be."""
    if isinstance(metric, DurationMetric):
        return "A duration is in days"
    if isinstance(metric, AggMetric) and metric.aggregation.agg.startswith("count"):
        return "A count is a whole number"
    return None


# --- money ---------------------------------------------------------------------------------------


def _check_currency(
    metric: AnyMetric,
    project: str,
    unit: str | None,
    numbers: list[tuple[Position, str, Decimal]],
    node: Node,
    findings: Findings,
) -> None:
    """A goal in another currency than the amounts of its metric is an error: nothing converts it."""
    measured = _currency_of(metric, project)
    if measured is None:
        return
    position, wanted = None, frozenset[str]()
    if unit is not None and is_code(unit):
        position, wanted = place_of(node, ("unit",)), frozenset((unit,))
    for place, text, _ in numbers:
        if position is None or measured in wanted:
            found = currencies_of(text)
            if found and measured not in found:
                position, wanted = place, found
    if position is not None and wanted and measured not in wanted:
        shown = listed(sorted(wanted)) if len(wanted) < 3 else "another currency"
        to = project if project in wanted else min(wanted)
        findings.error(
            position,
            "other-currency",
            f"The goal is in {shown}, and the amounts of {quoted(metric.name)} are in {measured}.",
            f"Write the goal in {measured}, or convert the amounts: "
            f"`currency: {{field: deal_currency_code, to: {to}}}` and `fx` in okr_sync.yaml.",
        )


def _currency_of(metric: AnyMetric, project: str) -> str | None:
    """The currency that a metric's number is in, where that is known."""
    if isinstance(metric, AggMetric):
        if metric.currency is not None:
            return metric.currency
        if metric.aggregation.agg.startswith("count") or metric.time is None:
            return None
        return project
    if isinstance(metric, SnapshotMetric):
        return None if metric.aggregation.agg.startswith("count") else project
    return None


# --- words ---------------------------------------------------------------------------------------


def _check_title(key_result: KeyResult, node: Node, findings: Findings) -> None:
    title = key_result.title
    goal = key_result.goal
    position = place_of(node, ("title",))
    falls = _falls(goal)
    words = title.lower()
    down, up = _DOWN.search(words), _UP.search(words)
    if falls is not None and bool(down) != bool(up):
        said = down or up
        if said is not None and (said is down) != falls:
            findings.warn(
                position,
                "wrong-side",
                f"The title says {quoted(said[0])}, and the goal goes {'down' if falls else 'up'}.",
                "Turn the goal round, or say in the title what is meant.",
            )
    match = _FROM_TO.search(title)
    if match is None or goal.baseline is None or goal.target is None:
        return
    for text, number in zip(match.groups(), (goal.baseline, goal.target), strict=True):
        try:
            said_number = parse_number(text.rstrip(".,;:)"))
        except BadValue:
            continue
        if said_number not in (number, number * 100):
            findings.warn(
                position,
                "title-differs",
                f"The title says {quoted(text)}, and the goal says {format(number.normalize(), 'f')}.",
                "Mend the one that is wrong.",
            )
            return


def _check_since(key_result: KeyResult, node: Node, findings: Findings) -> None:
    since, cycle = key_result.goal_since, key_result.cycle
    if since is None or cycle.start <= since < cycle.end:
        return
    last_day = cycle.end - timedelta(days=1)
    effect = "all of its days" if since < cycle.start else "no day of it"
    findings.warn(
        place_of(node, ("goal_since",)),
        "goal-since-outside-cycle",
        f"`goal_since` lies outside the cycle ({cycle.start} to {last_day}): {effect} would have "
        "the new goal.",
        "Write the day of the cycle from which on the goal counts.",
    )


def _falls(goal: Goal) -> bool | None:
    if goal.kind is GoalKind.FROM_TO:
        if goal.relative_target is not None:
            return goal.relative_target < 0
        if goal.baseline is None or goal.target is None:
            return None
        return goal.target < goal.baseline
    return {GoalKind.AT_LEAST: False, GoalKind.AT_MOST: True}.get(goal.kind)
