"""The project file: what it may say, and secrets that it must not hold."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from okr_sync.config.loader import Inspection, load_project
from okr_sync.config.models import Ga4Source, HubSpotSource
from okr_sync.errors import ConfigError

InspectProject = Callable[[Mapping[str, str]], Inspection]
WriteProject = Callable[[Mapping[str, str]], Path]

HEAD = "version: 1\ntime_zone: America/New_York\ncurrency: USD\n"
SOURCES = "sources: {hubspot: {kind: hubspot}}\n"


def test_everything_that_a_project_can_say(write_project: WriteProject) -> None:
    """The project file of the design, but for the sources that this version doesn't have."""
    text = (
        HEAD + "fiscal_year_start: 2\nweek_start: sunday\n"
        "sources:\n"
        "  hubspot: {kind: hubspot, token_env: HS_TOKEN, endpoint: 'http://127.0.0.1:8', api: 2026-03}\n"
        "  web: {kind: ga4, property: properties/123, credentials_env: GA, endpoint: 'grpc://localhost:1'}\n"
        'warehouse: {url_env: OKR_SYNC_WAREHOUSE}\nschedule: "0 6 * * MON"\nsettle: 72h\nrevise: 14d\n'
        "status: {on_track: 10, lagging: 20.5, exceeding: -5}\n"
    )
    project = load_project(write_project({"okr_sync.yaml": text})).project
    assert project.sources == {
        "hubspot": HubSpotSource(
            name="hubspot", token_env="HS_TOKEN", endpoint="http://127.0.0.1:8", api="2026-03"
        ),
        "web": Ga4Source(
            name="web", property="123", credentials_env="GA", endpoint="grpc://localhost:1"
        ),
    }
    assert (project.fiscal_year_start, project.week_start) == (2, "sunday")
    assert (project.settle, project.revise) == (timedelta(days=3), timedelta(days=14))
    assert (project.warehouse_url_env, project.schedule) == ("OKR_SYNC_WAREHOUSE", "0 6 * * MON")
    assert project.status.lagging == Decimal("20.5")


def test_defaults(write_project: WriteProject) -> None:
    """Only version, time zone, currency and a source are needed."""
    project = load_project(write_project({"okr_sync.yaml": HEAD + SOURCES})).project
    assert (project.schedule, project.settle) == ("0 * * * *", timedelta(hours=48))
    assert (project.fiscal_year_start, project.week_start) == (1, "monday")
    assert project.warehouse_url_env is None


@pytest.mark.parametrize(
    ("text", "place", "rule", "words"),
    [
        ("time_zone: UTC\ncurrency: USD\n" + SOURCES, "1:1", "missing-key", "version: 1"),
        (HEAD.replace("1", "2") + SOURCES, "1:10", "not-supported", "Use version 1"),
        (HEAD.replace("America/New_York", "EST") + SOURCES, "2:12", "unknown-time-zone", "city"),
        (HEAD.replace("New_York", "NewYork") + SOURCES, "2:12", "unknown-time-zone",
         "Did you mean `America/New_York`?"),
        (HEAD.replace("America/New_York", "America") + SOURCES, "2:12", "unknown-time-zone", ""),
        (HEAD.replace("America/New_York", "../etc/passwd") + SOURCES, "2:12",
         "unknown-time-zone", "IANA"),
        (HEAD.replace("USD", "usd") + SOURCES, "3:11", "bad-currency", "`USD`"),
        (HEAD, "1:1", "missing-key", "needs `sources`"),
        (HEAD + "sources: {}\n", "4:10", "empty-value", "at least one"),
        (HEAD + SOURCES + "fiscal_year_start: 13\n", "5:20", "bad-number", "from 1 to 12"),
        (HEAD + SOURCES + "week_start: mon\n", "5:13", "bad-choice", "monday"),
        (HEAD + SOURCES + "schedule: '0 * * *'\n", "5:11", "bad-schedule", "five fields"),
        (HEAD + SOURCES + "schedule: '0 25 * * *'\n", "5:11", "bad-schedule", "bad hour"),
        (HEAD + SOURCES + "schedule: '0 0 31 2 *'\n", "5:11", "bad-schedule", ""),
        (HEAD + SOURCES + "settle: 2\n", "5:9", "bad-duration", "45d, 48h"),
        (HEAD + SOURCES + "status: {on_track: 40}\n", "5:9", "bad-thresholds", "don't rise"),
        (HEAD + SOURCES + "timezone: UTC\n", "5:1", "unknown-key", "Did you mean `time_zone`?"),
        (HEAD + SOURCES + "metrics: {}\n", "5:1", "unknown-key", "metrics.yaml"),
        (HEAD + SOURCES + "warehouse: {url: 'sqlite:///x'}\n", "5:13", "secret-in-file", "url_env"),
        (HEAD + "sources: {h: {kind: hubspot, token: abc}}\n", "4:30", "secret-in-file", "token_env"),
        (
            HEAD + "sources: {h: {kind: hubspot, token_env: my-name}}\n",
            "4:41",
            "bad-environment-name",
            "capitals",
        ),
        (HEAD + SOURCES + "warehouse: {}\n", "5:12", "missing-key", "url_env"),
        (HEAD + SOURCES + "currency: EUR\n", "5:1", "duplicate-key", "line 3"),
        ("[]\n", "1:1", "wrong-type", "version: 1"),
        ("", "1:1", "empty-file", "empty"),
        ("a: b: c\n", "1:5", "yaml-syntax", "second `:`"),
    ],
)  # fmt: skip
def test_a_wrong_project_file_stops_everything(
    inspect: InspectProject, text: str, place: str, rule: str, words: str
) -> None:
    """What concerns all numbers leaves no bundle, with the place and what to do."""
    inspection = inspect({"okr_sync.yaml": text})
    problem = next(p for p in inspection.problems if p.position.file == "okr_sync.yaml")
    assert (str(problem.position), problem.rule) == (f"okr_sync.yaml:{place}", rule)
    assert words in f"{problem.message} {problem.fix}"
    assert inspection.bundle is None


@pytest.mark.parametrize(
    ("source", "rule", "words"),
    [
        ("{kind: sql}", "missing-key", "needs `url_env`"),
        ("{kind: files, path: /x}", "outside-project", "lies outside"),
        ("{kind: hubpsot}", "bad-choice", "Did you mean `hubspot`?"),
        ("{}", "missing-key", "needs `kind`"),
        ("ga4", "wrong-type", "{kind: hubspot}"),
        ("{kind: ga4}", "missing-key", "needs `property`"),
        ("{kind: ga4, property: G-ABC123}", "measurement-id", "Measurement ID"),
        ("{kind: ga4, property: UA-1-1}", "measurement-id", "Universal Analytics"),
        ("{kind: ga4, property: my site}", "bad-property", "numeric id"),
        ("{kind: hubspot, api: v4}", "bad-choice", "2026-03"),
        ("{kind: hubspot, endpoint: localhost}", "bad-endpoint", "http://"),
        ("{kind: hubspot, property: 3}", "unknown-key", "no key `property`"),
    ],
)
def test_a_wrong_source_spoils_only_what_reads_from_it(
    inspect: InspectProject, source: str, rule: str, words: str
) -> None:
    """The mistake is told, metrics on it point there, and the other source's numbers run."""
    text = HEAD + SOURCES.replace("}}", "}, web: " + source + "}")
    metrics = "metrics: {visits: {agg: sum, field: sessions, from: web.report}}\n"
    inspection = inspect({"okr_sync.yaml": text, "metrics/web.yaml": metrics})
    problem = next(p for p in inspection.problems if p.position.file == "okr_sync.yaml")
    assert (problem.position.line, problem.rule) == (4, rule)
    assert words in f"{problem.message} {problem.fix}"
    assert "invalid-source" in [p.rule for p in inspection.problems]
    assert inspection.bundle is not None
    assert inspection.bundle.metrics.keys() == {"mqls"}
    assert inspection.bundle.key_results.keys() == {"growth/mqls"}


@pytest.mark.secret_in("files")
@pytest.mark.parametrize(
    ("file", "text", "secret"),
    [
        ("okr_sync.yaml", HEAD + "sources: {h: {kind: hubspot, token: hunter2abc}}\n", "hunter2"),
        (
            "okr_sync.yaml",
            HEAD + "sources: {h: {kind: hubspot, token_env: hunter2-x}}\n",
            "hunter2",
        ),
        (
            "okr_sync.yaml",
            HEAD + SOURCES + "warehouse: postgresql://me:hunter2@host/db\n",
            "hunter2",
        ),
        ("okr_sync.yaml", HEAD + SOURCES + "# pat-na1-aaaabbbb-cccc\n", "aaaabbbb"),
        ("okrs.yaml", "team: pat-eu1-aaaabbbb-cccc\n", "aaaabbbb"),
        ("metrics.yaml", "a: 'https://u:hunter2@x'\n", "hunter2"),
    ],
)
def test_secrets_are_refused_and_never_repeated(
    write_project: WriteProject, inspect: InspectProject, file: str, text: str, secret: str
) -> None:
    """A secret in any file is an error, and no finding, bundle or error text holds it."""
    inspection = inspect({file: text})
    rules = {problem.rule for problem in inspection.problems}
    assert rules & {"secret-in-file", "bad-environment-name"}
    assert secret not in repr(inspection)
    if inspection.bundle is None:
        with pytest.raises(ConfigError) as refused:
            load_project(write_project({file: text}))
        assert secret not in refused.value.user_text


def test_a_missing_folder_or_project_file(write_project: WriteProject, tmp_path: Path) -> None:
    """Both are told without a traceback's worth of text."""
    with pytest.raises(ConfigError, match="There is no folder"):
        load_project(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="There is no okr_sync.yaml in the folder"):
        load_project(tmp_path / "empty")


@pytest.mark.parametrize("name", ["metric", "key_result"])
def test_a_source_is_not_named_like_our_own_assets(inspect: InspectProject, name: str) -> None:
    """`metric/contacts` would be a dataset and a metric, and Dagster would refuse the whole project."""
    inspection = inspect({"okr_sync.yaml": HEAD + SOURCES.replace("{hubspot:", f"{{{name}:")})
    found = {(p.rule, str(p.position)) for p in inspection.problems}
    assert ("bad-id", "okr_sync.yaml:4:11") in found
