"""A changed definition is told from the numbers before it: where, when and in what."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from okr_sync.commands.preview import run_preview
from okr_sync.commands.previewing import preview_of
from okr_sync.config.loader import load_project
from okr_sync.inspect.definition_changes import definition_changes

NOW = datetime(2026, 3, 12, 20, tzinfo=UTC)


@pytest.fixture
def changed(desk: Any) -> Any:
    """A goal that changed on 4 March, and a metric that changed on 12 March, after the days before."""
    desk.contact_each_day("2026-03-01", "2026-03-12")
    desk.sync("2026-03-03T20:00:00")
    desk.goal("{from: 0, to: 20}")
    desk.sync("2026-03-04T20:00:00")
    text = (desk.folder / "metrics.yaml").read_text("utf-8")
    only = "time: createdate, where: {hs_analytics_source: PAID_SEARCH}}"
    desk.write("metrics.yaml", text.replace("time: createdate}", only, 1))
    desk.sync("2026-03-12T20:00:00")
    # A backfill under the newest files: its day is judged by the goal of that day all the same.
    desk.sync("2026-03-12T20:30:00", backfill=("2026-03-02", "2026-03-02"))
    return desk


def test_where_the_curve_passes_to_another_definition(changed: Any) -> None:
    """Each step has its day, when it was first used, and what differs, also in a goal of then."""
    rows = list(changed.latest().values())
    with changed.warehouse.read() as connection:
        found = definition_changes(connection, "sales/leads", rows, str)
    told = [
        (str(one.day)[5:], [(part.part, part.before, part.after) for part in one.parts or ()])
        for one in found
    ]
    where = ("where", None, "hs_analytics_source is PAID_SEARCH")
    assert told == [
        ("03-03", [("where", where[2], None)]),
        ("03-04", [("goal", "0 → 10", "0 → 20")]),
        ("03-12", [where]),
    ]
    assert found[1].used_at == datetime(2026, 3, 4, 20, tzinfo=UTC)


def test_a_preview_beside_what_is_published_shows_them(
    changed: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """`preview --diff` says where the published numbers are of another definition than today's."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", warehouse_url)
    bundle = load_project(changed.folder)
    preview = preview_of(
        bundle,
        bundle.key_results["sales/leads"],
        None,
        beside_published=True,
        pull=False,
        now=NOW,
        watch=lambda dataset, rows: None,
    )
    assert preview.published is not None
    assert [str(one.day) for one in preview.published.along][1:] == ["2026-03-04", "2026-03-12"]
    assert {row.target for row in preview.observations if str(row.as_of) < "2026-03-04"} == {
        Decimal(10)
    }
    assert run_preview(changed.folder, "leads", None, as_diff=True, pull=False, as_json=False) == 0
    shown = capsys.readouterr().out
    assert "Published by another definition from 2026-03-04 on:" in shown
    assert "goal: 0 → 20 (was 0 → 10)" in shown
