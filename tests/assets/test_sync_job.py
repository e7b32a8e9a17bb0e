"""The sync job as Dagster runs it: real runs, real clients, both warehouses."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from assets.keys import RANGE_END_TAG, RANGE_START_TAG, SYNC_JOB
from assets.resources import Clock
from connectors.sandbox.serve import Sandbox
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import history, last_runs, pulls
from okr_sync.warehouse.status import StatusRow, status
from okr_sync.warehouse.tables import metadata

DAY = "2026-03-06"
LATE = "2026-06-01T12:00:00Z"
ALL_KEY_RESULTS = {"sales/leads", "sales/paid-share", "web/sessions", "web/visitors"}


def run(
    project: Path, day: str = DAY, selection: list[str] | None = None, at: str | None = None
) -> dg.ExecuteInProcessResult:
    """Run the sync job as of a day, over everything or over the named assets; `at` sets the clock."""
    resources = {"clock": Clock(datetime.fromisoformat(at))} if at else {}
    job = build_definitions(project, resources).resolve_job_def(SYNC_JOB)
    keys = None if selection is None else [dg.AssetKey(name.split("/")) for name in selection]
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance, partition_key=day, asset_selection=keys, raise_on_error=False
        )


def current(warehouse: Warehouse) -> dict[str, StatusRow]:
    """What people read now, by key result."""
    return {row.key_result_id: row for row in status(warehouse, now=datetime.now(UTC))}


def published(warehouse: Warehouse) -> dict[str, list[Any]]:
    """Every row of the tables that numbers are published to."""
    names = ("objective", "key_result", "key_result_current", "key_result_history", "metric_value")
    with warehouse.read() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(metadata.tables[name]))), key=str)
            for name in names
        }


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    """The assets that a run materialized."""
    events = result.get_asset_materialization_events()
    return {event.materialization.asset_key.to_user_string() for event in events}


def test_a_run_publishes_every_key_result(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """One run pulls both sources and publishes what can be worked out by hand from their files."""
    result = run(company.project)
    assert result.success
    rows = current(warehouse)
    values = {name: (row.value, row.numerator, row.denominator) for name, row in rows.items()}
    assert values == {
        "sales/leads": (2, None, None),
        "sales/paid-share": (Decimal("0.5"), 1, 2),
        "web/sessions": (4, None, None),
        "web/visitors": (3, None, None),
    }
    assert {row.freshness for row in rows.values()} == {"fresh"}
    assert rows["sales/leads"].progress == Decimal("0.2")
    (sync,) = last_runs(warehouse)
    assert (sync.status, sync.key_results_ok, sync.dagster_run_id) == ("success", 4, result.run_id)
    datasets = {(p.source, p.dataset): p.is_complete for p in pulls(warehouse, sync.run_id)}
    assert datasets == {("hubspot", "contacts"): True, ("web", "report"): True}


def test_dagster_sees_what_was_measured(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every asset is materialized with figures to plot, and every check passes."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    result = run(company.project)
    assert materialized(result) == {
        "hubspot/contacts",
        "web/report",
        "metric/leads",
        "metric/paid_share",
        "metric/sessions",
        "metric/visitors",
        *(f"key_result/{name}" for name in ALL_KEY_RESULTS),
    }
    by_key = {
        event.materialization.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    share = by_key["key_result/sales/paid-share"]
    assert (share["value"].value, share["sample_size"].value) == (0.5, 2)
    assert share["status"].value == "on_track"
    assert by_key["hubspot/contacts"]["dagster/row_count"].value == 3
    checks = result.get_asset_check_evaluations()
    assert len(checks) == 30  # five a dataset, two a metric, three a key result
    assert all(check.passed for check in checks)


def test_running_again_writes_nothing_new(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """The same project on the same data leaves every published table as it was (a settled cycle)."""
    run(company.project)
    before = published(warehouse)
    assert run(company.project).success
    assert published(warehouse) == before
    newest = last_runs(warehouse)[0]
    assert (newest.status, newest.key_results_unchanged) == ("success", 4)


def test_a_refused_token_fails_its_key_results_and_no_others(
    company: Any, sandbox: Sandbox, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HubSpot's key results keep their last good value and say why; GA4's go on; the run is red."""
    run(company.project)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat-na1-canary-secret")
    result = run(company.project, "2026-03-07")
    assert not result.success
    rows = current(warehouse)
    leads = rows["sales/leads"]
    assert (leads.value, leads.freshness, str(leads.as_of)) == (2, "failed", DAY)
    assert leads.error is not None
    assert "HUBSPOT_ACCESS_TOKEN" in leads.error
    assert (rows["web/sessions"].freshness, str(rows["web/sessions"].as_of)) == (
        "fresh",
        "2026-03-07",
    )
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert "hubspot/contacts" in {check.asset_key.to_user_string() for check in failed}
    assert "key_result/sales/leads" not in materialized(result)
    assert last_runs(warehouse)[0].status == "partial"
    assert "canary-secret" not in str(published(warehouse)) + str(result.all_events)


def test_what_failed_is_mended_by_the_next_run(
    company: Any, sandbox: Sandbox, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first sync that fails makes no number at all; the next one that works makes all of them."""
    token = sandbox.environment()["HUBSPOT_ACCESS_TOKEN"]
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    run(company.project)
    never = current(warehouse)["sales/leads"]
    assert (never.value, never.freshness, never.status) == (None, "never", "no_data")
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", token)
    assert run(company.project).success
    mended = current(warehouse)["sales/leads"]
    assert (mended.value, mended.freshness, mended.error) == (2, "fresh", None)


def test_a_missing_scope_is_named(
    company: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 403 for a scope fails the key results that need it, and names the scope to add."""
    account = company.account / "account.yaml"
    text = account.read_text().replace(
        "currency: USD}", "currency: USD, scopes: [crm.objects.deals.read]}", 1
    )
    account.write_text(text)
    with Sandbox(company.account, rate_limits=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        result = run(company.project)
    assert not result.success
    rows = current(warehouse)
    assert "crm.objects.contacts.read" in str(rows["sales/leads"].error) or (
        "crm.schemas.contacts.read" in str(rows["sales/leads"].error)
    )
    assert rows["web/sessions"].value == 4


def test_a_server_that_is_down_fails_only_its_source(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Nobody answers at GA4's address: its key results say so, HubSpot's are published."""
    assert sandbox.ga4 is not None
    sandbox.ga4.stop()
    result = run(company.project)
    assert not result.success
    rows = current(warehouse)
    assert (rows["web/sessions"].value, rows["web/sessions"].freshness) == (None, "never")
    assert rows["sales/leads"].value == 2


def test_one_key_result_pulls_only_its_source(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Materializing one key result with its upstreams leaves the other source and team alone."""
    result = run(
        company.project,
        selection=["web/report", "metric/sessions", "key_result/web/sessions"],
    )
    assert result.success
    assert materialized(result) == {"web/report", "metric/sessions", "key_result/web/sessions"}
    (sync,) = last_runs(warehouse)
    assert (sync.status, sync.key_results_expected) == ("success", 1)
    assert [(p.source, p.dataset) for p in pulls(warehouse, sync.run_id)] == [("web", "report")]
    assert current(warehouse)["web/sessions"].value == 4


def test_a_key_result_alone_uses_what_is_stored(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Materializing just a key result's asset evaluates it from the last complete pull."""
    run(company.project)
    result = run(company.project, "2026-03-03", selection=["key_result/sales/leads"])
    assert result.success
    assert [row.value for row in history(warehouse, "sales/leads")] == [1, 2]


def test_a_day_that_ga4_restates_gets_a_revision(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """GA4 changes a day's figures while it settles: history shows both, the current value the new."""
    run(company.project, "2026-03-05", at="2026-03-06T15:00:00Z")
    first = current(warehouse)["web/sessions"]
    assert (first.value, first.is_final, first.quality) == (3, False, ("provisional",))
    path = company.account / "ga4" / "sessions.csv"
    late = "2026-03-05T15:00:00Z,u9,true,true,60,,Organic Search\n"
    path.write_text(path.read_text() + late)
    assert sandbox.ga4 is not None
    sandbox.ga4.replace_sessions(path)
    run(company.project, "2026-03-06", at="2026-03-07T15:00:00Z")
    found = [
        (str(r.as_of), r.revision, r.value, r.superseded_at is None)
        for r in history(warehouse, "web/sessions")
    ]
    assert found == [
        ("2026-03-05", 1, 3, False),
        ("2026-03-05", 2, 4, True),
        ("2026-03-06", 1, 5, True),
    ]
    assert [r.value for r in history(warehouse, "web/visitors")] == [2, 3, 4]


def test_a_number_becomes_final_once_and_then_rests(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """A day is provisional until it has settled; its finality is one revision, and the last."""
    for at in ("2026-03-06T20:00:00Z", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z"):
        run(company.project, "2026-03-06", at=at)
    run(company.project, "2026-03-06", at="2026-03-20T12:00:00Z")
    found = [(r.revision, r.value, r.is_final) for r in history(warehouse, "sales/leads")]
    assert found == [(1, 2, False), (2, 2, True)]


def test_deals_that_change_restate_earlier_days(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """A contact that turns up late is counted on its day: old revision superseded, new one beside it."""
    run(company.project, "2026-03-05")
    sandbox.account.add(
        "contacts", {"createdate": "2026-03-04T12:00:00Z", "hs_analytics_source": "PAID_SEARCH"}
    )
    run(company.project, DAY)
    rows = history(warehouse, "sales/leads")
    found = [(str(r.as_of), r.revision, r.value, r.superseded_at is None) for r in rows]
    assert found == [
        ("2026-03-05", 1, 2, False),
        ("2026-03-05", 2, 3, True),
        (DAY, 1, 3, True),
    ]


def test_a_broken_file_quarantines_its_team_only(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """A team's file that can't be read makes its key results failed, with their last good values."""
    run(company.project)
    company.write("okrs/sales.yaml", "team: sales\n  cycle: [")
    result = run(company.project, "2026-03-07")
    rows = current(warehouse)
    assert (rows["sales/leads"].value, rows["sales/leads"].freshness) == (2, "failed")
    assert "okrs/sales.yaml" in str(rows["sales/leads"].error)
    assert str(rows["web/sessions"].as_of) == "2026-03-07"
    assert last_runs(warehouse)[0].status == "partial"
    assert result.success  # Dagster's assets are those that could be loaded; they are fine


def test_a_closed_key_result_recovers_from_a_mistake_in_its_file(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Long after its cycle, a slip in a file marks it failed; mending the file takes the mark away."""
    run(company.project, "2026-06-01", at=LATE)
    before = current(warehouse)["sales/leads"]
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("metric: leads", "metric: leds"))
    run(company.project, "2026-06-01", at=LATE)
    assert current(warehouse)["sales/leads"].freshness == "failed"
    company.write("okrs/sales.yaml", text)
    run(company.project, "2026-06-01", at=LATE)
    after = current(warehouse)["sales/leads"]
    assert (after.freshness, after.error, after.value) == ("fresh", None, before.value)
    assert len(history(warehouse, "sales/leads")) == 1


def test_a_closed_key_result_is_judged_by_the_goal_that_is_shown_beside_it(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """A target that is corrected after the cycle is a revision; it is not left with the old progress."""
    run(company.project, "2026-06-01", at=LATE)
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("to: 10}", "to: 30}"))
    run(company.project, "2026-06-01", at=LATE)
    leads = current(warehouse)["sales/leads"]
    assert (leads.value, leads.target, leads.progress) == (3, 30, Decimal("0.1"))
    assert [row.revision for row in history(warehouse, "sales/leads")] == [1, 2]


def test_a_key_result_that_is_gone_is_retired_and_keeps_its_history(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Taking a key result out of the project takes it out of the status, not out of the warehouse."""
    run(company.project)
    (company.project / "okrs" / "web.yaml").unlink()
    assert run(company.project, "2026-03-07").success
    assert set(current(warehouse)) == {"sales/leads", "sales/paid-share"}
    assert [row.value for row in history(warehouse, "web/sessions")] == [4]


def values_by_day(result: dg.ExecuteInProcessResult, key: str) -> dict[str, Any]:
    """What Dagster was told of an asset, by partition; of a day that came twice, the last."""
    return {
        str(event.materialization.partition): event.materialization.metadata["value"].value
        for event in result.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey(key.split("/"))
    }


def test_a_backfill_gives_each_day_its_own_number_in_dagster(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """One run over a range is plotted day by day, for metrics and key results, as published."""
    job = build_definitions(company.project).resolve_job_def(SYNC_JOB)
    days = {RANGE_START_TAG: "2026-03-02", RANGE_END_TAG: "2026-03-06"}
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, tags=days)
    expected = {f"2026-03-0{day}": 1 if day < 5 else 2 for day in range(2, 7)}
    assert values_by_day(result, "key_result/sales/leads") == expected
    assert values_by_day(result, "metric/leads") == expected
    assert {str(r.as_of): r.value for r in history(warehouse, "sales/leads")} == expected


def test_a_day_that_changes_later_is_told_to_dagster_again(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """A late contact changes yesterday's number: its partition gets a materialization with the new one."""
    run(company.project, "2026-03-05")
    sandbox.account.add(
        "contacts", {"createdate": "2026-03-04T12:00:00Z", "hs_analytics_source": "PAID_SEARCH"}
    )
    result = run(company.project, DAY)
    assert values_by_day(result, "key_result/sales/leads") == {"2026-03-05": 3, DAY: 3}


def test_columns_lead_back_to_the_properties_that_fill_them(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """A key result's value comes from its metric's, and that from the bound properties of the dataset."""
    result = run(company.project)
    lineage = {}
    for event in result.get_asset_materialization_events():
        found: Any = event.materialization.metadata.get("dagster/column_lineage")
        if found is not None:
            lineage[event.materialization.asset_key.to_user_string()] = {
                (dep.asset_key.to_user_string(), dep.column_name)
                for dep in found.value.deps_by_column["value"]
            }
    assert lineage["key_result/sales/paid-share"] == {("metric/paid_share", "value")}
    assert lineage["metric/paid_share"] == {
        ("hubspot/contacts", "createdate"),
        ("hubspot/contacts", "hs_analytics_source"),
    }
    assert lineage["metric/visitors"] == {("web/report", "totalUsers")}
