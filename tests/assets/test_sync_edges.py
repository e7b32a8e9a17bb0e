"""Accounts at the edge of what there is: nothing at all, one record, and a day in progress."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import pytest

from assets.keys import SYNC_JOB
from assets.resources import Clock
from connectors.sandbox.serve import Sandbox
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.status import StatusRow, status


def sync(
    company: Any, url: str, monkeypatch: pytest.MonkeyPatch, day: str, at: str | None = None
) -> dict[str, StatusRow]:
    """Run the job against the company's own sandbox, and read the status."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", url)
    resources = {"clock": Clock(datetime.fromisoformat(at))} if at else {}
    with Sandbox(company.account, rate_limits=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        job = build_definitions(company.project, resources).resolve_job_def(SYNC_JOB)
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance, partition_key=day).success
    warehouse: Warehouse = open_warehouse(url)
    try:
        return {row.key_result_id: row for row in status(warehouse, now=datetime.now(UTC))}
    finally:
        warehouse.close()


def test_an_empty_account_counts_zero_and_has_no_rates(
    company: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete pull of nothing makes counts and sums 0, and a share of nothing no value."""
    for path in (
        company.account / "hubspot" / "contacts.csv",
        company.account / "ga4" / "sessions.csv",
    ):
        header = path.read_text(encoding="utf-8").splitlines()[0]
        path.write_text(header + "\n", encoding="utf-8")
    rows = sync(company, warehouse_url, monkeypatch, "2026-03-06")
    assert {name: row.value for name, row in rows.items()} == {
        "sales/leads": 0,
        "sales/paid-share": None,
        "web/sessions": 0,
        "web/visitors": 0,
    }
    share = rows["sales/paid-share"]
    assert (share.status, share.score, share.freshness) == ("no_data", None, "fresh")
    assert (share.numerator, share.denominator, share.sample_size) == (0, 0, 0)


def test_one_record_is_enough(
    company: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one contact and one session, everything has a value."""
    for path in (
        company.account / "hubspot" / "contacts.csv",
        company.account / "ga4" / "sessions.csv",
    ):
        lines = path.read_text(encoding="utf-8").splitlines()[:2]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = sync(company, warehouse_url, monkeypatch, "2026-03-06")
    assert {name: row.value for name, row in rows.items()} == {
        "sales/leads": 1,
        "sales/paid-share": 1,
        "web/sessions": 1,
        "web/visitors": 1,
    }


def test_a_day_in_progress_is_read_as_of_now(
    company: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At noon of the 5th, the contact of that afternoon does not exist yet; the value is provisional."""
    rows = sync(company, warehouse_url, monkeypatch, "2026-03-05", at="2026-03-05T14:00:00+00:00")
    leads = rows["sales/leads"]
    assert (leads.value, leads.is_final, leads.quality) == (1, False, ("provisional",))
    assert leads.stale_after == datetime(2026, 3, 5, 16, tzinfo=UTC)
    later = sync(company, warehouse_url, monkeypatch, "2026-03-05", at="2026-03-05T16:00:00+00:00")
    assert later["sales/leads"].value == 2


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        # Sao Paulo's day of 25 hours: 02:30 UTC on the 18th is still the 17th there, twice over.
        ("America/Sao_Paulo", {"2018-02-17": 3, "2018-02-18": 4}),
        ("America/New_York", {"2018-02-17": 3, "2018-02-18": 4}),
        # In Auckland all but the first two fall on the 18th.
        ("Pacific/Auckland", {"2018-02-17": 1, "2018-02-18": 4}),
    ],
)
def test_days_follow_the_projects_clocks(
    company: Any,
    warehouse_url: str,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    days: dict[str, int],
) -> None:
    """A record counts on the day that its instant is in the project's zone, daylight saving or not."""
    times = ("2018-02-17T02:00", "2018-02-18T01:30", "2018-02-18T02:59", "2018-02-18T05:30")
    lines = [f"{i},{time}:00Z,{time}:00Z," for i, time in enumerate(times, 1)]
    (company.account / "hubspot" / "contacts.csv").write_text(
        "hs_object_id,createdate,lastmodifieddate,hs_analytics_source\n" + "\n".join(lines) + "\n"
    )
    project = (company.project / "okr_sync.yaml").read_text(encoding="utf-8")
    company.write("okr_sync.yaml", project.replace("America/New_York", zone))
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("2026-Q1", "2018-Q1"))
    (company.project / "okrs" / "web.yaml").unlink()
    for day, count in days.items():
        rows = sync(company, warehouse_url, monkeypatch, day)
        assert rows["sales/leads"].value == Decimal(count), (zone, day)


def test_a_leap_day_is_a_partition_like_any_other(
    company: Any, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """29 February can be synced, and a record of that day counts from then on."""
    (company.account / "hubspot" / "contacts.csv").write_text(
        "hs_object_id,createdate,lastmodifieddate,hs_analytics_source\n"
        "1,2024-02-29T23:00:00Z,2024-02-29T23:00:00Z,PAID_SEARCH\n"
    )
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("2026-Q1", "2024-Q1"))
    (company.project / "okrs" / "web.yaml").unlink()
    values = [
        sync(company, sqlite_url, monkeypatch, day)["sales/leads"].value
        for day in ("2024-02-28", "2024-02-29", "2024-03-01")
    ]
    assert values == [0, 1, 1]


def test_a_fiscal_cycle_is_measured_over_its_own_months(
    company: Any, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fiscal year from February, Q1 of 2026 is February to April: March's contacts are in it."""
    project = (company.project / "okr_sync.yaml").read_text(encoding="utf-8")
    company.write("okr_sync.yaml", project + "fiscal_year_start: 2\n")
    rows = sync(company, sqlite_url, monkeypatch, "2026-03-10")
    leads = rows["sales/leads"]
    assert (str(leads.cycle_start), str(leads.cycle_end)) == ("2026-02-01", "2026-04-30")
    assert (leads.value, leads.expected_progress) == (3, Decimal(38) / 89)
