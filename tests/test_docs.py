"""The documentation says what is there: commands, columns, links and queries."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from okr_sync.cli import main
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.tables import metadata

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PUBLISHED = (
    "key_result",
    "objective",
    "key_result_current",
    "key_result_history",
    "key_result_goal",
    "key_result_rename",
    "metric_value",
    "check_in",
    "sync_run",
    "source_pull",
    "config_version",
)


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    """The command page by command; '' is what holds for all of them."""
    head, *rest = page("docs/commands.md").split("\n## okr-sync ")
    return {"": head} | {part.split("\n")[0]: part for part in rest}


def queries() -> list[str]:
    """The example queries for dashboards."""
    return re.findall(r"```sql\n(.*?)```", page("docs/warehouse.md"), re.DOTALL)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_is_documented(command: str) -> None:
    """Each command has its section, and each of its options is named there or for all commands."""
    documented = sections()
    assert command in documented
    known = documented[command] + documented[""]
    for parameter in main.commands[command].params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--"):
                assert option in known, option


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help(command: str) -> None:
    """`okr-sync --help` says in a line what each command is for."""
    assert (main.commands[command].help or "").strip()


@pytest.mark.parametrize("table", PUBLISHED)
def test_every_published_column_is_documented(table: str) -> None:
    """The tables are a contract, so a reader finds every table and column on the page."""
    known = page("docs/warehouse.md")
    assert f"**`{table}`**" in known
    for column in metadata.tables[table].columns:
        assert f"`{column.name}`" in known, column.name


@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in PAGES])
def test_links_lead_somewhere(name: str) -> None:
    """A link to another file of the repository names one that exists."""
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page(name)):
        assert ((ROOT / name).parent / target).exists(), target


def test_example_queries_run(warehouse: Warehouse) -> None:
    """What people copy into their dashboards works on both engines."""
    assert len(queries()) >= 5
    with warehouse.read() as connection:
        for query in queries():
            assert connection.execute(text(query)).all() == []
