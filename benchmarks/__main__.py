"""`make bench`: run the rows and print one table.

Belongs here: choosing rows, running one after the other. Does not belong here: measuring (harness)
or printing (table).
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness import DEFAULT_REPEATS, ROWS, Bench, Comparison, Row, Unavailable
from benchmarks.table import Line, as_text, machine, update_markdown

_FOLDER = Path(__file__).parent
_PAGE = _FOLDER.parent / "docs" / "benchmarks.md"


def main() -> None:
    """Run the rows whose names contain one of the words (all without words); exit 0 even on a miss."""
    options = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    options.add_argument("words", nargs="*", help="rows to run, by parts of their names")
    options.add_argument("--repeats", type=int, default=DEFAULT_REPEATS, help="pairs to each row")
    options.add_argument("--markdown", action="store_true", help="update docs/benchmarks.md")
    options.add_argument("--list", action="store_true", help="name the rows and run none")
    chosen = options.parse_args()
    if chosen.repeats < 1:
        options.error("--repeats must be at least 1")
    for module in sorted(_FOLDER.glob("*.py")):
        if module.stem != "__main__":
            importlib.import_module(f"benchmarks.{module.stem}")
    rows = [each for each in ROWS if not chosen.words or any(w in each.name for w in chosen.words)]
    if not rows:
        options.error(f"no row is called like that. There are: {'; '.join(r.name for r in ROWS)}")
    if chosen.list:
        print("\n".join(f"{each.name} (target {each.target}): {each.of}" for each in rows))
        return
    # What is measured runs as it does for users, where Python keeps the modules that it has compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="okr-bench") as folder, ExitStack() as closing:
        bench = Bench(Path(folder), chosen.repeats, closing)
        try:
            for each in rows:
                print(f"{each.name} …", file=sys.stderr, flush=True)
                lines.extend(_measured(each, bench))
        finally:  # what was measured before a row broke is shown, too
            print(as_text(lines))
            print(f"\nMedians of {chosen.repeats} pairs (least–most). {machine()}.")
    if chosen.markdown:
        update_markdown(_PAGE, lines, machine())


def _measured(row: Row, bench: Bench) -> Iterator[Line]:
    try:
        found = row.measure(bench)
    except Unavailable as reason:
        yield Line(row, "", str(reason))
        return
    if isinstance(found, Comparison):
        yield Line(row, "", found)
        return
    for label, comparison in found.items():
        yield Line(row, label, comparison)


if __name__ == "__main__":
    main()
