"""The demo's key results, worked out a second way: plain pandas over the account's files.

The worker reads the same account through the real clients and a sandbox, and evaluates in SQL; here
nothing of okr-sync computes anything.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from connectors.sandbox.generate import write_demo_account

AS_OF = "2026-11-15"
ZONE = "America/New_York"
PAID = ["PAID_SEARCH", "PAID_SOCIAL"]


@dataclass(frozen=True)
class Expected:
    """What a key result must show; `baseline` is None for thresholds, which have no progress."""

    value: float
    numerator: int | None
    denominator: int | None
    sample_size: int | None
    baseline: float | None
    target: float


class Company:
    """The account's files as data frames, and the few ways in which key results count them."""

    def __init__(self, account: Path) -> None:
        def read(name: str) -> pd.DataFrame:
            return pd.read_csv(account / name, dtype=str, keep_default_na=False)

        self.contacts = read("hubspot/contacts.csv")
        self.deals = read("hubspot/deals.csv")
        self.sessions = read("ga4/sessions.csv")
        self.stage = {
            stage: at(self.contacts[f"hs_v2_date_entered_{stage}"])
            for stage in ("marketingqualifiedlead", "salesqualifiedlead", "opportunity")
        }
        self.new_mql = within(self.stage["marketingqualifiedlead"], "2026-10-01")
        self.created = at(self.deals["createdate"])
        self.closed = at(self.deals["closedate"])
        self.home = pd.to_numeric(self.deals["amount_in_home_currency"])
        self.is_won = self.deals["hs_is_closed_won"] == "true"
        self.visited = at(self.sessions["started_at"])
        self.engaged = self.sessions["engaged"] == "true"
        self.forms = pd.to_numeric(self.sessions["event:generate_lead"])

    def conversion(
        self, start: str, end: str, days: int, among: "pd.Series[bool] | None" = None
    ) -> tuple[int, int]:
        """(converted, cohort): those who started in the quarter and have had their days."""
        began, ended = self.stage[start], self.stage[end]
        allowed = pd.Timedelta(days=days)
        cohort = within(began, "2026-10-01") & (began + allowed <= end_of(AS_OF))
        if among is not None:
            cohort &= among
        converted = cohort & (ended >= began) & (ended <= began + allowed)
        return int(converted.sum()), int(cohort.sum())


def at(texts: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    """HubSpot's times as instants; empty becomes NaT, which lies in no window."""
    return pd.to_datetime(texts, utc=True, format="ISO8601")


def end_of(day: str) -> pd.Timestamp:
    """The instant at which a New York day ends."""
    return pd.Timestamp(day, tz=ZONE) + pd.DateOffset(days=1)


def within(times: "pd.Series[pd.Timestamp]", first: str, last: str = AS_OF) -> "pd.Series[bool]":
    """Which times lie in the New York days first..last."""
    return (times >= pd.Timestamp(first, tz=ZONE)) & (times < end_of(last))


def quotient(parts: tuple[int, int]) -> float:
    """Numerator ÷ denominator."""
    return parts[0] / parts[1]


def expected(account: Path) -> dict[str, Expected]:
    """Every key result of the demo as of AS_OF, by id."""
    company = Company(account)
    contacts, deals, sessions = company.contacts, company.deals, company.sessions
    new_mql, is_won, home = company.new_mql, company.is_won, company.home
    paid = contacts["hs_analytics_source"].isin(PAID)
    results: dict[str, Expected] = {}

    def count(key: str, number: int, baseline: float | None, target: float) -> None:
        results[key] = Expected(number, None, None, number, baseline, target)

    def rate(key: str, parts: tuple[int, int], baseline: float | None, target: float) -> None:
        results[key] = Expected(quotient(parts), *parts, parts[1], baseline, target)

    def total(key: str, chosen: "pd.Series[bool]", target: float) -> None:
        results[key] = Expected(float(home[chosen].sum()), None, None, None, 0, target)

    def visits(key: str, value: float, baseline: float | None, target: float) -> None:
        results[key] = Expected(value, None, None, None, baseline, target)

    count("demand-gen/mqls", int(new_mql.sum()), 0, 850)
    new_sql = within(company.stage["salesqualifiedlead"], "2026-10-01")
    count("demand-gen/sqls", int(new_sql.sum()), 0, 320)
    stages = ("marketingqualifiedlead", "salesqualifiedlead")
    rate("demand-gen/mql-to-sql", company.conversion(*stages, 30), 0.18, 0.27)
    rate("demand-gen/paid-mql-to-sql", company.conversion(*stages, 30, paid), 0.20, 0.28)
    to_opportunity = company.conversion("salesqualifiedlead", "opportunity", 21)
    rate("demand-gen/sql-to-opportunity", to_opportunity, 0.45, 0.60)
    scores = pd.to_numeric(contacts["lead_score"][new_mql]).dropna()
    results["demand-gen/lead-score"] = Expected(
        float(scores.mean()), None, None, len(scores), None, 50
    )
    parts = (int((new_mql & paid).sum()), int(new_mql.sum()))
    rate("demand-gen/paid-share", parts, None, 0.30)

    created = within(company.created, "2026-10-01")
    sourced = deals["hs_analytics_source"] != "OFFLINE"
    total("revenue-marketing/sourced-pipeline", created & sourced, 2_600_000)
    closed = within(company.closed, "2026-10-01") & (deals["hs_is_closed"] == "true")
    total("revenue-marketing/won-revenue", closed & is_won, 1_500_000)
    parts = (int((closed & is_won).sum()), int(closed.sum()))
    rate("revenue-marketing/win-rate", parts, 0.29, 0.35)
    taken = (company.closed - company.created)[closed & is_won]
    results["revenue-marketing/sales-cycle"] = Expected(
        float((taken.dt.total_seconds() / 86_400).median()), None, None, len(taken), 34, 30
    )

    month = within(company.visited, "2026-11-01")
    visits("web/monthly-sessions", int(month.sum()), 0, 6_000)
    days_28 = within(company.visited, "2026-10-19")
    visits("web/engagement-rate", float(company.engaged[days_28].mean()), 0.55, 0.62)
    visits("web/visitors", sessions["user_id"][days_28].nunique(), None, 4_500)
    quarter = within(company.visited, "2026-10-01")
    visits("web/lead-forms", int(company.forms[quarter].sum()), 0, 700)
    visits("web/lead-form-rate", float((company.forms[quarter] > 0).mean()), None, 0.04)
    by_mail = days_28 & (sessions["sessionMedium"] == "email")
    visits("lifecycle/email-sessions", int(by_mail.sum()), 350, 650)
    october = within(company.stage["marketingqualifiedlead"], "2026-10-01", "2026-10-31")
    from_mail = contacts["hs_analytics_source"] == "EMAIL_MARKETING"
    count("lifecycle/email-mqls", int((october & from_mail).sum()), 15, 30)

    partner = deals["pipeline"] == "partner"
    total("partner-marketing/partner-pipeline", created & partner, 600_000)
    count("partner-marketing/partner-wins", int((closed & is_won & partner).sum()), 0, 6)
    referred = quarter & (sessions["sessionDefaultChannelGroup"] == "Referral")
    visits("partner-marketing/referral-sessions", int(referred.sum()), 0, 1_600)
    return results


# --- the worker's side ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's account folder."""
    folder = tmp_path_factory.mktemp("demo") / "account"
    write_demo_account(folder)
    return folder


def okr_sync(*arguments: str, warehouse: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as users do, with the warehouse of this test."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "okr-sync"), *arguments],
        env={**os.environ, "OKR_SYNC_WAREHOUSE": warehouse},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the demo's project."""
    with as_file(files("okr_sync.demo") / "project") as packaged:
        return Path(shutil.copytree(packaged, tmp_path / "project"))


def synced(account: Path, project: Path, warehouse: str) -> dict[str, dict[str, Any]]:
    """Sync the demo and read `okr-sync status --json`: key result id → its row."""
    where = ("--project", str(project))
    command = str(Path(sys.executable).parent / "okr-sync")
    sync = okr_sync(
        *("sandbox", str(account), "--", command, "sync", *where, "--as-of", AS_OF),
        warehouse=warehouse,
    )
    assert sync.returncode == 0, sync.stdout + sync.stderr
    read = okr_sync("status", *where, "--json", warehouse=warehouse)
    assert read.returncode == 0, read.stderr
    return {row["key_result_id"]: row for row in json.loads(read.stdout)}


def test_demo_shows_what_pandas_computes(account: Path, project: Path, warehouse_url: str) -> None:
    """Every value, its parts and its progress agree to 1e-9, on SQLite and on PostgreSQL."""
    shown = synced(account, project, warehouse_url)
    wanted = expected(account)
    assert set(shown) == set(wanted)
    for key, want in wanted.items():
        row = shown[key]
        assert float(row["value"]) == pytest.approx(want.value, rel=1e-9), key
        assert row["freshness"] == "fresh", key
        assert row["error"] is None, key
        if want.numerator is not None and want.denominator is not None:
            assert float(row["numerator"]) == want.numerator, key
            assert float(row["denominator"]) == want.denominator, key
        if want.sample_size is not None:
            assert row["sample_size"] == want.sample_size, key
        if want.baseline is None:
            assert row["progress"] is None, key
        else:
            progress = (want.value - want.baseline) / (want.target - want.baseline)
            assert float(row["progress"]) == pytest.approx(progress, rel=1e-9), key


def test_demo_has_something_of_everything(account: Path, project: Path, sqlite_url: str) -> None:
    """The demo shows all four families and most statuses; a table of one colour teaches nothing."""
    shown = synced(account, project, sqlite_url)
    assert {row["family"] for row in shown.values()} == {
        "conversion",
        "funnel",
        "pipeline",
        "engagement",
    }
    assert {row["status"] for row in shown.values()} >= {
        "exceeding",
        "on_track",
        "lagging",
        "severely_lagging",
        "insufficient_data",
        "achieved",
    }
