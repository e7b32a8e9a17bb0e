"""Checks: the same in Dagster and in the warehouse, blocking where a number would be wrong."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import func, select

from assets.keys import SYNC_JOB
from assets.resources import Clock
from connectors.sandbox.serve import Sandbox
from connectors.shared_state import STATE_VARIABLE
from okr_sync.checks.results import CheckSeverity
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.check_results import RecordedCheck, checks_now
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import history, last_runs, pulls
from okr_sync.warehouse.status import StatusRow, status
from okr_sync.warehouse.tables import check_result

DAY = "2026-03-06"


def run(
    project: Any, day: str = DAY, at: str | None = None, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """Run the sync job as of a day, or with tags over a range; `at` sets the clock."""
    resources = {"clock": Clock(datetime.fromisoformat(at))} if at else {}
    job = build_definitions(project, resources).resolve_job_def(SYNC_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance,
            partition_key=None if tags else day,
            tags=tags,
            raise_on_error=False,
        )


def current(warehouse: Warehouse, key_result_id: str) -> StatusRow:
    """What people read now of a key result."""
    (row,) = status(
        warehouse,
        now=datetime.fromisoformat("2026-03-06T23:00:00Z"),
        key_result_ids=[key_result_id],
    )
    return row


def found(warehouse: Warehouse, subject: str, check: str) -> RecordedCheck:
    """The result of a check that holds now."""
    (one,) = (
        each for each in checks_now(warehouse, subjects=[subject]) if each.result.check == check
    )
    return one


def evaluation(result: dg.ExecuteInProcessResult, key: str, check: str) -> dg.AssetCheckEvaluation:
    """What Dagster was told of a check."""
    (one,) = (
        each
        for each in result.get_asset_check_evaluations()
        if each.asset_key.to_user_string() == key and each.check_name == check
    )
    return one


def test_dagster_and_the_warehouse_say_the_same_and_say_it_once(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Every evaluation in Dagster is a row in check_result; a run that finds nothing new adds none."""
    result = run(company.project)
    told = {
        (each.asset_key.path[-1], each.check_name, each.passed, each.description)
        for each in result.get_asset_check_evaluations()
    }
    kept = {
        (
            each.result.subject.replace(".", "/").rpartition("/")[2],
            each.result.check.value,
            each.result.passed,
            each.result.message,
        )
        for each in checks_now(warehouse)
    }
    assert told == kept
    assert len(kept) == 30
    assert all(each.result.passed for each in checks_now(warehouse))
    run(company.project)
    with warehouse.read() as connection:
        assert connection.scalar(select(func.count()).select_from(check_result)) == 30


def test_a_number_beyond_declared_bounds_is_not_published(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """The last good number stays, marked failed with the reason; others go on; widening mends it."""
    run(company.project, "2026-03-03")
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("to: 10}}", "to: 10}, plausible: {at_most: 1}}"))
    result = run(company.project)
    assert not result.success
    leads = current(warehouse, "sales/leads")
    assert (leads.value, str(leads.as_of), leads.freshness) == (1, "2026-03-03", "failed")
    assert leads.error is not None
    assert leads.error.startswith("2 as of 2026-03-06 is beyond what can be right")
    assert current(warehouse, "sales/paid-share").freshness == "fresh"
    told = evaluation(result, "key_result/sales/leads", "in_bounds")
    assert (told.passed, told.blocking, told.severity) == (False, True, dg.AssetCheckSeverity.ERROR)
    kept = found(warehouse, "sales/leads", "in_bounds").result
    assert (kept.is_blocking, kept.severity, kept.message) == (
        True,
        CheckSeverity.ERROR,
        leads.error,
    )
    keys = {e.asset_key for e in result.get_asset_materialization_events()}
    assert dg.AssetKey(["key_result", "sales", "leads"]) not in keys

    company.write(
        "okrs/sales.yaml", text.replace("to: 10}}", "to: 10}, plausible: {between: [0, 20]}}")
    )
    assert run(company.project).success
    assert current(warehouse, "sales/leads").value == 2
    assert found(warehouse, "sales/leads", "in_bounds").result.passed


def daily_leads(company: Any, numbers: Iterable[int], first: date) -> None:
    """Give the company so many contacts on each day from the first on, and one key result of a day's."""
    lines = ["hs_object_id,createdate,lastmodifieddate,hs_analytics_source"]
    for offset, number in enumerate(numbers):
        at = f"{first + timedelta(days=offset)}T15:00:00Z"
        lines += [f"{len(lines) + i},{at},{at},PAID_SEARCH" for i in range(number)]
    path = company.account / "hubspot" / "contacts.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write(
        "okrs/sales.yaml", text.replace("metric: leads,", "metric: leads, over: {last: 1d},")
    )
    (company.project / "okrs" / "web.yaml").unlink()


@pytest.mark.parametrize(
    ("last", "failing", "words"),
    [
        (4, set(), ""),
        (40, {"in_bounds"}, "40 as of 2026-01-25 is unusual: after 2 on 2026-01-24"),
        (0, {"not_empty"}, "It is 0 as of 2026-01-25, and was 2 on 2026-01-24"),
    ],
)
def test_a_number_that_moves_as_it_never_did_is_published_and_pointed_out(
    company: Any,
    sqlite: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    last: int,
    failing: set[str],
    words: str,
) -> None:
    """Twenty days of 2 to 4 leads a day: 4 is nothing new, 40 is unusual, and none at all is, too."""
    first = date(2026, 1, 5)
    daily_leads(company, [2 + (i * 2) % 3 for i in range(19)] + [2, last], first)
    with Sandbox(company.account, rate_limits=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        days = {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": "2026-01-24",
        }
        assert run(company.project, at="2026-02-10T12:00:00Z", tags=days).success
        result = run(company.project, "2026-01-25", at="2026-02-10T12:00:00Z")
    assert result.success
    assert history(sqlite, "sales/leads")[-1].value == last
    failed = {
        each.result.check.value
        for each in checks_now(sqlite, subjects=["sales/leads"], only_failing=True)
    }
    assert failed == failing
    for name in failing:
        told = evaluation(result, "key_result/sales/leads", name)
        assert told.severity is dg.AssetCheckSeverity.WARN
        assert told.description is not None and told.description.startswith(words)


def test_a_first_day_of_a_month_is_no_drop(
    company: Any, sqlite: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure of the month to date begins anew with the month: nothing to learn from the month before."""
    first = date(2026, 1, 2)
    daily_leads(company, [3] * 30 + [1], first)
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("over: {last: 1d}", "over: {to_date: month}"))
    with Sandbox(company.account, rate_limits=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        days = {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": "2026-01-31",
        }
        run(company.project, at="2026-02-10T12:00:00Z", tags=days)
        run(company.project, "2026-02-01", at="2026-02-10T12:00:00Z")
    assert history(sqlite, "sales/leads")[-1].value == 1
    assert found(sqlite, "sales/leads", "in_bounds").result.passed


def test_a_restated_day_is_pointed_out(company: Any, sandbox: Sandbox, sqlite: Warehouse) -> None:
    """GA4 says twice as many sessions of a day that was reported: published, flagged and a warning."""
    run(company.project, "2026-03-05", at="2026-03-06T15:00:00Z")
    sandbox.faults.switch_on("ga4.restated", day="2026-03-04", by=3)
    result = run(company.project, "2026-03-06", at="2026-03-07T15:00:00Z")
    assert result.success
    told = evaluation(result, "key_result/web/sessions", "not_restated")
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert told.description is not None and "2026-03-05 by 67%" in told.description
    assert evaluation(result, "key_result/sales/leads", "not_restated").passed


def test_a_property_that_is_renamed_names_the_key_results_that_it_breaks(
    company: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what rests on the property stops, with its old number; the dataset's check says which."""
    path = company.account / "hubspot" / "contacts.csv"
    contacts = path.read_text(encoding="utf-8")
    metrics = (company.project / "metrics.yaml").read_text(encoding="utf-8")
    company.write("metrics.yaml", metrics.replace("hs_analytics_source", "lead_origin"))
    results = []
    for renamed in (False, True):
        name = "lead_origins" if renamed else "lead_origin"
        path.write_text(contacts.replace("hs_analytics_source", name), encoding="utf-8")
        with Sandbox(company.account, rate_limits=False) as running:
            for name, value in running.environment().items():
                monkeypatch.setenv(name, value)
            results.append(run(company.project, "2026-03-07" if renamed else DAY))
    assert [result.success for result in results] == [True, False]
    one = found(warehouse, "hubspot.contacts", "schema_unchanged").result
    assert (one.passed, one.is_blocking, one.severity) == (False, True, CheckSeverity.ERROR)
    assert one.message == (
        "HubSpot's contacts have no property lead_origin. Did you mean lead_origins? "
        "It breaks sales/paid-share."
    )
    assert not found(warehouse, "paid_share", "measured").result.passed
    share, leads = (current(warehouse, f"sales/{name}") for name in ("paid-share", "leads"))
    assert (share.freshness, str(share.as_of)) == ("failed", DAY)
    assert (leads.freshness, str(leads.as_of)) == ("fresh", "2026-03-07")


def test_a_source_that_refuses_fails_its_checks_and_no_others(
    company: Any, sandbox: Sandbox, warehouse: Warehouse
) -> None:
    """Incomplete, not reconciled, and after a while not fresh either; the other source's checks pass."""
    run(company.project, at="2026-03-06T20:00:00Z")
    sandbox.faults.switch_on("hubspot.401")
    run(company.project, at="2026-03-06T20:30:00Z")
    failing = [each.result for each in checks_now(warehouse, only_failing=True)]
    assert {(each.subject, each.check.value) for each in failing} == {
        ("hubspot.contacts", "complete"),
        ("hubspot.contacts", "reconciled"),
        ("leads", "measured"),
        ("paid_share", "measured"),
    }
    run(company.project, "2026-03-09", at="2026-03-09T20:30:00Z")
    fresh = found(warehouse, "hubspot.contacts", "fresh").result
    assert not fresh.passed and "last read completely on 2026-03-0" in fresh.message
    assert last_runs(warehouse)[0].status == "partial"


def test_a_quota_near_its_end_is_a_warning(
    company: Any, sqlite: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tenth of HubSpot's daily requests left, the numbers are published and the check fails."""
    daily_leads(company, [3_000], date(2026, 3, 2))  # thirty pages
    account = company.account / "account.yaml"
    text = account.read_text(encoding="utf-8")
    # On the second day everything is read again: as many requests as on the first.
    for day in ("2026-03-10", "2026-03-12"):
        if day == "2026-03-12":
            (pull,) = (
                one for one in pulls(sqlite, last_runs(sqlite)[0].run_id) if one.source == "hubspot"
            )
            used = pull.quota["daily"] - pull.quota["daily_remaining"]
            assert found(sqlite, "hubspot.contacts", "quota_left").result.passed
            # What was counted of the other limit is another machine's.
            monkeypatch.setenv(STATE_VARIABLE, str(company.account.parent / "state"))
            account.write_text(
                text.replace("currency: USD}", f"currency: USD, daily_limit: {used + 3}}}", 1)
            )
        with Sandbox(company.account) as running:
            for name, value in running.environment().items():
                monkeypatch.setenv(name, value)
            assert run(company.project, at=f"{day}T12:00:00Z").success
    one = found(sqlite, "hubspot.contacts", "quota_left").result
    assert (one.passed, one.severity) == (False, CheckSeverity.WARNING)
    assert one.message.startswith("Less than a tenth is left of hubspot's daily requests.")


def test_checks_can_be_asked_for_alone(company: Any, sandbox: Sandbox, sqlite: Warehouse) -> None:
    """Dagster's UI can run checks without their assets: they say what holds, and nothing is read."""
    assert sandbox.hubspot is not None
    run(company.project)
    before = sandbox.hubspot.server.requests()
    told = []
    for key in ("hubspot/contacts", "key_result/sales/leads"):
        checks = dg.AssetSelection.checks_for_assets(dg.AssetKey(key.split("/")))
        job = dg.Definitions.merge(
            build_definitions(company.project),
            dg.Definitions(jobs=[dg.define_asset_job("checks", selection=checks)]),
        ).resolve_job_def("checks")
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance)
        assert result.success
        assert not result.get_asset_materialization_events()
        told += [each.check_name for each in result.get_asset_check_evaluations() if each.passed]
    assert len(told) == 8
    assert sandbox.hubspot.server.requests() == before
    assert len(last_runs(sqlite)) == 1
