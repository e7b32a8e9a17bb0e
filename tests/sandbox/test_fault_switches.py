"""Switching faults on and off: by name, over the control endpoint, on the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from click.testing import CliRunner

from connectors.sandbox.account_files import load_account
from connectors.sandbox.fault_page import fault_list, filled_page
from connectors.sandbox.fault_table import FAULTS, GA4_REQUESTS, HUBSPOT_REQUESTS, PARAMETERS, Stage
from connectors.sandbox.faults import Faults, read_switch
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN, HubSpotSandbox
from connectors.sandbox.serve import Sandbox
from okr_sync.cli import main
from okr_sync.errors import UsageError

DOCS = Path(__file__).parents[2] / "docs"
ACCOUNT = "hubspot: {portal_id: 7, time_zone: UTC, currency: EUR}\n"
GA4_ACCOUNT = "ga4: {property: '8', time_zone: UTC, currency: EUR}\n"
NEEDED = {"metric": "totalRevenue", "day": "2026-11-01", "property": "city", "value": "Rome"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An account folder with two contacts."""
    (tmp_path / "hubspot").mkdir()
    (tmp_path / "account.yaml").write_text(ACCOUNT)
    (tmp_path / "hubspot" / "contacts.csv").write_text("hs_object_id\n7\n8\n")
    return tmp_path


def with_ga4(folder: Path, account: str = "") -> None:
    """Give the account GA4, beside what else it has."""
    (folder / "ga4").mkdir()
    (folder / "ga4" / "sessions.csv").write_text(
        "started_at,user_id,new_user,engaged,duration_seconds\n"
    )
    (folder / "account.yaml").write_text(account + GA4_ACCOUNT)


@pytest.fixture
def served(folder: Path) -> Iterator[Sandbox]:
    """The account, served with its control endpoint."""
    with Sandbox(folder, rate_limits=False) as running:
        yield running


def ask(sandbox: Sandbox, path: str = "/crm/v3/objects/contacts") -> int:
    """The status of a request to its HubSpot."""
    assert sandbox.hubspot is not None
    return urllib3.request(
        "GET",
        sandbox.hubspot.url + path,
        headers={"Authorization": f"Bearer {SANDBOX_TOKEN}"},
        retries=False,
    ).status


def control(sandbox: Sandbox, method: str, path: str = "/faults", **body: Any) -> tuple[int, Any]:
    """Status and JSON of a request to the control endpoint."""
    url = sandbox.control_url + path
    answer = urllib3.request(method, url, retries=False, json=body or None)
    return answer.status, answer.json()


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_switched_on_and_off(name: str) -> None:
    """Each row of the table is of a known form, and switching it on needs only what it says."""
    fault = FAULTS[name]
    known = {"hubspot": HUBSPOT_REQUESTS, "ga4": GA4_REQUESTS}[fault.api]
    assert set(fault.requests) <= set(known)
    assert fault.takes.keys() <= PARAMETERS.keys()
    assert set(fault.needs) <= fault.takes.keys()
    faults = Faults()
    told: dict[str, Any] = {key: NEEDED[key] for key in fault.needs}
    faults.switch_on(name, times=2, **told)
    assert [one["name"] for one in faults.switched()] == [name]
    faults.switch_off(name)
    assert faults.switched() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hubspot.429_brust", "Did you mean hubspot.429_burst?"),
        ("ga4.sampeld", "Did you mean ga4.sampled?"),
        ("sampled", "Did you mean ga4.sampled?"),
        ("nonsense", "--faults"),
        ("hubspot.401:x", "whole number"),
        ("hubspot.401:-1", "from 0 up"),
        ("hubspot.401,after", "key=value"),
        ("hubspot.401,times=3", "key=value"),
        ("hubspot.401,after=soon", "after must be a whole number"),
        ("hubspot.short_page,sise=3", "takes no 'sise'"),
        ("hubspot.short_page,on=serach", "Did you mean `search`?"),
        ("hubspot.total_too_high,on=list", "can't come on 'list'"),
        ("hubspot.record_calculated", "needs property="),
        ("ga4.sampled,object=contacts", "only faults of HubSpot's"),
        ("hubspot.401,object=contatcs", "Did you mean `contacts`?"),
        ("hubspot.401,object=deal", "Did you mean `deals`?"),
        ("hubspot.429_burst,retry_after=soon", "hubspot.429_burst: retry_after must be a whole"),
        ("ga4.blocked_metric", "needs metric="),
        ("ga4.blocked_metric,metric=totalRevenu", "Did you mean `totalRevenue`?"),
    ],
)
def test_what_is_not_understood_is_refused(folder: Path, text: str, words: str) -> None:
    """A misspelt fault, place or value is told with the near miss and never passes as switched on."""
    with_ga4(folder, ACCOUNT)
    with pytest.raises(UsageError) as raised:
        Sandbox(folder).faults.switch_on(**read_switch(text))
    assert words in raised.value.user_text


def test_how_often_and_from_when() -> None:
    """`:n` and `after` count the requests that a fault could meet, and no others."""
    faults = Faults(["contacts", "deals"])
    faults.switch_on(**read_switch("hubspot.401:2,after=1,on=list,object=contacts"))
    met = [
        bool(faults.take("hubspot", Stage.REFUSE, kind, object_type))
        for kind, object_type in [
            ("search", "contacts"),
            ("list", "deals"),
            ("list", "contacts"),
            ("list", "contacts"),
            ("list", "contacts"),
            ("list", "contacts"),
        ]
    ]
    assert met == [False, False, False, True, True, False]
    assert faults.switched() == []


def test_one_refusal_at_a_time() -> None:
    """Of two refusals the first is given; the other one waits for a request of its own."""
    faults = Faults()
    for name in ("hubspot.401", "hubspot.502"):
        faults.switch_on(name, times=1)
    given = [faults.take_one("hubspot", Stage.REFUSE, "list") for _ in range(3)]
    assert [one.fault.name if one else None for one in given] == [
        "hubspot.401",
        "hubspot.502",
        None,
    ]


def test_the_control_endpoint(served: Sandbox) -> None:
    """Faults are listed, switched on, seen and switched off while the sandbox serves."""
    status, told = control(served, "GET")
    assert (status, told["on"]) == (200, [])
    assert {one["name"] for one in told["faults"]} == FAULTS.keys()
    assert control(served, "POST", name="hubspot.502", times=1, after=1) == (
        201,
        {"name": "hubspot.502", "times": 1, "after": 1},
    )
    assert [ask(served) for _ in range(3)] == [200, 502, 200]
    control(served, "POST", name="hubspot.423")
    control(served, "POST", name="hubspot.477")
    assert ask(served) == 423
    status, told = control(served, "DELETE", "/faults/hubspot.423")
    assert [one["name"] for one in told["on"]] == ["hubspot.477"]
    assert ask(served) == 477
    assert control(served, "DELETE")[1]["on"] == []
    assert ask(served) == 200


def test_the_control_endpoint_refuses(served: Sandbox) -> None:
    """A mistake is a 400 with the remedy, an unknown path a 404, and no web page gets in."""
    status, told = control(served, "POST", name="hubspot.423x")
    assert (status, "Did you mean hubspot.423?" in told["error"]) == (400, True)
    assert control(served, "POST", name="hubspot.423", times=[1])[0] == 400
    assert control(served, "DELETE", "/faults/nothing")[0] == 400
    assert control(served, "GET", "/fault")[0] == 404
    assert control(served, "PUT", name="hubspot.423")[0] == 405
    for body, kind in ((b'{"name": "hubspot.423"}', "text/plain"), (b"{", "application/json")):
        url, headers = f"{served.control_url}/faults", {"Content-Type": kind}
        assert urllib3.request("POST", url, body=body, headers=headers).status == 400
    assert ask(served) == 200


def test_faults_of_the_command_line(folder: Path) -> None:
    """A mistake is told before anything is served, with exit status 2; --faults lists them all."""
    runner = CliRunner()
    wrong = runner.invoke(main, ["sandbox", str(folder), "--fault", "hubspot.401x", "--", "true"])
    assert wrong.exit_code == 2
    assert "Did you mean hubspot.401?" in wrong.output
    lacking = runner.invoke(main, ["sandbox", str(folder), "--fault", "ga4.hang", "--", "true"])
    assert lacking.exit_code == 2
    assert "the account has no GA4, only HubSpot." in lacking.output
    with_ga4(folder)
    fault = "hubspot.hang,object=contacts"
    lacking = runner.invoke(main, ["sandbox", str(folder), "--fault", fault, "--", "true"])
    assert lacking.exit_code == 2
    assert "the account has no HubSpot, only GA4." in lacking.output
    listed = runner.invoke(main, ["sandbox", "--faults"])
    assert (listed.exit_code, listed.output) == (0, fault_list() + "\n")
    assert all(name in listed.output for name in FAULTS)
    assert all(kind in listed.output for kind in (*HUBSPOT_REQUESTS, *GA4_REQUESTS))
    assert "one byte every `seconds`" in listed.output


def test_the_page_has_every_fault() -> None:
    """docs/sandbox.md holds the table as it is; `python -m connectors.sandbox.fault_page` renews it."""
    page = (DOCS / "sandbox.md").read_text(encoding="utf-8")
    assert page == filled_page(page)
    assert all(f"`{name}`" in page for name in FAULTS)


@pytest.mark.parametrize("family", ["v3", "2026-03", "2026-09"])
def test_both_families_have_the_faults(folder: Path, family: str) -> None:
    """A fault meets a kind of request under whichever path it comes."""
    path = "/crm/v3/objects/contacts" if family == "v3" else f"/crm/objects/{family}/contacts"
    with HubSpotSandbox(load_account(folder), rate_limits=False) as sandbox:
        sandbox.faults.switch_on("hubspot.401", times=1, on="list")
        headers = {"Authorization": f"Bearer {SANDBOX_TOKEN}"}
        asked = [urllib3.request("GET", sandbox.url + path, headers=headers) for _ in range(2)]
    assert [one.status for one in asked] == [401, 200]
