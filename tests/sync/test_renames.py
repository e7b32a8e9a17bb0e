"""A key result that gets another id keeps its history: `was`."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from okr_sync.config.loader import load_project
from okr_sync.inspect.explanation import explain
from okr_sync.sync.renames import unknown_former_ids
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.baselines import MeasuredBaseline, freeze_baselines
from okr_sync.warehouse.goals import recorded_goals
from okr_sync.warehouse.overrides import add_override, overrides_of
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.renames import earlier_ids
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import (
    key_result,
    key_result_rename,
    measured_baseline,
    metric_value,
)

NOW = datetime(2026, 3, 30, tzinfo=UTC)


def shown(desk: Any, name: str) -> list[tuple[str, int, int | None, str | None]]:
    """A key result's history: day, revision, value and cause."""
    return [
        (str(row.as_of)[5:], row.revision, None if row.value is None else int(row.value), row.cause)
        for row in history(desk.warehouse, name)
    ]


def new_id(desk: Any, name: str, was: str, more: str = "") -> None:
    """Give the team's key result another id."""
    line = (
        f"id: {name}, title: Bring in leads, metric: leads, goal: {{from: 0, to: 10}}, was: {was}"
    )
    desk.key_results(line + more)


@pytest.fixture
def measured(desk: Any) -> Any:
    """Three days of numbers of sales/leads."""
    desk.contact_each_day("2026-03-01", "2026-03-10")
    for day in ("02", "03", "04"):
        desk.sync(f"2026-03-{day}T20:00:00")
    return desk


OLD = [("03-02", 1, 2, "first"), ("03-03", 1, 3, "first"), ("03-04", 1, 4, "first")]


def test_the_history_goes_on_under_the_new_id(measured: Any) -> None:
    """Numbers, goals, current value and what is unchanged: all as if it had always been called so."""
    new_id(measured, "new-leads", "leads")
    measured.sync("2026-03-04T21:00:00")
    assert shown(measured, "sales/new-leads") == [("03-02", 1, 2, "first"), *OLD[1:]]
    measured.sync("2026-03-05T20:00:00")
    assert shown(measured, "sales/new-leads")[-1] == ("03-05", 1, 5, "first")
    assert history(measured.warehouse, "sales/leads") == []
    (row,) = status(measured.warehouse, now=NOW, even_retired=True)
    assert (row.key_result_id, row.value, row.retired_at) == ("sales/new-leads", 5, None)
    with measured.warehouse.read() as connection:
        (goal,) = recorded_goals(connection, ["sales/new-leads"])["sales/new-leads"]
        (rename,) = connection.execute(select(key_result_rename)).all()
    assert (goal.change, goal.agreed.effective_from) == (1, date(2026, 1, 1))
    assert (rename.old_id, rename.new_id) == ("sales/leads", "sales/new-leads")


def test_renamed_again_and_back(measured: Any) -> None:
    """A chain of renames is one history, and an id may come back."""
    for name, was in (("b", "leads"), ("c", "b"), ("leads", "c"), ("b", "leads")):
        new_id(measured, name, was)
        measured.sync("2026-03-04T21:00:00")
    assert shown(measured, "sales/b") == OLD
    with measured.warehouse.read() as connection:
        assert earlier_ids(connection, "sales/b") == [
            "sales/leads",
            "sales/c",
            "sales/b",
            "sales/leads",
        ]


def test_a_key_result_moves_to_another_team(measured: Any) -> None:
    """`was: team/id` takes the history along."""
    new_id(measured, "leads", "sales/leads")
    text = (measured.folder / "okrs.yaml").read_text("utf-8")
    measured.write("okrs.yaml", text.replace("team: sales", "team: growth"))
    measured.sync("2026-03-04T21:00:00")
    assert shown(measured, "growth/leads") == OLD
    assert [row.team for row in status(measured.warehouse, now=NOW)] == ["growth"]


def test_said_after_a_run_has_found_it_new(measured: Any) -> None:
    """Whoever forgets `was` for some days loses nothing: the old history comes first, then these days."""
    new_id(measured, "new-leads", "leads")
    text = (measured.folder / "okrs.yaml").read_text("utf-8")
    measured.write("okrs.yaml", text.replace(", was: leads", ""))
    for hour in ("04T21", "05T20", "06T20"):
        measured.sync(f"2026-03-{hour}:00:00")
    assert [day for day, *_ in shown(measured, "sales/new-leads")] == ["03-04", "03-05", "03-06"]
    measured.write("okrs.yaml", text)
    measured.sync("2026-03-06T21:00:00")
    measured.sync("2026-03-06T22:00:00")
    found = shown(measured, "sales/new-leads")
    assert [day for day, revision, *_ in found if revision == 1] == [
        "03-02",
        "03-03",
        "03-04",
        "03-05",
        "03-06",
    ]
    assert found[0] == OLD[0]
    (row,) = status(measured.warehouse, now=NOW)
    assert (row.key_result_id, row.as_of, row.value) == ("sales/new-leads", date(2026, 3, 6), 6)
    between = datetime(2026, 3, 5, 21, tzinfo=UTC)
    (known,) = status(measured.warehouse, now=NOW, as_known_on=between)
    assert (known.key_result_id, known.value) == ("sales/new-leads", 5)
    # What had been published under the new id is still there, set aside.
    aside = [day for day, *_ in shown(measured, "sales/new-leads~1")]
    assert aside == ["03-04", "03-05", "03-06"]
    with measured.warehouse.read() as connection:
        assert violations(connection) == []


def test_a_baseline_that_was_frozen_for_the_new_id_is_in_nobodys_way(measured: Any) -> None:
    """A run that froze one and died before its publish must not make the rename fail for good."""
    frozen = [
        MeasuredBaseline(
            name, date(2026, 1, 1), Decimal(value), date(2026, 1, 2), "m", NOW, "run-0"
        )
        for name, value in (("sales/leads", 3), ("sales/new-leads", 5), ("sales/new-leads~1", 7))
    ]
    freeze_baselines(measured.warehouse, frozen)
    new_id(measured, "new-leads", "leads")
    measured.sync("2026-03-05T20:00:00")
    assert shown(measured, "sales/new-leads")[0] == OLD[0]
    with measured.warehouse.read() as connection:
        kept = {
            row.key_result_id: int(row.baseline)
            for row in connection.execute(select(measured_baseline))
        }
    assert kept == {"sales/new-leads": 3, "sales/new-leads~1": 7, "sales/new-leads~2": 5}


def test_overrides_and_levels_go_along(measured: Any) -> None:
    """A number set by hand goes on, and a level's past days, which nobody can measure again."""
    level = "title: Have a pool, metric: {snapshot: {agg: count}, from: hubspot.contacts}"
    both = (
        "id: leads, title: Bring in leads, metric: leads, goal: {from: 0, to: 10}",
        f"id: pool, {level}, goal: {{from: 0, to: 100}}",
    )
    measured.key_results(*both)
    measured.sync("2026-03-04T21:00:00")
    add_override(
        measured.warehouse,
        key_result_id="sales/leads",
        value=Decimal(7),
        reason="the form was broken",
        author="ana",
        from_day=date(2026, 3, 3),
        until_day=date(2026, 3, 9),
        recorded_at=NOW,
    )
    measured.sync("2026-03-05T20:00:00")
    measured.key_results(
        both[0].replace("id: leads", "id: new-leads, was: leads"),
        both[1].replace("id: pool", "id: stock, was: pool"),
    )
    measured.sync("2026-03-08T20:00:00")
    with measured.warehouse.read() as connection:
        (override,) = overrides_of(connection, ["sales/new-leads"])
        metrics = set(connection.scalars(select(metric_value.c.metric)))
    assert override.reason == "the form was broken"
    values = {str(row.as_of)[5:]: row.value for row in measured.latest("sales/new-leads").values()}
    assert values == {"03-02": 2, "03-03": 7, "03-04": 7, "03-05": 7, "03-08": 7}
    assert {"sales__pool", "sales__stock"} <= metrics
    finals = {day: row.is_final for day, row in measured.latest("sales/stock").items()}
    assert finals == {"2026-03-04": True, "2026-03-05": True, "2026-03-08": False}


def test_a_run_that_began_before_writes_nothing_under_the_old_id(measured: Any) -> None:
    """An older run, with the files as they were, comes too late; the newer one has its numbers."""
    older = measured.begin("2026-03-05T20:00:00")
    new_id(measured, "new-leads", "leads")
    newer = measured.begin("2026-03-05T20:05:00")
    measured.end(*older)
    measured.end(*newer)
    assert history(measured.warehouse, "sales/leads") == []
    assert shown(measured, "sales/new-leads")[-1] == ("03-05", 1, 5, "first")
    with measured.warehouse.read() as connection:
        assert connection.scalars(select(key_result.c.key_result_id)).all() == ["sales/new-leads"]


def test_explain_finds_the_definition_of_that_time(measured: Any) -> None:
    """A number from before the rename and a change of definition is explained by the files of its run."""
    line = (
        "id: new-leads, was: leads, title: Bring in leads, metric: paid_share, goal: {at_least: 1}"
    )
    measured.key_results(line)
    measured.sync("2026-03-25T20:00:00")
    bundle = load_project(measured.folder)
    found = explain(measured.warehouse, bundle, "sales/new-leads", date(2026, 3, 3), NOW)
    assert found.definition is not None
    assert found.definition.key_result.key_result_id == "sales/leads"


def test_an_id_that_was_never_there_is_told_with_the_near_miss(measured: Any) -> None:
    """A slip in `was` would start an empty history in silence."""

    def told(was: str) -> list[str]:
        new_id(measured, "new-leads", was)
        with measured.warehouse.read() as connection:
            return [
                str(one) for one in unknown_former_ids(connection, load_project(measured.folder))
            ]

    assert told("leads") == []
    (warning,) = told("laeds")
    assert "`was` says `sales/laeds`" in warning
    assert "Did you mean `sales/leads`?" in warning
    new_id(measured, "new-leads", "leads")
    measured.sync("2026-03-04T21:00:00")
    assert told("leads") == []  # the line may stay


@pytest.mark.parametrize(
    ("lines", "refused", "text"),
    [
        (("id: a, was: b", "id: b"), ["sales/a"], "`sales/b` is still a key result"),
        (("id: a, was: c", "id: b, was: sales/c"), ["sales/a", "sales/b"], "also became"),
        (("id: a, was: a",), ["sales/a"], "is `sales/a` already"),
        (("id: a, was: 'B c'",), ["sales/a"], "can't be an id"),
        (("id: a, was: x/y/z",), ["sales/a"], "can't be an id"),
    ],
)
def test_clashes_are_refused(
    desk: Any, lines: tuple[str, ...], refused: list[str], text: str
) -> None:
    """One history goes on in one key result."""
    rest = ", title: Bring in leads, metric: leads, goal: {from: 0, to: 10}"
    desk.key_results(*(f"{line}{rest}" for line in lines))
    bundle = load_project(desk.folder)
    assert sorted(bundle.quarantined) == refused
    assert all(text in bundle.quarantined[name] for name in refused)
