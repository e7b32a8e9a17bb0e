"""A table of bad configurations, each with the exact finding that it must give.

The table is bad_bindings.txt beside this file: a case on one line, its finding indented below it. A
case is a group (what is replaced in a good project) and what it is replaced with.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from okr_sync.config.loader import Inspection
from okr_sync.config.rule_table import RULES

InspectProject = Callable[[Mapping[str, str]], Inspection]

PROJECT = """\
version: 1
time_zone: Europe/London
currency: USD
sources:
  hubspot: {kind: hubspot}
  web: {kind: ga4, property: "123456789"}
  people: {kind: sql, url_env: PEOPLE_URL}
  surveys: {kind: files, path: data, datasets: {posts: {glob: "posts-*.csv", columns: {published: day, likes: number, name: text}}}}
fx: surveys.rates
"""
METRICS = """\
metrics:
  mqls: {agg: count, from: hubspot.contacts, time: createdate}
  other: {agg: count, from: hubspot.tickets, time: createdate}
  rate: {conversion: {from: a, to: b, within: 45d}, of: hubspot.contacts}
  slow_rate: {conversion: {from: a, to: b, within: 120d}, of: hubspot.contacts}
  share: {ratio: {numerator: {agg: count, where: {a: b}}, denominator: {agg: count}}, from: hubspot.deals, time: t}
  other_ratio: {ratio: {numerator: {agg: sum, field: a}, denominator: {agg: sum, field: b}}, from: hubspot.deals, time: t}
  engaged: {agg: average, field: engagementRate, from: web.report}
  days: {duration: {from: a, to: b}, of: hubspot.deals}
  money: {agg: sum, field: amount_in_home_currency, from: hubspot.deals, time: closedate}
  pounds: {agg: sum, field: amount, currency: {field: c, to: GBP}, from: hubspot.deals, time: closedate}
  level: {snapshot: {agg: count}, from: hubspot.deals}
"""
OKRS = """\
team: growth
cycle: 2026-Q4
objectives:
  - id: more
    title: Get more of it
    key_results:
      - {id: mqls, title: Win 10 MQLs, metric: mqls, goal: {at_least: 10}}
      - {id: more-mqls, title: Win 20 MQLs, metric: mqls, goal: {at_least: 20}}
"""


def project_of(case: str) -> dict[str, str]:
    """The files of a case."""
    group, _, text = case.partition(" ")
    files = {
        "okr_sync.yaml": PROJECT,
        "metrics.yaml": METRICS,
        "okrs.yaml": OKRS,
        "q/team.sql": "select 1 as value\n",
        "data/rates.csv": "date,from,to,rate\n",
        "data/posts-1.csv": "published,likes,name\n",
    }
    mqls = "{agg: count, from: hubspot.contacts, time: createdate}"
    key_result = "title: Win 10 MQLs, metric: mqls, goal: {at_least: 10}"
    if group == "metric":
        files["metrics.yaml"] = METRICS.replace(mqls, text)
    elif group == "where":
        where = mqls.replace("}", f", where: {text}}}")
        files["metrics.yaml"] = METRICS.replace(mqls, where)
    elif group == "key-result":
        files["okrs.yaml"] = OKRS.replace(key_result, f"title: Get 10 of it, {text}")
    elif group == "title":
        title, _, goal = text.partition(" | ")
        files["okrs.yaml"] = OKRS.replace(key_result, f"title: {title}, metric: mqls, goal: {goal}")
    else:
        name = {"project": "okr_sync.yaml", "okrs": "okrs.yaml"}[group]
        old, _, new = text.replace("\\n", "\n").partition(" => ")
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)
    return files


def file_of(case: str) -> str:
    """The file that a case spoils."""
    group = case.partition(" ")[0]
    return {"metric": "metrics.yaml", "where": "metrics.yaml", "project": "okr_sync.yaml"}.get(
        group, "okrs.yaml"
    )


def table() -> list[tuple[str, str]]:
    """Every case and its finding."""
    text = (Path(__file__).parent / "bad_bindings.txt").read_text(encoding="utf-8")
    lines = text.splitlines()
    return [(case, finding.strip()) for case, finding in zip(lines[::2], lines[1::2], strict=True)]


@pytest.mark.parametrize(("case", "finding"), table())
def test_bad_bindings_are_told(inspect: InspectProject, case: str, finding: str) -> None:
    """The first finding in the file: place, severity, what is wrong, what to do, rule."""
    problems = [
        problem
        for problem in inspect(project_of(case)).problems
        if problem.position.file == file_of(case)
    ]
    assert problems, "nothing was found"
    assert str(problems[0]) == finding
    assert problems[0].severity is RULES[problems[0].rule].severity


def test_the_good_project_is_good(inspect: InspectProject) -> None:
    """What the cases spoil is right by itself, so that each finding is the case's own."""
    unused = {"unused-metric", "missing-data-file"}
    problems = inspect(project_of("title Win 10 MQLs | {at_least: 10}")).problems
    assert [str(problem) for problem in problems if problem.rule not in unused] == []


def test_the_table_is_long_enough() -> None:
    """At least 150 different bad configurations, of half of all rules that files can break."""
    cases = table()
    assert len({case for case, _ in cases}) >= 150
    rules = {finding.rpartition("[")[2].rstrip("]") for _, finding in cases}
    assert rules <= RULES.keys()
    assert len(rules) >= 75
