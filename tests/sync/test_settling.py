"""Settling and restatement: what becomes final and when, and what is read again."""

from typing import Any

import pytest

from okr_sync.warehouse.reads import history
from okr_sync.warehouse.status import status


@pytest.fixture
def busy(desk: Any) -> Any:
    """A contact a day in March."""
    desk.contact_each_day("2026-03-01", "2026-03-30")
    return desk


def test_a_day_is_final_after_settle_and_flagged_until_then(busy: Any) -> None:
    """48 hours after its end, in the project's time zone, and not a minute before."""
    for at in ("2026-03-05T20:00:00", "2026-03-08T04:59:00", "2026-03-08T05:00:00"):
        busy.sync(at)
    found = [
        (row.revision, row.cause, row.is_final, "provisional" in row.quality)
        for row in history(busy.warehouse, "sales/leads")
        if str(row.as_of) == "2026-03-05"
    ]
    assert found == [(1, "first", False, True), (2, "final", True, False)]


def test_days_become_final_after_a_long_pause(busy: Any) -> None:
    """A worker that was away for longer than `revise` still finishes what it began."""
    busy.sync("2026-03-05T20:00:00")
    busy.sync("2026-03-28T20:00:00")
    assert busy.latest()["2026-03-05"].is_final
    before = busy.revisions()
    busy.sync("2026-03-28T21:00:00")
    assert busy.revisions() == before


def test_the_last_day_of_a_cycle_becomes_final_after_a_long_pause(busy: Any) -> None:
    """Also when the cycle has long been over and would be left alone."""
    busy.sync("2026-03-31T20:00:00")
    busy.sync("2026-05-20T20:00:00")
    (row,) = busy.latest().values()
    assert (str(row.as_of), row.is_final) == ("2026-03-31", True)


def test_what_another_definition_measured_stays_provisional(busy: Any) -> None:
    """An old value keeps its definition: beyond what is revised it is not measured by a new one."""
    busy.sync("2026-03-05T20:00:00")
    busy.goal("{at_least: 100%}")
    busy.write(
        "okrs.yaml",
        (busy.folder / "okrs.yaml").read_text().replace("metric: leads", "metric: paid_share"),
    )
    busy.sync("2026-03-28T20:00:00")
    old = busy.latest()["2026-03-05"]
    assert (old.value, old.is_final, old.revision) == (5, False, 1)


def test_every_run_reads_the_revise_window_again(busy: Any) -> None:
    """What has changed is published, what has not writes nothing, and older days are left alone."""
    busy.write(
        "okr_sync.yaml", (busy.folder / "okr_sync.yaml").read_text() + "revise: 3d\nsettle: 0h\n"
    )
    for day in ("02", "05", "06"):
        busy.sync(f"2026-03-{day}T20:00:00")
    busy.contacts["late"] = ("2026-03-01T15:00:00Z", "DIRECT")
    busy.sync("2026-03-08T20:00:00")
    changed = [
        (day, cause) for day, _, cause in busy.revisions() if cause not in ("first", "final")
    ]
    # 5 and 6 March lie within three days before the 8th; the 2nd doesn't. The 6th had not been over.
    assert changed == [("03-05", "restated"), ("03-06", "day_in_progress")]


def test_a_large_restatement_is_flagged_by_the_projects_share(busy: Any) -> None:
    """20 % by default is more than 5 %; a key result may say that this is no matter."""
    busy.sync("2026-03-05T20:00:00")
    busy.sync("2026-03-06T06:00:00")
    busy.contacts["late"] = ("2026-03-01T15:00:00Z", "DIRECT")
    busy.sync("2026-03-06T20:00:00")
    row = busy.latest()["2026-03-05"]
    assert (row.cause, row.quality) == ("restated", ("provisional", "restated:0.20"))
    for current in status(busy.warehouse, now=row.recorded_at):
        assert current.quality == ("provisional",)  # of the day after, which nobody restated


@pytest.mark.parametrize(
    ("project", "key_result", "flagged"),
    [
        ("restated: 20%\n", "", True),
        ("restated: 21%\n", "", False),
        ("restated: 1%\n", ", restated: 50%", False),
        ("restated: 50%\n", ", restated: 20%", True),
    ],
)
def test_the_share_is_set_for_the_project_and_for_a_key_result(
    busy: Any, project: str, key_result: str, flagged: bool
) -> None:
    """The key result has the last word."""
    busy.write("okr_sync.yaml", (busy.folder / "okr_sync.yaml").read_text() + project)
    busy.goal("{from: 0, to: 10}", key_result)
    busy.sync("2026-03-05T20:00:00")
    busy.sync("2026-03-06T06:00:00")
    busy.contacts["late"] = ("2026-03-01T15:00:00Z", "DIRECT")
    busy.sync("2026-03-06T20:00:00")
    assert ("restated:0.20" in busy.latest()["2026-03-05"].quality) is flagged
