"""`run_sandbox` as a process of its own: environment, exit statuses, signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

ACCOUNT = "hubspot: {portal_id: 7, time_zone: UTC, currency: EUR}\n"
RUN = """\
import os, sys
from pathlib import Path
from okr_sync.commands.sandbox import run_sandbox
transport = os.environ.get("GA4_TRANSPORT", "grpc")
sys.exit(run_sandbox(Path(sys.argv[1]), sys.argv[2:], ga4_transport=transport))
"""
READ = """\
import os
from hubspot import HubSpot
client = HubSpot(
    access_token=os.environ["HUBSPOT_ACCESS_TOKEN"], host=os.environ["OKR_SYNC_HUBSPOT_ENDPOINT"]
)
print([record.id for record in client.crm.contacts.basic_api.get_page().results])
"""
SESSIONS = """\
started_at,user_id,new_user,engaged,duration_seconds
2026-11-01T04:30:00Z,u1,true,true,63.5
"""
REPORT = """\
import os
from google.analytics.data_v1beta import BetaAnalyticsDataClient
import grpc
from google.analytics.data_v1beta.services.beta_analytics_data import transports
endpoint = os.environ["OKR_SYNC_GA4_ENDPOINT"]
if endpoint.startswith("grpc://"):
    channel = grpc.insecure_channel(endpoint.removeprefix("grpc://"))
    client = BetaAnalyticsDataClient(
        transport=transports.BetaAnalyticsDataGrpcTransport(channel=channel)
    )
else:
    client = BetaAnalyticsDataClient(transport="rest", client_options={"api_endpoint": endpoint})
report = client.run_report(
    {
        "property": "properties/55",
        "metrics": [{"name": "sessions"}],
        "date_ranges": [{"start_date": "2026-11-01", "end_date": "2026-11-01"}],
    }
)
print(endpoint.split(":")[0], report.rows[0].metric_values[0].value)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An account folder with one contact."""
    (tmp_path / "hubspot").mkdir()
    (tmp_path / "account.yaml").write_text(ACCOUNT)
    (tmp_path / "hubspot" / "contacts.csv").write_text("hs_object_id\n7\n")
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start `run_sandbox` on the folder with a command, away from this terminal."""
    running: list[subprocess.Popen[str]] = []

    def go(*command: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(folder), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        running.append(process)
        return process

    yield go
    for process in running:
        process.kill()
        process.communicate()


def test_a_command_reads_the_account_and_its_status_is_ours(start: Start) -> None:
    """The real client in the command finds server and token in its environment, proxy or not."""
    process = start(sys.executable, "-c", READ, HTTP_PROXY="http://127.0.0.1:9")
    out, err = process.communicate()
    assert (out.strip(), err, process.returncode) == ("['7']", "", 0)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
)
def test_the_exit_status_is_the_command_s(start: Start, script: str, status: int) -> None:
    """A status is passed on as it is, death by signal n as 128 + n."""
    process = start("sh", "-c", script)
    process.communicate()
    assert process.returncode == status


def test_a_command_that_is_not_there_is_127(start: Start) -> None:
    """The shell's own status, with words and without a traceback."""
    process = start("no-such-command")
    out, err = process.communicate()
    assert process.returncode == 127 and out == ""
    assert "no-such-command" in err and "Traceback" not in err


def test_a_file_that_can_t_be_run_is_126(start: Start, folder: Path) -> None:
    """A command that is no program is told apart from one that is not there."""
    process = start(str(folder / "account.yaml"))
    _, err = process.communicate()
    assert process.returncode == 126 and "can't be run" in err


def test_the_command_finds_programs_beside_the_interpreter(start: Start) -> None:
    """`okr-sync` is found although its environment isn't active."""
    process = start("sh", "-c", "command -v okr-sync", PATH="/usr/bin:/bin")
    out, _ = process.communicate()
    assert out.strip() == os.path.join(os.path.dirname(sys.executable), "okr-sync")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command(start: Start, number: signal.Signals) -> None:
    """The command is told and decides; its status is ours."""
    script = "import signal, sys\n"
    for name in ("SIGINT", "SIGTERM"):
        script += f"signal.signal(signal.{name}, lambda n, f: sys.exit(40 + n))\n"
    script += "print('ready', flush=True)\nwhile True:\n    signal.pause()\n"
    process = start(sys.executable, "-c", script)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate()
    assert process.returncode == 40 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_prints_what_to_export_and_ends_cleanly(
    start: Start, number: signal.Signals
) -> None:
    """A shell can evaluate what is printed; Ctrl-C or SIGTERM ends it with 0."""
    process = start()
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert lines[0].startswith("#")
    exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[1:])
    assert exports["HUBSPOT_ACCESS_TOKEN"] == "pat-na1-sandbox"
    answer = urllib3.request(
        "GET",
        exports["OKR_SYNC_HUBSPOT_ENDPOINT"] + "/crm/v3/objects/contacts",
        headers={"Authorization": "Bearer pat-na1-sandbox"},
    )
    assert answer.json()["results"][0]["id"] == "7"
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "", "")


def test_rate_limits_are_on_unless_switched_off(start: Start, folder: Path) -> None:
    """What `okr-sync sandbox` serves is limited as HubSpot is."""
    script = READ.replace("basic_api.get_page()", "search_api.do_search({})")
    many = script + "for _ in range(99): client.crm.contacts.search_api.do_search({})\n"
    process = start(sys.executable, "-c", many)
    _, err = process.communicate()
    assert process.returncode == 1 and "429" in err


@pytest.mark.parametrize(("transport", "scheme"), [("grpc", "grpc"), ("rest", "http")])
def test_a_ga4_part_is_served_over_the_transport_asked_for(
    start: Start, folder: Path, transport: str, scheme: str
) -> None:
    """The real GA4 client in the command finds its server, with credentials where REST needs them."""
    (folder / "account.yaml").write_text(
        ACCOUNT + "ga4: {property: '55', time_zone: UTC, currency: EUR}\n"
    )
    (folder / "ga4").mkdir()
    (folder / "ga4" / "sessions.csv").write_text(SESSIONS)
    process = start(sys.executable, "-c", REPORT, GA4_TRANSPORT=transport)
    out, err = process.communicate()
    assert (out.strip(), process.returncode) == (f"{scheme} 1", 0), err


def test_an_account_without_ga4_never_loads_google_s_client(folder: Path) -> None:
    """The import costs a second; a HubSpot account doesn't pay for it."""
    script = (
        "import sys; from pathlib import Path; from connectors.sandbox.serve import Sandbox\n"
        "sandbox = Sandbox(Path(sys.argv[1]))\n"
        "with sandbox: print(sorted(sandbox.environment()))\n"
        "sys.exit(any(name.startswith(('google', 'grpc')) for name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    named = ["HUBSPOT_ACCESS_TOKEN", "OKR_SYNC_HUBSPOT_ENDPOINT", "OKR_SYNC_SANDBOX_CONTROL"]
    assert done.stdout.strip() == str(named)
    assert done.returncode == 0, done.stderr
