"""okr-sync override: a number set by hand counts from the next sync, with its reason, until a day."""

import json
from typing import Any

import pytest

WORDS = ("--reason", "The form was broken", "--until", "2026-04-01")


def current(okr_sync: Any, name: str) -> Any:
    """The status row of one key result."""
    (row,) = json.loads(okr_sync("status", name, "--json").output)
    return row


def test_an_override_counts_from_the_next_sync_and_can_be_taken_back(
    synced_company: Any, okr_sync: Any
) -> None:
    """Recorded, published with its reason, explained, withdrawn; the automatic value comes back."""
    words = ("override", "paid-share", "55%", *WORDS, "--from", "2026-03-31", "--author", "Ada")
    recorded = okr_sync(*words)
    assert recorded.exit_code == 0, recorded.output
    assert "sales/paid-share is 55.0% from 2026-03-31 until 2026-04-01, by Ada" in recorded.output
    assert "okr-sync sync" in recorded.output
    assert current(okr_sync, "paid-share")["value"] == pytest.approx(2 / 3)
    assert okr_sync("sync", "--as-of", "2026-03-31").exit_code == 0
    row = current(okr_sync, "paid-share")
    assert row["value"] == 0.55
    assert "override" in row["quality"]
    explained = okr_sync("explain", "paid-share")
    assert "set by Ada for 2026-03-31 to 2026-04-01, because: The form was broken" in (
        explained.output
    )
    found = json.loads(okr_sync("override", "paid-share", "--withdraw", "--json").output)
    assert found["override_id"] == 1
    assert found["withdrawn_at"].endswith("Z")
    assert okr_sync("sync", "--as-of", "2026-03-31").exit_code == 0
    assert current(okr_sync, "paid-share")["value"] == pytest.approx(2 / 3)
    again = okr_sync("override", "paid-share", "--withdraw")
    assert again.exit_code == 2
    assert "no override to withdraw" in again.output


def test_withdrawing_names_the_override_beneath(at_company: Any, okr_sync: Any) -> None:
    """With two overrides, taking the last one back leaves the one before it."""
    until = ("--reason", "r", "--from", "2026-03-31", "--until", "2199-01-01")
    assert okr_sync("override", "leads", "5", *until).exit_code == 0
    found = json.loads(okr_sync("override", "leads", "7k", *until, "--json").output)
    assert (found["override_id"], found["value"], found["reason"]) == (2, 7000, "r")
    result = okr_sync("override", "leads", "--withdraw")
    assert "Withdrawn: sales/leads is 7,000" in result.output
    assert "the one before it, sales/leads is 5" in result.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("leads", "5"), "needs a VALUE, a --reason and --until"),
        (("leads", *WORDS), "needs a VALUE, a --reason and --until"),
        (("leads", "5", *WORDS), "would end on 2026-04-01, before it begins on"),
        (
            ("leads", "5", "--reason", "r", "--from", "2026-04-01", "--until", "2026-04-30"),
            "has no number after 2026-03-31",
        ),
        (("leads", "many", "--reason", "r", "--until", "2199-01-01"), "many"),
        (("leads", "5%", "--withdraw"), "needs nothing else"),
        (("leads", "5", "--reason", " ", "--until", "2199-01-01"), "Say why in --reason"),
        (("paid-share", "55", "--reason", "r", "--until", "2199-01-01"), "Write 55%"),
        (("leeds", "5", "--reason", "r", "--until", "2199-01-01"), "Did you mean sales/leads?"),
        (("leads", "5", "--reason", "r", "--until", "soon"), "is not a day"),
        ((), "Missing argument"),
    ],
)
def test_what_can_not_be_overridden_is_said(
    at_company: Any, okr_sync: Any, words: tuple[str, ...], text: str
) -> None:
    """Wrong use ends with 2 and a sentence."""
    result = okr_sync("override", *words)
    assert result.exit_code == 2, result.output
    assert text in result.output
