"""`check` as data, with figures of a warehouse, and asking live sources."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.sandbox.faults import read_switch
from connectors.sandbox.serve import Sandbox
from okr_sync.commands.check import run_check
from okr_sync.commands.check_live import live_problems
from okr_sync.config.loader import load_project
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.tables import metric_value

WriteProject = Callable[[Mapping[str, str]], Path]


def test_sarif(write_project: WriteProject, capsys: pytest.CaptureFixture[str]) -> None:
    """A SARIF 2.1.0 log with what code review tools need: rules, levels, places."""
    folder = write_project(
        {"metrics.yaml": "metrics:\n  mqls: {agg: avg, from: hubspot.contacts, time: t}\n"}
    )
    assert run_check(folder, as_sarif=True) == 1
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "okr-sync"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert run["results"]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith("/")
        assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1
    first = run["results"][0]
    assert first["ruleId"] == "unknown-aggregation"
    assert first["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 2,
        "startColumn": 15,
    }
    assert run["results"][-1]["properties"] == {"key_result_id": "growth/mqls"}


def test_sarif_of_a_good_project(
    write_project: WriteProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without findings the log has a run with no results, which clears old ones in code review."""
    assert run_check(write_project({}), as_sarif=True) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []


OKRS = """\
team: growth
cycle: 2026-Q4
objectives:
  - id: more
    title: Get more of it
    key_results:
      - {id: mqls, title: Win 100 MQLs, metric: mqls, goal: {from: 0, to: 100}IGNORE}
"""


def test_sandbagging_is_read_from_the_warehouse(
    write_project: WriteProject,
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A target below last cycle's result is told; without a warehouse nothing is made."""
    folder = write_project({"okrs.yaml": OKRS.replace("IGNORE", "")})
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    assert run_check(folder) == 0
    assert "sandbagging" not in capsys.readouterr().out
    assert not Path(sqlite_url.removeprefix("sqlite:///")).exists()
    warehouse = open_warehouse(sqlite_url)
    row = {
        "metric": "mqls", "as_of": date(2026, 9, 30), "window_start": date(2026, 7, 1),
        "window_end": date(2026, 10, 1), "revision": 1, "value": Decimal(140), "quality": [],
        "recorded_at": datetime(2026, 10, 3, tzinfo=UTC), "run_id": "r",
    }  # fmt: skip
    with warehouse.write() as connection:
        connection.execute(metric_value.insert(), [row])
    warehouse.close()
    assert run_check(folder) == 0
    assert (
        "okrs.yaml:7:14: warning: The target was met before the cycle began: the last result "
        in (capsys.readouterr().out)
    )
    reason = ", ignore: {sandbagging: holding it is hard enough}"
    (folder / "okrs.yaml").write_text(OKRS.replace("IGNORE", reason), encoding="utf-8")
    assert run_check(folder) == 0
    assert "sandbagging" not in capsys.readouterr().out


ACCOUNT = {
    "account.yaml": 'hubspot: {portal_id: 4711, time_zone: America/New_York, currency: USD%s}\n'
    'ga4: {property: "123456789", time_zone: America/New_York, currency: USD}\n',
    "hubspot/contacts.csv": "hs_object_id,createdate,lead_score,plan\n1,2026-03-02T15:00:00Z,5,gold\n",
    "hubspot/deals.csv": "hs_object_id,createdate,dealstage,pipeline\n"
    "1,2026-03-02T15:00:00Z,111,default\n",
    "hubspot/pipelines.json": json.dumps(
        {
            "deals": [
                {"id": "default", "label": "Sales", "stages": [
                    {"id": "111", "label": "Won"}, {"id": "112", "label": "Lost"}]},
                {"id": "partner", "label": "Partners", "stages": [{"id": "211", "label": "Won"}]},
            ]
        }
    ),
    "ga4/sessions.csv": "started_at,user_id,new_user,engaged,duration_seconds,"
    "sessionDefaultChannelGroup\n2026-03-02T15:00:00Z,u1,true,true,60,Paid Search\n",
}  # fmt: skip


def live(
    tmp_path: Path, write_project: WriteProject, metric: str, scopes: str = "", fault: str = ""
) -> list[str]:
    """What `check --live` finds of a project with one metric, against a sandbox."""
    account = tmp_path / "account"
    for name, text in ACCOUNT.items():
        path = account / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text % scopes if name == "account.yaml" else text, encoding="utf-8")
    bundle = load_project(
        write_project(
            {
                "metrics.yaml": f"metrics:\n  mqls: {metric}\n",
                "okrs.yaml": OKRS.replace("IGNORE", ""),
            }
        )
    )
    assert list(bundle.key_results) == ["growth/mqls"]
    with Sandbox(account) as sandbox:
        if fault:
            sandbox.faults.switch_on(**read_switch(fault))
        return [str(problem) for problem in live_problems(bundle, sandbox.environment())]


@pytest.mark.parametrize(
    ("metric", "finding"),
    [
        ("{agg: average, field: lead_score, from: hubspot.contacts, time: createdate}", None),
        ("{agg: average, field: lead_scor, from: hubspot.contacts, time: createdate}",
         ("metrics.yaml:2:31: error: HubSpot's contacts have no property lead_scor. "
         "Did you mean lead_score? [live-unknown-field]")),
        ("{agg: average, field: plan, from: hubspot.contacts, time: createdate}",
         ("metrics.yaml:2:31: error: plan of HubSpot's contacts is bound as a number, but it is of "
         "the type string. Bind a property that is a number. [live-wrong-type]")),
        ("{agg: count, from: hubspot.contacts, time: plan}",
         ("metrics.yaml:2:52: error: plan of HubSpot's contacts is bound as a time, but it is of the "
         "type string. Bind a property that is a date or date-time. [live-wrong-type]")),
        ("{agg: count, from: hubspot.deals, time: createdate, where: {contacts.plam: gold}}",
         ("metrics.yaml:2:69: error: HubSpot's contacts have no property plam. "
         "Did you mean plan? [live-unknown-field]")),
        ("{agg: count, from: hubspot.deals, time: createdate, where: {dealstage: ['111', '211']}}",
         None),
        ("{agg: count, from: hubspot.deals, time: createdate, where: {dealstage: Lost}}",
         ("metrics.yaml:2:80: error: `Lost` is the label of a stage; records hold its id. "
         "Write `112`. [live-stage-label]")),
        ("{agg: count, from: hubspot.deals, time: createdate, where: {dealstage: won}}",
         ("metrics.yaml:2:80: error: `won` is the label of 2 stages; records hold an id. "
         "Write `111` (in Sales) or `211` (in Partners). [live-stage-label]")),
        ("{agg: count, from: hubspot.deals, time: createdate, where: {dealstage: Losst}}",
         ("metrics.yaml:2:80: error: No stage has the id `Losst`. "
         "Did you mean `112`? [live-unknown-stage]")),
        ("{agg: count, from: hubspot.deals, time: createdate, where: {pipeline: Partners}}",
         ("metrics.yaml:2:79: error: `Partners` is the label of a pipeline; records hold its id. "
         "Write `partner`. [live-stage-label]")),
        (("{agg: sum, field: sessions, from: web.report, where: "
         "{sessionDefaultChannelGroup: Paid Search}}"), None),
        ("{agg: sum, field: sessions, from: web.report, where: {sessionMedum: x}}",
         ("metrics.yaml:2:63: error: The GA4 property has no dimension `sessionMedum`. "
         "Did you mean `sessionMedium`? [live-unknown-field]")),
        ("{agg: sum, field: sessions, from: web.report, where: {itemName: x}}",
         ("metrics.yaml:2:27: error: GA4 can't combine `sessions` with itemName. "
         "Use a dimension or a metric of the same scope: session, user or event. "
         "[live-incompatible]")),
    ],
)  # fmt: skip
def test_live_findings(
    tmp_path: Path, write_project: WriteProject, metric: str, finding: str | None
) -> None:
    """What the account doesn't have is told at its place in the files, with the near miss."""
    assert live(tmp_path, write_project, metric) == ([] if finding is None else [finding])


def test_live_scopes(tmp_path: Path, write_project: WriteProject) -> None:
    """A token without the scope for an object is told with the scope's name."""
    metric = "{agg: count, from: hubspot.deals, time: createdate}"
    scopes = ", scopes: [crm.objects.contacts.read, crm.schemas.contacts.read]"
    (found,) = live(tmp_path, write_project, metric, scopes)
    assert found.startswith("metrics.yaml:2:28: error:")
    assert "crm.objects.deals.read" in found
    assert found.endswith("[live-missing-scope]")


def test_a_property_that_the_token_may_not_see(tmp_path: Path, write_project: WriteProject) -> None:
    """Before any run, the property is named that HubSpot has and does not show to the token."""
    metric = "{agg: average, field: lead_score, from: hubspot.contacts, time: createdate}"
    fault = "hubspot.hidden_property,property=lead_score"
    (found,) = live(tmp_path, write_project, metric, fault=fault)
    assert found.startswith("metrics.yaml:2:31: error: HubSpot lists the property lead_score")
    assert "Add its scope to the app" in found
    assert found.endswith("[live-hidden-field]")


def test_live_without_credentials(write_project: WriteProject) -> None:
    """A source that can't be asked is one finding, and nothing is tried without a token."""
    bundle = load_project(write_project({}))
    (found,) = live_problems(bundle, {})
    assert found.rule == "live-unreachable"
    assert "HUBSPOT_ACCESS_TOKEN" in str(found)
