"""What `explain` says of quality flags, and that texts reach the terminal as they are."""

import pytest

from okr_sync.commands.console import output
from okr_sync.flags import flag_in_words


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("missing_input:promoters", "this input of the formula has no value (promoters)"),
        ("division_by_zero", "the formula divides by zero"),
        ("empty_groups:2", "2 groups have no value and don't take part"),
        ("missing_group:3", "3 records have no value of the `by` field and are left out"),
        ("bad_time:4", "4 records hold a time that can't be read and lie in no window"),
    ],
)
def test_our_own_flags_are_not_put_down_to_the_source(flag: str, words: str) -> None:
    """A flag that the evaluation sets is explained, and not called `noted by the source`."""
    assert flag_in_words(flag) == words


@pytest.mark.parametrize("flag", ["baseline_is_target", "baseline_not_above_zero", "no_baseline"])
def test_goals_without_a_way_to_go_are_explained(flag: str) -> None:
    """Each of the three says what is the matter with the baseline."""
    assert "baseline" in flag_in_words(flag)


def test_texts_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """An input named `b` is no picture of a letter, and a title in brackets no style."""
    output().print("missing_input:b: no value; [red]Q4[/red]")
    assert capsys.readouterr().out == "missing_input:b: no value; [red]Q4[/red]\n"
