"""The how-tos do what they say: their YAML passes `check` and measures, their commands run."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.sandbox.generate import LAST_DAY, write_demo_account
from connectors.sandbox.serve import Sandbox
from okr_sync.cli import main

HOW_TOS = Path(__file__).parent.parent / "docs" / "how-to"
FAMILIES = ("conversion", "funnel", "pipeline", "engagement")


@pytest.fixture(scope="module")
def demo_sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The demo's account, served; the folder holds a copy of the demo's project."""
    folder = tmp_path_factory.mktemp("how_tos")
    write_demo_account(folder / "account")
    with as_file(files("okr_sync.demo") / "project") as template:
        shutil.copytree(template, folder / "project")
    environment = pytest.MonkeyPatch()
    with Sandbox(folder / "account", rate_limits=False) as sandbox:
        for name, value in sandbox.environment().items():
            environment.setenv(name, value)
        environment.delenv("DAGSTER_HOME", raising=False)
        environment.setenv("OKR_SYNC_WAREHOUSE", str(folder / "warehouse.sqlite"))
        environment.chdir(folder)
        yield folder
    environment.undo()


def blocks(page: str, language: str) -> list[str]:
    """The code of a page, in order."""
    text = (HOW_TOS / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bindings_of_a_family_measure(demo_sources: Path, family: str, tmp_path: Path) -> None:
    """Each file of a page is laid down; `check` has no error; every key result has a value."""
    shutil.copy(demo_sources / "project" / "okr_sync.yaml", tmp_path)
    for block in blocks(family, "yaml"):
        name = block.splitlines()[0].removeprefix("# ")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(block, encoding="utf-8")
    project = ("--project", str(tmp_path))
    checked = CliRunner().invoke(main, ["check", "--json", *project])
    problems = json.loads(checked.output)
    assert [p for p in problems if p["severity"] == "error"] == []
    ids = re.findall(r"- id: ([a-z-]+)\n +title: .*\n +metric:", "\n".join(blocks(family, "yaml")))
    assert len(ids) >= 3
    for name in ids:
        found = CliRunner().invoke(main, ["preview", name, "--json", *project])
        assert found.exit_code == 0, found.output
        assert json.loads(found.output)["latest"]["value"] is not None, name


def test_the_commands_of_preview_and_explain_run(demo_sources: Path) -> None:
    """Every command of the page ends well, in the order of the page, after the demo's sync."""
    project = str(demo_sources / "project")
    words = ["sync", "--as-of", LAST_DAY.isoformat(), "--project", project]
    assert CliRunner().invoke(main, words).exit_code == 0
    lines = "\n".join(blocks("preview-and-explain", "console")).splitlines()
    commands = [shlex.split(line) for line in lines if line.strip()]
    assert len(commands) >= 10
    for program, *rest in commands:
        assert program == "okr-sync"
        done = CliRunner().invoke(main, [*rest, "--project", project])
        assert done.exit_code == 0, (rest, done.output, done.exception)
    assert (demo_sources / "records.csv").exists()
