"""Objectives and key results as they are written, and everything that is refused of them."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal

import pytest

from okr_sync.config.loader import Inspection
from okr_sync.config.models import AggMetric, Goal, GoalKind, KeyResult, Over, OverKind

InspectProject = Callable[[Mapping[str, str]], Inspection]


def okrs(body: str) -> str:
    """A file with one key result of the given keys."""
    return (
        "team: growth\ncycle: 2026-Q4\nobjectives:\n  - id: more\n    title: More\n"
        f"    key_results:\n      - {{id: kr, title: T, {body}}}\n"
    )


def key_result(inspect: InspectProject, body: str) -> KeyResult:
    """The key result of that file."""
    inspection = inspect({"okrs.yaml": okrs(body)})
    assert [str(problem) for problem in inspection.problems] == []
    assert inspection.bundle is not None
    return inspection.bundle.key_results["growth/kr"]


def test_everything_that_a_key_result_can_say(inspect: InspectProject) -> None:
    """All keys of the design arrive, and defaults come from the project."""
    found = key_result(
        inspect,
        "metric: mqls, goal: {from: 18%, to: 27%}, over: {last: 4w}, unit: percent, owner: ana, "
        "commitment: aspirational, indicator: leading, shared_with: [sales], settle: 72h",
    )
    assert found.goal == Goal(
        kind=GoalKind.FROM_TO, baseline=Decimal("0.18"), target=Decimal("0.27")
    )
    assert found.over == Over(kind=OverKind.LAST, days=28)
    assert (found.unit, found.owner, found.commitment) == ("percent", "ana", "aspirational")
    assert (found.indicator, found.shared_with) == ("leading", ("sales",))
    assert (found.settle, found.revise) == (timedelta(hours=72), timedelta(days=7))
    assert (found.objective_id, found.team) == ("growth/more", "growth")
    assert (found.cycle.start, found.cycle.end) == (date(2026, 10, 1), date(2027, 1, 1))
    assert str(found.defined_at) == "okrs.yaml:7:14"


@pytest.mark.parametrize("unit", ["'%'", "Percent", "per cent"])
@pytest.mark.parametrize("of", ["key result", "metric"])
def test_percent_may_be_written_in_several_ways(
    inspect: InspectProject, unit: str, of: str
) -> None:
    """The unit decides how every number is shown and read, so its sign must not be just any word."""
    metric = "{agg: sum, field: sessions, from: web.report"
    own = f"unit: {unit}"
    body = f"{metric}}}, {own}" if of == "key result" else f"{metric}, {own}}}"
    found = key_result(inspect, f"metric: {body}, goal: {{from: 18%, to: 27%}}")
    assert found.unit == "percent"


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("{from: 40, to: 14}",
         Goal(kind=GoalKind.FROM_TO, baseline=Decimal(40), target=Decimal(14))),
        ("{from: 0, to: $2.6M}",
         Goal(kind=GoalKind.FROM_TO, baseline=Decimal(0), target=Decimal(2600000))),
        ("{at_least: 50}", Goal(kind=GoalKind.AT_LEAST, target=Decimal(50), low=Decimal(50))),
        ("{at_most: 25%}",
         Goal(kind=GoalKind.AT_MOST, target=Decimal("0.25"), high=Decimal("0.25"))),
        ("{between: [3%, 4%]}",
         Goal(kind=GoalKind.BETWEEN, target=Decimal("0.04"), low=Decimal("0.03"),
              high=Decimal("0.04"))),
        ("{from: measured, to: 30}",
         Goal(kind=GoalKind.FROM_TO, target=Decimal(30), measured_baseline=True)),
        ("{from: measured, to: +25%}",
         Goal(kind=GoalKind.FROM_TO, measured_baseline=True, relative_target=Decimal("0.25"))),
        ("{from: measured, to: -10%}",
         Goal(kind=GoalKind.FROM_TO, measured_baseline=True, relative_target=Decimal("-0.1"))),
        ("{from: 200, to: -10%}",
         Goal(kind=GoalKind.FROM_TO, baseline=Decimal(200), target=Decimal(180))),
        ("{from: 5, to: -10}",
         Goal(kind=GoalKind.FROM_TO, baseline=Decimal(5), target=Decimal(-10))),
    ],
)  # fmt: skip
def test_goals(inspect: InspectProject, text: str, goal: Goal) -> None:
    """The four forms, in either direction."""
    assert key_result(inspect, f"metric: mqls, goal: {text}").goal == goal


@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("cycle", Over()),
        ("{last: 28d}", Over(kind=OverKind.LAST, days=28)),
        ("{to_date: week}", Over(kind=OverKind.TO_DATE, period="week")),
        ("{to_date: quarter}", Over(kind=OverKind.TO_DATE, period="quarter")),
        ("{previous: month}", Over(kind=OverKind.PREVIOUS, period="month")),
        ("{previous: year}", Over(kind=OverKind.PREVIOUS, period="year")),
    ],
)
def test_windows(inspect: InspectProject, text: str, over: Over) -> None:
    """All forms of `over`."""
    assert key_result(inspect, f"metric: mqls, goal: {{at_least: 1}}, over: {text}").over == over


def test_a_metric_written_in_place(inspect: InspectProject) -> None:
    """It is named by its key result, and lives and falls with it."""
    body = (
        "metric: {agg: sum, field: sessions, from: web.report, unit: visits}, goal: {at_least: 1}"
    )
    inspection = inspect({"okrs.yaml": okrs(body).replace("growth", "growth-team")})
    bundle = inspection.bundle
    assert bundle is not None and inspection.problems == ()
    found = bundle.key_results["growth-team/kr"]
    assert (found.metric, found.unit) == ("growth_team__kr", "visits")
    assert isinstance(bundle.metrics["growth_team__kr"], AggMetric)
    broken = inspect({"okrs.yaml": okrs(body.replace("at_least", "at_lest"))})
    assert broken.bundle is not None
    assert list(broken.bundle.metrics) == ["mqls"]
    assert list(broken.bundle.quarantined) == ["growth/kr"]


def test_an_unknown_metric_is_told_beside_other_mistakes(inspect: InspectProject) -> None:
    """Whoever mends one mistake of a key result doesn't meet the next one only then."""
    inspection = inspect({"okrs.yaml": okrs("metric: mqlz, goal: {at_lest: 1}")})
    assert [problem.rule for problem in inspection.problems] == ["unknown-metric", "unknown-key"]
    misspelt = inspect({"okrs.yaml": okrs("metric: MQLs, goal: {at_least: 1}, over: 28d")})
    assert [problem.rule for problem in misspelt.problems] == ["bad-id", "bad-over"]


@pytest.mark.parametrize(
    ("body", "unit"),
    [
        ("metric: rate, goal: {from: 18%, to: 27%}", "percent"),
        ("metric: rate, goal: {between: [18%, 27%]}", "percent"),
        ('metric: rate, goal: {at_least: 0.18}, unit: "%"', "percent"),
        ("metric: rate, goal: {at_least: 0.18}", None),
        ("metric: rate, goal: {from: measured, to: +25%}", None),
        ("metric: rate, goal: {at_least: 18%}, unit: share", "share"),
        ("metric: mqls, goal: {at_least: 18%}", None),
        ("goal: {from: 18%, to: 27%}", "percent"),
    ],
)
def test_a_goal_in_per_cent_has_that_unit(
    inspect: InspectProject, body: str, unit: str | None
) -> None:
    """Who writes 18% reads 18.0% and not 0.18, without a line about the unit."""
    rate = "metrics:\n  rate: {conversion: {from: a, to: b, within: 3d}, of: hubspot.deals}\n"
    inspection = inspect({"metrics/rate.yaml": rate, "okrs.yaml": okrs(body)})
    assert inspection.bundle is not None
    assert inspection.bundle.key_results["growth/kr"].unit == unit


GOAL = "goal: {at_least: 1}"


@pytest.mark.parametrize(
    ("body", "column", "rule", "words"),
    [
        ("metric: mqls", 9, "missing-key", "needs `goal`"),
        (f"metric: mqlz, {GOAL}", 36, "unknown-metric", "Did you mean `mqls`?"),
        (f"metric: zzzzzzz, {GOAL}", 36, "unknown-metric", "Define it in metrics.yaml"),
        (f"metric: {{agg: avg, field: f, from: hubspot.deals, time: t}}, {GOAL}", 42,
         "unknown-aggregation", "Did you mean `average`?"),
        ("metric: mqls, goal: 5", 48, "wrong-type", "Write {from: 18%, to: 27%}"),
        ("metric: mqls, goal: {}", 48, "missing-key", "names no target"),
        ("metric: mqls, goal: {from: 5, to: 5.0}", 62, "goal-is-baseline", "same number"),
        ("metric: mqls, goal: {to: 5}", 48, "missing-key", "needs `from`"),
        ("metric: mqls, goal: {from: 2, to: abc}", 62, "bad-number", "not a number"),
        ("metric: mqls, goal: {from: 2,100,000, to: 5}", 57, "unknown-key", "2_100"),
        ("metric: mqls, goal: {at_least: 2, at_most: 3}", 62, "two-goals", "Keep one form"),
        ("metric: mqls, goal: {between: [3, 2]}", 58, "bad-range", "smaller one first"),
        ("metric: mqls, goal: {between: [3]}", 58, "bad-range", "two numbers"),
        (f"metric: mqls, {GOAL}, over: 28d", 69, "bad-over", "{last: 28d}"),
        (f"metric: mqls, {GOAL}, over: quarter", 69, "bad-over", "{to_date: quarter}"),
        (f"metric: mqls, {GOAL}, over: {{last: 36h}}", 76, "bad-duration", "whole days"),
        (f"metric: mqls, {GOAL}, over: {{last: 0d}}", 76, "bad-duration", "whole days"),
        (f"metric: mqls, {GOAL}, over: {{to_date: day}}", 79, "bad-choice", "week, month"),
        (f"metric: mqls, {GOAL}, over: {{last: 3d, to_date: week}}", 69, "bad-over", "one form"),
        (f"metric: mqls, {GOAL}, commitment: maybe", 75, "bad-choice", "committed or aspirational"),
        (f"metric: mqls, {GOAL}, indicator: leadng", 74, "bad-choice", "Did you mean `leading`?"),
        (f"metric: mqls, {GOAL}, min_n: 3", 63, "unknown-key", "belongs to the metric"),
        (f"metric: mqls, {GOAL}, target: 3", 63, "unknown-key", "belongs into `goal`"),
        (f"metric: mqls, {GOAL}, settle: 2m", 71, "bad-duration", "minutes or months"),
        (f"metric: mqls, {GOAL}, shared_with: sales", 76, "wrong-type", "a list"),
        (f"metric: mqls, {GOAL}, comitment: committed", 63, "unknown-key",
         "Did you mean `commitment`?"),
    ],
)  # fmt: skip
def test_wrong_key_results_are_quarantined(
    inspect: InspectProject, body: str, column: int, rule: str, words: str
) -> None:
    """Each mistake has its exact place, bears the key result's id, and keeps only it from running."""
    inspection = inspect({"okrs.yaml": okrs(body)})
    problem = inspection.problems[0]
    place = (problem.position.line, problem.position.column, problem.rule)
    assert place == (7, column, rule)
    assert words in f"{problem.message} {problem.fix}"
    assert problem.key_result_id == "growth/kr"
    assert inspection.bundle is not None
    assert inspection.bundle.key_results == {}
    assert problem.message in inspection.bundle.quarantined["growth/kr"]
    assert inspection.bundle.objectives.keys() == {"growth/more"}


def test_a_conversion_never_goes_beyond_100_percent(inspect: InspectProject) -> None:
    """`to: 27` for a share is the classic slip; for other metrics of percent it is a warning."""
    conversion = "metric: {conversion: {from: a, to: b, within: 3d}, of: hubspot.deals}"
    inspection = inspect({"okrs.yaml": okrs(f"{conversion}, goal: {{from: 18%, to: 27}}")})
    assert inspection.problems[0].rule == "goal-beyond-conversion"
    assert inspection.problems[0].fix == "Did you mean `27%`?"
    inspection = inspect(
        {"okrs.yaml": okrs("metric: mqls, goal: {between: [0, 27]}, unit: percent")}
    )
    assert [(p.rule, p.severity.value) for p in inspection.problems] == [
        ("percent-sign", "warning")
    ]
    assert inspection.bundle is not None
    assert inspection.bundle.key_results.keys() == {"growth/kr"}


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("- a\n", "1:1", "wrong-type"),
        ("cycle: 2026-Q4\nobjectives: []\n", "1:1", "missing-key"),
        ("team: Growth Team\ncycle: 2026-Q4\nobjectives: [{}]\n", "1:7", "bad-id"),
        ("team: a\ncycle: {start: 2026-10-01}\nobjectives: [{}]\n", "2:8", "missing-key"),
        ("team: a\ncycle: {start: 2026-10-01, end: 2026-01-01}\nobjectives: [{}]\n", "2:33",
         "bad-cycle"),
        ("team: a\ncycle: 2026-Q4\nobjectives: {id: a}\n", "3:13", "wrong-type"),
        ("team: a\ncycle: 2026-Q4\nobjectives: [a]\n", "3:14", "wrong-type"),
        (("team: a\ncycle: 2026-Q4\nobjectives:\n- {id: a, title: b, supports: [c], "
         "key_results: []}\n"), "4:32", "bad-id"),
        ("team: a\ncycle: 2026-Q4\nmetrics: {}\nobjectives: [{}]\n", "3:1", "unknown-key"),
        ("team: a\ncycle: 2026-Q4\nobjectives:\n- {id: a, title: b, key_results: [c]}\n", "4:35",
         "wrong-type"),
    ],
)  # fmt: skip
def test_wrong_files_of_okrs(inspect: InspectProject, text: str, place: str, rule: str) -> None:
    """What is wrong above the key results is told, and another team's numbers run."""
    inspection = inspect({"okrs/other.yaml": text})
    problem = inspection.problems[0]
    assert (str(problem.position), problem.rule) == (f"okrs/other.yaml:{place}", rule)
    assert inspection.bundle is not None
    assert inspection.bundle.key_results.keys() == {"growth/mqls"}


def test_a_wrong_cycle_quarantines_the_whole_file(inspect: InspectProject) -> None:
    """Without days there is no window; the ids are known, so the last good values stay."""
    inspection = inspect({"okrs.yaml": okrs(f"metric: mqls, {GOAL}").replace("2026-Q4", "Q4")})
    assert inspection.bundle is not None
    assert "`Q4` is not the name of a cycle" in inspection.bundle.quarantined["growth/kr"]


def test_an_id_that_cannot_be_read_marks_the_file(inspect: InspectProject) -> None:
    """Key results last defined there may be the one: they must not count as deleted."""
    inspection = inspect({"okrs.yaml": okrs(f"metric: mqls, {GOAL}").replace("id: kr", "id: K R")})
    assert inspection.bundle is not None
    assert inspection.bundle.quarantined == {}
    assert "`K R` can't be an id" in inspection.bundle.broken_files["okrs.yaml"]
