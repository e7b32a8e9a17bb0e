"""okr-sync checkin: what people say of a key result without a metric, from the command to explain."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import okr_sync


@pytest.fixture
def today() -> date:
    """The day in the company's time zone, asked for by each test: a run may last beyond midnight."""
    return datetime.now(UTC).astimezone(ZoneInfo("America/New_York")).date()


@pytest.fixture
def start(today: date) -> date:
    """The first day of the cycle that runs now."""
    return today - timedelta(days=20)


@pytest.fixture
def brand(company: Any, start: date, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The company with one team whose two key results have no metric, in a cycle that runs now."""
    for name in ("okrs/sales.yaml", "okrs/web.yaml", "metrics.yaml"):
        (company.project / name).unlink()
    company.write(
        "okrs/brand.yaml",
        f"team: brand\ncycle: {{start: {start}, end: {start + timedelta(days=80)}}}\nobjectives:\n"
        "  - id: known\n    title: Be known\n    key_results:\n"
        "      - {id: markets, title: Open 3 to 8 markets, goal: {from: 3, to: 8}, unit: markets,"
        " check_ins: {every: 14d}}\n"
        "      - {id: recall, title: Recall from 20% to 30%, goal: {from: 20%, to: 30%}, unit: percent}\n",
    )
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    monkeypatch.setenv("OKR_SYNC_PROJECT", str(company.project))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return company


def current(command: Any, name: str) -> Any:
    """The status row of one key result."""
    (row,) = json.loads(command("status", name, "--json").output)
    return row


def say(command: Any, value: str, *words: str) -> None:
    """Check a number in for the markets, as Ada."""
    done = command("checkin", "markets", value, "--author", "Ada", *words)
    assert done.exit_code == 0, done.output


def test_a_check_in_counts_from_its_day_on_until_the_next(
    brand: Any, okr_sync: Any, today: date, start: date
) -> None:
    """Published with confidence and day, on every day since; corrected by a revision; withdrawn."""
    day = start + timedelta(days=10)
    words = ("checkin", "markets", "4", "--confidence", "7", "--day", str(day), "--author", "Ada")
    told = okr_sync(*words, "--note", "Lisbon signed")
    assert told.exit_code == 0, told.output
    assert f"brand/markets is 4 as of {day}, confidence 7 of 10, by Ada: Lisbon signed" in (
        told.output
    )
    say(okr_sync, "5", "--confidence", "8")
    assert okr_sync("sync").exit_code == 0
    rows = json.loads(okr_sync("history", "markets", "--json").output)
    assert [(row["as_of"], row["value"]) for row in rows] == [
        (str(day + timedelta(days=i)), 4) for i in range(10)
    ] + [(str(today), 5)]
    assert {row["origin"] for row in rows} == {"manual"}
    assert f"checked_in:{day}" in rows[5]["quality"]
    now = current(okr_sync, "markets")
    assert (now["value"], now["progress"], now["freshness"]) == (5, 0.4, "fresh")
    assert "confidence:8" in now["quality"]

    say(okr_sync, "6", "--confidence", "8", "--note", "Porto as well")
    assert okr_sync("sync", "markets").exit_code == 0
    revisions = json.loads(okr_sync("history", "markets", "--json").output)[-2:]
    assert [(row["value"], row["revision"]) for row in revisions] == [(5, 1), (6, 2)]
    explained = okr_sync("explain", "markets").output
    assert "6 as of" in explained and "said by Ada, confidence 8 of 10: Porto as well" in explained
    assert f"{day}: 4, Ada, confidence 7 of 10: Lisbon signed" in explained

    records = okr_sync("explain", "markets", "--records")
    assert records.exit_code == 2 and "okr-sync checkin brand/markets" in records.output

    taken = okr_sync("checkin", "markets", "--withdraw", "--day", str(today))
    assert "Withdrawn: brand/markets is 6" in taken.output
    assert "publishes what is left: brand/markets is 5" in taken.output
    listed = json.loads(okr_sync("checkin", "markets", "--json").output)
    assert [(one["value"], one["withdrawn_at"] is None) for one in listed] == [
        (6, False),
        (5, True),
        (4, True),
    ]
    assert "Lisbon signed" in okr_sync("checkin", "markets").output
    frame = okr_sync_project(brand).check_ins("markets")
    assert list(frame["confidence"]) == [7, 8, 8]


def okr_sync_project(company: Any) -> Any:
    """The project as notebooks open it."""
    return okr_sync.open_project(company.project)


def test_a_number_without_a_check_in_for_its_rhythm_is_stale(
    brand: Any, okr_sync: Any, today: date
) -> None:
    """14 days for one, the default of 7 for the other, by whole days; nobody's word is stale too."""
    for name, value in (("markets", "4"), ("recall", "25%")):
        day = str(today - timedelta(days=8))
        done = okr_sync("checkin", name, value, "--confidence", "5", "--day", day)
        assert done.exit_code == 0, done.output
    assert okr_sync("sync").exit_code == 0
    assert current(okr_sync, "markets")["freshness"] == "fresh"
    assert current(okr_sync, "recall")["freshness"] == "stale"
    okr_sync("checkin", "recall", "26%", "--confidence", "5")
    okr_sync("checkin", "markets", "--withdraw")
    assert okr_sync("sync").exit_code == 0
    assert current(okr_sync, "recall")["freshness"] == "fresh"
    nothing = current(okr_sync, "markets")
    assert (nothing["value"], nothing["status"], nothing["freshness"]) == (None, "no_data", "stale")


def test_an_override_lies_above_what_is_checked_in(brand: Any, okr_sync: Any, today: date) -> None:
    """Set by hand for a day, and the check-in again once it is withdrawn."""
    say(okr_sync, "4", "--confidence", "7")
    told = okr_sync("override", "markets", "7", "--reason", "Board says", "--until", str(today))
    assert "What is checked in goes on beneath it" in told.output
    assert okr_sync("sync").exit_code == 0
    assert current(okr_sync, "markets")["value"] == 7
    okr_sync("override", "markets", "--withdraw")
    assert okr_sync("sync").exit_code == 0
    assert current(okr_sync, "markets")["value"] == 4


def test_three_more_syncs_write_nothing_new(brand: Any, okr_sync: Any, start: date) -> None:
    """Same words, same history."""
    say(okr_sync, "4", "--confidence", "7", "--day", str(start))
    assert okr_sync("sync").exit_code == 0
    before = okr_sync("history", "markets", "--json").output
    for _ in range(2):
        assert okr_sync("sync").exit_code == 0
    assert okr_sync("history", "markets", "--json").output == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("markets", "5"), "Say how sure you are with --confidence"),
        (("markets", "--confidence", "5"), "needs a VALUE and --confidence"),
        (("markets", "5", "--confidence", "11"), "from 1 (a guess) to 10 (certain)"),
        (("markets", "5", "--confidence", "sure"), "from 1 (a guess) to 10 (certain)"),
        (("markets", "many", "--confidence", "5"), "many"),
        (("markets", "5%", "--confidence", "5"), "in markets, not in percent"),
        (("recall", "25", "--confidence", "5"), "Write 25%"),
        (("markets", "5", "--confidence", "5", "--day", "2001-01-01"), "lies before the cycle"),
        (("markets", "5", "--confidence", "5", "--day", "2199-01-01"), "has not come yet"),
        (("markets", "5", "--confidence", "5", "--author", " "), "Nobody says it"),
        (("markets", "5", "--withdraw"), "no more than --day"),
        (("markets", "--withdraw"), "no check-in to withdraw"),
        (("marketts", "5", "--confidence", "5"), "Did you mean brand/markets?"),
    ],
)
def test_what_can_not_be_checked_in_is_said(
    brand: Any, okr_sync: Any, words: tuple[str, ...], text: str
) -> None:
    """Wrong use ends with 2 and a sentence."""
    result = okr_sync("checkin", *words)
    assert result.exit_code == 2, result.output
    assert text in result.output


def test_a_key_result_with_a_metric_is_not_checked_in(at_company: Any, okr_sync: Any) -> None:
    """That would be an override, and the command says so."""
    result = okr_sync("checkin", "leads", "5", "--confidence", "5")
    assert result.exit_code == 2
    assert "has a metric, leads" in result.output
    assert "okr-sync override sales/leads VALUE" in result.output
