"""What checks say of a key result's numbers from one run to the next."""

from datetime import datetime
from typing import Any

import pytest

from okr_sync.checks.results import CheckResult
from okr_sync.config.loader import load_project
from okr_sync.sync.quarantine import publish_quarantined, quarantined_failures
from okr_sync.warehouse.check_results import checks_now
from okr_sync.warehouse.runs import start_run

BROKEN = """\
metrics:
  broken: {agg: sum, field: never_read, from: hubspot.contacts, time: createdate}
"""
GOAL = "{from: 0, to: 100}"


def said(desk: Any) -> dict[str, CheckResult]:
    """What holds now of the key result, by check."""
    found = checks_now(desk.warehouse, subjects=["sales/leads"])
    return {one.result.check.value: one.result for one in found}


@pytest.mark.parametrize("change", ["nothing", "the goal", "the metric"])
def test_a_new_goal_is_no_new_number(desk: Any, change: str) -> None:
    """What is usual is learnt from the days before a goal changed too; another metric begins anew."""
    desk.contact_each_day("2026-01-01", "2026-02-20")
    desk.goal(GOAL)
    desk.sync("2026-02-20T20:00:00", backfill=("2026-01-25", "2026-02-20"))
    if change == "the goal":
        desk.goal("{from: 0, to: 200}")
    elif change == "the metric":
        desk.goal(GOAL, ", over: {last: 60d}")
    for number in range(100):
        desk.contacts[f"new-{number}"] = ("2026-02-21T15:00:00Z", "DIRECT")
    desk.sync("2026-02-21T20:00:00")
    if change == "the metric":
        assert said(desk)["in_bounds"].passed
    else:
        assert "is unusual: after 51 on 2026-02-20" in said(desk)["in_bounds"].message


@pytest.mark.parametrize("plausible", ["", ", plausible: {at_least: 0}"])
def test_nothing_is_said_of_a_number_that_is_not_there(desk: Any, plausible: str) -> None:
    """Where a run has measured nothing, no check says that what it measured is as it should be."""
    share = f"id: leads, title: Pay for less, metric: paid_share, goal: {{at_most: 50%}}{plausible}"
    desk.key_results(share)
    desk.sync("2026-02-20T20:00:00")
    held = "the declared bounds, at least 0.0%" if plausible else "its past"
    assert said(desk)["in_bounds"].message == f"No new number to hold against {held}."
    desk.key_results(share.replace("paid_share", "broken"))
    desk.write("metrics.yaml", BROKEN)
    desk.sync("2026-02-20T21:00:00")
    assert said(desk)["in_bounds"].message == f"No new number to hold against {held}."
    assert said(desk)["not_restated"].message == "No new number was measured."


LEADS = "id: leads, title: Bring in leads, metric: leads, goal: {from: 0, to: 10}"
SHARE = "id: share, title: Pay for less, metric: paid_share, goal: {at_most: 50%}"


def holds(desk: Any) -> set[str]:
    """Of what something holds now."""
    return {one.result.subject for one in checks_now(desk.warehouse)}


def test_nothing_holds_of_what_is_gone(desk: Any) -> None:
    """A removed key result and its metric are no longer said to fail or pass; if they come back they are."""
    desk.key_results(LEADS, SHARE)
    desk.sync("2026-02-20T20:00:00")
    before = holds(desk)
    assert before == {"leads", "paid_share", "sales/leads", "sales/share"}
    desk.key_results(LEADS)
    desk.sync("2026-02-20T21:00:00")
    assert holds(desk) == {"leads", "sales/leads"}
    desk.key_results(LEADS, SHARE)
    desk.sync("2026-02-20T22:00:00")
    assert holds(desk) == before


def test_what_cannot_be_read_is_not_gone(desk: Any) -> None:
    """While a key result is quarantined nobody can tell what it rests on; what is gone itself still ends."""
    desk.key_results(LEADS, SHARE)
    desk.sync("2026-02-20T20:00:00")
    desk.key_results(LEADS.replace("metric: leads", "metric: lead"))
    bundle = load_project(desk.folder)
    run_id, now = "run-later", datetime.fromisoformat("2026-02-20T21:00:00Z")
    start_run(
        desk.warehouse,
        run_id=run_id,
        trigger="manual",
        dagster_run_id=None,
        config_hash=bundle.config_hash,
        expected=1,
        started_at=now,
    )
    failures = quarantined_failures(desk.warehouse, bundle)
    assert [one.key_result_id for one in failures] == ["sales/leads"]
    publish_quarantined(desk.warehouse, bundle, failures, run_id, now)
    assert holds(desk) == {"leads", "paid_share", "sales/leads"}
