"""Targets are history too: each day is judged by the goal of that day, whenever it is measured."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from okr_sync.briefing.facts import brief
from okr_sync.commands.explaining import explanation_lines
from okr_sync.commands.status import show_status
from okr_sync.config.loader import load_project
from okr_sync.inspect.explanation import explain
from okr_sync.warehouse.goals import recorded_goals
from okr_sync.warehouse.status import status


def goals(desk: Any) -> list[tuple[int, str, str]]:
    """What is recorded of the key result's goals: number, first day, target."""
    with desk.warehouse.read() as connection:
        found = recorded_goals(connection, ["sales/leads"]).get("sales/leads", [])
    return [(one.change, str(one.agreed.effective_from), str(one.agreed.target)) for one in found]


def progress(desk: Any) -> dict[str, str]:
    """Value and target of each day, and the progress that follows."""
    return {
        day[5:]: f"{row.value:f} of {row.target:f} is {row.progress:f}"
        for day, row in desk.latest().items()
    }


def shown(desk: Any, at: str) -> tuple[str, str, str]:
    """The goal beside the current number: in the table that people read, in the report, and by `status`."""
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    (row,) = status(desk.warehouse, now=now)
    cycles = brief(desk.warehouse, load_project(desk.folder), now).cycles
    (standing,) = (one for cycle in cycles for one in cycle.key_results)
    console = Console(width=200)
    with console.capture() as printed:
        show_status(console, [row], desk.warehouse, {})
    head, _, line, *_ = printed.get().splitlines()
    column = slice(head.index("Goal"), head.index("Progress"))
    words = {
        "from_to": f"{row.baseline} → {row.target}",
        "at_least": f"≥ {row.target}",
        "between": f"{row.low} … {row.target}",
    }
    return words[row.goal_kind], standing.goal, line[column].strip()


@pytest.fixture
def changed(desk: Any) -> Any:
    """A goal of 10 that became 20 on 5 March, with a contact a day in March, and a run each day."""
    desk.contact_each_day("2026-03-01", "2026-03-10")
    for day in ("03", "04"):
        desk.sync(f"2026-03-{day}T20:00:00")
    desk.goal("{from: 0, to: 20}")
    desk.sync("2026-03-05T20:00:00")
    return desk


def test_days_before_a_change_keep_their_goal(changed: Any) -> None:
    """The revise window is read again, and what it says of the days before is judged as it was."""
    assert goals(changed) == [(1, "2026-01-01", "10"), (2, "2026-03-05", "20")]
    expected = {"03-03": "3 of 10 is 0.3", "03-04": "4 of 10 is 0.4", "03-05": "5 of 20 is 0.25"}
    assert progress(changed) == expected
    assert changed.revisions() == [
        ("03-03", 1, "first"),
        ("03-04", 1, "first"),
        ("03-05", 1, "first"),
    ]
    rows = changed.latest()
    assert rows["2026-03-03"].definition_hash == rows["2026-03-04"].definition_hash
    assert rows["2026-03-04"].definition_hash != rows["2026-03-05"].definition_hash


def test_a_backfill_judges_each_day_by_its_own_goal(changed: Any) -> None:
    """Days that had no number get the goal that was agreed then, and a second time nothing changes."""
    for _ in range(2):
        changed.sync("2026-03-06T20:00:00", backfill=("2026-03-01", "2026-03-06"))
    assert progress(changed) == {
        "03-01": "1 of 10 is 0.1",
        "03-02": "2 of 10 is 0.2",
        "03-03": "3 of 10 is 0.3",
        "03-04": "4 of 10 is 0.4",
        "03-05": "5 of 20 is 0.25",
        "03-06": "6 of 20 is 0.3",
    }
    assert [one for one in changed.revisions() if one[1] > 1] == [("03-03", 2, "final")]


def test_a_restated_day_is_judged_by_its_own_goal(changed: Any) -> None:
    """A late record changes a day's number and not what was agreed for it."""
    changed.contacts["late"] = ("2026-03-02T15:00:00Z", "DIRECT")
    changed.sync("2026-03-06T20:00:00")
    assert progress(changed)["03-04"] == "5 of 10 is 0.5"
    assert ("03-04", 2, "restated") in changed.revisions()


def test_a_typing_error_mended_on_the_same_day_leaves_no_trace_in_the_curve(changed: Any) -> None:
    """The last goal of a day is that day's; both are recorded."""
    changed.goal("{from: 0, to: 25}")
    changed.sync("2026-03-05T21:00:00")
    assert goals(changed)[2:] == [(3, "2026-03-05", "25")]
    assert progress(changed)["03-05"] == "5 of 25 is 0.2"
    assert changed.revisions()[-1] == ("03-05", 2, "goal")
    changed.goal("{from: 0, to: 10}")  # nobody meant to change it at all
    changed.sync("2026-03-05T22:00:00")
    changed.sync("2026-03-06T20:00:00")
    assert goals(changed)[3:] == [(4, "2026-03-05", "10")]
    assert {day: text.split()[2] for day, text in progress(changed).items()} == dict.fromkeys(
        ("03-03", "03-04", "03-05", "03-06"), "10"
    )


def test_a_first_goal_mended_on_its_first_day_holds_from_the_start(desk: Any) -> None:
    """Nobody agreed on the typing error of a new key result."""
    desk.contact_each_day("2026-03-01", "2026-03-03")
    desk.sync("2026-03-03T20:00:00")
    desk.goal("{from: 0, to: 6}")
    desk.sync("2026-03-03T21:00:00", backfill=("2026-03-02", "2026-03-03"))
    assert goals(desk) == [(1, "2026-01-01", "10"), (2, "2026-01-01", "6")]
    assert [row.target for row in desk.latest().values()] == [6, 6]


def test_goal_since_says_from_which_day_on(changed: Any) -> None:
    """A goal that was agreed earlier, or mistyped for days, counts from the day that is written."""
    changed.goal("{from: 0, to: 8}", ", goal_since: 2026-03-04")
    changed.sync("2026-03-06T20:00:00")
    changed.sync("2026-03-06T21:00:00")
    assert goals(changed)[2:] == [(3, "2026-03-04", "8")]
    assert progress(changed) == {
        "03-03": "3 of 10 is 0.3",
        "03-04": "4 of 8 is 0.5",
        "03-05": "5 of 8 is 0.625",
        "03-06": "6 of 8 is 0.75",
    }
    assert [cause for _, revision, cause in changed.revisions() if revision > 1] == [
        "final",
        "goal",
        "goal",
    ]
    changed.goal("{from: 0, to: 8}")  # the line may go: the day is recorded
    changed.sync("2026-03-06T22:00:00")
    assert len(goals(changed)) == 3


def test_goal_since_reaches_back_beyond_what_is_revised(changed: Any) -> None:
    """The next run judges every day anew that the goal is said to hold for, and it alone."""
    changed.goal("{from: 0, to: 8}", ", goal_since: 2026-03-04")
    changed.sync("2026-03-25T20:00:00")
    assert {day[5:]: str(row.target) for day, row in changed.latest().items()} == {
        "03-03": "10",
        "03-04": "8",
        "03-05": "8",
        "03-25": "8",
    }
    before = changed.revisions()
    changed.sync("2026-03-25T21:00:00")
    assert changed.revisions() == before


def test_a_goal_of_a_cycle_that_is_over_changes_nothing_unless_it_says_since_when(
    changed: Any,
) -> None:
    """What was reported at the end stays; who must correct it says so."""
    changed.sync("2026-03-31T20:00:00")
    changed.sync("2026-05-20T20:00:00")
    before = changed.revisions()
    changed.goal("{from: 0, to: 5}")
    changed.sync("2026-05-21T20:00:00")
    assert changed.revisions() == before
    changed.goal("{from: 0, to: 5}", ", goal_since: 2026-03-31")
    changed.sync("2026-05-22T20:00:00")
    assert changed.revisions() == [*before, ("03-31", 3, "goal")]
    assert {day[5:]: str(row.target) for day, row in changed.latest().items()} == {
        "03-03": "10",
        "03-04": "10",
        "03-05": "20",
        "03-31": "5",
    }


def test_the_goal_that_is_shown_is_the_one_that_the_number_is_judged_by(changed: Any) -> None:
    """A goal written after the cycle's end, or for a day to come, does not stand beside the number."""
    changed.goal("{at_least: 30}", ", goal_since: 2026-03-09")
    changed.sync("2026-03-08T20:00:00")
    assert shown(changed, "2026-03-08T21:00:00") == ("0 → 20",) * 3
    changed.sync("2026-03-09T20:00:00")
    assert shown(changed, "2026-03-09T21:00:00") == ("≥ 30",) * 3
    changed.sync("2026-03-31T20:00:00")
    changed.goal("{between: [2, 5]}")
    changed.sync("2026-05-21T20:00:00")
    assert shown(changed, "2026-05-21T21:00:00") == ("≥ 30",) * 3
    changed.goal("{between: [2, 5]}", ", goal_since: 2026-03-31")
    changed.sync("2026-05-22T20:00:00")
    assert shown(changed, "2026-05-22T21:00:00") == ("2 … 5",) * 3


def test_a_number_that_stayed_is_shown_with_the_goal_of_its_day(changed: Any) -> None:
    """From the day of the change on numbers are refused: the last good one keeps its goal."""
    changed.goal("{from: 0, to: 40}", ", plausible: {at_most: 5}")
    changed.sync("2026-03-06T20:00:00")
    assert max(changed.latest()) == "2026-03-05"
    assert shown(changed, "2026-03-06T21:00:00") == ("0 → 20",) * 3


def test_changed_and_changed_back_before_a_run_is_no_change(changed: Any) -> None:
    """What no run has seen never was."""
    before = goals(changed), changed.revisions()
    changed.goal("{from: 0, to: 99}")
    changed.goal("{from: 0, to: 20}")
    changed.sync("2026-03-05T21:00:00")
    assert (goals(changed), changed.revisions()) == before


def test_commitment_and_pace_belong_to_the_goal(changed: Any) -> None:
    """They say how a number is judged, so the days before a change keep theirs too."""
    changed.goal("{from: 0, to: 20}", ", commitment: aspirational, pace: none")
    changed.sync("2026-03-06T20:00:00")
    rows = changed.latest()
    assert rows["2026-03-05"].expected_progress is not None
    assert rows["2026-03-06"].expected_progress is None


def test_a_change_of_the_definition_is_told_from_a_change_of_the_goal(changed: Any) -> None:
    """The metric is another one: each day of the revise window gets its new number, by its own goal."""
    text = (changed.folder / "metrics.yaml").read_text("utf-8")
    only = "time: createdate, where: {hs_analytics_source: PAID_SEARCH}}"
    changed.write("metrics.yaml", text.replace("time: createdate}", only, 1))
    changed.contacts["2026-03-02"] = ("2026-03-02T15:00:00Z", "DIRECT")
    changed.sync("2026-03-06T20:00:00")
    assert [cause for _, revision, cause in changed.revisions() if revision == 2] == [
        "definition"
    ] * 3
    assert progress(changed)["03-04"] == "3 of 10 is 0.3"


def test_a_new_cycle_begins_with_its_own_goal(changed: Any) -> None:
    """The goal of the quarter before judges no day of the new one, however late the files follow."""
    changed.contact_each_day("2026-04-01", "2026-04-03")
    text = (changed.folder / "okrs.yaml").read_text("utf-8")
    changed.write("okrs.yaml", text.replace("2026-Q1", "2026-Q2").replace("to: 20", "to: 40"))
    changed.sync("2026-04-03T20:00:00", backfill=("2026-04-01", "2026-04-03"))
    assert goals(changed)[2:] == [(3, "2026-04-01", "40")]
    assert {row.target for day, row in changed.latest().items() if day > "2026-04"} == {Decimal(40)}


def test_explain_tells_the_goal_of_the_day_and_all_of_them(changed: Any) -> None:
    """A number of last week is explained by what was agreed then."""
    bundle = load_project(changed.folder)
    rows = changed.latest()
    now = rows["2026-03-05"].recorded_at
    found = explain(changed.warehouse, bundle, "sales/leads", rows["2026-03-04"].as_of, now)
    lines = [f"{section}: {text}" for section, text in explanation_lines(found, "1")]
    assert "Arithmetic: progress: (4 − 0) ÷ (10 − 0) = 40%" in lines
    assert "Definition: goal: 0 → 10" in lines
    recorded = "(recorded at 2026-03-05 20:00:00 UTC)"
    assert f"Goals: from 2026-03-05 on: 0 → 20, committed {recorded}" in lines
    assert found.definition is not None
    assert not found.definition.is_current
