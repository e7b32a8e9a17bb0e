"""`plausible`: what can be written, what it means, and what is said of mistakes."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from okr_sync.checks.learnt import LEAST_MOVES, Day, usual_range
from okr_sync.config.hashes import definition_hash
from okr_sync.config.loader import load_project
from okr_sync.config.models import Bounds

PROJECT = """\
version: 1
time_zone: Europe/Berlin
currency: EUR
sources: {hubspot: {kind: hubspot}}
"""
METRICS = """\
metrics:
  leads: {agg: count, from: hubspot.contacts, time: createdate%s}
"""
OKRS = """\
team: sales
cycle: 2026-Q1
objectives:
  - id: grow
    title: Grow
    key_results:
      - {id: leads, title: Get 10 leads, metric: leads, goal: {from: 0, to: 10}%s}
"""


def write(folder: Path, metric: str = "", key_result: str = "") -> Path:
    """A project whose metric and key result have these keys, too."""
    folder.mkdir(exist_ok=True)
    (folder / "okr_sync.yaml").write_text(PROJECT, encoding="utf-8")
    (folder / "metrics.yaml").write_text(METRICS % metric, encoding="utf-8")
    (folder / "okrs.yaml").write_text(OKRS % key_result, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("{at_least: 0}", "0", None),
        ("{at_most: 60%}", None, "0.6"),
        ("{between: [1_000, 2k]}", "1000", "2000"),
        ("{at_least: 5%, at_most: 60%}", "0.05", "0.6"),
    ],
)
def test_bounds_are_written_as_goals_are(
    tmp_path: Path, written: str, low: str | None, high: str | None
) -> None:
    """The same words and numbers, on a metric or on a key result, whose own come first."""
    bundle = load_project(write(tmp_path, f", plausible: {written}"))
    expected = Bounds(low=Decimal(low) if low else None, high=Decimal(high) if high else None)
    assert bundle.metrics["leads"].plausible == expected
    assert bundle.key_results["sales/leads"].plausible is None
    bundle = load_project(write(tmp_path, key_result=f", plausible: {written}"))
    assert bundle.key_results["sales/leads"].plausible == expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{}", "`plausible` is empty."),
        ("[1, 2]", "`plausible` is a list."),
        ("{between: [20, 10]}", "`between` needs two numbers, the smaller one first."),
        ("{at_least: 3, at_most: 2}", "Nothing lies within `plausible`"),
        ("{between: [1, 2], at_most: 3}", "`plausible` mixes `between` with another end."),
        ("{at_lest: 3}", "`plausible` has no key `at_lest`."),
        ("{at_most: many}", "is not a number"),
    ],
)
def test_bounds_that_mean_nothing_are_told_with_their_place(
    tmp_path: Path, written: str, message: str
) -> None:
    """A wrong `plausible` quarantines its key result and says where."""
    bundle = load_project(write(tmp_path, key_result=f", plausible: {written}"))
    found = [problem for problem in bundle.problems if message in problem.message]
    assert found, [problem.message for problem in bundle.problems]
    assert found[0].position.file == "okrs.yaml"
    assert "sales/leads" in bundle.quarantined


def test_bounds_are_no_part_of_the_definition(tmp_path: Path) -> None:
    """A number is only held against them: setting them measures nothing anew and restates nothing."""
    hashes = set()
    for metric, key_result in (
        ("", ""),
        (", plausible: {at_most: 9}", ""),
        ("", ", plausible: {at_least: 1}"),
    ):
        bundle = load_project(write(tmp_path, metric, key_result))
        one = bundle.key_results["sales/leads"]
        hashes.add(definition_hash(one, bundle.metrics["leads"], bundle.metrics))
    assert len(hashes) == 1


def days(*values: str, gap: int = 1) -> list[Day]:
    """Numbers of days in a row, `gap` days apart."""
    return [
        Day(date(2026, 1, 1) + timedelta(days=i * gap), Decimal(value))
        for i, value in enumerate(values)
    ]


def test_a_growing_count_is_judged_by_its_moves() -> None:
    """A count that grows by 2 or 3 a day is usual at the next 2 to 4 and not at its own level of a week ago."""
    values = [str(sum((2, 3)[i % 2] for i in range(n))) for n in range(LEAST_MOVES + 1)]
    past = days(*values)
    last = past[-1]
    usual = usual_range(past, last.as_of.replace(day=last.as_of.day + 1))
    assert usual is not None
    assert (usual.low - last.value, usual.high - last.value) == (1, 4)
    # Two days later, twice as much.
    later = usual_range(past, last.as_of.replace(day=last.as_of.day + 2))
    assert later is not None
    assert (later.low - last.value, later.high - last.value) == (2, 8)
    assert usual_range(past[1:], last.as_of.replace(day=last.as_of.day + 1)) is None


def test_a_steady_number_has_a_hundredth_of_slack() -> None:
    """A number that never moved may move by 1 % of itself a day before it is pointed out."""
    past = days(*["200"] * (LEAST_MOVES + 1))
    usual = usual_range(past, past[-1].as_of.replace(day=past[-1].as_of.day + 1))
    assert usual is not None and (usual.low, usual.high) == (198, 202)
