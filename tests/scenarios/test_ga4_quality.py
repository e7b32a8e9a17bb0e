"""GA4's doubts on their way to the reader: real clients on both transports, a real run, every place.

Each flag is looked for where people look: the current value, its history, `explain`, and Dagster.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from click.testing import CliRunner

from assets.keys import SYNC_JOB
from assets.resources import Clock
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.serve import Sandbox
from connectors.shared_state import STATE_VARIABLE
from okr_sync.cli import main
from okr_sync.commands.explaining import explanation_lines
from okr_sync.config.loader import load_project
from okr_sync.definitions import build_definitions
from okr_sync.flags import flag_in_words
from okr_sync.inspect.explanation import explain
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.reads import HistoryRow, history
from okr_sync.warehouse.status import StatusRow, status

DAY = "2026-03-04"
SOON = datetime(2026, 3, 5, 15, tzinfo=UTC)
"""A day after DAY began to settle: every run reads its days again."""

LATE = datetime(2026, 3, 7, 15, tzinfo=UTC)
"""When GA4 has processed DAY and it is final."""

PROJECT = """\
version: 1
time_zone: Etc/UTC
currency: USD
sources:
  web: {kind: ga4, property: "123456789"}
"""
METRICS = """\
metrics:
  sessions: {agg: sum, field: sessions, from: web.report}
  visitors: {agg: count_distinct, field: totalUsers, from: web.report}
  revenue: {agg: sum, field: purchaseRevenue, from: web.report}
"""
OKRS = """\
team: web
cycle: 2026-03
objectives:
  - id: visits
    title: Be visited
    key_results:
      - {id: sessions, title: Have 200 sessions, metric: sessions, goal: {from: 0, to: 200}}
      - {id: visitors, title: Have 100 visitors, metric: visitors, goal: {at_least: 100}}
      - {id: revenue, title: Sell for 900 dollars, metric: revenue, goal: {from: 0, to: 900}}
"""

Run = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture(params=["grpc", "rest"])
def ga4(
    request: pytest.FixtureRequest, company: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ga4Sandbox]:
    """A property that more than ten people visit on each of four days, served on each transport."""
    transport: Literal["grpc", "rest"] = request.param
    rows = ["started_at,user_id,new_user,engaged,duration_seconds,revenue,event:purchase"]
    for day in range(1, 5):
        rows += [f"2026-03-0{day}T15:00:00Z,u{day}{n},true,true,60,2.5,1" for n in range(10 + day)]
    (company.account / "ga4" / "sessions.csv").write_text("\n".join(rows) + "\n")
    account = 'ga4: {property: "123456789", time_zone: Etc/UTC, currency: USD}\n'
    (company.account / "account.yaml").write_text(account)
    company.write("okr_sync.yaml", PROJECT)
    company.write("metrics.yaml", METRICS)
    company.write("okrs/web.yaml", OKRS)
    (company.project / "okrs" / "sales.yaml").unlink()
    with Sandbox(company.account, rate_limits=False, ga4_transport=transport) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        assert running.ga4 is not None
        yield running.ga4


@pytest.fixture
def store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The warehouse that the project's environment names."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    opened = open_warehouse(sqlite_url)
    yield opened
    opened.close()


def run(project: Path, at: datetime = SOON, day: str = DAY) -> dg.ExecuteInProcessResult:
    """Run the sync job as of a day."""
    job = build_definitions(project, {"clock": Clock(at)}).resolve_job_def(SYNC_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, partition_key=day, raise_on_error=False)


def current(store: Warehouse, name: str) -> StatusRow:
    """What people read now of a key result."""
    (row,) = status(store, now=SOON, key_result_ids=[f"web/{name}"])
    return row


def revisions(store: Warehouse, name: str) -> list[HistoryRow]:
    """The history of a key result, oldest revision first."""
    return list(history(store, f"web/{name}"))


def notes(store: Warehouse, project: Path, name: str) -> list[str]:
    """What `explain` notes of a key result."""
    found = explain(store, load_project(project), f"web/{name}", None, SOON)
    return [text for section, text in explanation_lines(found, "test") if section == "Notes"]


def shown(result: dg.ExecuteInProcessResult, key: str) -> Any:
    """The quality that Dagster shows beside an asset."""
    for event in result.get_asset_materialization_events():
        if event.materialization.asset_key.to_user_string() == key:
            found = event.materialization.metadata.get("quality")
            return None if found is None else found.value
    return None


def doubts(quality: tuple[str, ...]) -> tuple[str, ...]:
    """A number's flags but for the one that tells how much it changed."""
    return tuple(flag for flag in quality if not flag.startswith("restated:"))


def failing(result: dg.ExecuteInProcessResult, name: str) -> set[str]:
    """The assets whose check of this name has failed."""
    return {
        check.asset_key.to_user_string()
        for check in result.get_asset_check_evaluations()
        if check.check_name == name and not check.passed
    }


def doubted(result: dg.ExecuteInProcessResult) -> set[str]:
    """The assets whose check for doubts has failed, with a warning."""
    return failing(result, "no_doubts")


def test_a_doubt_reaches_every_place_and_goes_with_the_report(
    company: Any, ga4: Ga4Sandbox, store: Warehouse
) -> None:
    """Scenarios 21 and 26: a flag stands everywhere, and a clean report takes it off as a revision."""
    for flag in ("sampled", "thresholded", "other_row", "truncated"):
        ga4.faults.switch_on(f"ga4.{flag}")
        result = run(company.project)
        ga4.faults.switch_off()
        assert result.success
        assert doubts(current(store, "sessions").quality) == tuple(sorted([flag, "provisional"]))
        assert f"{flag}: {flag_in_words(flag)}" in notes(store, company.project, "sessions")
        assert shown(result, "web/report") == flag
        assert shown(result, "metric/sessions") == flag
        assert doubted(result) >= {"metric/sessions"}
        assert flag in shown(result, "key_result/web/sessions")
        # A total over the whole window has no rows that could be thrown together.
        assert (flag in current(store, "visitors").quality) == (flag != "other_row")
    result = run(company.project)
    assert shown(result, "web/report") is None
    assert doubted(result) == set()
    assert doubts(current(store, "sessions").quality) == ("provisional",)
    flags = [doubts(row.quality) for row in revisions(store, "sessions")]
    assert flags == [
        ("provisional", "sampled"),
        ("provisional", "thresholded"),
        ("other_row", "provisional"),
        ("provisional", "truncated"),
        ("provisional",),
    ]
    values = {doubts(row.quality): row.value for row in revisions(store, "sessions")}
    assert values["provisional", "sampled"] == values["provisional",] == 11 + 12 + 13 + 14
    assert values["other_row", "provisional"] == 13 + 14


def test_a_hidden_metric_publishes_no_zero(company: Any, ga4: Ga4Sandbox, store: Warehouse) -> None:
    """GA4 says 0 for revenue that the credential may not see: the last number stays, and says why."""
    assert run(company.project).success
    good = current(store, "revenue")
    assert (good.value, good.freshness) == (125, "fresh")
    ga4.faults.switch_on("ga4.blocked_metric", metric="purchaseRevenue")
    ga4.faults.switch_on("ga4.schema_restriction", metric="purchaseRevenue")
    result = run(company.project)
    assert not result.success
    assert shown(result, "web/report") == "blocked_metric, schema_restricted"
    assert doubted(result) == {"metric/revenue"}
    kept = current(store, "revenue")
    assert (kept.value, kept.freshness, kept.as_of) == (125, "failed", good.as_of)
    assert kept.quality == ("blocked_metric", "provisional", "schema_restricted")
    assert "GA4 hides purchaseRevenue" in (kept.error or "")
    assert [row.value for row in revisions(store, "revenue")] == [125]
    told = notes(store, company.project, "revenue")
    assert any(text.startswith("blocked_metric: the GA4 property") for text in told)
    assert current(store, "sessions").freshness == "fresh"
    ga4.faults.switch_off()
    assert run(company.project).success
    back = current(store, "revenue")
    assert (back.freshness, back.quality, back.error) == ("fresh", ("provisional",), None)


def test_rows_held_back_altogether_are_no_zero(
    company: Any, ga4: Ga4Sandbox, store: Warehouse
) -> None:
    """A thresholded report without a row publishes nothing: it may be 0, and it may be nine people."""
    few = ga4.sessions().iloc[:4]
    ga4.replace_sessions(few)
    assert run(company.project).success
    assert current(store, "sessions").value == 4
    ga4.faults.switch_on("ga4.thresholded")
    assert not run(company.project).success
    kept = current(store, "sessions")
    assert (kept.value, kept.freshness) == (4, "failed")
    assert "rows may be missing, so this is no 0" in (kept.error or "")


def test_a_figure_that_ga4_takes_back_is_restated(
    company: Any, ga4: Ga4Sandbox, store: Warehouse
) -> None:
    """Scenario 22, late: a day that changes after it was processed is a revision and says so."""
    late = datetime(2026, 3, 7, 15, tzinfo=UTC)
    assert run(company.project, at=late).success
    rows = ga4.sessions()
    ga4.replace_sessions(rows.iloc[:-4])
    assert run(company.project, at=late).success
    row = current(store, "sessions")
    flags = ("changed_late", "restated:0.08")
    assert (row.value, row.quality) == (46, flags)
    assert "changed_late" in current(store, "visitors").quality
    assert [(one.value, one.cause, one.quality) for one in revisions(store, "sessions")] == [
        (50, "first", ()),
        (46, "restated", flags),
    ]
    # It stays with the day, whatever the next look finds.
    assert run(company.project, at=late).success
    assert current(store, "sessions").quality == flags
    assert len(revisions(store, "sessions")) == 2


def test_a_quota_leaves_the_last_good_values_and_says_until_when(
    company: Any,
    ga4: Ga4Sandbox,
    store: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Scenario 25: numbers stay, freshness and error tell, no later run asks in vain, one goes on."""
    assert run(company.project).success
    assert ga4.requests["BatchRunReports"] == 1
    good = current(store, "sessions")
    ga4.faults.switch_on("ga4.429_tokens_hour", times=1)
    assert not run(company.project).success
    kept = current(store, "sessions")
    assert (kept.value, kept.as_of, kept.freshness) == (good.value, good.as_of, "failed")
    assert "hourly quota of GA4 property 123456789 is used up" in (kept.error or "")
    assert "first run after 20" in (kept.error or "")
    assert ga4.requests["BatchRunReports"] == 2
    assert not run(company.project).success
    assert ga4.requests["BatchRunReports"] == 2
    # What is known of quotas is gone, as after the hour.
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "later"))
    assert run(company.project).success
    assert ga4.requests["BatchRunReports"] == 3
    assert current(store, "sessions").freshness == "fresh"


@dataclass(frozen=True)
class Doubt:
    """How a flag comes about, the key result it is looked for at, and what `no_doubts` says of it."""

    fault: str | None
    on: str = "sessions"
    at: datetime = SOON
    is_doubt: bool = True
    hides: bool = False
    loses_rows: bool = False


DOUBTS = {
    "sampled": Doubt("sampled"),
    "thresholded": Doubt("thresholded"),
    "other_row": Doubt("other_row"),
    "truncated": Doubt("truncated"),
    "blocked_metric": Doubt("blocked_metric", on="revenue", hides=True),
    "schema_restricted": Doubt("schema_restriction", on="revenue", hides=True),
    "changed_late": Doubt(None, at=LATE, is_doubt=False, loses_rows=True),
    "restated:0.08": Doubt(None, at=LATE, is_doubt=False, loses_rows=True),
    "provisional": Doubt(None, is_doubt=False),
}


@pytest.mark.parametrize("flag", DOUBTS)
def test_every_flag_in_every_place(
    company: Any, ga4: Ga4Sandbox, store: Warehouse, tmp_path: Path, flag: str
) -> None:
    """Whatever may be wrong with a number is told wherever the number is: in `key_result_current`, the
    history, `status`, `explain`, the page, Dagster's materialization and its checks."""
    case = DOUBTS[flag]
    assert run(company.project, at=case.at).success
    if case.fault is not None:
        metric: Any = {"metric": "purchaseRevenue"} if case.hides else {}
        ga4.faults.switch_on(f"ga4.{case.fault}", **metric)
    if case.loses_rows:
        ga4.replace_sessions(ga4.sessions().iloc[:-4])
    result = run(company.project, at=case.at)
    assert result.success is not case.hides

    assert flag in current(store, case.on).quality
    # What has no new number has no new row of the past either; the last number keeps its own flags.
    assert (flag in revisions(store, case.on)[-1].quality) is not case.hides
    assert f"{flag}: {flag_in_words(flag)}" in notes(store, company.project, case.on)
    project, page = ["--project", str(company.project)], tmp_path / "page.html"
    told = CliRunner().invoke(main, ["status", "--json", *project]).output
    rows = {one["key_result_id"]: one for one in json.loads(told)}
    assert flag in rows[f"web/{case.on}"]["quality"]
    assert flag in CliRunner().invoke(main, ["status", *project]).output
    CliRunner().invoke(main, ["report", "-o", str(page), *project])
    # The page marks days that can change, and this cycle is long over.
    assert flag == "provisional" or flag_in_words(flag) in unescape(page.read_text())
    if case.fault is not None:
        assert flag in shown(result, "web/report")
        assert flag in shown(result, f"metric/{case.on}")
    published = shown(result, f"key_result/web/{case.on}")
    assert published is None if case.hides else flag in published
    assert (f"metric/{case.on}" in doubted(result)) is case.is_doubt
    is_restated = any(one.startswith("restated:") for one in current(store, case.on).quality)
    assert (f"key_result/web/{case.on}" in failing(result, "not_restated")) is is_restated


def test_a_property_whose_currency_changes_is_read_anew(
    ga4: Ga4Sandbox, store: Warehouse, company: Any
) -> None:
    """Amounts that were stored in dollars are not added to amounts in euros: one run says so and
    publishes nothing, the next one has read everything in euros."""
    assert run(company.project, at=LATE).success
    assert current(store, "revenue").value == 125
    ga4.faults.switch_on("ga4.other_currency", code="EUR", by=2)
    assert not run(company.project, at=LATE, day="2026-03-06").success
    told = current(store, "revenue")
    assert told.value == 125
    assert "were in USD and are in EUR now" in str(told.error)
    assert run(company.project, at=LATE, day="2026-03-06").success
    assert current(store, "revenue").value == 250
    assert current(store, "sessions").value == 50
    assert current(store, "revenue").error is None
