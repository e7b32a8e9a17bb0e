"""The arithmetic of `make bench`, and the page it writes."""

from pathlib import Path

import pytest

from benchmarks.harness import Bench, Comparison, Row, at_least, at_most, in_child, run_command
from benchmarks.table import Line, as_text, update_markdown

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def test_a_row_is_the_median_of_ratios_of_pairs_run_in_turns(tmp_path: Path) -> None:
    """Not a ratio of medians: a slow moment of the machine hits both sides of one pair."""
    order: list[str] = []
    ours, theirs = iter([2.0, 30.0, 9.0]), iter([1.0, 10.0, 2.0])

    def one(name: str) -> float:
        order.append(name)
        return next(ours if name == "A" else theirs)

    found = Bench(tmp_path, repeats=3).pairs(lambda: one("A"), lambda: one("B"))
    assert order == ["A", "B"] * 3
    assert found.ratios == [2.0, 3.0, 4.5]
    assert found.ratio == 3.0
    assert found.medians == (9.0, 2.0)
    assert found.inverted().ratios == [1 / 2, 1 / 3, 2 / 9]


def test_targets_are_met_on_their_own_side() -> None:
    """`≤ 1.5` is missed by more, `≥ 5` by less."""
    assert [at_most(1.5).is_met(seen) for seen in (1.4, 1.5, 1.6)] == [True, True, False]
    assert [at_least(5).is_met(seen) for seen in (4.9, 5, 6)] == [False, True, True]


def spend(megabytes: int) -> int:
    """Fill some memory, which takes some time."""
    return len(bytes(range(256)) * (4096 * megabytes))


def test_a_child_tells_its_own_cpu_and_memory() -> None:
    """100 MB more in one child are seen in its peak and not in the next child's."""
    large, size = in_child(spend, 100)
    small, _ = in_child(spend, 1)
    assert size == 100 * 2**20
    assert 80 < large.peak_mb - small.peak_mb < 130
    assert large.cpu_seconds > 0


def test_a_failing_command_is_no_measurement() -> None:
    """A command that fails fast would otherwise look fast."""
    with pytest.raises(RuntimeError, match="status 3:\nno luck"):
        run_command(["sh", "-c", "echo no luck; exit 3"])


def test_the_page_keeps_rows_that_were_not_run(tmp_path: Path) -> None:
    """Running one row replaces that row's lines alone, and never mixes two machines."""
    page = tmp_path / "benchmarks.md"
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(": begin -->")
    _, end, after = rest.partition("<!-- written by")
    page.write_text(f"{before}{begin}\n{end}{after}", encoding="utf-8")
    first = Row("a: one", at_most(2), "x ÷ y", lambda bench: Comparison(()))
    second = Row("b: two", at_most(2), "x ÷ y", lambda bench: Comparison(()))
    slow, fast = Comparison(((3.0, 1.0),)), Comparison(((1.0, 1.0),))
    lines = [Line(first, "CPU", slow), Line(first, "wall", slow), Line(second, "", slow)]
    update_markdown(page, lines, "2 cores of this")
    update_markdown(page, [Line(first, "CPU", fast)], "2 cores of this")
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if "x ÷ y" in line]
    assert rows == [
        "| a: one, CPU | ≤ 2 | 1 (1–1) | met | 1 ÷ 1 s | x ÷ y |",
        "| b: two | ≤ 2 | 3 (3–3) | MISSED | 3 ÷ 1 s | x ÷ y |",
    ]
    with pytest.raises(ValueError, match="another machine"):
        update_markdown(page, [Line(first, "CPU", fast)], "64 cores of that")


def test_what_could_not_be_measured_says_why() -> None:
    """A row without its peer's package is in the table with the reason, not missing from it."""
    line = Line(Row("a: one", at_most(2), "x ÷ y", lambda bench: Comparison(())), "", "no dlt")
    assert "not measured  no dlt" in as_text([line])
