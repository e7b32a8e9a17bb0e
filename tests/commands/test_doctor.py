"""okr-sync doctor: one line for everything that a run hangs on, each failure with its remedy."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.sandbox.serve import Sandbox
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.tables import sync_run


def levels(output: str) -> dict[str, str]:
    """The level of each finding by its subject."""
    return {one["subject"]: one["level"] for one in json.loads(output)}


def test_a_project_that_works_has_nothing_in_its_way(synced_company: Any, okr_sync: Any) -> None:
    """Token, scopes, quotas, clock, warehouse and versions are looked at; no secret is shown."""
    result = okr_sync("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = levels(result.output)
    for subject in (
        "project",
        "hubspot: token",
        "hubspot: scopes for contacts",
        "hubspot: requests left",
        "clock",
        "web: access",
        "web: tokens left",
        "warehouse",
        "last run",
        "dagster",
        "hubspot-api-client",
    ):
        assert found[subject] == "ok", (subject, result.output)
    assert "pat-na1-sandbox" not in result.output
    table = okr_sync("doctor")
    assert table.exit_code == 0
    assert "accepted by portal 4711" in table.output
    assert "Nothing is in the way of a run." in table.output


@pytest.mark.parametrize(
    ("hours", "text"), [(1.5, "1 hour ago"), (50, "2 days ago"), (-1, "just now")]
)
def test_how_long_ago_the_last_run_began(
    synced_company: Any, okr_sync: Any, sqlite_url: str, hours: float, text: str
) -> None:
    """In the unit that people would use; a clock that was set back does no harm."""
    warehouse = open_warehouse(sqlite_url)
    with warehouse.write() as connection:
        then = datetime.now(UTC) - timedelta(hours=hours)
        connection.execute(sa.update(sync_run).values(started_at=then))
    warehouse.close()
    assert f"last run: success, begun {text} (manual)" in okr_sync("doctor").output


def test_what_is_missing_is_said_with_what_to_do(
    at_company: Any, okr_sync: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A token that isn't set, a warehouse that can't be, a source nobody reads, broken files."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", str(tmp_path / "nowhere" / "w.sqlite"))
    at_company.write("okrs/web.yaml", "team: web\ncycle: [\n")
    result = okr_sync("doctor", "--json")
    assert result.exit_code == 1
    found = levels(result.output)
    assert found["hubspot: token"] == "failed"
    assert found["project"] == "failed"
    assert found["web"] == "warning"
    assert found["warehouse"] == "warning"
    assert "HUBSPOT_ACCESS_TOKEN is not set" in result.output
    said = okr_sync("doctor").output
    assert "project: 1 file can't be read in full" in said
    assert "web: no key result that can run reads it" in said
    assert "hubspot: token: the environment variable HUBSPOT_ACCESS_TOKEN" in said
    assert "2 things are in the way of a run." in said
    at_company.write(
        "okrs/web.yaml",
        "team: web\ncycle: 2026-Q4\nobjectives: [{id: a, title: A, key_results: [\n  {id: b, title: B, metric: nothing, goal: {at_least: 1}}]}]\n",
    )
    assert "project: 1 key result can't run" in okr_sync("doctor").output


def test_a_refused_token_and_a_missing_scope_are_named(
    at_company: Any, sandbox: Sandbox, okr_sync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HubSpot's own refusal becomes the name of the scope; a wrong token is said without it."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat-na1-canary")
    refused = okr_sync("doctor")
    assert refused.exit_code == 1
    assert "HUBSPOT_ACCESS_TOKEN" in refused.output
    assert "canary" not in refused.output


def test_a_scope_that_the_token_lacks_is_named(
    company: Any, okr_sync: Any, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    """A token that may read deals only can't read contacts: the scope to add is in the text."""
    account = company.account / "account.yaml"
    text = account.read_text(encoding="utf-8")
    account.write_text(
        text.replace(
            "currency: USD}\nga4", "currency: USD, scopes: [crm.objects.deals.read]}\nga4"
        ),
        encoding="utf-8",
    )
    with Sandbox(company.account, rate_limits=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OKR_SYNC_PROJECT", str(company.project))
        monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
        result = okr_sync("doctor")
    assert result.exit_code == 1
    assert "crm.objects.contacts.read" in result.output


def test_doctor_without_a_project_says_so(okr_sync: Any, tmp_path: Path) -> None:
    """A folder without okr_sync.yaml is an error with one text."""
    result = okr_sync("doctor", "--project", str(tmp_path))
    assert result.exit_code == 1
    assert "okr_sync.yaml" in result.output


def test_a_source_that_does_not_answer_is_not_waited_for_again_and_again(
    at_company: Any, sandbox: Sandbox, okr_sync: Any
) -> None:
    """A look asks once and says so, where a pull would try for minutes; `check --live` likewise."""
    sandbox.faults.switch_on("hubspot.hang")
    sandbox.faults.switch_on("ga4.hang")
    looked = okr_sync("doctor")
    assert looked.exit_code == 1
    for service in ("HubSpot", "GA4"):
        assert f"{service} did not answer within 10 s" in looked.output
    asked = okr_sync("check", "--live")
    assert asked.exit_code == 1
    for service in ("HubSpot", "GA4"):
        assert f"{service} did not answer within 10 s" in asked.output
    assert sandbox.hubspot is not None
    assert sandbox.hubspot.server.requests() == 2


def test_an_object_that_is_not_answered_ends_the_look_at_its_account(
    at_company: Any, sandbox: Sandbox, okr_sync: Any
) -> None:
    """The account answers and its objects don't: the first of them is waited for, the others not."""
    at_company.write(
        "metrics/deals.yaml",
        "metrics: {deals: {agg: count, from: hubspot.deals, time: createdate}}\n",
    )
    at_company.write("okrs/deals.yaml", _DEALS)
    sandbox.faults.switch_on("hubspot.hang", on="list")
    found = levels(okr_sync("doctor", "--json").output)
    of_hubspot = {name: level for name, level in found.items() if name.startswith("hubspot:")}
    assert of_hubspot == {"hubspot: token": "ok", "hubspot: scopes for contacts": "failed"}


_DEALS = """\
team: deals
cycle: 2026-Q1
objectives:
  - id: sell
    title: Sell
    key_results:
      - {id: deals, title: Have 10 deals, metric: deals, goal: {from: 0, to: 10}}
"""
