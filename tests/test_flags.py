"""The table of quality flags: whatever sets a flag, and whoever explains it, knows the same ones."""

import re
from pathlib import Path

import pytest

from connectors.ga4 import quality
from okr_sync.flags import FLAGS, Weight, flag_in_words, flag_table, weighing
from okr_sync.warehouse.report_store import CHANGED_LATE

ROOT = Path(__file__).parent.parent


def test_every_flag_of_ga4_is_in_the_table() -> None:
    """The connector can't set a flag that nobody could read about."""
    own = {value for name, value in vars(quality).items() if name.isupper() and name[0] != "_"}
    assert len(own) == 7
    assert own | {CHANGED_LATE} <= FLAGS.keys()


def test_the_warehouses_documentation_lists_them_all() -> None:
    """docs/warehouse.md names each flag, with what follows it, and no other."""
    page = (ROOT / "docs/warehouse.md").read_text(encoding="utf-8")
    table = page.partition("## Quality flags")[2].partition("\n| about | flags |")[2]
    rows = table.partition("\n\n")[0]
    assert {name.partition(":")[0] for name in re.findall(r"`([a-z_:A-Z]+)`", rows)} == set(FLAGS)


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_reads_as_a_sentence(name: str) -> None:
    """Alone, or with the detail that it comes with, a flag is explained in the one table."""
    flag = FLAGS[name]
    example = f"{name}:{flag.detail}" if flag.detail else name
    assert f"| `{example}` | {flag_in_words(example)} | {flag.weight.value} |" in flag_table()
    assert not flag_in_words(example).startswith("noted by the source")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("immature:0.00", "less than 1% of the cohort have not"),
        ("immature:0.38", "38% of the cohort have not"),
        ("immature:1.00", "all or nearly all of the cohort have not"),
        ("restated:0.00", "less than 1% more or less than was first reported"),
        ("restated:1.00", "100% more or less than was first reported"),
    ],
)
def test_a_share_in_two_decimals_says_no_more_than_it_knows(flag: str, words: str) -> None:
    """What rounds to nothing is something, and what rounds to all may stand beside a number."""
    assert flag_in_words(flag).startswith(words)


@pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.of_one])
def test_one_is_told_as_one(name: str) -> None:
    """One record has no amount, and two have none: both are whole sentences."""
    one, two = flag_in_words(f"{name}:1"), flag_in_words(f"{name}:2")
    assert re.match(r"1 (record|group) (has|holds|ends|was) ", one), one
    assert re.match(r"2 (records|groups) (have|hold|end|were) ", two), two


def test_each_count_has_words_for_one() -> None:
    """Only counts have them, and every count has."""
    counts = {name for name, flag in FLAGS.items() if (flag.detail or "").isdigit()}
    assert {name for name, flag in FLAGS.items() if flag.of_one} == counts - {"confidence"}


def test_flags_are_weighed() -> None:
    """Checks ask for those that cast doubt; a source's own flag that isn't known weighs nothing."""
    flags = ("bad_value:2", "blocked_metric", "provisional", "sampled", "strange")
    assert weighing(flags, Weight.DOUBT) == ("bad_value:2", "sampled")
    assert weighing(flags, Weight.REFUSED) == ("blocked_metric",)
    assert flag_in_words("strange") == "noted by the source (strange)"
