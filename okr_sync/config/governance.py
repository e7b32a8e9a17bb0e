"""What makes a good key result, as the field's articles have it: warnings that a project can tune.

Belongs here: rules of how OKRs are written, none of which stops a number. Does not belong here: what
is wrong (readers, rules), which rules speak (rule_settings), reading a warehouse (commands).

The articles disagree on numbers (three objectives with three to five key results; three to five with
two to four), so the limits are the project's to set.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from okr_sync.config.findings import Draft, Findings
from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    Goal,
    GoalKind,
    KeyResult,
    Objective,
    Position,
)
from okr_sync.config.problems import Problem, Severity
from okr_sync.config.rule_settings import RuleSettings
from okr_sync.config.rules import node_at, place_of
from okr_sync.config.wording import quoted
from okr_sync.config.yaml_reader import ListNode, Node

_ACTIVITIES = re.compile(
    r"(launch|publish|write|create|build|run|organi[sz]e|host|implement|deploy|ship|develop|"
    r"design|redesign|migrate|set up|roll out|attend|complete|conduct|start|finish|send|post|plan|"
    r"prepare|execute|hire|introduce|release|draft|produce|record|film|update|refresh|establish)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|half|halve|twice|double|"
    r"triple|zero|no|all|every)\b",
    re.IGNORECASE,
)
_SHARE_OF_OWNERS = re.compile(r"[,;&+/]|\band\b")


def check_key_results(
    key_results: Sequence[tuple[Draft[KeyResult], Draft[Objective] | None]],
    metrics: Mapping[str, AnyMetric],
    settings: RuleSettings,
    findings: Findings,
) -> None:
    """Rules on each key result, given with its objective."""
    for draft, objective in key_results:
        key_result = draft.item
        if key_result is None:
            continue
        own = Findings()
        _check_words(key_result, draft.node, own)
        _check_yes_no(key_result, metrics.get(key_result.metric), draft.node, own)
        of_objective = objective.item if objective is not None else None
        owner = key_result.owner or (of_objective.owner if of_objective is not None else None)
        if key_result.shared_with and not (owner and _SHARE_OF_OWNERS.search(owner)):
            own.warn(
                place_of(draft.node, ("shared_with",)),
                "shared-one-owner",
                "Several teams share this key result, and it has one owner."
                if owner
                else "Several teams share this key result, and it has no owner.",
                "Name one in each team, as in `owner: ana, ben`.",
            )
        own.problems = [p for p in own.problems if not settings.silences(p, draft.name)]
        findings.include(own, draft.name)


def _check_words(key_result: KeyResult, node: Node, findings: Findings) -> None:
    title = key_result.title.strip()
    position = place_of(node, ("title",))
    activity = _ACTIVITIES.match(title)
    if activity is not None:
        findings.warn(
            position,
            "activity-as-result",
            f"The title begins with {quoted(activity[0])}, like a task.",
            "Name what will be different when the task is done.",
        )
    if not _NUMBER.search(title):
        findings.warn(
            position,
            "vague-result",
            "The title names no number.",
            "Say how much: from what, to what.",
        )


def _check_yes_no(
    key_result: KeyResult, metric: AnyMetric | None, node: Node, findings: Findings
) -> None:
    goal = key_result.goal
    steps = isinstance(metric, AggMetric) and metric.aggregation.agg.startswith("count")
    from_nothing = goal.baseline == 0 and goal.target == 1
    if steps and (from_nothing or (goal.kind is GoalKind.AT_LEAST and goal.low == 1)):
        findings.warn(
            place_of(node, ("goal",)),
            "yes-no-result",
            "One is enough, so this is done or not done.",
            "Measure what it is done for, or how much of it.",
        )


def check_objectives(
    objectives: Sequence[Draft[Objective]],
    key_results: Sequence[Draft[KeyResult]],
    settings: RuleSettings,
    findings: Findings,
) -> None:
    """Rules on objectives: how many, with how many key results, of which kind, and for how long."""
    of_objective: dict[str, list[Draft[KeyResult]]] = defaultdict(list)
    for draft in key_results:
        if draft.item is not None:
            of_objective[draft.item.objective_id].append(draft)
    by_cycle: dict[tuple[str, str], list[Draft[Objective]]] = defaultdict(list)
    for objective in objectives:
        if objective.item is None:
            continue
        by_cycle[objective.item.team, objective.item.cycle.name].append(objective)
        own = Findings()
        _check_number_of_results(objective, of_objective[objective.name], settings, own)
        _check_carried_over(objective.item, objectives, place_of(objective.node, ("title",)), own)
        own.problems = [p for p in own.problems if not settings.silences(p, objective.name)]
        findings.include(own)
    for (team, cycle), same in by_cycle.items():
        own = Findings()
        _check_number_of_objectives(team, cycle, same, settings, own)
        own.problems = [p for p in own.problems if not settings.silences(p)]
        findings.include(own)


def _check_number_of_results(
    objective: Draft[Objective],
    key_results: Sequence[Draft[KeyResult]],
    settings: RuleSettings,
    findings: Findings,
) -> None:
    written = node_at(objective.node, ("key_results",))
    number = len(written.items) if isinstance(written, ListNode) else 0
    fewest, most = settings.limit("too-few-key-results"), settings.limit("too-many-key-results")
    if number > most:
        findings.warn(
            objective.position,
            "too-many-key-results",
            f"The objective has {number} key results, and the project wants {most} at most.",
            "Keep those that tell whether the objective is reached.",
        )
    elif 0 < number < fewest:
        findings.warn(
            objective.position,
            "too-few-key-results",
            f"The objective has {number} key result{'s' if number > 1 else ''}, and the project "
            f"wants {fewest} at least.",
            "Add one that a good number elsewhere can't hide.",
        )
    indicators = {draft.item.indicator for draft in key_results if draft.item is not None}
    if len(key_results) > 1 and indicators == {"lagging"}:
        findings.warn(
            objective.position,
            "only-lagging",
            "All key results of the objective are lagging: they tell when it is too late.",
            "Add a leading one, which moves early in the cycle.",
        )


def _check_number_of_objectives(
    team: str,
    cycle: str,
    objectives: Sequence[Draft[Objective]],
    settings: RuleSettings,
    findings: Findings,
) -> None:
    number = len(objectives)
    fewest, most = settings.limit("too-few-objectives"), settings.limit("too-many-objectives")
    if number > most:
        findings.warn(
            objectives[most].position,
            "too-many-objectives",
            f"The team `{team}` has {number} objectives in {cycle}, and the project wants {most} at "
            "most.",
            "Keep those that matter most in this cycle.",
        )
    elif number < fewest:
        findings.warn(
            objectives[0].position,
            "too-few-objectives",
            f"The team `{team}` has {number} objective{'s' if number > 1 else ''} in {cycle}, and the "
            f"project wants {fewest} at least.",
            "Add one, or lower the limit under `rules` in okr_sync.yaml.",
        )


def _check_carried_over(
    objective: Objective,
    others: Sequence[Draft[Objective]],
    position: Position,
    findings: Findings,
) -> None:
    earlier = sorted(
        {
            (other.item.cycle.start, other.item.cycle.name)
            for other in others
            if other.item is not None
            and other.item.team == objective.team
            and other.item.cycle.end <= objective.cycle.start
            and _plain(other.item.title) == _plain(objective.title)
        }
    )
    if earlier:
        cycles = ", ".join(name for _, name in earlier[-3:])
        findings.warn(
            position,
            "carried-over",
            f"The team had this objective already in {cycles}.",
            "Ask what kept it from being reached, and change it or its key results.",
        )


def _plain(title: str) -> str:
    return " ".join(re.findall(r"\w+", title.lower()))


# --- sandbagging ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PriorFigures:
    """What was measured before a key result's cycle, None where it isn't known.

    `baseline` is its measured baseline, `last_result` its metric's last value before the cycle.
    """

    baseline: Decimal | None = None
    last_result: Decimal | None = None


def sandbagging(key_result: KeyResult, figures: PriorFigures) -> Problem | None:
    """The warning that a target was met before the cycle began; None if it wasn't.

    A target that follows from the measured baseline (`to: +25%`) is never met by it.
    """
    for figure, what in (
        (figures.baseline, "its measured baseline"),
        (figures.last_result, "the last result before the cycle"),
    ):
        if figure is not None and _meets(key_result.goal, figure):
            shown = format(figure.normalize(), "f")
            return Problem(
                key_result.defined_at,
                Severity.WARNING,
                "sandbagging",
                f"The target was met before the cycle began: {what} is {shown}.",
                "Aim higher, or say why holding the level is hard enough.",
                key_result.key_result_id,
            )
    return None


def _meets(goal: Goal, value: Decimal) -> bool:
    if goal.kind is GoalKind.FROM_TO:
        if goal.target is None:
            return False
        if goal.baseline is None:
            # Which way the goal goes isn't known, so only a baseline at the target tells.
            return value == goal.target
        rises = goal.target > goal.baseline
        return value >= goal.target if rises else value <= goal.target
    above = goal.low is None or value >= goal.low
    return above and (goal.high is None or value <= goal.high)
