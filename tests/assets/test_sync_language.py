"""Syncs with everything that a binding can say: other sources, formulas, levels, baselines, overrides."""

import json
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from assets.keys import SYNC_JOB
from assets.resources import Clock
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.json_rows import to_jsonable
from okr_sync.warehouse.overrides import add_override, withdraw_override
from okr_sync.warehouse.reads import HistoryRow, history, last_runs, pulls
from okr_sync.warehouse.status import StatusRow, status
from okr_sync.warehouse.tables import measured_baseline, metric_value

_SOURCES = """\
version: 1
time_zone: America/New_York
currency: USD
sources:
  people: {kind: sql, url_env: PEOPLE_DATABASE_URL}
  surveys: {kind: files, path: surveys}
"""

_METRICS = """\
metrics:
  answers: {agg: count, from: surveys.nps, time: answered_on, family: engagement}
  promoters: {agg: count, from: surveys.nps, time: answered_on, where: {score: {gte: 9}}}
  detractors: {agg: count, from: surveys.nps, time: answered_on, where: {score: {lte: 6}}}
  nps:
    formula: "100 * (promoters - detractors) / answers"
    inputs: {promoters: promoters, detractors: detractors, answers: answers}
    family: conversion
    tags: [customer voice]
  certified_share:
    sql: "SELECT sum(certified) AS numerator, count(*) AS denominator FROM employees WHERE hired_on < :window_end"
    on: people
    family: funnel
  average_age: {agg: average, field: age, from: people.employees, time: hired_on, family: funnel}
  followers: {snapshot: {agg: sum, field: followers}, from: surveys.accounts, family: engagement}
  new_followers:
    snapshot: {agg: sum, field: followers}
    from: surveys.accounts
    change: true
    family: engagement
  headcount: {snapshot: {sql: "SELECT count(*) AS value FROM employees", on: people}, family: pipeline}
  followers_per_head: {formula: followers / headcount, inputs: {followers: followers, headcount: headcount}}
"""

_OBJECTIVES = """\
team: brand
cycle: 2026-03
objectives:
  - id: loved
    title: Be loved
    supports: [company/grow]
    key_results:
"""

_NPS = """\
id,answered_on,score
a,2026-02-03,10
b,2026-02-10,9
c,2026-02-11,3
d,2026-02-12,8
e,2026-03-02,10
f,2026-03-03,9
g,2026-03-03,2
h,2026-03-09,10
"""


@pytest.fixture
def brand(company: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The small company with survey files and a staff database in place of HubSpot and GA4."""
    for name in ("okrs/sales.yaml", "okrs/web.yaml"):
        (company.project / name).unlink()
    company.write("okr_sync.yaml", _SOURCES)
    company.write("metrics.yaml", _METRICS)
    company.write("surveys/nps.csv", _NPS)
    followers(company, 100, 50)
    database = tmp_path / "people.sqlite"
    with sqlite3.connect(database) as connection:
        connection.executescript(
            "CREATE TABLE employees (id INTEGER PRIMARY KEY, hired_on DATE, age INTEGER, "
            "certified INTEGER);"
            "INSERT INTO employees VALUES (1, '2026-01-05', 30, 1), (2, '2026-02-05', 41, 0), "
            "(3, '2026-03-02', 50, 1), (4, '2026-03-20', 20, 1);"
        )
    connection.close()
    monkeypatch.setenv("PEOPLE_DATABASE_URL", f"sqlite:///{database}")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return company


def followers(company: Any, first: int, second: int) -> None:
    """Set how many follow the company on its two platforms."""
    company.write(
        "surveys/accounts.csv",
        f"platform,followers\nlinkedin,{first}\nyoutube,{second}\n",
    )


def bind(company: Any, **goals: str) -> None:
    """Give the team one key result a metric, each with its goal (and whatever follows it)."""
    lines = [
        f"      - {{id: {name.replace('_', '-')}, title: Move {name}, metric: {name}, {goal}}}\n"
        for name, goal in goals.items()
    ]
    company.write("okrs/brand.yaml", _OBJECTIVES + "".join(lines))


def run(project: Path, at: str, day: str | None = None) -> dg.ExecuteInProcessResult:
    """Run the sync job at an instant, as of its day in New York unless another is given."""
    now = datetime.fromisoformat(at)
    job = build_definitions(project, {"clock": Clock(now)}).resolve_job_def(SYNC_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance, partition_key=day or at[:10], raise_on_error=False
        )


def current(warehouse: Warehouse, at: datetime | None = None) -> dict[str, StatusRow]:
    """What people read now, by the id of the key result within its team."""
    rows = status(warehouse, now=at or datetime.now(UTC))
    return {row.key_result_id.partition("/")[2]: row for row in rows}


def latest(warehouse: Warehouse, name: str) -> list[HistoryRow]:
    """The revisions that are not superseded."""
    return [row for row in history(warehouse, f"brand/{name}") if row.superseded_at is None]


def test_files_sql_and_formulas_are_measured_together(brand: Any, warehouse: Warehouse) -> None:
    """Answers from a file, shares and averages from a database, and a formula, in one run."""
    bind(
        brand,
        nps="goal: {from: 0, to: 60}",
        certified_share="goal: {at_least: 90%}",
        average_age="goal: {at_most: 45}",
    )
    result = run(brand.project, "2026-03-05T17:00:00+00:00")
    assert result.success, [str(event) for event in result.get_step_failure_events()]
    rows = current(warehouse)
    assert rows["nps"].value == Decimal(100) / 3
    share = rows["certified-share"]
    assert (share.value, share.numerator, share.denominator) == (
        Decimal(2) / 3,
        Decimal(2),
        Decimal(3),
    )
    assert rows["average-age"].value == 50
    (sync,) = last_runs(warehouse)
    assert (sync.status, sync.key_results_ok) == ("success", 3)
    assert {(pull.source, pull.dataset) for pull in pulls(warehouse, sync.run_id)} == {
        ("people", "employees"),
        ("people", "queries"),
        ("surveys", "nps"),
    }
    with warehouse.read() as connection:
        published = set(connection.scalars(select(metric_value.c.metric)))
    assert {"nps", "promoters", "detractors", "answers"} <= published
    before = history(warehouse, "brand/nps")
    assert run(brand.project, "2026-03-05T17:00:00+00:00").success
    assert history(warehouse, "brand/nps") == before


def test_the_graph_shows_what_a_formula_is_made_of(brand: Any) -> None:
    """Inputs that no key result binds are assets too; each metric hangs on what it reads."""
    bind(
        brand,
        nps="goal: {from: 0, to: 60}, shared_with: [support]",
        headcount="goal: {at_least: 5}",
    )
    definitions = build_definitions(brand.project)
    dg.Definitions.validate_loadable(definitions)
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}

    def deps(name: str) -> set[str]:
        return {dep.asset_key.to_user_string() for dep in specs[name].deps}

    assert deps("metric/nps") == {"metric/promoters", "metric/detractors", "metric/answers"}
    assert deps("metric/promoters") == {"surveys/nps"}
    assert deps("metric/headcount") == {"people/queries"}
    assert deps("key_result/brand/nps") == {"metric/nps"}
    key_result = specs["key_result/brand/nps"]
    assert {
        "shared_with/support",
        "supports/company.grow",
        "customer-voice",
    } <= key_result.tags.keys()
    assert key_result.metadata["supports"] == ["company/grow"]
    assert specs["surveys/nps"].kinds == {"file"}
    assert specs["people/queries"].kinds == {"sql"}


def test_a_formula_fails_with_any_of_its_datasets(brand: Any, warehouse: Warehouse) -> None:
    """A formula over two sources has no number when one can't be read; its last good one stays."""
    bind(brand, followers_per_head="goal: {at_least: 10}", answers="goal: {from: 0, to: 10}")
    assert run(brand.project, "2026-03-05T17:00:00+00:00").success
    assert current(warehouse)["followers-per-head"].value == Decimal("37.5")
    (brand.project / "surveys" / "accounts.csv").unlink()
    result = run(brand.project, "2026-03-06T17:00:00+00:00")
    assert not result.success
    row = current(warehouse)["followers-per-head"]
    assert (row.value, row.freshness, row.as_of) == (
        Decimal("37.5"),
        "failed",
        date(2026, 3, 5),
    )
    assert current(warehouse)["answers"].as_of == date(2026, 3, 6)


def test_a_statement_that_is_refused_fails_alone(brand: Any, warehouse: Warehouse) -> None:
    """A mistake in one query is that metric's; the other query of the source goes on."""
    text = (brand.project / "metrics.yaml").read_text(encoding="utf-8")
    brand.write("metrics.yaml", text.replace("FROM employees WHERE", "FROM employes WHERE"))
    bind(brand, certified_share="goal: {at_least: 90%}", headcount="goal: {at_least: 5}")
    assert not run(brand.project, "2026-03-05T17:00:00+00:00").success
    rows = current(warehouse)
    assert "employes" in str(rows["certified-share"].error)
    assert (rows["headcount"].value, rows["headcount"].error) == (4, None)


def test_levels_are_observed_day_by_day(brand: Any, warehouse: Warehouse) -> None:
    """A level is measured only on its day; its history grows, each day becomes final, change adds up."""
    bind(
        brand,
        followers="goal: {from: 100, to: 400}",
        new_followers="goal: {at_least: 30}",
    )
    for day, (first, second) in enumerate([(100, 50), (105, 50), (110, 70)], start=2):
        followers(brand, first, second)
        assert run(brand.project, f"2026-03-0{day}T17:00:00+00:00").success
    levels = {row.as_of.day: (row.value, row.is_final) for row in latest(warehouse, "followers")}
    assert levels == {2: (150, False), 3: (155, False), 4: (180, False)}
    changes = {
        row.as_of.day: (row.value, row.quality) for row in latest(warehouse, "new-followers")
    }
    assert changes == {
        2: (None, ("no_earlier_level", "provisional")),
        3: (5, ("level_since:2026-03-02", "provisional")),
        4: (30, ("level_since:2026-03-02", "provisional")),
    }
    # A past day can't be measured any more, but what was measured then becomes final.
    followers(brand, 1000, 1000)
    assert run(brand.project, "2026-03-06T17:00:00+00:00", "2026-03-03").success
    levels = {row.as_of.day: (row.value, row.is_final) for row in latest(warehouse, "followers")}
    assert levels == {2: (150, True), 3: (155, True), 4: (180, False)}
    assert run(brand.project, "2026-03-07T17:00:00+00:00").success
    levels = {row.as_of.day: (row.value, row.is_final) for row in latest(warehouse, "followers")}
    assert levels == {2: (150, True), 3: (155, True), 4: (180, True), 7: (2000, False)}


def baselines(warehouse: Warehouse) -> dict[str, dict[Any, Any]]:
    """What is frozen, by key result id."""
    with warehouse.read() as connection:
        rows = connection.execute(select(measured_baseline)).mappings()
        return {row["key_result_id"]: dict(row) for row in rows}


def test_a_measured_baseline_is_frozen_and_stays(brand: Any, warehouse: Warehouse) -> None:
    """The previous month by the same binding, once it is final; later changes of the source don't count."""
    bind(
        brand,
        answers="goal: {from: measured, to: +50%}",
        nps="goal: {from: measured, to: 60}",
    )
    assert run(brand.project, "2026-03-02T17:00:00+00:00").success
    early = current(warehouse)["answers"]  # February ended 41 hours ago: it may still be restated
    assert (early.baseline, early.target, early.status) == (None, None, "no_data")
    assert (early.value, "no_baseline" in early.quality) == (1, True)
    assert run(brand.project, "2026-03-05T17:00:00+00:00").success
    row = current(warehouse)["answers"]
    assert (row.baseline, row.target, row.value) == (4, 6, 3)
    assert row.progress == Decimal("-0.5")
    assert current(warehouse)["nps"].baseline == 25
    frozen = baselines(warehouse)["brand/answers"]
    assert (frozen["baseline"], frozen["as_of"]) == (4, date(2026, 2, 28))
    brand.write("surveys/nps.csv", _NPS + "z,2026-02-20,1\n")
    assert run(brand.project, "2026-03-09T17:00:00+00:00").success
    row = current(warehouse)["answers"]
    assert (row.baseline, row.target, row.value) == (4, 6, 4)
    assert baselines(warehouse)["brand/answers"] == frozen
    assert row.quality == ("provisional",)
    text = (brand.project / "metrics.yaml").read_text(encoding="utf-8")
    changed = text.replace(
        "answers: {agg: count,", "answers: {agg: count, where: {score: {gt: 0}},"
    )
    brand.write("metrics.yaml", changed)
    assert run(brand.project, "2026-03-10T17:00:00+00:00").success
    row = current(warehouse)["answers"]
    assert (row.baseline, "baseline_of_earlier_definition" in row.quality) == (4, True)


def test_without_a_past_the_first_final_value_is_the_baseline(
    brand: Any, warehouse: Warehouse
) -> None:
    """A level of last month can't be measured: the first day of this month that is final begins it."""
    bind(brand, followers="goal: {from: measured, to: +10%}")
    for day, first in ((2, 100), (3, 105), (4, 110)):
        followers(brand, first, 50)
        assert run(brand.project, f"2026-03-0{day}T17:00:00+00:00").success
        assert current(warehouse)["followers"].status == "no_data"
    followers(brand, 120, 50)
    assert run(brand.project, "2026-03-05T17:00:00+00:00").success
    assert run(brand.project, "2026-03-06T17:00:00+00:00").success
    row = current(warehouse)["followers"]
    assert (row.baseline, row.target, row.value) == (150, 165, 170)
    assert baselines(warehouse)["brand/followers"]["as_of"] == date(2026, 3, 2)


def set_number(warehouse: Warehouse, name: str, value: int, first: date, last: date) -> int:
    """Override a key result, as the command does."""
    return add_override(
        warehouse,
        key_result_id=f"brand/{name}",
        value=Decimal(value),
        reason="The survey tool lost answers",
        author="ann",
        from_day=first,
        until_day=last,
        recorded_at=datetime(2026, 3, 4, 12, tzinfo=UTC),
    ).override_id


def test_an_override_holds_until_its_last_day(brand: Any, warehouse: Warehouse) -> None:
    """The number that was set is published for its days; the automatic one goes on beneath, and after."""
    bind(brand, answers="goal: {from: 0, to: 10}")
    assert run(brand.project, "2026-03-03T17:00:00+00:00").success
    set_number(warehouse, "answers", 8, date(2026, 3, 3), date(2026, 3, 4))
    assert run(brand.project, "2026-03-04T17:00:00+00:00").success
    row = current(warehouse)["answers"]
    assert (row.value, row.progress, row.numerator) == (8, Decimal("0.8"), None)
    shown = json.loads(json.dumps(to_jsonable(row)))
    assert (shown["value"], shown["quality"]) == (8.0, ["override", "provisional"])
    assert run(brand.project, "2026-03-05T17:00:00+00:00").success
    found = [
        (r.as_of.day, r.revision, r.value, r.origin) for r in history(warehouse, "brand/answers")
    ]
    assert found == [
        (3, 1, 3, "automatic"),
        (3, 2, 8, "override"),
        (4, 1, 8, "override"),
        (5, 1, 3, "automatic"),
    ]
    with warehouse.read() as connection:
        beneath = connection.execute(
            select(metric_value.c.as_of, metric_value.c.value)
            .where(metric_value.c.metric == "answers", metric_value.c.superseded_at.is_(None))
            .order_by(metric_value.c.as_of)
        ).all()
    assert [(as_of.day, value) for as_of, value in beneath] == [(3, 3), (4, 3), (5, 3)]


def test_an_override_that_is_withdrawn_leaves_a_revision(brand: Any, warehouse: Warehouse) -> None:
    """The next run publishes the automatic number of every day it held, however long ago."""
    bind(brand, answers="goal: {from: 0, to: 10}", followers="goal: {from: 0, to: 300}")
    assert run(brand.project, "2026-03-03T17:00:00+00:00").success
    numbers = [
        set_number(warehouse, name, 8, date(2026, 3, 3), date(2026, 3, 3))
        for name in ("answers", "followers")
    ]
    assert run(brand.project, "2026-03-04T17:00:00+00:00").success
    assert [row.value for row in latest(warehouse, "answers")] == [8, 3]
    assert [row.value for row in latest(warehouse, "followers")] == [8, 150]
    at = datetime(2026, 3, 20, tzinfo=UTC)
    assert withdraw_override(warehouse, "brand/answers", numbers[0], at)
    assert withdraw_override(warehouse, "brand/followers", numbers[1], at)
    assert run(brand.project, "2026-03-20T17:00:00+00:00").success
    for name, value in (("answers", 3), ("followers", 150)):
        first = next(row for row in latest(warehouse, name) if row.as_of.day == 3)
        assert (first.value, first.origin, first.revision) == (value, "automatic", 3), name


def test_an_override_stands_in_for_a_source_that_fails(brand: Any, warehouse: Warehouse) -> None:
    """What people have set is published while the source can't be read, and the failure is said."""
    bind(brand, answers="goal: {from: 0, to: 10}")
    assert run(brand.project, "2026-03-03T17:00:00+00:00").success
    set_number(warehouse, "answers", 8, date(2026, 3, 4), date(2026, 3, 4))
    (brand.project / "surveys" / "nps.csv").unlink()
    assert not run(brand.project, "2026-03-04T17:00:00+00:00").success
    row = current(warehouse)["answers"]
    assert (row.value, row.as_of, row.freshness) == (8, date(2026, 3, 4), "failed")
    assert row.error is not None


def test_formulas_across_families_run_in_order(brand: Any, warehouse: Warehouse) -> None:
    """Two families that use each other's metrics are no circle: each step runs when its inputs are there."""
    text = (brand.project / "metrics.yaml").read_text(encoding="utf-8")
    brand.write(
        "metrics.yaml",
        text + "  twice: {formula: 2 * answers, inputs: {answers: answers}, family: pipeline}\n"
        "  thrice: {formula: twice + answers, inputs: {twice: twice, answers: answers}, "
        "family: engagement}\n",
    )
    bind(brand, thrice="goal: {from: 0, to: 60}")
    assert run(brand.project, "2026-03-05T17:00:00+00:00").success
    assert current(warehouse)["thrice"].value == 9


_SALES_SOURCES = """\
version: 1
time_zone: America/New_York
currency: GBP
sources:
  hubspot: {kind: hubspot}
  web: {kind: ga4, property: "123456789"}
  finance: {kind: files, path: finance}
fx: finance.rates
"""

_SALES_METRICS = """\
metrics:
  paid_pipeline:
    agg: sum
    field: amount
    currency: {field: deal_currency_code, to: GBP}
    from: hubspot.deals
    time: createdate
    where: {contacts.hs_analytics_source: PAID_SEARCH}
  sessions: {agg: sum, field: sessions, from: web.report}
  leads: {agg: count, from: hubspot.contacts, time: createdate}
"""

_SALES = """\
team: brand
cycle: 2026-03
objectives:
  - id: grow
    title: Grow
    key_results:
      - {id: paid-pipeline, title: £5k from paid search, metric: paid_pipeline, goal: {from: 0, to: £5k}}
      - {id: sessions, title: A quarter more sessions, metric: sessions, goal: {from: measured, to: +25%}}
      - {id: leads, title: As many leads, metric: leads, goal: {from: measured, to: 10}}
"""

_DEALS = """\
hs_object_id,createdate,hs_lastmodifieddate,amount,deal_currency_code
11,2026-03-03T15:00:00Z,2026-03-03T15:00:00Z,1000,GBP
12,2026-03-04T15:00:00Z,2026-03-04T15:00:00Z,500,USD
13,2026-03-04T15:00:00Z,2026-03-04T15:00:00Z,700,GBP
"""


@pytest.fixture
def sellers(company: Any) -> Any:
    """The small company with deals of its contacts in two currencies, and traffic in February."""
    for name in ("okrs/sales.yaml", "okrs/web.yaml"):
        (company.project / name).unlink()
    company.write("okr_sync.yaml", _SALES_SOURCES)
    company.write("metrics.yaml", _SALES_METRICS)
    company.write("okrs/brand.yaml", _SALES)
    company.write("finance/rates.csv", "date,from,to,rate\n2026-03-04,USD,GBP,0.8\n")
    hubspot = company.account / "hubspot"
    (hubspot / "deals.csv").write_text(_DEALS, encoding="utf-8")
    (hubspot / "deal_to_contact.csv").write_text(
        "deal_id,contact_id\n11,1\n12,1\n12,2\n13,2\n", encoding="utf-8"
    )
    sessions = company.account / "ga4" / "sessions.csv"
    february = "".join(
        f"2026-02-1{day}T15:00:00Z,f{day},true,true,60,,Paid Search\n" for day in range(8)
    )
    sessions.write_text(sessions.read_text(encoding="utf-8") + february, encoding="utf-8")
    return company


def test_associations_and_rates_are_read_with_the_deals(
    sellers: Any, sandbox: Any, warehouse: Warehouse
) -> None:
    """Deals of contacts from paid search, in pounds: the metric hangs on three datasets, and reads them."""
    specs = build_definitions(sellers.project).resolve_all_asset_specs()
    (metric,) = (one for one in specs if one.key.path[-1] == "paid_pipeline")
    assert {dep.asset_key.to_user_string() for dep in metric.deps} == {
        "hubspot/deals",
        "hubspot/contacts",
        "finance/rates",
    }
    result = run(sellers.project, "2026-03-05T17:00:00+00:00")
    assert result.success, current(warehouse)
    assert current(warehouse)["paid-pipeline"].value == 1400
    (sellers.project / "finance" / "rates.csv").write_text("date,from,to\n", encoding="utf-8")
    assert not run(sellers.project, "2026-03-06T17:00:00+00:00").success
    row = current(warehouse)["paid-pipeline"]
    assert (row.value, row.freshness) == (1400, "failed")
    assert current(warehouse)["sessions"].as_of == date(2026, 3, 6)


def test_the_previous_cycle_is_pulled_for_a_baseline(
    sellers: Any, sandbox: Any, warehouse: Warehouse
) -> None:
    """GA4 is asked for February, too, and HubSpot's mirror has it; a count of nothing is a baseline."""
    assert run(sellers.project, "2026-03-05T17:00:00+00:00").success
    row = current(warehouse)["sessions"]
    assert (row.baseline, row.target, row.value) == (8, 10, 3)
    assert (current(warehouse)["leads"].baseline, current(warehouse)["leads"].target) == (0, 10)
    assert [row.as_of for row in history(warehouse, "brand/sessions")] == [date(2026, 3, 5)]
