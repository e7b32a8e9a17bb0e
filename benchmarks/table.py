"""The table of `make bench`, on a terminal and in docs/benchmarks.md.

Belongs here: columns, numbers, the machine's description. Does not belong here: measuring (harness).
"""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.harness import Comparison, Row

_HEAD: Final = ("row", "target", "seen", "", "both sides", "of")
_START: Final = "<!-- written by `make bench ARGS=--markdown`: begin -->"
_END: Final = "<!-- written by `make bench ARGS=--markdown`: end -->"


@dataclass(frozen=True)
class Line:
    """A line of the table: what was found, or why nothing was."""

    row: Row
    label: str
    found: Comparison | str

    @property
    def name(self) -> str:
        """The row's name, with the label where a row has several lines."""
        return f"{self.row.name}, {self.label}" if self.label else self.row.name

    def cells(self) -> tuple[str, ...]:
        """The line's cells, as text."""
        target = str(self.row.target)
        if isinstance(self.found, str):
            return (self.name, target, "—", "not measured", self.found, self.row.of)
        first, second = self.found.medians
        return (
            self.name,
            target,
            f"{_short(self.found.ratio)} ({_range(self.found.ratios)})",
            "met" if self.row.target.is_met(self.found.ratio) else "MISSED",
            f"{_short(first)} ÷ {_short(second)} {self.found.unit}".rstrip(),
            self.row.of,
        )


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def _range(ratios: Sequence[float]) -> str:
    return f"{_short(min(ratios))}–{_short(max(ratios))}"


def as_text(lines: Iterable[Line]) -> str:
    """The table in columns of even width."""
    rows = [_HEAD, *(line.cells() for line in lines)]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(_HEAD))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in rows
    )
    return "\n".join(each.rstrip() for each in padded)


def machine() -> str:
    """What the figures were seen on, in one line: no name and no path of the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(f"{name} {version(name)}" for name in ("dagster", "sqlalchemy", "psycopg"))
    return (
        f"{cores} cores of {_processor()}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def update_markdown(page: Path, lines: Sequence[Line], described: str) -> None:
    """Write the lines into a page's table; lines of rows that were not run stay as they are.

    ValueError where those were seen on another machine: one table speaks of one machine.
    """
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(_START)
    table, _, after = rest.partition(_END)
    if not rest or not after:
        raise ValueError(f"{page} has no place for the table: {_START} … {_END}")
    seen_on = f"Seen on {described}."
    kept = {
        name: line
        for line in table.splitlines()
        if line.startswith("| ") and (name := line[2:].partition(" |")[0]) != _HEAD[0]
    }
    ran = {line.row.name for line in lines}
    kept = {
        name: line
        for name, line in kept.items()
        if not any(name == own or name.startswith(f"{own}, ") for own in ran)
    }
    if kept and seen_on not in table:
        raise ValueError("the page's other rows were seen on another machine: run all rows")
    new = {line.name: f"| {' | '.join(line.cells())} |" for line in lines}
    body = [line for _, line in sorted({**kept, **new}.items())]
    head = [f"| {' | '.join(_HEAD)} |", "|" + "---|" * len(_HEAD)]
    parts = [before + _START, "", seen_on, "", *head, *body, "", _END + after]
    page.write_text("\n".join(parts), encoding="utf-8")
