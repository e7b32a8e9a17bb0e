"""The command as people use it: exit statuses, clear errors, and output that can be relied on."""

import contextlib
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from connectors.sandbox.serve import Sandbox
from okr_sync.cli import main

OKR_SYNC = (sys.executable, "-c", "from okr_sync.cli import main; main()")


def run(*words: str) -> Result:
    """Run okr-sync in this process; a traceback fails the test."""
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def synced(company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The company with one day synced, and the environment set for more."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    monkeypatch.setenv("OKR_SYNC_PROJECT", str(company.project))
    assert run("sync", "--as-of", "2026-03-06").exit_code == 0
    return company


def test_sync_says_what_it_did(synced: Any) -> None:
    """A sync names what was pulled and published, and that a second one changed nothing."""
    result = run("sync", "--as-of", "2026-03-06")
    assert result.exit_code == 0
    assert "hubspot.contacts: 3 rows" in result.output
    assert "success: 0 changed, 4 unchanged, 0 failed" in result.output


def test_status_is_a_table_or_json(synced: Any) -> None:
    """The table is for people; the JSON has every column of key_result and key_result_current."""
    table = run("status")
    assert table.exit_code == 0
    assert "Bring in 10 leads (leads)" in table.output, "the id that other commands want"
    assert "50.0%" in table.output
    rows = json.loads(run("status", "--json").output)
    by_id = {row["key_result_id"]: row for row in rows}
    share = by_id["sales/paid-share"]
    assert (share["value"], share["numerator"], share["denominator"]) == (0.5, 1, 2)
    assert share["as_of"] == "2026-03-06"
    assert share["cycle_end"] == "2026-03-31"
    assert share["quality"] == []
    assert len(json.loads(run("status", "leads", "--json").output)) == 1


def test_a_backfill_and_the_history_of_it(synced: Any) -> None:
    """A range of days is measured in one run and read back, a line or an object a day."""
    assert run("sync", "web/sessions", "--backfill", "2026-03-01..2026-03-05").exit_code == 0
    rows = json.loads(run("history", "sessions", "--json").output)
    assert [(row["as_of"], row["value"]) for row in rows] == [
        ("2026-03-01", 0),
        ("2026-03-02", 2),
        ("2026-03-03", 2),
        ("2026-03-04", 3),
        ("2026-03-05", 3),
        ("2026-03-06", 4),
    ]
    assert {row["origin"] for row in rows[:5]} == {"backfill"}
    table = run("history", "sessions")
    assert table.exit_code == 0
    assert table.output.count("\n") == 7
    assert (
        json.loads(run("history", "sessions", "--json", "--as-known-on", "2026-01-01").output) == []
    )


def test_a_backfill_of_one_day_is_a_backfill(synced: Any) -> None:
    """It touches the day that it names and no day before it, and the history says how it came."""
    assert run("sync", "sessions", "--backfill", "2026-03-03..2026-03-03").exit_code == 0
    assert run("sync", "sessions", "--backfill", "2026-03-05..2026-03-05").exit_code == 0
    rows = json.loads(run("history", "sessions", "--json").output)
    found = [(row["as_of"], row["origin"]) for row in rows]
    assert found == [
        ("2026-03-03", "backfill"),
        ("2026-03-05", "backfill"),
        ("2026-03-06", "automatic"),
    ]


def test_an_older_day_says_that_the_current_one_stays(synced: Any) -> None:
    """Whoever syncs a past day is told why the status still shows the newer one, and how to see it."""
    result = run("sync", "--as-of", "2026-03-04")
    assert result.exit_code == 0
    assert "okr-sync status --as-of 2026-03-04" in result.output
    rows = json.loads(run("status", "--json", "--as-of", "2026-03-04").output)
    assert {row["as_of"] for row in rows} == {"2026-03-04"}
    assert {row["as_of"] for row in json.loads(run("status", "--json").output)} == {"2026-03-06"}


def test_status_as_it_was_known_on_a_day(synced: Any) -> None:
    """What did we believe on that day: nothing before the first run, and then what it had found."""
    early = run("status", "--as-known-on", "2026-01-01")
    assert early.exit_code == 0
    assert "Nothing was known yet at the end of 2026-01-01." in early.output
    history = run("history", "leads", "--as-known-on", "2026-01-01").output
    assert history == "Nothing was known yet of sales/leads at the end of 2026-01-01.\n"
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    known = json.loads(run("status", "--json", "--as-known-on", today).output)
    now = json.loads(run("status", "--json").output)
    assert [row["value"] for row in known] == [row["value"] for row in now]
    of_day = run("status", "--json", "--as-of", "2026-03-01", "--as-known-on", today)
    assert {row["value"] for row in json.loads(of_day.output)} == {None}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("sync", "--as-of", "2199-01-01"), "2199-01-01 has not begun in America/New_York"),
        (("sync", "--as-of", "2025-12-31"), "No key result's cycle had begun on 2025-12-31"),
        (("sync", "--as-of", "tomorrow"), "'tomorrow' is not a day. Write it as 2026-10-31."),
        (("sync", "--backfill", "2026-03-05..2026-03-01"), "ends before it begins"),
        (("sync", "--backfill", "2026-03-05"), "is not a range"),
        (
            ("sync", "--as-of", "2026-03-01", "--backfill", "2026-03-01..2026-03-02"),
            "either --as-of or --backfill",
        ),
        (("sync", "leds"), "There is no key result leds. Did you mean sales/leads?"),
        (("history", "web/visits"), "There is no key result web/visits."),
        (("history", "sesions"), "There is no key result sesions. Did you mean web/sessions?"),
        (("explain", "web"), "web is a team. Its key results are web/sessions, web/visitors."),
        (("history", "leads", "--as-known-on", "9999-12-31"), "'9999-12-31' is too far away"),
        (("status", "nonsense-entirely"), "There is no key result"),
        (("statsu",), "No such command 'statsu'"),
        (("sandbox", "/nowhere"), "does not exist"),
    ],
)
def test_wrong_use_is_explained_and_ends_with_2(
    synced: Any, words: tuple[str, ...], text: str
) -> None:
    """What can't be carried out is said in one sentence, before anything is pulled or written."""
    result = run(*words)
    assert result.exit_code == 2
    assert text in result.output
    assert "Traceback" not in result.output


def test_failures_end_with_1_and_a_reason(
    synced: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A refused token, a missing project, a missing warehouse: one sentence each, no traceback."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat-na1-canary")
    refused = run("sync", "--as-of", "2026-03-07")
    assert refused.exit_code == 1
    assert "sales/leads" in refused.output
    assert "HUBSPOT_ACCESS_TOKEN" in refused.output
    assert "canary" not in refused.output
    assert run("status").exit_code == 1
    missing = run("status", "--project", str(tmp_path))
    assert missing.exit_code == 1
    assert "okr_sync.yaml" in missing.output
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", str(tmp_path / "none.sqlite"))
    unmade = run("status")
    assert unmade.exit_code == 1
    assert "okr-sync sync" in unmade.output


def test_a_refusal_of_the_database_shows_the_detail_that_a_report_needs(
    synced: Any, sqlite_url: str
) -> None:
    """The sentence asks for the technical detail, so it is there; without it nobody could help."""
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("ALTER TABLE key_result RENAME COLUMN title TO name")
    result = run("status")
    assert result.exit_code == 1
    assert "report it with the technical detail" in result.output
    assert "Technical detail: OperationalError: no such column: key_result.title" in result.output


def test_problems_in_the_files_are_said_and_the_rest_runs(synced: Any) -> None:
    """A wrong key result is reported with its place; the others are synced; the exit status is 1."""
    text = (synced.project / "okrs" / "web.yaml").read_text(encoding="utf-8")
    synced.write("okrs/web.yaml", text.replace("metric: visitors", "metric: vistors"))
    check = run("check")
    assert check.exit_code == 1
    assert "okrs/web.yaml:8:" in check.output
    assert "visitors" in check.output
    result = run("sync", "--as-of", "2026-03-07")
    assert result.exit_code == 1
    by_id = {row["key_result_id"]: row for row in json.loads(run("status", "--json").output)}
    assert by_id["web/sessions"]["as_of"] == "2026-03-07"
    assert (by_id["web/visitors"]["as_of"], by_id["web/visitors"]["freshness"]) == (
        "2026-03-06",
        "failed",
    )


def test_a_key_result_that_never_ran_is_not_passed_over(synced: Any) -> None:
    """A new key result with a mistake has no row yet: every command says why, and none ends with 0."""
    text = (synced.project / "okrs" / "web.yaml").read_text(encoding="utf-8")
    new = "      - {id: new, title: New, metric: sesions, goal: {at_least: 1}}\n"
    synced.write("okrs/web.yaml", text + new)
    why = "web/new: There is no metric `sesions`."
    for words in (("status",), ("status", "new"), ("status", "new", "--json"), ("sync", "new")):
        result = run(*words)
        assert result.exit_code == 1, words
        assert why in result.output, words
    others = run("status", "leads")
    assert others.exit_code == 0
    assert why not in others.output
    both = run("sync", "new", "leads", "--as-of", "2026-03-06")
    assert both.exit_code == 1
    assert "success: 0 changed, 1 unchanged" in both.output


@pytest.mark.parametrize("home", ["relative", "/nowhere/at/all"])
def test_a_wrong_dagster_home_is_said_in_words(
    synced: Any, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    """DAGSTER_HOME needs the full path of a folder that is there; otherwise one sentence says so."""
    monkeypatch.setenv("DAGSTER_HOME", home)
    result = run("sync", "--as-of", "2026-03-06")
    assert result.exit_code == 1
    assert f"{home}, which DAGSTER_HOME names" in result.output


def test_an_interrupted_sync_says_so_and_goes_on_when_run_again(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the run with a plain sentence, and the next run makes up for it."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    assert sandbox.ga4 is not None
    sandbox.ga4.faults.switch_on("ga4.slow", seconds=5)  # so that there is time to interrupt
    words = [*OKR_SYNC, "sync", "--project", str(company.project), "--as-of", "2026-03-06"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as interrupted:
        assert interrupted.stdout is not None
        for line in interrupted.stdout:
            if "hubspot.contacts" in line:
                interrupted.send_signal(signal.SIGINT)
                break
        rest = interrupted.stdout.read()
    assert interrupted.returncode == 1
    assert "The sync was interrupted." in rest
    assert "Dagster" not in rest
    sandbox.ga4.faults.switch_off("ga4.slow")
    again = run("sync", "--project", str(company.project), "--as-of", "2026-03-06")
    assert again.exit_code == 0
    assert "4 changed" in again.output


def test_tables_can_be_read_on_a_terminal_of_80_columns(
    synced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than the terminal, and no word is broken to make it so."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    run("sync", "web/sessions", "--backfill", "2026-03-01..2026-03-05")
    status, history = (on_a_terminal(words) for words in ("status", "history sessions"))
    for text in (status, history):
        assert all(len(line) <= 80 for line in text.splitlines() if "Warehouse" not in line)
    assert "  Bring in 10 leads " in status
    assert "  2026-03-06" in status
    assert "2026-03-05  1 " in history


def on_a_terminal(words: str) -> str:
    """What the command prints when a terminal shows it, without escape sequences."""
    ours, its = pty.openpty()
    with subprocess.Popen([*OKR_SYNC, *words.split()], stdin=its, stdout=its) as shown:
        os.close(its)
        parts: list[bytes] = []
        # Linux answers with an error where others answer with nothing, once the other side is shut.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                parts.append(part)
    os.close(ours)
    assert shown.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", b"".join(parts).decode())


def test_every_command_has_help() -> None:
    """Each command says what it does and what its options mean."""
    assert run("--help").exit_code == 0
    for name in main.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert len(result.output.splitlines()) > 5


def test_check_speaks_sarif_and_asks_the_sources(synced: Any) -> None:
    """`--sarif` is for code review, `--live` asks HubSpot and GA4; both formats at once are refused."""
    text = (synced.project / "metrics.yaml").read_text(encoding="utf-8")
    synced.write("metrics.yaml", text.replace("time: createdate}", "time: createdat}", 1))
    offline = json.loads(run("check", "--json").output)
    assert [p for p in offline if p["severity"] == "error"] == []
    live = run("check", "--live", "--json")
    assert live.exit_code == 1
    assert "createdate" in live.output
    log = json.loads(run("check", "--live", "--sarif").output)
    assert log["version"] == "2.1.0"
    assert log["runs"][0]["results"]
    both = run("check", "--json", "--sarif")
    assert both.exit_code == 2
    assert "not both" in both.output


@pytest.mark.secret_in("output")
def test_the_sandbox_serves_ga4_over_rest_too(synced: Any) -> None:
    """`--ga4-transport rest` sets a REST endpoint and the key file that signs its bearer token."""
    command = [str(Path(sys.executable).parent / "okr-sync"), "sandbox", str(synced.account)]
    command += ["--ga4-transport", "rest", "--", "env"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    variables = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert variables["OKR_SYNC_GA4_ENDPOINT"].startswith("http://127.0.0.1:")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in variables
