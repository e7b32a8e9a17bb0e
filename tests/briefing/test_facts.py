"""What the curve of a key result tells of changes: of the goal and its terms, and of the definition."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from okr_sync.briefing.facts import brief
from okr_sync.briefing.words import in_points
from okr_sync.warehouse.goals import record_goals
from okr_sync.warehouse.observations import AgreedGoal

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
TODAY = NOW.date()
CHANGE = TODAY - timedelta(days=4)


@pytest.mark.parametrize(
    ("effective_from", "kind", "text"),
    [
        (CHANGE, "goal", "the goal's bounds, commitment or pace changed"),
        (None, "definition", "the definition changed: earlier days were measured by another one"),
    ],
)
def test_other_terms_are_a_change_of_goal_and_not_of_definition(
    story: Any, effective_from: date | None, kind: str, text: str
) -> None:
    """The same target, agreed on as aspirational from a day on; without that the metric is another."""
    days = [TODAY - timedelta(days=9 - i) for i in range(10)]
    story.tell("web/deals", [(day, "40") for day in days if day < CHANGE])
    story.tell("web/deals", [(day, "44") for day in days if day >= CHANGE], definition_hash="d2")
    goal = AgreedGoal(
        key_result_id="web/deals",
        cycle_start=date(2026, 10, 1),
        effective_from=date(2026, 10, 1),
        goal_kind="from_to",
        baseline=Decimal(0),
        target=Decimal(100),
        low=None,
        high=None,
        baseline_is_measured=False,
        target_share=None,
        commitment="committed",
        pace="linear",
        config_hash="c1",
    )
    agreed = [goal]
    if effective_from is not None:
        agreed.append(replace(goal, effective_from=effective_from, commitment="aspirational"))
    for one in agreed:
        with story.warehouse.write() as connection:
            record_goals(connection, [one], recorded_at=NOW, run_id="run-1")
    (standing,) = brief(story.warehouse, story.bundle, NOW).running
    assert [(event.day, event.kind, event.text) for event in standing.events] == [
        (CHANGE, kind, text)
    ]


def test_what_moved_is_looked_back_for_from_today(story: Any) -> None:
    """A number that was last measured three weeks ago has not moved in a week, whatever it did before."""
    last = TODAY - timedelta(days=21)
    story.tell("web/still", [(last - timedelta(days=8), "10"), (last, "40")])
    story.tell("web/moved", [(TODAY - timedelta(days=7), "10"), (TODAY, "40")])
    moves = {
        one.row.key_result_id: one.move for one in brief(story.warehouse, story.bundle, NOW).running
    }
    assert moves["web/still"] is not None and moves["web/moved"] is not None
    assert (moves["web/still"].is_any, moves["web/still"].points) == (False, 0)
    assert (moves["web/moved"].is_any, moves["web/moved"].points) == (True, 30)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("57.4", "Severely lagging, 1 point behind: "),
        ("56.4", "Severely lagging, 2 points behind: "),
    ],
)
def test_one_point_behind_is_one_point(story: Any, value: str, words: str) -> None:
    """58.7 % are expected by then."""
    story.tell("web/deals", [(TODAY, value)], status="severely_lagging")
    (standing,) = brief(story.warehouse, story.bundle, NOW).running
    assert standing.decisions[0].startswith(words), standing.decisions


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ("12.4", "+12 points"),
        ("1", "+1 point"),
        ("-1.2", "-1 point"),
        ("0.7", "less than a point"),
        ("-0.3", "less than a point"),
        ("0", "0 points"),
    ],
)
def test_a_small_move_is_not_rounded_to_none(points: str, words: str) -> None:
    """What moved by less than a point moved all the same."""
    assert in_points(Decimal(points)) == words
