"""okr-sync init: a starter that has no mistakes, runs, and never takes the place of anything."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.generate import write_demo_account
from connectors.sandbox.serve import Sandbox


def test_the_starter_passes_check_and_runs_against_the_demo_account(
    okr_sync: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What init writes has no finding at all, and every key result of it can be measured."""
    folder = tmp_path / "okrs here"
    written = okr_sync("init", str(folder), "--time-zone", "Europe/London", "--currency", "gbp")
    assert written.exit_code == 0, written.output
    assert "okr-sync check" in written.output
    assert (folder / ".gitignore").read_text(encoding="utf-8").endswith(".okr_sync/\n")
    assert json.loads(okr_sync("check", "--json", "--project", str(folder)).output) == []
    assert (folder / ".okr_sync" / "dagster" / "dagster.yaml").is_file()
    written_for_people = [path for path in folder.rglob("*.yaml") if ".okr_sync" not in path.parts]
    assert len(written_for_people) == 5
    for path in written_for_people:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        schema = first.removeprefix("# yaml-language-server: $schema=")
        assert schema != first, path
        assert json.loads((path.parent / schema).read_text(encoding="utf-8"))["$schema"]
    write_demo_account(tmp_path / "account")
    with Sandbox(tmp_path / "account", rate_limits=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        synced = okr_sync("sync", "--project", str(folder))
        assert synced.exit_code == 0, synced.output
    rows = json.loads(okr_sync("status", "--json", "--project", str(folder)).output)
    assert len(rows) == 6
    assert {row["freshness"] for row in rows} == {"fresh"}
    project = (folder / "okr_sync.yaml").read_text(encoding="utf-8")
    assert "time_zone: Europe/London" in project
    assert "currency: GBP" in project


def test_only_the_sources_asked_for_are_written(okr_sync: Any, tmp_path: Path) -> None:
    """A team without GA4 gets no GA4 files, and one without HubSpot none of HubSpot's."""
    for source, other in (("hubspot", "web"), ("ga4", "demand-gen")):
        folder = tmp_path / source
        assert okr_sync("init", str(folder), "--source", source).exit_code == 0
        assert not (folder / "okrs" / f"{other}.yaml").exists()
        assert json.loads(okr_sync("check", "--json", "--project", str(folder)).output) == []
    text = (tmp_path / "ga4" / "okr_sync.yaml").read_text(encoding="utf-8")
    assert "hubspot" not in text


def test_init_never_overwrites(okr_sync: Any, tmp_path: Path) -> None:
    """One file in the way is enough: it stays as it is, and nothing else is written."""
    (tmp_path / "okr_sync.yaml").write_text("mine", encoding="utf-8")
    result = okr_sync("init", str(tmp_path))
    assert result.exit_code == 2
    assert "already has okr_sync.yaml" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["okr_sync.yaml"]
    assert (tmp_path / "okr_sync.yaml").read_text(encoding="utf-8") == "mine"


def test_a_folder_under_version_control_keeps_its_ignored_files(
    okr_sync: Any, tmp_path: Path
) -> None:
    """A .gitignore is no reason to refuse: it stays as it is, and the missing line is told."""
    (tmp_path / ".gitignore").write_text("mine\n", encoding="utf-8")
    result = okr_sync("init", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "was left as it is: add the line .okr_sync/ to it" in result.output
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "mine\n"
    assert (tmp_path / "okr_sync.yaml").exists()


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    """On a terminal every answer that no option gives is asked for, with a default."""
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).parent / "okr-sync"), "init", "new", "--source", "ga4"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path)
    os.close(theirs)
    os.write(ours, b"Europe/Paris\nEUR\n123456789\n")
    shown = b""
    with contextlib.suppress(OSError):  # a terminal whose other end has gone gives an error
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown
    assert b"Time zone of your days [UTC]:" in shown
    project = (tmp_path / "new" / "okr_sync.yaml").read_text(encoding="utf-8")
    assert "time_zone: Europe/Paris" in project
    assert 'property: "123456789"' in project


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--time-zone", "Mars/Olympus"), "Mars/Olympus"),
        (("--ga4-property", "G-ABC123"), "is not a GA4 property"),
        (("--currency", "pounds"), "POUNDS"),
        (("--source", "excel"), "Invalid value for '--source'"),
    ],
)
def test_answers_that_can_not_be_are_refused(
    okr_sync: Any, tmp_path: Path, words: tuple[str, ...], text: str
) -> None:
    """A wrong answer is said before anything is written."""
    result = okr_sync("init", str(tmp_path / "new"), *words)
    assert result.exit_code == 2, result.output
    assert text in result.output
    assert not (tmp_path / "new").exists()
