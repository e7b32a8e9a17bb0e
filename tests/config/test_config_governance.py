"""Rules of how OKRs are written: when they speak, how they are tuned and silenced."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal

import pytest

from okr_sync.config.governance import PriorFigures, sandbagging
from okr_sync.config.loader import Inspection
from okr_sync.config.models import Cycle, Goal, GoalKind, KeyResult, Position

InspectProject = Callable[[Mapping[str, str]], Inspection]

PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
sources: {hubspot: {kind: hubspot}}
"""
METRICS = "metrics: {mqls: {agg: count, from: hubspot.contacts, time: t}}\n"


def okrs(titles: list[str], cycle: str = "2026-Q4", more: str = "", objective: str = "more") -> str:
    """A team's file with one objective and a key result for each title."""
    lines = [
        "team: growth",
        f"cycle: {cycle}",
        "objectives:",
        f"  - id: {objective}",
        "    title: Get more of it",
        f"    key_results:{'' if titles else ' []'}",
    ]
    lines += [
        f"      - {{id: {objective}-{n}, title: {title}, metric: mqls, goal: {{at_least: {n + 5}}}{more}}}"
        for n, title in enumerate(titles)
    ]
    return "\n".join(lines) + "\n"


def rules(inspect: InspectProject, text: str, project: str = "", **files: str) -> list[str]:
    """The rules that speak of a project with this file of OKRs, in order."""
    own = {"okr_sync.yaml": PROJECT + project, "metrics.yaml": METRICS, "okrs.yaml": text, **files}
    return [problem.rule for problem in inspect(own).problems]


GOOD = ["Win 5 MQLs", "Win 6 MQLs"]


def test_good_key_results_are_left_alone(inspect: InspectProject) -> None:
    """Nothing is said of key results that are written as they should be."""
    assert rules(inspect, okrs(GOOD)) == []


@pytest.mark.parametrize(
    ("titles", "more", "rule"),
    [
        (["Launch 3 sites", "Win 6 MQLs"], "", "activity-as-result"),
        (["Win many MQLs", "Win 6 MQLs"], "", "vague-result"),
        (["Win 5 MQLs"], "", "too-few-key-results"),
        ([f"Win {n} MQLs" for n in range(5, 11)], "", "too-many-key-results"),
        (GOOD, ", indicator: lagging", "only-lagging"),
    ],
)
def test_each_rule_speaks_and_is_silenced(
    inspect: InspectProject, titles: list[str], more: str, rule: str
) -> None:
    """A project can turn a rule off; a limit can be set."""
    text = okrs(titles, more=more)
    assert rules(inspect, text) == [rule]
    assert rules(inspect, text, f"rules: {{{rule}: off}}\n") == []
    assert rules(inspect, text, f"rules: {{{rule}: on}}\n") == [rule]
    limits = {"too-few-key-results": "{min: 1}", "too-many-key-results": "{max: 6}"}
    if rule in limits:
        assert rules(inspect, text, f"rules: {{{rule}: {limits[rule]}}}\n") == []


def test_one_key_result_is_silenced_with_a_reason(inspect: InspectProject) -> None:
    """`ignore` speaks for its own key result only, and `shared_with` wants several owners."""
    ignore = ", ignore: {vague-result: the number is in the objective}"
    text = okrs(["Win many MQLs", "Win more MQLs"])
    assert rules(inspect, text) == ["vague-result", "vague-result"]
    once = text.replace("{at_least: 5}}", "{at_least: 5}" + ignore + "}")
    assert rules(inspect, once) == ["vague-result"]
    shared = okrs(GOOD, more=", shared_with: [sales], owner: ana")
    assert rules(inspect, shared) == ["shared-one-owner", "shared-one-owner"]
    assert rules(inspect, shared.replace("owner: ana", "owner: 'ana, ben'")) == []


def test_objectives_are_silenced_too(inspect: InspectProject) -> None:
    """`ignore` on an objective silences what is said of it."""
    text = okrs(["Win 5 MQLs"])
    ignore = "    ignore: {too-few-key-results: one number says it all}\n    key_results:"
    assert rules(inspect, text.replace("    key_results:", ignore)) == []


def test_carried_over_objectives(inspect: InspectProject) -> None:
    """An objective that was there in an earlier cycle is told, in the later one."""
    earlier = {"okrs/old.yaml": okrs(GOOD, "2026-Q3", objective="old")}
    assert rules(inspect, okrs(GOOD), **earlier) == ["carried-over"]


def test_too_few_objectives(inspect: InspectProject) -> None:
    """A project can want more than one objective of each team."""
    tuned = "rules: {too-few-objectives: {min: 2}}\n"
    assert rules(inspect, okrs(GOOD), tuned) == ["too-few-objectives"]


def test_too_many_objectives(inspect: InspectProject) -> None:
    """Objectives are counted by team and cycle."""
    files = {f"okrs/o{n}.yaml": okrs(GOOD, objective=f"o{n}") for n in range(5)}
    assert rules(inspect, okrs(GOOD), **files) == ["too-many-objectives"]


def test_metrics_nobody_uses_and_twins(inspect: InspectProject) -> None:
    """A metric without a user and two that compute the same are told."""
    metrics = METRICS.replace("}}", "}, twin: {agg: count, from: hubspot.contacts, time: t}}")
    own = {"okr_sync.yaml": PROJECT, "metrics.yaml": metrics, "okrs.yaml": okrs(GOOD)}
    assert [p.rule for p in inspect(own).problems] == ["same-metric", "unused-metric"]


CYCLE = Cycle("2026-Q4", date(2026, 10, 1), date(2027, 1, 1))


def key_result(goal: Goal) -> KeyResult:
    """A key result with this goal."""
    return KeyResult(
        key_result_id="a/b", objective_id="a/c", team="a", title="t", metric="m", goal=goal,
        cycle=CYCLE, settle=timedelta(0), revise=timedelta(0),
        defined_at=Position("okrs.yaml", 3, 5),
    )  # fmt: skip


def from_to(baseline: str | None, target: str) -> Goal:
    """A goal from a baseline, measured if None, to a target."""
    return Goal(
        kind=GoalKind.FROM_TO,
        baseline=None if baseline is None else Decimal(baseline),
        target=Decimal(target),
        measured_baseline=baseline is None,
    )


@pytest.mark.parametrize(
    ("goal", "last", "is_met"),
    [
        (from_to("10", "20"), "20", True),
        (from_to("10", "20"), "19.9", False),
        (from_to("20", "10"), "9", True),
        (from_to("20", "10"), "11", False),
        (Goal(kind=GoalKind.AT_LEAST, target=Decimal(5), low=Decimal(5)), "5", True),
        (Goal(kind=GoalKind.AT_MOST, target=Decimal(5), high=Decimal(5)), "6", False),
        (
            Goal(kind=GoalKind.BETWEEN, target=Decimal(5), low=Decimal(3), high=Decimal(5)),
            "4",
            True,
        ),
        (from_to(None, "20"), "25", False),
    ],
)
def test_sandbagging(goal: Goal, last: str, is_met: bool) -> None:
    """A target that last cycle's result met already is told, in either direction."""
    found = sandbagging(key_result(goal), PriorFigures(last_result=Decimal(last)))
    assert (found is not None) == is_met
    if found is not None:
        assert (str(found.position), found.rule) == ("okrs.yaml:3:5", "sandbagging")
        assert "the last result before the cycle" in found.message


def test_sandbagging_needs_figures() -> None:
    """Without figures from before nothing is said."""
    assert sandbagging(key_result(from_to("1", "2")), PriorFigures()) is None
