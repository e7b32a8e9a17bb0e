"""What a run may still publish after a newer one: no old ids, no old definitions, no old goals."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.goals import RecordedGoal, recorded_goals
from okr_sync.warehouse.observations import (
    AgreedGoal,
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
    ObjectiveRow,
)
from okr_sync.warehouse.publish import PublishOutcome
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.renames import Rename, apply_renames
from okr_sync.warehouse.runs import start_run
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import key_result, objective

Observe = Callable[..., KeyResultObservation]
Define = Callable[..., KeyResultRow]
Send = Callable[..., PublishOutcome]
Begin = Callable[[str], None]

DAY = "2026-10-05"
LEADS, DEALS, VISITS = "growth/leads", "growth/deals", "growth/visits"


@pytest.fixture
def begin(warehouse: Warehouse, noon: datetime) -> Begin:
    """Begin a run of many key results."""

    def run(run_id: str) -> None:
        start_run(
            warehouse,
            run_id=run_id,
            trigger="manual",
            dagster_run_id=None,
            config_hash="c1",
            expected=100,
            started_at=noon,
        )

    return run


def goal(key_result_id: str, target: int = 5) -> AgreedGoal:
    """A goal of the fourth quarter."""
    return AgreedGoal(
        key_result_id=key_result_id,
        cycle_start=date(2026, 10, 1),
        effective_from=date(2026, 10, 1),
        goal_kind="from_to",
        baseline=Decimal(0),
        target=Decimal(target),
        low=None,
        high=None,
        baseline_is_measured=False,
        target_share=None,
        commitment="committed",
        pace="linear",
        config_hash="c1",
    )


def goals_of(warehouse: Warehouse, *key_result_ids: str) -> dict[str, list[RecordedGoal]]:
    """The goals that have been recorded."""
    with warehouse.read() as connection:
        return recorded_goals(connection, key_result_ids)


def test_an_id_that_was_given_up_meanwhile_is_not_written(
    warehouse: Warehouse,
    observe: Observe,
    define: Define,
    send: Send,
    publish_as: Send,
    begin: Begin,
    noon: datetime,
) -> None:
    """A run that began before a rename leaves the old id alone, and publishes all else that it found."""
    send(observe(LEADS, DAY, "1"), observe(DEALS, DAY, "1"), run_id="first")
    begin("older")
    begin("newer")
    new_id = "growth/new-leads"
    apply_renames(
        warehouse,
        [Rename(LEADS, new_id), Rename(DEALS, "b/deals")],
        renamed_at=noon,
        config_hash="",
    )
    outcome = publish_as(
        warehouse,
        "older",
        observe(LEADS, DAY, "2"),
        observe(LEADS, "2026-10-06", "2"),
        observe(VISITS, DAY, "3"),
        failures=[KeyResultFailure(DEALS, "refused"), KeyResultFailure("growth/other", "refused")],
        key_results=[define(name) for name in (LEADS, DEALS, VISITS, "growth/other")],
        goals=[goal(LEADS), goal(VISITS)],
    )
    counts = (outcome.new, outcome.revised, outcome.unchanged, outcome.failed, outcome.outdated)
    assert counts == (1, 0, 0, 1, 2)
    with warehouse.read() as connection:
        ids = set(connection.scalars(select(key_result.c.key_result_id)))
    assert ids == {new_id, "b/deals", VISITS, "growth/other"}
    assert (history(warehouse, LEADS), history(warehouse, DEALS)) == ([], [])
    found = {row.key_result_id: (row.value, row.error) for row in status(warehouse, now=noon)}
    assert found == {
        new_id: (1, None),
        "b/deals": (1, None),
        VISITS: (3, None),
        "growth/other": (None, "refused"),
    }
    recorded = goals_of(warehouse, LEADS, VISITS)
    assert recorded == {VISITS: [RecordedGoal(1, goal(VISITS), noon, "older")]}


def test_an_overtaken_run_defines_only_what_is_missing(
    warehouse: Warehouse,
    observe: Observe,
    define: Define,
    publish_as: Send,
    begin: Begin,
    noon: datetime,
) -> None:
    """The newer run's project says what is so: titles, objectives and goals stay as it wrote them."""

    def aim(objective_id: str, title: str) -> ObjectiveRow:
        return ObjectiveRow(objective_id, "growth", "2026-Q4", title, None, ())

    begin("older")
    begin("newer")
    for run_id, title, target in (("newer", "as it is", 7), ("older", "as it was", 5)):
        ids = [LEADS] if run_id == "newer" else [LEADS, VISITS]
        aims = ["growth/o"] if run_id == "newer" else ["growth/o", "growth/p"]
        publish_as(
            warehouse,
            run_id,
            *(observe(name, DAY, "1") for name in ids),
            key_results=[define(name, title=title, objective_id="growth/o") for name in ids],
            objectives=[aim(name, title) for name in aims],
            goals=[goal(name, target) for name in ids],
        )
    with warehouse.read() as connection:
        titles = select(key_result.c.key_result_id, key_result.c.title)
        assert {tuple(row) for row in connection.execute(titles)} == {
            (LEADS, "as it is"),
            (VISITS, "as it was"),
        }
        aims_now = select(objective.c.objective_id, objective.c.title)
        assert {tuple(row) for row in connection.execute(aims_now)} == {
            ("growth/o", "as it is"),
            ("growth/p", "as it was"),
        }
    assert goals_of(warehouse, LEADS, VISITS) == {
        LEADS: [RecordedGoal(1, goal(LEADS, 7), noon, "newer")]
    }


def test_each_number_keeps_the_goal_that_it_was_judged_by(
    warehouse: Warehouse, observe: Observe, send: Send
) -> None:
    """History has the baseline and the target of the day beside the number, also when they change."""
    judged = {"baseline": Decimal("0.18"), "target": Decimal("0.27")}
    send(observe(LEADS, DAY, "0.2", **judged), run_id="first")
    later = judged | {"target": Decimal("0.3"), "definition_hash": "d2"}
    send(observe(LEADS, DAY, "0.2", **later), run_id="second")
    assert [(row.baseline, row.target) for row in history(warehouse, LEADS)] == [
        (Decimal("0.18"), Decimal("0.27")),
        (Decimal("0.18"), Decimal("0.3")),
    ]
