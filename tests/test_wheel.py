"""The wheel works by itself: built, installed elsewhere, and run with the source tree out of reach."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run in a folder outside the source tree, without settings of the caller's project."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OKR_SYNC_", "PYTHON", "DAGSTER_"))
    }
    return subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy, so that no build folder is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "-o",
            str(folder),
            str(copy(folder)),
        ],
        folder,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def copy(folder: Path) -> Path:
    """The files that a source distribution would hold."""
    source = folder / "source"
    source.mkdir()
    names = ["pyproject.toml", "README.md"]
    for package in ("okr_sync", "assets", "connectors", "tests"):
        names += [
            str(path.relative_to(ROOT))
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
    for name in names:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    return source


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a new environment with the wheel; dependencies are this one's."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    commands = folder / "venv" / "bin"
    python = str(commands / "python")
    packages = run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], folder
    ).stdout.strip()
    placed = run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
        + ["--disable-pip-version-check", str(wheel)],
        folder,
    )
    assert placed.returncode == 0, placed.stdout + placed.stderr
    # Added as a plain path, not as a site folder: the editable install's own .pth stays unread.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return commands


def test_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Tests and benchmarks are not installed under top-level names of their own."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "assets",
        "connectors",
        "okr_sync",
    }


@pytest.mark.parametrize("package", ["okr_sync", "assets", "connectors"])
def test_wheel_holds_every_file_of_the_packages(wheel: Path, package: str) -> None:
    """Migrations, the demo's YAML and other data travel with the code."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    files = {
        str(path.relative_to(ROOT))
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= held


def test_installed_command_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    """What runs is the wheel, not the source tree that the tests lie in."""
    found = run(
        [str(installed / "python"), "-c", "import assets; print(assets.__file__)"], tmp_path
    )
    assert str(installed.parent) in found.stdout, found.stdout + found.stderr
    version = run([str(installed / "okr-sync"), "--version"], tmp_path)
    assert version.returncode == 0, version.stderr
    assert "0.1.0" in version.stdout


def test_installed_demo_runs(installed: Path, tmp_path: Path) -> None:
    """The whole main job runs from the wheel alone, with the demo's data out of the package."""
    demo = run([str(installed / "okr-sync"), "demo", str(tmp_path / "demo")], tmp_path)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    checked = run(
        [str(installed / "okr-sync"), "check", "--project", str(tmp_path / "demo" / "project")],
        tmp_path,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
