"""What the curve of a key result tells of changes: of the goal and its terms, and of the definition."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from okr_sync.briefing.facts import brief
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
