"""The fingerprint of a definition: what changes it and what doesn't."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from okr_sync.config.hashes import definition_hash
from okr_sync.config.loader import load_project

WriteProject = Callable[[Mapping[str, str]], Path]

METRICS = """\
metrics:
  mqls:
    conversion: {from: a, to: b, within: 45d}
    of: hubspot.contacts
    where: {x: [p, q], y: {gte: 10}}
    min_n: 5
"""
OKRS = """\
team: growth
cycle: 2026-Q4
objectives:
  - id: more
    title: Get more of it
    key_results:
      - {id: mqls, title: Grow, metric: mqls, goal: {from: 10%, to: 50%}, commitment: committed}
"""


def hash_of(write_project: WriteProject, metrics: str, okrs: str) -> str:
    """The definition hash of the project's only key result."""
    bundle = load_project(write_project({"metrics.yaml": metrics, "okrs.yaml": okrs}))
    key_result = bundle.key_results["growth/mqls"]
    return definition_hash(key_result, bundle.metrics[key_result.metric], bundle.metrics)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Grow", "title: Other"),
        ("title: Grow", "title: Grow, owner: ana, unit: percent, shared_with: [b]"),
        ("    min_n: 5\n", "    min_n: 5\n    description: D\n    tags: [a]\n    family: funnel\n"),
        ("[p, q], y: {gte: 10}", "[q, p, p], y: {gte: 10.0}"),
        ("x: [p, q], y: {gte: 10}", "y: {gte: 10}, x: [p, q]"),
        ("within: 45d", "within: 1080h"),
        ("to: 50%", "to: 0.50"),
        ("cycle: 2026-Q4", "cycle: {start: 2026-10-01, end: 2026-12-31}"),
        ("team: growth", "# moved down a line\nteam: growth"),
    ],
)
def test_words_and_places_do_not_change_it(write_project: WriteProject, old: str, new: str) -> None:
    """Another way to write the same definition has the same hash."""
    before = hash_of(write_project, METRICS, OKRS)
    assert hash_of(write_project, METRICS.replace(old, new), OKRS.replace(old, new)) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("within: 45d", "within: 46d"),
        ("to: b", "to: c"),
        ("hubspot.contacts", "hubspot.deals"),
        ("[p, q]", "[p]"),
        ("gte: 10", "gt: 10"),
        ("min_n: 5", "min_n: 6"),
        ("min_n: 5", "empty: zero"),
        ("to: 50%", "to: 51%"),
        ("{from: 10%, to: 50%}", "{at_least: 50%}"),
        ("commitment: committed", "commitment: aspirational"),
        ("commitment: committed", "over: {last: 60d}"),
        ("cycle: 2026-Q4", "cycle: 2026-Q3"),
        ("conversion: {from: a, to: b, within: 45d}", "duration: {from: a, to: b}"),
        ("commitment: committed", "pace: none"),
        ("{from: 10%, to: 50%}", "{from: measured, to: 50%}"),
        ("    min_n: 5\n", "    min_n: 5\n    by: z\n    reduce: min\n"),
    ],
)
def test_what_can_change_the_number_or_its_judgement_does(
    write_project: WriteProject, old: str, new: str
) -> None:
    """Another definition has another hash."""
    before = hash_of(write_project, METRICS, OKRS)
    assert hash_of(write_project, METRICS.replace(old, new), OKRS.replace(old, new)) != before
