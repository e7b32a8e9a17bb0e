"""Who may import whom (design, section 3), and what stays unloaded until it is used."""

import importlib.util
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import okr_sync
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import open_warehouse
from tests.conftest import Company

ROOT = Path(__file__).parent.parent
SLOW_TO_START = ("alembic", "mako", "pydantic", "yaml", "sqlalchemy.dialects.postgresql")
HEAVY = ("dagster", "google.analytics", "google.auth", "grpc", "hubspot", "pandas", "numpy")


def loaded_by(statement: str, packages: tuple[str, ...] = HEAVY) -> set[str]:
    """Those of the packages that a fresh interpreter has loaded after the statement."""
    report = f"import sys\n{statement}\nprint(*sorted(set(sys.modules) & set({packages!r})))"
    finished = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=120
    )
    return set(finished.stdout.split())


def test_import_rules_hold() -> None:
    """Core knows no connector and no Dagster, connectors no Dagster, as pyproject.toml says."""
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("the rules are in the source tree's pyproject.toml, which is not here")
    command = Path(sys.executable).parent / "lint-imports"
    finished = subprocess.run(
        [str(command), "--no-cache"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_part_of_okr_sync_is_in_the_layers() -> None:
    """A new module beside the known ones can't slip past the import rules by not being named."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {part.strip() for layer in layers for part in layer.split(":")}
    parts = {f"okr_sync.{module.name}" for module in pkgutil.iter_modules(okr_sync.__path__)}
    assert parts <= named


@pytest.mark.parametrize(
    "module",
    ["okr_sync.config.loader", "okr_sync.commands.check", "okr_sync.warehouse.connect"],
)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    """Checking YAML answers at once: neither Dagster nor a vendor's SDK is loaded for it."""
    assert loaded_by(f"import {module}") == set()


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_command_line_starts_light(argument: str) -> None:
    """`okr-sync --help` does not pay the seconds that Dagster's import costs."""
    assert loaded_by(_command(argument)) == set()


def _command(*words: str, statuses: tuple[int, ...] = (0,)) -> str:
    """Statements that run the command with these words, its output out of the way."""
    return (
        "from okr_sync.cli import main\n"
        f"sys.argv = ['okr-sync', *{words!r}]\n"
        "sys.stdout, out = sys.stderr, sys.stdout\n"
        f"try:\n    main()\nexcept SystemExit as end:\n    assert (end.code or 0) in {statuses!r}\n"
        "sys.stdout = out"
    )


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (("status",), set()),
        (("status", "--json"), set()),
        (("check",), {"pydantic", "yaml"}),
        (("history", "sales/leads"), {"pydantic", "yaml"}),
        (("explain", "sales/leads"), {"pydantic", "yaml", "sqlalchemy.dialects.postgresql"}),
        (
            (
                "override",
                "sales/leads",
                "5",
                "--reason",
                "Counted by hand",
                "--until",
                "2026-03-31",
            ),
            {"pydantic", "yaml", "sqlalchemy.dialects.postgresql"},
        ),
    ],
)
def test_commands_load_only_what_they_need(
    company: Company, words: tuple[str, ...], heavy: set[str]
) -> None:
    """No reading command loads a vendor's SDK, pandas or Dagster; status not even the definitions."""
    open_warehouse(warehouse_url(None, company.project, {})).close()
    folder = ("--project", str(company.project))
    # What status needs of the files is kept from the first time on.
    for _ in range(1 if heavy else 2):
        # Nothing has been measured, so some of them end with status 1 or 2, having looked.
        found = loaded_by(_command(*words, *folder, statuses=(0, 1, 2)), HEAVY + SLOW_TO_START)
    assert found <= heavy


def test_a_command_ends_without_a_last_search_for_garbage() -> None:
    """What a command has loaded is not looked through once more when it ends, for nothing."""
    # What was registered first is called last, when the command's own has been.
    last = "import atexit, gc, sys\natexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
    finished = subprocess.run(
        [sys.executable, "-c", last + _command("--version")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert finished.stdout.split() == ["True"]


@pytest.mark.parametrize("package", ["assets", "connectors", "okr_sync"])
def test_generic_names_are_ours(package: str) -> None:
    """`assets` and `connectors` are names that another package could take: they must be ours."""
    ours = importlib.util.find_spec("okr_sync")
    found = importlib.util.find_spec(package)
    assert ours is not None and ours.origin is not None
    assert found is not None and found.origin is not None
    assert Path(found.origin).parent.parent == Path(ours.origin).parent.parent
    assert Path(found.origin).name == "__init__.py"
