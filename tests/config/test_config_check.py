"""The check command's output: lines for people, objects for programs, the exit status."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from okr_sync.commands.check import run_check

WriteProject = Callable[[Mapping[str, str]], Path]


def test_a_project_without_problems(
    write_project: WriteProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows what the cycle's name came to mean, sums up, and exits 0."""
    assert run_check(write_project({}), as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "growth: 1 key result in 2026-Q4 (2026-10-01 to 2026-12-31)",
        "1 key result in 1 team, 1 metric, 2 sources: no problems",
    ]


def test_problems_are_lines_with_their_place(
    write_project: WriteProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """file:line:column, what is wrong, what to do; an error makes the status 1."""
    folder = write_project({"metrics.yaml": "metrics:\n  mqls: {formula: x}\n"})
    assert run_check(folder, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "metrics.yaml:2:9: error: A metric of kind `formula` needs `inputs`. "
        "Give each name a metric, as in `inputs: {won: won_deals, lost: lost_deals}`. [missing-key]"
    )
    assert lines[1].startswith("okrs.yaml:7:46: error: Its metric `mqls` can't be used")
    assert lines[-2] == "0 key results in 0 teams, 0 metrics, 2 sources: 2 errors"
    assert lines[-1].startswith("1 key result can't run")


def test_json(write_project: WriteProject, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of objects, empty if all is well."""
    assert run_check(write_project({}), as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == []
    folder = write_project({"okr_sync.yaml": "version: 1\n"})
    assert run_check(folder, as_json=True) == 1
    problems = json.loads(capsys.readouterr().out)
    assert problems[0] == {
        "file": "metrics.yaml",
        "line": 2,
        "column": 28,
        "severity": "error",
        "rule": "unknown-source",
        "message": "There is no source `hubspot`.",
        "fix": "Define it under `sources:` in okr_sync.yaml.",
        "key_result_id": None,
    }
    assert {p["file"] for p in problems} == {"metrics.yaml", "okr_sync.yaml", "okrs.yaml"}


def test_warnings_do_not_fail(
    write_project: WriteProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning is shown and counted, and the status stays 0."""
    folder = write_project({"okrs-old.yml": ""})
    assert run_check(folder, as_json=False) == 0
    assert "okrs-old.yml:1:1: warning:" in capsys.readouterr().out


def test_a_folder_without_a_project_says_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is in the wrong folder, or has none yet, is told of both ways out."""
    assert run_check(tmp_path, as_json=False) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("okr_sync.yaml:1:1: error: There is no okr_sync.yaml in the folder.")
    assert "`okr-sync init`" in line and "--project" in line
