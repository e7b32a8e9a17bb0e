"""Every scenario has a test in this folder, whose docstring names it."""

import ast
import re
from pathlib import Path

SCENARIOS = range(1, 30)


def test_every_scenario_has_a_test() -> None:
    """Scenarios 1 to 29, of connectors that lost data, are each named by a test here."""
    named: set[int] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name == Path(__file__).name:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                told = re.match(r"Scenarios? ([0-9, and]+)", ast.get_docstring(node) or "")
                named |= (
                    {int(number) for number in re.findall("[0-9]+", told[1])} if told else set()
                )
    assert named == set(SCENARIOS)
