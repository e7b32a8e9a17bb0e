"""examples/marketing: every key result, worked out a second way by plain pandas over the same files.

The worker reads the example's account through the real clients and a sandbox, its files and its
database, and evaluates in SQL; in the functions below nothing of okr-sync computes anything.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "marketing"
ZONE = "Europe/London"
BEFORE, FIRST = pd.Timestamp("2026-04-01"), pd.Timestamp("2026-07-01")
DAYS = ("2026-08-31", "2026-09-30")
AS_OF = ContextVar("AS_OF", default=DAYS[-1])
"""The day that the functions below speak of: what happens after it must change nothing."""


@dataclass(frozen=True)
class Figure:
    """What a key result must show as of a day; None: it has no such thing."""

    value: float
    numerator: float | None = None
    denominator: float | None = None
    baseline: float | None = None
    target: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def progress(self) -> float | None:
        """How far from the baseline to the target; None for thresholds."""
        if self.baseline is None or self.target is None:
            return None
        return (self.value - self.baseline) / (self.target - self.baseline)


FIGURES: dict[str, Callable[[], Figure]] = {}


def of(key_result: str) -> Callable[[Callable[[], Figure]], Callable[[], Figure]]:
    """Names the key result that a function works out."""

    def register(function: Callable[[], Figure]) -> Callable[[], Figure]:
        FIGURES[key_result] = function
        return function

    return register


# --- reading the files ---------------------------------------------------------------------------


@cache
def table(*names: str) -> pd.DataFrame:
    """One or more CSV files of the example as one table, all cells as text."""
    return pd.concat(
        [pd.read_csv(EXAMPLE / name, dtype=str, keep_default_na=False) for name in names],
        ignore_index=True,
    )


def hubspot(name: str) -> pd.DataFrame:
    """The records of a HubSpot object."""
    return table(f"account/hubspot/{name}.csv")


def posts() -> pd.DataFrame:
    """The posts of all platforms."""
    files = sorted((EXAMPLE / "social").glob("posts-*.csv"))
    return table(*(f"social/{path.name}" for path in files))


def reviews() -> pd.DataFrame:
    """The reviews of all months."""
    files = sorted((EXAMPLE / "surveys").glob("reviews-*.csv"))
    return table(*(f"surveys/{path.name}" for path in files))


def number(column: "pd.Series[str]") -> "pd.Series[float]":
    """Numbers; NaN where a cell is empty."""
    return pd.to_numeric(column).astype(float)


def instant(column: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    """Instants; NaT where a cell is empty."""
    return pd.to_datetime(column, utc=True, format="ISO8601")


def local_day(column: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    """The London day of instants, or the day that is written."""
    if column.str.len().max() == len("2026-07-01"):
        return pd.to_datetime(column, format="ISO8601")
    return instant(column).dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()


def end() -> pd.Timestamp:
    """The day after the as-of day."""
    return pd.Timestamp(AS_OF.get()) + pd.Timedelta(days=1)


def within(
    column: "pd.Series[str]", first: pd.Timestamp = FIRST, before: pd.Timestamp | None = None
) -> "pd.Series[bool]":
    """Whether a time lies in the cycle so far, or in the days from `first` to before `before`."""
    day = local_day(column)
    return (day >= first) & (day < (before or end()))


def share(numerator: float, denominator: float, baseline: float | None, target: float) -> Figure:
    """A ratio with its parts."""
    return Figure(numerator / denominator, numerator, denominator, baseline, target)


def days_taken(rows: pd.DataFrame, start: str, arrival: str) -> tuple[float, int]:
    """The median of days between two times over those that arrived in the cycle; the negative ones.

    A start after the as-of day is not known yet, nor that it comes too late.
    """
    arrived = rows[within(rows[arrival])]
    started = instant(arrived[start])
    taken = (instant(arrived[arrival]) - started).dt.total_seconds() / 86_400
    is_known = started < end().tz_localize(ZONE)
    return float(taken[taken >= 0].median()), int(((taken < 0) & is_known).sum())


def converted(
    rows: pd.DataFrame, start: str, arrival: str, days: int, baseline: float, target: float
) -> Figure:
    """A cohort that has had its days, and those of it that got there in time."""
    limit = pd.Timedelta(days=days)
    first, second = instant(rows[start]), instant(rows[arrival])
    mature = within(rows[start]) & (first + limit <= end().tz_localize(ZONE))
    done = mature & (second >= first) & (second <= first + limit)
    return share(int(done.sum()), int(mature.sum()), baseline, target)


def rate_of(days: "pd.Series[pd.Timestamp]", source: str, target: str) -> "pd.Series[float]":
    """The exchange rate of each day or, where none was fixed, of the last day before it."""
    rates = table("finance/fx_rates.csv")
    chosen = rates[(rates["from"] == source) & (rates["to"] == target)]
    by_day = pd.Series(number(chosen["rate"]).to_numpy(), index=pd.to_datetime(chosen["date"]))
    filled = by_day.reindex(pd.date_range(by_day.index.min(), by_day.index.max()), method="ffill")
    return pd.Series(filled.reindex(days).to_numpy(), index=days.index)


# --- demand generation ---------------------------------------------------------------------------

MQL = "hs_v2_date_entered_marketingqualifiedlead"
SQL = "hs_v2_date_entered_salesqualifiedlead"
OPPORTUNITY = "hs_v2_date_entered_opportunity"


@of("demand-gen/paid-conversion")
def paid_conversion() -> Figure:
    """Sessions with a lead form of all paid sessions, against the same of the quarter before."""
    visits = table("account/ga4/sessions.csv")
    paid = visits["sessionDefaultChannelGroup"].isin(["Paid Search", "Paid Social"])
    asked = number(visits["event:generate_lead"]) > 0

    before = paid & within(visits["started_at"], BEFORE, FIRST)
    baseline = float(asked[before].mean())
    value = float(asked[paid & within(visits["started_at"])].mean())
    return Figure(value, baseline=baseline, target=baseline * 1.25)


@of("demand-gen/mql-to-sql")
def mql_to_sql() -> Figure:
    """MQLs of the cycle with 30 days behind them; SQLs before the MQL don't count."""
    return converted(hubspot("contacts"), MQL, SQL, 30, 0.18, 0.27)


@of("demand-gen/enterprise-mql-to-sql")
def enterprise_mql_to_sql() -> Figure:
    """The same for enterprise companies and 45 days."""
    contacts = hubspot("contacts")
    chosen = contacts[contacts["company_segment"] == "enterprise"]
    return converted(chosen, MQL, SQL, 45, 0.15, 0.25)


@of("demand-gen/lead-cycle")
def lead_cycle() -> Figure:
    """Median days from lead to opportunity; leads imported after the fact are flagged, not counted."""
    median, negative = days_taken(hubspot("contacts"), "createdate", OPPORTUNITY)
    flags = (f"negative_duration:{negative}",)
    return Figure(median, baseline=34, target=21, flags=flags)


@of("demand-gen/target-accounts")
def target_accounts() -> Figure:
    """Accounts on this quarter's list that engaged in it, over the 120 places of the list."""
    companies = hubspot("companies")
    listed = companies["target_listed_on"] == "2026-07-01"
    engaged = int((listed & within(companies["first_engaged_at"])).sum())
    assert listed.sum() < 120, "the guard of the denominator has something to guard"
    return Figure(engaged / max(int(listed.sum()), 120), target=0.45)


# --- content -------------------------------------------------------------------------------------


@of("content/lead-score")
def lead_score() -> Figure:
    """The mean score of leads by content; leads without a score don't pull it down."""
    contacts = hubspot("contacts")
    chosen = (contacts["content_asset"] != "") & within(contacts["createdate"])
    assert (contacts["lead_score"][chosen] == "").any()
    return Figure(float(number(contacts["lead_score"])[chosen].mean()), target=75)


@of("content/demo-requests")
def demo_requests() -> Figure:
    """Requests by people with high intent whose first page was a blog post."""
    contacts = hubspot("contacts")
    chosen = within(contacts["demo_requested_at"]) & (number(contacts["intent_score"]) >= 70)
    chosen &= contacts["first_page"].str.startswith("/blog/")
    return Figure(int(chosen.sum()), baseline=0, target=200)


def case_studies() -> int:
    """Case studies of enterprise customers published in the cycle."""
    content = table("operations/content.csv")
    chosen = (content["kind"] == "case_study") & (content["segment"] == "enterprise")
    return int((chosen & within(content["published_on"])).sum())


def case_study_mqls() -> int:
    """MQLs by case studies in the cycle."""
    contacts = hubspot("contacts")
    return int(((contacts["content_asset"] == "case_study") & within(contacts[MQL])).sum())


@of("content/case-studies")
def case_study_programme() -> Figure:
    """Two conditions in one: as far as the weaker of the two has come."""
    weaker = min(case_studies() / 12, case_study_mqls() / 400)
    return Figure(weaker, baseline=0, target=1)


@of("content/case-study-mqls")
def case_study_mqls_alone() -> Figure:
    """The second of the two conditions by itself."""
    return Figure(case_study_mqls(), baseline=0, target=400)


@of("content/blog-traffic")
def blog_traffic() -> Figure:
    """Sessions that began on the blog, against 30 % more than in the quarter before."""
    visits = table("account/ga4/sessions.csv")
    blog = visits["landingPage"].str.startswith("/blog/")
    before = int((blog & within(visits["started_at"], BEFORE, FIRST)).sum())
    now = int((blog & within(visits["started_at"])).sum())
    return Figure(now, baseline=before, target=before * 1.3)


# --- e-mail and social media ---------------------------------------------------------------------


@of("lifecycle/open-rate")
def open_rate() -> Figure:
    """All opens over all deliveries; the mean of the e-mails' rates is another number."""
    emails = hubspot("marketing_emails")
    chosen = emails[within(emails["published_at"])]
    opened, delivered = number(chosen["open"]), number(chosen["delivered"])
    pooled = share(float(opened.sum()), float(delivered.sum()), 0.22, 0.28)
    assert abs((opened / delivered).mean() - pooled.value) > 0.005
    return pooled


@of("lifecycle/email-pipeline")
def email_pipeline() -> Figure:
    """Deals with at least one contact from e-mail, each once, in pounds of the day it was created."""
    contacts, links = hubspot("contacts"), hubspot("contact_to_deal")
    deals = hubspot("deals").set_index("hs_object_id")
    by_mail = contacts["hs_object_id"][contacts["hs_analytics_source"] == "EMAIL_MARKETING"]
    linked = links["deal_id"][links["contact_id"].isin(by_mail)].unique()
    chosen = deals.loc[linked][within(deals["createdate"])[linked]]
    days, amount = local_day(chosen["createdate"]), number(chosen["amount"])
    currency = chosen["deal_currency_code"]
    pounds = amount.where(currency == "GBP")
    pounds = pounds.fillna((amount / rate_of(days, "GBP", "USD")).where(currency == "USD"))
    pounds = pounds.fillna((amount * rate_of(days, "EUR", "GBP")).where(currency == "EUR"))
    assert set(currency) > {"USD", "EUR", "GBP"}, "one currency has no rate"
    flags = (
        f"missing_rate:{int((amount.notna() & pounds.isna()).sum())}",
        f"missing_value:{int(amount.isna().sum())}",
    )
    return Figure(float(pounds.sum()), baseline=0, target=50_000, flags=flags)


@of("social/linkedin-engagement")
def linkedin_engagement() -> Figure:
    """Engagements of all posts over impressions of all posts."""
    rows = posts()
    chosen = rows[(rows["platform"] == "linkedin") & within(rows["published_on"])]
    engaged, seen = number(chosen["engagements"]), number(chosen["impressions"])
    return share(float(engaged.sum()), float(seen.sum()), None, 0.05)


@of("social/linkedin-engagement-of-posts")
def linkedin_engagement_of_posts() -> Figure:
    """The mean of the posts' rates; posts without impressions have none and are flagged."""
    rows = posts()
    chosen = rows[(rows["platform"] == "linkedin") & within(rows["published_on"])]
    seen = number(chosen["impressions"])
    rates = (number(chosen["engagements"]) / seen)[seen > 0]
    flags = (f"zero_denominator:{len(chosen) - len(rates)}",)
    return Figure(float(rates.mean()), target=0.05, flags=flags)


@of("social/followers")
def followers() -> Figure:
    """The sum of the platform that won the fewest."""
    rows = table("social/followers.csv")
    chosen = rows[within(rows["day"])]
    won = number(chosen["net_new"]).groupby(chosen["platform"]).sum()
    return Figure(float(won.min()), baseline=0, target=3_000, flags=(f"groups:{len(won)}",))


@of("social/launch-posts")
def launch_posts() -> Figure:
    """The mean of the new product whose posts did worst."""
    rows = posts()
    chosen = rows[(rows["new_product"] == "true") & within(rows["published_on"])]
    means = number(chosen["engagements"]).groupby(chosen["product"]).mean()
    return Figure(float(means.min()), target=5_000, flags=(f"groups:{len(means)}",))


@of("social/audience")
def audience() -> Figure:
    """People, each once; the channels' own counts add up to more."""
    rows = table("social/audience.csv")
    chosen = rows[within(rows["day"])]
    reached = chosen["person"].nunique()
    assert chosen.groupby("channel")["person"].nunique().sum() > reached
    return Figure(reached, baseline=0, target=3_000)


# --- revenue -------------------------------------------------------------------------------------


@of("revenue-marketing/sourced-pipeline")
def sourced_pipeline() -> Figure:
    """Dollars of marketing's deals; a deal without an amount in dollars is flagged, not zero."""
    deals = hubspot("deals")
    chosen = within(deals["createdate"]) & (deals["hs_analytics_source"] != "OFFLINE")
    amount = number(deals["amount_in_home_currency"])[chosen]
    flags = (f"missing_home_currency:{int(amount.isna().sum())}",)
    return Figure(float(amount.sum()), baseline=2_100_000, target=3_500_000, flags=flags)


@of("revenue-marketing/influenced-share")
def influenced_share() -> Figure:
    """Deals with one person who was reached twice and decides, of all deals, linked or not."""
    contacts, links, deals = hubspot("contacts"), hubspot("contact_to_deal"), hubspot("deals")
    is_reached = number(contacts["marketing_touches"]) >= 2
    decides = contacts["buying_role"].isin(["CHAMPION", "DECISION_MAKER"])
    people = contacts["hs_object_id"][is_reached & decides]
    influenced = links["deal_id"][links["contact_id"].isin(people)]
    opened = deals["hs_object_id"][within(deals["createdate"])]
    return share(int(opened.isin(influenced).sum()), len(opened), 0.18, 0.30)


@of("revenue-marketing/enterprise-velocity")
def enterprise_velocity() -> Figure:
    """Opportunities × win rate × average deal ÷ cycle days, each over the same quarter."""
    deals = hubspot("deals")
    enterprise = deals[deals["company_segment"] == "enterprise"]
    opportunities = int(within(enterprise["createdate"]).sum())
    closed = enterprise[within(enterprise["closedate"]) & (enterprise["hs_is_closed"] == "true")]
    won = closed[closed["hs_is_closed_won"] == "true"]
    average = number(won["amount_in_home_currency"]).mean()
    cycle, _ = days_taken(won, "createdate", "closedate")
    value = opportunities * (len(won) / len(closed)) * average / cycle
    return Figure(float(value), baseline=18_000, target=27_000)


def paying(day: pd.Timestamp) -> pd.DataFrame:
    """The accounts that pay on the day before `day`."""
    rows = table("account/databases/PEOPLE_DATABASE_URL/subscriptions.csv")
    started, ended = local_day(rows["started_on"]), local_day(rows["ended_on"])
    return rows[(started < day) & (ended.isna() | (ended >= day))]


def monthly_revenue() -> float:
    """What an account pays in a month at the end of the as-of day."""
    return float(number(paying(end())["monthly_usd"]).mean())


def acquisition_cost(first: pd.Timestamp = FIRST) -> float:
    """Spend in dollars over accounts that began to pay, both since a day."""
    rows = pd.read_json(EXAMPLE / "finance/spend.jsonl", lines=True, dtype=False)
    chosen = rows[within(rows["day"], first)]
    days = local_day(chosen["day"])
    rates = pd.Series(1.0, index=chosen.index)
    for currency in ("EUR", "GBP"):
        rates = rates.where(chosen["currency"] != currency, rate_of(days, currency, "USD"))
    customers = int(
        within(
            table("account/databases/PEOPLE_DATABASE_URL/subscriptions.csv")["started_on"], first
        ).sum()
    )
    return float((chosen["amount"] * rates).sum()) / customers


@of("revenue-marketing/cac")
def cac() -> Figure:
    """Three currencies and the weekends' missing rates."""
    return Figure(acquisition_cost(), target=3_000)


@of("revenue-marketing/ltv-to-cac")
def ltv_to_cac() -> Figure:
    """Lifetime by 92 days' churn; the cost is the metric of CAC's own key result, for those days."""
    first = end() - pd.Timedelta(days=92)
    churn = float((local_day(paying(first)["ended_on"]) < end()).mean())
    return Figure(3 * monthly_revenue() * 0.8 / churn / acquisition_cost(first), target=3)


@of("revenue-marketing/cac-payback")
def cac_payback() -> Figure:
    """Months of margin that pay for an account."""
    return Figure(acquisition_cost() / (monthly_revenue() * 0.8), baseline=14, target=9)


# --- customers -----------------------------------------------------------------------------------


def stars() -> "pd.Series[float]":
    """The stars of the cycle's reviews that have any."""
    rows = reviews()
    found = number(rows["stars"])[within(rows["reviewed_on"])]
    assert found.isna().any()
    return found.dropna()


@of("customer-voice/review-score")
def review_score() -> Figure:
    """The mean of reviews with stars."""
    return Figure(float(stars().mean()), baseline=3.7, target=4.2)


@of("customer-voice/five-stars")
def five_stars() -> Figure:
    """A share that shall rise."""
    return share(int((stars() == 5).sum()), len(stars()), 0.38, 0.50)


@of("customer-voice/one-star")
def one_star() -> Figure:
    """A share that shall fall; progress has no special case for it."""
    return share(int((stars() == 1).sum()), len(stars()), 0.14, 0.08)


@of("customer-voice/nps")
def nps() -> Figure:
    """Points below and above zero, with empty answers in neither part."""
    rows = table("surveys/nps.csv")
    scores = number(rows["score"])[within(rows["answered_at"])].dropna()
    points = 100 * (int((scores >= 9).sum()) - int((scores <= 6).sum())) / len(scores)
    return Figure(points, baseline=-10, target=25)


@of("customer-voice/advocates")
def advocates() -> Figure:
    """People who gave 9 or 10, once each though some answered twice."""
    rows = table("surveys/nps.csv")
    chosen = rows[within(rows["answered_at"]) & (number(rows["score"]) >= 9)]
    assert chosen["respondent"].duplicated().any()
    return Figure(chosen["respondent"].nunique(), baseline=0, target=200)


@of("customer-voice/responses")
def responses() -> Figure:
    """Every answer, by its London day."""
    answers = hubspot("feedback_submissions")
    return Figure(int(within(answers["hs_createdate"]).sum()), baseline=0, target=500)


# --- operations ----------------------------------------------------------------------------------


@of("marketing-ops/campaigns")
def campaigns() -> Figure:
    """Campaigns carried out, not those planned or cancelled."""
    rows = hubspot("p4400777_campaigns")
    chosen = (rows["campaign_status"] == "executed") & within(rows["executed_on"])
    return Figure(int(chosen.sum()), baseline=0, target=20)


@of("marketing-ops/creative-approval")
def creative_approval() -> Figure:
    """Median days of the creative pipeline; one approval lies before its request."""
    tickets = hubspot("tickets")
    chosen = tickets[tickets["hs_pipeline"] == "creative"]
    median, negative = days_taken(chosen, "createdate", "approved_at")
    flags = (f"negative_duration:{negative}",)
    return Figure(median, baseline=6, target=4, flags=flags)


@of("marketing-ops/automation")
def automation() -> Figure:
    """Processes automated by the as-of day, of all: it doesn't count what came later."""
    automated = local_day(
        table("account/databases/PEOPLE_DATABASE_URL/processes.csv")["automated_on"]
    )
    return share(int((automated < end()).sum()), len(automated), 0.40, 0.60)


@of("marketing-ops/agency-sla")
def agency_sla() -> Figure:
    """In time, of due; what never came was due as well."""
    rows = table("operations/agency_deliverables.csv")
    due = rows[within(rows["due_on"])]
    assert (due["delivered_on"] == "").any()
    return share(int((due["on_time"] == "true").sum()), len(due), None, 0.80)


@of("marketing-ops/certified")
def certified() -> Figure:
    """People of the team on the as-of day with a certificate that holds then, each once."""
    people, papers = (
        table("account/databases/PEOPLE_DATABASE_URL/employees.csv"),
        table("account/databases/PEOPLE_DATABASE_URL/certificates.csv"),
    )
    started, left = local_day(people["started_on"]), local_day(people["left_on"])
    is_there = (people["team"] == "marketing") & (started < end()) & (left.isna() | (left >= end()))
    holds = (local_day(papers["earned_on"]) < end()) & (local_day(papers["expires_on"]) >= end())
    trained = people["employee_id"].isin(papers["employee_id"][holds])
    return share(int((is_there & trained).sum()), int(is_there.sum()), 0.40, 0.60)


# --- the worker's side ---------------------------------------------------------------------------

COMMAND = str(Path(sys.executable).with_name("okr-sync"))


def run(warehouse: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as people do."""
    environment = {**os.environ, "OKR_SYNC_WAREHOUSE": warehouse}
    environment.pop("DAGSTER_HOME", None)
    return subprocess.run(
        words, env=environment, check=False, capture_output=True, text=True, timeout=600
    )


Shown = dict[str, dict[str, dict[str, Any]]]
"""By as-of day and key result, the row that `status --json` gives."""


def sync(warehouse: str, project: Path, *words: str) -> None:
    """Sync a project through the sandbox; the test fails with the output if that does."""
    sandbox = (COMMAND, "sandbox", str(EXAMPLE / "account"), "--")
    command = (COMMAND, "sync", "--project", str(project), *words)
    done = run(warehouse, *sandbox, *command)
    assert done.returncode == 0, done.stdout + done.stderr


def status(warehouse: str, project: Path, *words: str) -> dict[str, dict[str, Any]]:
    """What the status command gives as JSON, by key result id."""
    read = run(warehouse, COMMAND, "status", "--project", str(project), "--json", *words)
    assert read.returncode == 0, read.stderr
    return {row["key_result_id"]: row for row in json.loads(read.stdout)}


def synced(warehouse: str) -> Shown:
    """The example as of each of the days, synced as one would have on these days."""
    for day in DAYS:
        sync(warehouse, EXAMPLE, "--as-of", day)
    current = status(warehouse, EXAMPLE)
    past = status(warehouse, EXAMPLE, "--as-of", DAYS[0])
    return {DAYS[0]: past, DAYS[1]: current}


@pytest.fixture(scope="module")
def shown_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """What the example shows from a SQLite warehouse."""
    folder = tmp_path_factory.mktemp("marketing")
    return synced(f"sqlite:///{folder / 'warehouse.sqlite'}")


@pytest.fixture(scope="module")
def shown_on_postgresql(postgresql_server: str) -> Iterator[Shown]:
    """What the example shows from PostgreSQL, in a database of its own."""
    name = "marketing_example"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        warehouse = postgresql_server.replace("/postgres?", f"/{name}?")
        yield synced(warehouse)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def shown(request: pytest.FixtureRequest) -> Shown:
    """What the example shows, from each engine."""
    rows: Shown = request.getfixturevalue(f"shown_on_{request.param}")
    return rows


def same(shown: Any, wanted: float | None) -> bool:
    """Whether a number is shown as it must be, to nine digits; None is no number."""
    if shown is None or wanted is None:
        return shown is None and wanted is None
    return bool(float(shown) == pytest.approx(wanted, rel=1e-9))


def worked_out(key_result: str, day: str) -> Figure:
    """The second opinion on a key result as of a day."""
    token = AS_OF.set(day)
    try:
        return FIGURES[key_result]()
    finally:
        AS_OF.reset(token)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("key_result", FIGURES)
def test_key_result(key_result: str, day: str, shown: Shown) -> None:
    """Each key result shows the value, parts, goal, progress and flags that its function computes."""
    want, row = worked_out(key_result, day), shown[day][key_result]
    assert row["error"] is None
    assert row["as_of"] == day
    assert same(row["value"], want.value), (row["value"], want.value)
    if want.numerator is not None:
        assert same(row["numerator"], want.numerator)
        assert same(row["denominator"], want.denominator)
    assert same(row["baseline"], want.baseline)
    assert same(row["target"], want.target)
    assert same(row["progress"], want.progress), (row["progress"], want.progress)
    flags = {flag for flag in want.flags if not flag.endswith(":0")}
    assert flags <= set(row["quality"]), row["quality"]


def test_every_key_result_of_the_cycle_is_worked_out_here(shown_on_sqlite: Shown) -> None:
    """No key result is added to the example without a second opinion on its number."""
    rows = shown_on_sqlite[DAYS[-1]]
    assert {key for key, row in rows.items() if row["cycle"] == "2026-Q3"} == set(FIGURES)


def test_open_pipeline_is_a_level_of_today(tmp_path: Path) -> None:
    """A snapshot gives the level as it is now, whenever its records are from."""
    project = Path(shutil.copytree(EXAMPLE, tmp_path / "marketing"))
    today = datetime.now(ZoneInfo(ZONE)).date()
    okrs = project / "okrs" / "2026-Q4" / "revenue-marketing.yaml"
    written = okrs.read_text(encoding="utf-8")
    # The example's cycle ends one day, and the test is run after it.
    okrs.write_text(written.replace("cycle: 2026-Q4", f"cycle: {today.year}"), encoding="utf-8")
    key, warehouse = "revenue-marketing/open-pipeline", f"sqlite:///{tmp_path / 'w.sqlite'}"
    sync(warehouse, project, key)
    row = status(warehouse, project)[key]
    deals = hubspot("deals")
    amount = number(deals["amount_in_home_currency"])[deals["hs_is_closed"] == "false"]
    assert row["as_of"] == today.isoformat()
    assert same(row["value"], float(amount.sum()))
    assert row["progress"] is None


def test_check_has_nothing_to_say(tmp_path: Path) -> None:
    """The example passes `check`, and where it goes against a rule of the field it says why."""
    done = run("", COMMAND, "check", "--project", str(EXAMPLE), "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout) == []


def test_the_data_comes_from_its_script(tmp_path: Path) -> None:
    """make_account.py writes the files of the example byte for byte, on any machine."""
    script = str(EXAMPLE / "make_account.py")
    subprocess.run([sys.executable, "-B", script, str(tmp_path)], check=True, timeout=60)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(made) > 20
    for path in made:
        assert (tmp_path / path).read_bytes() == (EXAMPLE / path).read_bytes(), path
