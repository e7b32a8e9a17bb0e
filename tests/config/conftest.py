"""Projects written into a folder of their own, for the tests of reading them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from okr_sync.config.loader import Inspection, inspect_project

PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
sources:
  hubspot: {kind: hubspot}
  web: {kind: ga4, property: "123456789"}
# What the small definitions of these tests break on purpose, and other tests are about.
rules:
  unused-metric: off
  same-metric: off
  mixed-currency-field: off
  too-few-key-results: off
  vague-result: off
  yes-no-result: off
  percent-in-other-unit: off
  percent-of-count: off
  window-never-moves: off
  shared-one-owner: off
"""
METRICS = """\
metrics:
  mqls: {agg: count, from: hubspot.contacts, time: createdate}
"""
OKRS = """\
team: growth
cycle: 2026-Q4
objectives:
  - id: more
    title: Get more of it
    key_results:
      - {id: mqls, title: Grow MQLs, metric: mqls, goal: {from: 0, to: 100%}}
"""

WriteProject = Callable[[Mapping[str, str]], Path]
InspectProject = Callable[[Mapping[str, str]], Inspection]


@pytest.fixture
def write_project(tmp_path: Path) -> WriteProject:
    """Write a small valid project, with the given files added or put in place of its own."""

    def write(files: Mapping[str, str]) -> Path:
        folder = tmp_path / "project"
        texts = {"okr_sync.yaml": PROJECT, "metrics.yaml": METRICS, "okrs.yaml": OKRS, **files}
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def inspect(write_project: WriteProject) -> InspectProject:
    """Write a project as `write_project` does, and read it."""
    return lambda files: inspect_project(write_project(files))
