"""okr-sync preview: what a draft says before it counts, and that nothing is published by it."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.tables import key_result, key_result_history, metric_value, sync_run

PUBLISHED = (key_result, key_result_history, metric_value, sync_run)


def counts(url: str) -> list[int]:
    """How many rows the published tables hold."""
    warehouse = open_warehouse(url)
    with warehouse.read() as connection:
        found = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in PUBLISHED
        ]
    warehouse.close()
    return found


def test_preview_works_before_the_first_sync_and_leaves_no_warehouse(
    at_company: Any, okr_sync: Any, tmp_path: Path
) -> None:
    """On first use the sources are read into a temporary warehouse, which is gone afterwards."""
    result = okr_sync("preview", "leads")
    assert result.exit_code == 0, result.output
    assert "Value 3 as of 2026-03-31" in result.output
    assert "temporary warehouse" in result.output
    assert not (tmp_path / "warehouse.sqlite").exists()


def test_preview_of_a_published_key_result_is_the_published_number(
    synced_company: Any, okr_sync: Any, sqlite_url: str
) -> None:
    """The same definition over the same records gives the same number and writes nothing."""
    before = counts(sqlite_url)
    for name in ("leads", "paid-share", "sessions", "visitors"):
        found = json.loads(okr_sync("preview", name, "--json").output)
        (row,) = json.loads(okr_sync("status", name, "--json").output)
        assert found["pulled"] == []
        assert found["definition_hash"] == found["published_definition_hash"]
        for column in ("as_of", "value", "numerator", "denominator", "sample_size", "progress"):
            assert found["latest"][column] == row[column], (name, column)
        assert found["latest"]["status"] == row["status"]
        assert found["latest"]["quality"] == row["quality"]
    assert counts(sqlite_url) == before


def test_the_curve_has_every_day_and_pulls_what_is_not_stored(
    synced_company: Any, okr_sync: Any
) -> None:
    """`--from` gives a point a day; GA4's exact windows of days that nobody synced are read first."""
    found = json.loads(okr_sync("preview", "leads", "--from", "2026-03-01", "--json").output)
    assert [point["value"] for point in found["points"]][:11] == [0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3]
    assert len(found["points"]) == 31
    assert found["pulled"] == []
    refused = okr_sync("preview", "visitors", "--from", "2026-03-28", "--no-pull", "--json")
    assert refused.exit_code == 1
    assert "not in the warehouse" in json.loads(refused.output)["error"]
    read = json.loads(okr_sync("preview", "visitors", "--from", "2026-03-28", "--json").output)
    assert [pull["dataset"] for pull in read["pulled"]] == ["web.report"]
    told = okr_sync("preview", "visitors", "--from", "2026-03-27").output
    assert "Written: what was read, into the source tables; no number was published." in told
    assert [point["value"] for point in read["points"]] == [3, 3, 3, 3]
    table = okr_sync("preview", "leads", "--from", "2026-03-28")
    assert table.exit_code == 0
    assert table.output.count("2026-03-") >= 4
    assert "Numerator" not in table.output  # nothing is divided
    assert "Denominator" in okr_sync("preview", "paid-share", "--from", "2026-03-28").output


def test_a_changed_definition_is_seen_beside_the_published_one(
    synced_company: Any, okr_sync: Any
) -> None:
    """`--diff` shows by day what would change, and which parts of the definition do it."""
    metrics = (synced_company.project / "metrics.yaml").read_text(encoding="utf-8")
    synced_company.write(
        "metrics.yaml",
        metrics.replace(
            "time: createdate}\n  paid_share",
            "time: createdate, where: {hs_analytics_source: PAID_SEARCH}}\n  paid_share",
        ),
    )
    okrs = (synced_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    synced_company.write("okrs/sales.yaml", okrs.replace("{from: 0, to: 10}", "{from: 0, to: 4}"))
    found = json.loads(okr_sync("preview", "leads", "--diff", "--json").output)
    assert found["definition_hash"] != found["published_definition_hash"]
    assert [(d["as_of"], d["published"], d["draft"], d["change"]) for d in found["diff"]] == [
        ("2026-03-06", 2, 1, -1),
        ("2026-03-31", 3, 2, -1),
    ]
    assert found["changed"] == [
        {"part": "where", "published": None, "draft": "hs_analytics_source is PAID_SEARCH"},
        {"part": "goal", "published": "0 → 10", "draft": "0 → 4"},
    ]
    table = okr_sync("preview", "leads", "--diff")
    assert "goal: 0 → 4 (was 0 → 10)" in table.output
    assert "severely lagging" in table.output


def test_a_percentage_changes_by_points(synced_company: Any, okr_sync: Any) -> None:
    """From 66.7% to 50.0% is 16.7 points less; `-16.7%` would be a share of it."""
    metrics = (synced_company.project / "metrics.yaml").read_text(encoding="utf-8")
    numerator = "{agg: count, where: {hs_analytics_source: PAID_SEARCH}}"
    assert numerator in metrics
    half = "{agg: count, where: {hs_analytics_source: NOTHING}}"
    synced_company.write("metrics.yaml", metrics.replace(numerator, half))
    table = okr_sync("preview", "paid-share", "--diff")
    assert "-66.7 points" in table.output


def test_a_new_property_is_read_before_it_counts(synced_company: Any, okr_sync: Any) -> None:
    """A draft that binds a field that no run has read gets it, and keeps what others bind."""
    synced_company.write(
        "metrics.yaml",
        """\
metrics:
  leads: {agg: count, from: hubspot.contacts, time: lastmodifieddate}
""",
    )
    synced_company.write(
        "okrs/web.yaml",
        "team: web\ncycle: 2026-Q1\nobjectives: [{id: o, title: T, key_results: []}]\n",
    )
    found = json.loads(okr_sync("preview", "leads", "--json").output)
    assert [pull["dataset"] for pull in found["pulled"]] == ["hubspot.contacts"]
    assert found["latest"]["value"] == 3


def test_an_invalid_draft_says_what_is_wrong(synced_company: Any, okr_sync: Any) -> None:
    """A quarantined key result is named with its problems, and the exit status is 1."""
    okrs = (synced_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    synced_company.write("okrs/sales.yaml", okrs.replace("metric: leads", "metric: leds"))
    result = okr_sync("preview", "leads")
    assert result.exit_code == 1
    assert "okrs/sales.yaml:7:" in result.output
    assert "leads" in result.output
    found = okr_sync("preview", "leads", "--json")
    assert found.exit_code == 1
    assert json.loads(found.output)["key_result_id"] == "sales/leads"


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("preview", "leds"), 2, "There is no key result leds. Did you mean sales/leads?"),
        (("preview", "leads", "--from", "2026-04-02"), 2, "2026-04-02 is after 2026-03-31"),
        (("preview", "leads", "--from", "yesterday"), 2, "is not a day"),
        (("preview",), 2, "Missing argument"),
    ],
)
def test_wrong_use_of_preview_is_explained(
    synced_company: Any, okr_sync: Any, words: tuple[str, ...], status: int, text: str
) -> None:
    """What can't be carried out is said in a sentence."""
    result = okr_sync(*words)
    assert result.exit_code == status
    assert text in result.output


def test_a_refused_token_is_an_error_of_the_preview(
    synced_company: Any, okr_sync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--pull` against a source that refuses gives its reason, no number and no secret."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat-na1-canary")
    result = okr_sync("preview", "leads", "--pull")
    assert result.exit_code == 1
    assert "HUBSPOT_ACCESS_TOKEN" in result.output
    assert "canary" not in result.output


def test_without_warehouse_and_without_pulls_there_is_no_number(
    at_company: Any, okr_sync: Any
) -> None:
    """`--no-pull` on first use can't answer, and says so."""
    result = okr_sync("preview", "leads", "--no-pull")
    assert result.exit_code == 1
    assert "has not been read completely yet" in result.output


def test_a_cycle_that_has_not_begun_has_nothing_to_measure(at_company: Any, okr_sync: Any) -> None:
    """Next year's key result is valid, and the preview says when there will be something to see."""
    okrs = (at_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    at_company.write("okrs/sales.yaml", okrs.replace("cycle: 2026-Q1", "cycle: 2199-Q1"))
    result = okr_sync("preview", "leads")
    assert result.exit_code == 0, result.output
    assert "begins on 2199-01-01" in result.output


def test_a_source_that_can_not_be_read_is_told_of_once(
    at_company: Any, okr_sync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the pull is the error of the preview, and not said twice."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN", raising=False)
    result = okr_sync("preview", "leads")
    assert result.exit_code == 1
    assert " ".join(result.output.split()).count("HUBSPOT_ACCESS_TOKEN is not set") == 1
