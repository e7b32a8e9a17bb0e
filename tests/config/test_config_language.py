"""The kinds, sources and datasets beyond HubSpot's and GA4's: what is written becomes what is meant."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from okr_sync.config.hashes import metric_hash
from okr_sync.config.loader import Inspection, inspect_project, load_project
from okr_sync.config.models import (
    AggMetric,
    Family,
    FilesDataset,
    FilesSource,
    FormulaMetric,
    Pool,
    RatioMetric,
    Reduce,
    SnapshotMetric,
    SqlMetric,
    SqlSource,
)
from okr_sync.config.where import Condition, Operator, Where

WriteProject = Callable[[Mapping[str, str]], Path]
InspectProject = Callable[[Mapping[str, str]], Inspection]

PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
fx: surveys.rates
sources:
  hubspot: {kind: hubspot}
  people: {kind: sql, url_env: PEOPLE_URL, timeout: 30s, row_cap: 500}
  surveys:
    kind: files
    path: surveys
    datasets: {posts: {glob: "posts-*.csv", columns: {published: day, likes: number}}}
rules: {unused-metric: off, missing-data-file: off, too-few-key-results: off, vague-result: off}
"""
OKRS = """\
team: growth
cycle: 2026-Q4
objectives:
  - id: more
    title: Get more of it
    key_results:
      - id: kr
        title: Grow
        metric: METRIC
        goal: {from: 1, to: 5}
"""


def project(metrics: str, metric: str = "m", **more: str) -> dict[str, str]:
    """The files of a project with these metrics, of which one is used."""
    return {
        "okr_sync.yaml": PROJECT,
        "metrics.yaml": f"metrics:\n{metrics}",
        "okrs.yaml": OKRS.replace("METRIC", metric),
        **more,
    }


def read(inspect: InspectProject, metrics: str, metric: str = "m") -> dict[str, object]:
    """The metrics of a project without problems, by name."""
    inspection = inspect(project(metrics, metric))
    assert [str(problem) for problem in inspection.problems] == []
    assert inspection.bundle is not None
    return dict(inspection.bundle.metrics)


def test_sources(inspect: InspectProject) -> None:
    """A database has a time-out and a row cap, files have declared datasets and columns."""
    inspection = inspect(project("  m: {agg: count, from: people.staff, time: joined}\n"))
    assert inspection.bundle is not None
    found = inspection.bundle.project
    assert found.fx == "surveys.rates"
    assert found.sources["people"] == SqlSource(
        name="people", url_env="PEOPLE_URL", timeout=timedelta(seconds=30), row_cap=500
    )
    columns = {"published": "day", "likes": "number"}
    assert found.sources["surveys"] == FilesSource(
        name="surveys",
        path="surveys",
        datasets={"posts": FilesDataset(glob="posts-*.csv", columns=columns)},
    )


def test_formula_with_inputs_by_name_and_in_place(inspect: InspectProject) -> None:
    """Inputs written in place get names of their own; the family is the first input's."""
    metrics = read(
        inspect,
        "  won: {agg: count, from: hubspot.deals, time: closedate}\n"
        "  m:\n"
        "    formula: 100 * won / all_of_them\n"
        "    inputs:\n"
        "      won: won\n"
        "      all_of_them: {agg: count, from: hubspot.contacts, time: createdate}\n",
    )
    formula = metrics["m"]
    assert isinstance(formula, FormulaMetric)
    assert formula.expression == "100 * won / all_of_them"
    assert formula.inputs == {"won": "won", "all_of_them": "m__all_of_them"}
    assert formula.family is Family.PIPELINE
    assert isinstance(metrics["m__all_of_them"], AggMetric)


def test_formula_in_a_key_result(inspect: InspectProject) -> None:
    """A formula and its inputs can stand in the key result, and fall with it."""
    text = "{formula: a * 2, inputs: {a: {agg: count, from: people.staff, time: joined}}}"
    assert list(read(inspect, "  {}\n", text)) == ["growth__kr", "growth__kr__a"]
    inspection = inspect(project("  {}\n", text.replace("a * 2", "a *")))
    assert inspection.bundle is not None
    assert list(inspection.bundle.key_results) == []
    assert "growth__kr" not in inspection.bundle.metrics


def test_sql_from_text_and_from_a_file(write_project: WriteProject) -> None:
    """The statement stands in the YAML or in a file, which is then part of the configuration."""
    statement = "select 1 as value where :as_of > '2026-01-01; :no' -- ; :no\n"
    files = project("  m: {sql: q/staff.sql, on: people}\n", **{"q/staff.sql": statement})
    bundle = load_project(write_project(files))
    metric = bundle.metrics["m"]
    assert isinstance(metric, SqlMetric)
    assert (metric.text, metric.file, metric.source) == (statement, "q/staff.sql", "people")
    assert not metric.snapshot
    before = bundle.config_hash
    (bundle.folder / "q/staff.sql").write_text("select 2 as value\n", encoding="utf-8")
    after = load_project(bundle.folder)
    assert after.config_hash != before
    assert metric_hash(after.metrics["m"], {}) != metric_hash(metric, {})


@pytest.mark.secret_in("files")
def test_a_secret_in_a_statement_is_refused(write_project: WriteProject) -> None:
    """A password in a .sql file is told without being quoted, and isn't kept."""
    text = "select * from dblink('postgresql://ana:hunter22@db/x')\n"
    files = project("  m: {sql: q/staff.sql, on: people}\n", **{"q/staff.sql": text})
    inspection = inspect_project(write_project(files))
    told = [problem for problem in inspection.problems if problem.rule == "secret-in-file"]
    assert len(told) == 1
    assert "q/staff.sql:1" in told[0].message
    assert inspection.bundle is not None
    kept = [*inspection.bundle.files.values(), *map(str, inspection.problems)]
    assert not any("hunter22" in one for one in kept)


def test_statements_that_are_links_out_of_the_project(write_project: WriteProject) -> None:
    """A link out of the project is refused, also for files of data."""
    folder = write_project(
        project("  m: {sql: out.sql, on: people}\n  n: {agg: count, from: surveys.nps, time: t}\n")
    )
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "x.sql").write_text("select 1", encoding="utf-8")
    (folder / "out.sql").symlink_to(outside / "x.sql")
    (folder / "surveys").symlink_to(outside)
    rules = {(str(p.position), p.rule) for p in inspect_project(folder).problems}
    assert ("metrics.yaml:2:12", "outside-project") in rules
    assert ("metrics.yaml:3:25", "outside-project") in rules


def test_huge_statements_are_refused(inspect: InspectProject) -> None:
    """A statement has 64 KiB at most."""
    files = project("  m: {sql: big.sql, on: people}\n", **{"big.sql": "-" * 70_000})
    assert [p.rule for p in inspect(files).problems][:1] == ["too-long"]


def test_snapshots(inspect: InspectProject) -> None:
    """A level of records or of a query, with or without the change since the window's start."""
    metrics = read(
        inspect,
        "  m: {snapshot: {agg: sum, field: n}, from: surveys.fans, by: platform, reduce: min, "
        "change: true}\n"
        "  q: {snapshot: {sql: select 1 as value, on: people}}\n",
    )
    level = metrics["m"]
    assert isinstance(level, SnapshotMetric)
    assert (level.by, level.reduce, level.change) == ("platform", Reduce.MIN, True)
    query = metrics["q"]
    assert isinstance(query, SqlMetric)
    assert (query.snapshot, query.change) == (True, False)


def test_means_money_and_associations(inspect: InspectProject) -> None:
    """`pool: mean`, `currency` in both forms, and conditions on associated records."""
    metrics = read(
        inspect,
        "  m: {ratio: {numerator: {agg: sum, field: likes}, denominator: {agg: sum, field: seen}},"
        " from: surveys.posts, time: published, pool: mean}\n"
        "  gbp: {agg: sum, field: amount, from: hubspot.deals, time: closedate, "
        "currency: {field: code, to: GBP}, where: {contacts.source: PAID}}\n"
        "  usd: {agg: sum, field: amount, from: hubspot.deals, time: closedate, currency: USD}\n"
        "  mails: {agg: sum, field: open, from: hubspot.marketing_emails, time: published_at}\n"
        "  nps: {agg: average, field: score, from: hubspot.feedback_submissions, time: t}\n",
    )
    mean = metrics["m"]
    assert isinstance(mean, RatioMetric)
    assert mean.pool is Pool.MEAN
    gbp, usd, mails = metrics["gbp"], metrics["usd"], metrics["mails"]
    assert isinstance(gbp, AggMetric) and isinstance(usd, AggMetric)
    assert isinstance(mails, AggMetric)
    assert (gbp.currency, gbp.currency_field) == ("GBP", "code")
    assert gbp.where == Where((Condition("contacts.source", Operator.EQ, ("PAID",)),))
    assert (usd.currency, usd.currency_field) == ("USD", None)
    assert mails.family is Family.ENGAGEMENT


def test_pace_and_measured_goals(inspect: InspectProject) -> None:
    """`pace: none` and `from: measured` are read, and a relative target waits for its baseline."""
    files = project("  m: {agg: count, from: people.staff, time: joined}\n")
    goal = "goal: {from: measured, to: +25%}\n        pace: none"
    files["okrs.yaml"] = files["okrs.yaml"].replace("goal: {from: 1, to: 5}", goal)
    inspection = inspect(files)
    assert inspection.bundle is not None
    found = inspection.bundle.key_results["growth/kr"]
    assert found.pace == "none"
    assert (found.goal.measured_baseline, found.goal.target) == (True, None)
    assert found.goal.relative_target == Decimal("0.25")


def test_an_inputs_definition_is_the_formulas(inspect: InspectProject) -> None:
    """A formula's hash changes with its inputs' definitions, and not with their names."""
    text = "  {name}: {{agg: count, from: hubspot.{what}, time: t}}\n  m: {{formula: a, inputs: {{a: {name}}}}}\n"

    def hash_of(name: str, what: str) -> str:
        bundle = inspect(project(text.format(name=name, what=what))).bundle
        assert bundle is not None
        return metric_hash(bundle.metrics["m"], bundle.metrics)

    assert hash_of("x", "deals") == hash_of("y", "deals") != hash_of("x", "leads")


def test_long_chains_of_formulas_are_refused(inspect: InspectProject) -> None:
    """Formulas may stand 20 high, whichever order they are written in."""
    chain = "".join(f"  f{n}: {{formula: a, inputs: {{a: f{n + 1}}}}}\n" for n in range(30))
    last = "  f30: {agg: count, from: hubspot.deals, time: t}\n"
    rules = [p.rule for p in inspect(project(chain + last, "f0")).problems]
    assert rules.count("too-many-levels") == 1
    assert set(rules) == {"too-many-levels", "invalid-metric"}
    files = project(chain.replace("a: f30", "a: f15"), "f0")
    assert "formula-cycle" in [p.rule for p in inspect(files).problems]
