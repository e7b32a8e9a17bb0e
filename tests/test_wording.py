"""Turns of phrase that every part shares."""

from decimal import Decimal
from functools import partial

import pytest

from okr_sync.config.models import Goal, GoalKind
from okr_sync.inspect.words import goal_in_words
from okr_sync.numbers import show_number

LOW, HIGH = Decimal("0.03"), Decimal("0.04")


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal(kind=GoalKind.FROM_TO, baseline=HIGH, target=LOW), "4.0% → 3.0%"),
        (Goal(kind=GoalKind.AT_LEAST, low=LOW, target=LOW), "≥ 3.0%"),
        (Goal(kind=GoalKind.AT_MOST, high=HIGH, target=HIGH), "≤ 4.0%"),
        (Goal(kind=GoalKind.BETWEEN, low=LOW, high=HIGH, target=HIGH), "3.0% … 4.0%"),
        (
            Goal(kind=GoalKind.FROM_TO, measured_baseline=True, relative_target=Decimal("0.125")),
            "measured → +12.5%",
        ),
        (
            Goal(kind=GoalKind.FROM_TO, measured_baseline=True, relative_target=Decimal("-0.1")),
            "measured → -10%",
        ),
        (Goal(kind=GoalKind.FROM_TO, measured_baseline=True, target=HIGH), "measured → 4.0%"),
    ],
)
def test_a_goal_has_the_same_words_everywhere(goal: Goal, words: str) -> None:
    """Table, report, `explain` and Dagster use these; ends that aren't known yet are told as they are."""
    assert goal_in_words(goal, partial(show_number, unit="percent")) == words
