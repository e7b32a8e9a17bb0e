"""What key results show of GA4's data and GA4's failures, over gRPC and REST: real runs, real clients.

The scenarios by number are those of connectors that lost data. Flags, quotas and restatements are in
test_ga4_quality.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.shared_state import STATE_VARIABLE
from okr_sync.commands.check_live import live_problems
from okr_sync.config.loader import load_project

MakeFirm = Callable[..., Any]

TRANSPORT = pytest.mark.parametrize("transport", ["grpc", "rest"])
SESSIONS, VISITORS = "web/sessions", "web/visitors"


@TRANSPORT
def test_short_pages(firm: MakeFirm, transport: str) -> None:
    """Scenario 20: pages follow by offset in the body until all rows of the count were read."""
    made = firm(transport=transport)
    made.bind("web", sessions="sessions")
    made.faults.switch_on("ga4.short_page", size=1)
    assert made.sync()
    assert made.row(SESSIONS).value == 11 + 12 + 14 + 15
    # Four days with rows, a page each.
    assert made.ga4.requests["BatchRunReports"] == 4


@TRANSPORT
@pytest.mark.parametrize(
    "fault",
    [
        *("ga4.empty_page", "ga4.lost_rows", "ga4.repeated_row", "ga4.row_count_too_high"),
        *("ga4.missing_report", "ga4.value_types"),
    ],
)
def test_reports_that_are_not_whole(firm: MakeFirm, transport: str, fault: str) -> None:
    """Scenario 20 and beyond the list: a report that lacks rows or figures is refused, never a smaller
    number."""
    made = firm(transport=transport)
    made.bind("web", sessions="sessions")
    made.faults.switch_on(fault)
    assert not made.sync()
    row = made.row(SESSIONS)
    assert (row.value, row.freshness) == (None, "never")
    assert row.error
    assert made.past(SESSIONS) == []
    made.faults.switch_off()
    assert made.sync()
    assert made.row(SESSIONS).value == 52


@TRANSPORT
def test_days_are_the_property_s(firm: MakeFirm, transport: str) -> None:
    """Scenario 23: of a property in Auckland, read by a worker in UTC for a project in New York, days
    are Auckland's, and the binding's explanation says so."""
    rows = [
        "2026-03-01T10:59:59Z,a,true,true,9",  # 23:59:59 of the 1st in Auckland
        "2026-03-01T11:00:00Z,b,true,true,9",  # midnight: the 2nd there, the 1st elsewhere
        "2026-03-02T10:30:00Z,c,true,true,9",
    ]
    header = "started_at,user_id,new_user,engaged,duration_seconds"
    made = firm(
        transport=transport,
        zone="Pacific/Auckland",
        project_zone="America/New_York",
        sessions="\n".join([header, *rows]) + "\n",
    )
    made.bind("web", sessions="sessions")
    assert made.sync(day="2026-03-01")
    assert made.row(SESSIONS).value == 1
    assert made.sync(day="2026-03-02")
    assert made.row(SESSIONS).value == 3
    assert "Pacific/Auckland" in made.explained(SESSIONS)


@TRANSPORT
def test_people_are_counted_once_a_month(firm: MakeFirm, transport: str) -> None:
    """Scenario 24: people of a month are one request at that grain, never a sum of days."""
    rows = [f"2026-03-0{day}T15:00:00Z,u{n},true,true,60" for day in (1, 2, 4) for n in range(7)]
    header = "started_at,user_id,new_user,engaged,duration_seconds"
    made = firm(transport=transport, sessions="\n".join([header, *rows]) + "\n")
    people = "{agg: count_distinct, field: totalUsers, from: web.report}"
    made.bind("web", visitors=people)
    assert made.sync()
    assert made.row(VISITORS).value == 7
    assert made.ga4.requests["BatchRunReports"] == 1


@TRANSPORT
def test_a_day_without_sessions(firm: MakeFirm, transport: str) -> None:
    """Scenario 27: a day that is a missing row is zero; a window that ends today is provisional."""
    made = firm(transport=transport)
    last_day = "{agg: sum, field: sessions, from: web.report}"
    made.bind("web", sessions=last_day)
    okrs = made.project / "okrs" / "web.yaml"
    okrs.write_text(okrs.read_text().replace("goal:", "over: {last: 1d}, goal:"))
    assert made.sync(day="2026-03-03")
    row = made.row(SESSIONS)
    assert (row.value, row.quality) == (0, ())
    assert made.sync(day="2026-03-04", at=datetime(2026, 3, 4, 20, tzinfo=UTC))
    row = made.row(SESSIONS)
    assert (row.value, row.quality) == (14, ("provisional",))


@TRANSPORT
def test_fields_that_do_not_go_together(firm: MakeFirm, transport: str) -> None:
    """Scenario 28: `check --live` refuses an incompatible binding in words, before any run; a run that
    meets it all the same fails that binding alone."""
    made = firm(transport=transport)
    wrong = "{agg: sum, field: sessions, from: web.report, where: {itemName: Shoes}}"
    made.bind("shop", items=wrong)
    (found,) = live_problems(load_project(made.project), os.environ)
    assert found.rule == "live-incompatible"
    assert "GA4 can't combine `sessions` with itemName" in str(found)
    made.bind("web", sessions="sessions")
    assert not made.sync()
    assert made.row(SESSIONS).value == 52
    row = made.row("shop/items")
    assert (row.value, row.freshness) == (None, "never")
    assert "itemName" in (row.error or "")


def test_a_hundred_bindings(firm: MakeFirm) -> None:
    """Scenario 29: 100 bindings over 20 distinct filters on one property take at most 4 requests (on
    REST as well: connectors/test_ga4_pull)."""
    made = firm()
    fields = ("sessions", "engagedSessions", "screenPageViews", "eventCount", "keyEvents")
    metrics = {
        f"{field.lower()}_{page}": (
            f"{{agg: sum, field: {field}, from: web.report, where: {{landingPage: /p{page}}}}}"
        )
        for field in fields
        for page in range(20)
    }
    made.bind("web", **metrics)
    assert made.sync()
    assert made.ga4.requests["BatchRunReports"] <= 4
    assert {made.row(f"web/{name.replace('_', '-')}").value for name in metrics} == {0}


@TRANSPORT
@pytest.mark.parametrize(
    "fault",
    [
        *("ga4.500_internal", "ga4.503_unavailable", "ga4.504_deadline", "ga4.drop"),
        *("ga4.200_html", "ga4.200_cut_json"),
    ],
)
def test_a_failure_that_passes(firm: MakeFirm, transport: str, fault: str) -> None:
    """Scenarios 12 and 19 of GA4: what passes is tried again and changes no number."""
    made = firm(transport=transport)
    made.bind("web", sessions="sessions")
    made.faults.switch_on(fault, times=1)
    assert made.sync()
    assert (made.row(SESSIONS).value, made.row(SESSIONS).freshness) == (52, "fresh")


@TRANSPORT
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("ga4.401_invalid_token", "refused"),
        ("ga4.403_permission", "may not read"),
        ("ga4.403_api_disabled", "switched off"),
        ("ga4.429_tokens_day", "daily"),
        ("ga4.429_tokens_hour", "hour"),
    ],
)
def test_a_failure_that_stays(
    firm: MakeFirm,
    transport: str,
    fault: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scenarios 9, 10 and 25 of GA4: the last good value stays, the error says what to do, nothing is
    tried again and again, and a later run has the new number."""
    made = firm(transport=transport)
    made.bind("web", sessions="sessions", visitors="visitors")
    assert made.sync(day="2026-03-04")
    made.faults.switch_on(fault)
    before = made.ga4.requests.total()
    assert not made.sync(day="2026-03-05")
    assert made.ga4.requests.total() - before <= 3
    row = made.row(SESSIONS)
    assert (row.value, row.freshness) == (37, "failed")
    assert words in (row.error or "")
    made.faults.switch_off()
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "later"))  # when the quotas are full again
    assert made.sync(day="2026-03-05")
    row = made.row(SESSIONS)
    assert (row.value, row.freshness, row.error) == (52, "fresh", None)
