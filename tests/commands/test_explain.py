"""okr-sync explain: every number can be traced back to its definition, its records and its run."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest


def told(output: str, section: str) -> str:
    """The lines of one section."""
    lines, found, inside = output.splitlines(), [], False
    for line in lines:
        if line[:12].strip():
            inside = line.startswith(section)
        if inside:
            found.append(line[12:])
    return "\n".join(found)


def test_a_ratio_is_explained_from_its_parts_to_its_run(synced_company: Any, okr_sync: Any) -> None:
    """Arithmetic, definition with its place, conditions in words, window, records, pull and run."""
    result = okr_sync("explain", "paid-share")
    assert result.exit_code == 0
    output = result.output
    assert "66.7% as of 2026-03-31" in told(output, "Number")
    assert "value: 2 ÷ 3 = 66.7%" in told(output, "Arithmetic")
    assert "goal: 66.7% ≤ 80.0%: met" in told(output, "Arithmetic")
    definition = told(output, "Definition")
    assert "okrs/sales.yaml:8" in definition
    assert "numerator: number of records, where hs_analytics_source is PAID_SEARCH" in definition
    window = told(output, "Window")
    assert "2026-01-01 to 2026-03-31, both included, in America/New_York" in window
    assert "2026-01-01 05:00:00 UTC to 2026-04-01 04:00:00 UTC" in window
    assert "2 in the numerator, 3 in the denominator" in told(output, "Records")
    assert "hubspot.contacts in this run: 3 rows of 3 expected" in told(output, "Pulls")
    assert "manual, begun at" in told(output, "Run")
    assert "explained by okr-sync" in told(output, "Run")


def test_progress_and_pace_are_written_out(synced_company: Any, okr_sync: Any) -> None:
    """Progress is (value − baseline) ÷ (target − baseline), and the status names its threshold."""
    output = okr_sync("explain", "leads", "--as-of", "2026-03-06").output
    arithmetic = told(output, "Arithmetic")
    assert "progress: (2 − 0) ÷ (10 − 0) = 20%" in arithmetic
    assert "expected: 65 of the cycle's 90 days have passed = 72%" in arithmetic
    assert "52.2 points behind the expected progress: severely lagging (more than 33" in arithmetic


def test_records_are_listed_with_links(synced_company: Any, okr_sync: Any, tmp_path: Path) -> None:
    """`--records` tells numerator from denominator and links into HubSpot; `--csv` holds the same."""
    found = json.loads(okr_sync("explain", "paid-share", "--records", "--json").output)
    rows = found["records"]
    assert [(r["record_id"], r["in_numerator"], r["in_denominator"]) for r in rows] == [
        ("1", True, True),
        ("2", False, True),
        ("3", True, True),
    ]
    assert rows[0]["url"] == "https://app.hubspot.com/contacts/4711/record/0-1/1"
    assert rows[0]["at"] == "2026-03-02T15:00:00Z"
    assert sum(r["in_numerator"] for r in rows) == found["number"]["numerator"]
    assert sum(r["in_denominator"] for r in rows) == found["number"]["denominator"]
    assert sum(r["counted"] for r in rows) == found["number"]["sample_size"]
    table = okr_sync("explain", "paid-share", "--records")
    assert table.exit_code == 0
    assert "record/0-1/3" in table.output
    file = tmp_path / "records.csv"
    written = okr_sync("explain", "paid-share", "--csv", str(file))
    assert written.exit_code == 0
    assert "3 records" in written.output
    with file.open(encoding="utf-8", newline="") as opened:
        lines = list(csv.DictReader(opened))
    assert [line["record_id"] for line in lines] == ["1", "2", "3"]
    assert [line["in_numerator"] for line in lines] == ["true", "false", "true"]
    assert lines[0]["url"] == rows[0]["url"]


def test_a_number_of_an_older_definition_is_explained_by_that_definition(
    synced_company: Any, okr_sync: Any
) -> None:
    """After the files have changed, the number keeps the definition that its run recorded."""
    okrs = (synced_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    synced_company.write("okrs/sales.yaml", okrs.replace("{from: 0, to: 10}", "{from: 0, to: 4}"))
    found = json.loads(okr_sync("explain", "leads", "--json").output)
    assert found["definition"]["is_current"] is False
    assert found["definition"]["parts"]["goal"] == "0 → 10"
    assert "changed since" in okr_sync("explain", "leads").output


def test_reports_have_no_records_and_say_so(synced_company: Any, okr_sync: Any) -> None:
    """A GA4 figure is explained without records; asking for them is wrong use."""
    result = okr_sync("explain", "sessions")
    assert result.exit_code == 0
    assert "not from records that can be listed" in told(result.output, "Records")
    assert "web.report in this run" in told(result.output, "Pulls")
    refused = okr_sync("explain", "sessions", "--records")
    assert refused.exit_code == 2
    assert "no records to list" in refused.output


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("explain", "leds"), 2, "Did you mean sales/leads?"),
        (("explain", "leads", "--as-of", "2026-03-07"), 2, "has no number as of 2026-03-07"),
        (("explain", "leads", "--csv", "/nowhere/x.csv"), 1, "/nowhere/x.csv can't be written"),
        (("explain", "leads", "--as-of", "now"), 2, "is not a day"),
    ],
)
def test_what_can_not_be_explained_is_said(
    synced_company: Any, okr_sync: Any, words: tuple[str, ...], status: int, text: str
) -> None:
    """Wrong use and files that can't be written end with a sentence and their exit status."""
    result = okr_sync(*words)
    assert result.exit_code == status, result.output
    assert text in result.output


def test_explain_without_a_warehouse_says_what_to_do(at_company: Any, okr_sync: Any) -> None:
    """Before the first sync there is nothing to explain."""
    result = okr_sync("explain", "leads")
    assert result.exit_code == 1
    assert "okr-sync sync" in result.output


@pytest.mark.parametrize(
    ("day", "target", "words"),
    [
        ("2026-03-06", 10, "on track: nothing is expected before the cycle's end (`pace: none`)"),
        ("2026-03-31", 10, "70.0 points short of the target at the cycle's end: severely lagging"),
        ("2026-03-31", 2, "achieved, at 150% of the way (committed)"),
    ],
)
def test_a_status_without_pace_has_its_own_reason(
    at_company: Any, okr_sync: Any, day: str, target: int, words: str
) -> None:
    """`pace: none` explains the days before the end only; at the end the progress decides."""
    okrs = (at_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    goal = f"{{from: 0, to: {target}}}"
    at_company.write("okrs/sales.yaml", okrs.replace("{from: 0, to: 10}", f"{goal}, pace: none"))
    assert okr_sync("sync", "leads", "--as-of", day).exit_code == 0
    assert f"status: {words}" in told(okr_sync("explain", "leads").output, "Arithmetic")


def test_groups_are_explained_one_by_one(at_company: Any, okr_sync: Any, tmp_path: Path) -> None:
    """Behind the one number of `by` and `reduce` stand the groups, the smallest first."""
    at_company.write(
        "metrics/channels.yaml",
        """\
metrics:
  each_channel:
    agg: count
    from: hubspot.contacts
    time: createdate
    by: hs_analytics_source
    reduce: min
""",
    )
    okrs = (at_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    at_company.write("okrs/sales.yaml", okrs.replace("metric: leads,", "metric: each_channel,"))
    assert okr_sync("sync", "leads", "--as-of", "2026-03-31").exit_code == 0
    found = json.loads(okr_sync("explain", "leads", "--json").output)
    groups = [(one["group"], one["value"]) for one in found["groups"]]
    path = tmp_path / "records.csv"
    assert okr_sync("explain", "leads", "--csv", str(path)).exit_code == 0
    with path.open(encoding="utf-8") as file:
        records = [row["group"] for row in csv.DictReader(file) if row["counted"] == "true"]
    assert len(groups) > 1
    assert dict(groups) == {name: records.count(name) for name, _ in groups}
    assert found["number"]["value"] == min(value for _, value in groups)
    arithmetic = told(okr_sync("explain", "leads").output, "Arithmetic").splitlines()
    lowest, least = min(groups, key=lambda one: (one[1], one[0]))
    assert arithmetic[1] == f"{lowest}: {least:g} from a sample of {least:g}"


@pytest.mark.parametrize("command", ["explain", "history", "status"])
def test_a_key_result_that_was_never_measured_is_not_unknown(
    synced_company: Any, okr_sync: Any, command: str
) -> None:
    """A new key result's files are right: what it lacks is a sync, not another name."""
    okrs = (synced_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    synced_company.write("okrs/sales.yaml", okrs.replace("{id: leads,", "{id: new-leads,"))
    result = okr_sync(command, "new-leads")
    assert result.exit_code == 2
    assert "sales/new-leads has not been measured yet. Run `okr-sync sync`" in result.output
    assert "sales/leads" not in result.output
    assert okr_sync(command, "sales/leads").exit_code == 0  # taken out of the files, still readable
