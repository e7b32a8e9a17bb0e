"""Check-ins from files: the same history as the command's, bad rows told by place, nothing else stopped."""

import json
from collections import UserDict
from collections.abc import Callable, ItemsView, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from assets.keys import SYNC_JOB
from assets.resources import Clock, Reporter
from connectors.files.connector import FilesConnector
from okr_sync.cli import main
from okr_sync.config.loader import load_project
from okr_sync.config.models import FilesSource, KeyResult
from okr_sync.definitions import build_definitions
from okr_sync.metrics.needs import CheckInsNeed
from okr_sync.warehouse.check_ins import check_ins_of
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.status import StatusRow, status

_PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
sources:
  people: {kind: files, path: people}
check_ins: {from: people.check_ins}
"""
_OKRS = """\
team: brand
cycle: 2026-Q1
objectives:
  - id: known
    title: Be known
    key_results:
      - {id: markets, title: Open 3 to 8 markets, goal: {from: 3, to: 8}, unit: markets}
      - {id: recall, title: Recall from 20% to 30%, goal: {from: 20%, to: 30%}, unit: percent}
"""
_HEADER = "key_result,day,value,confidence,note,author\n"
_ROWS = (
    "brand/markets,2026-01-12,4,6,Lisbon signed,ana\n"
    "recall,2026-01-19,22.5%,5,,ben\n"
    "brand/markets,2026-01-26,5,7,,ana\n"
)
NOW = datetime(2026, 2, 2, 15, tzinfo=UTC)

on_sqlite = pytest.mark.parametrize("warehouse_url", ["sqlite"], indirect=True)
"""For what doesn't depend on the engine."""


@pytest.fixture
def brand(company: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project whose two key results take check-ins, also from people/check_ins.csv."""
    for name in ("okrs/sales.yaml", "okrs/web.yaml", "metrics.yaml"):
        (company.project / name).unlink()
    company.write("okr_sync.yaml", _PROJECT)
    company.write("okrs/brand.yaml", _OKRS)
    company.write("people/check_ins.csv", _HEADER + _ROWS)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return company


@pytest.fixture
def warehouse(
    warehouse: Warehouse, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """The warehouse of the test, which the project's environment names."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", warehouse_url)
    return warehouse


class Heard(Reporter):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(text)


def sync(company: Any, now: datetime = NOW) -> tuple[bool, list[str]]:
    """Run the sync job; whether it succeeded, and what it said."""
    heard = Heard()
    job = build_definitions(
        company.project, {"clock": Clock(now), "reporter": heard}
    ).resolve_job_def(SYNC_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        partition = now.date().isoformat()
        result = job.execute_in_process(
            instance=instance, partition_key=partition, raise_on_error=False
        )
    return result.success, heard.lines


def current(warehouse: Warehouse) -> dict[str, StatusRow]:
    """The status by id within the team."""
    rows = status(warehouse, now=NOW)
    return {row.key_result_id.partition("/")[2]: row for row in rows}


def values(warehouse: Warehouse, name: str) -> list[tuple[str, Decimal | None]]:
    """The numbers that hold, by day; only where they change."""
    found: list[tuple[str, Decimal | None]] = []
    for row in history(warehouse, f"brand/{name}"):
        if row.superseded_at is None and (not found or found[-1][1] != row.value):
            found.append((row.as_of.isoformat(), row.value))
    return found


def test_a_files_check_ins_become_the_history_of_their_days(
    brand: Any, warehouse: Warehouse
) -> None:
    """Each day has the last word until then, in the key result's unit; a second run adds nothing."""
    assert sync(brand)[0]
    assert sync(brand)[0]
    assert values(warehouse, "markets") == [("2026-01-12", 4), ("2026-01-26", 5)]
    assert values(warehouse, "recall") == [("2026-01-19", Decimal("0.225"))]
    rows = current(warehouse)
    assert (rows["markets"].value, rows["markets"].as_of.isoformat()) == (5, "2026-02-02")  # type: ignore[union-attr]
    assert rows["markets"].freshness == "fresh"
    assert rows["recall"].freshness == "stale"
    assert {row.revision for row in history(warehouse, "brand/markets")} == {1}
    with warehouse.read() as connection:
        first, *_ = check_ins_of(connection, ["brand/markets"])
    assert (first.author, first.note, first.place) == (
        "ana",
        "Lisbon signed",
        "people/check_ins.csv line 2",
    )


def test_a_mended_row_is_a_revision_and_a_removed_one_is_withdrawn(
    brand: Any, warehouse: Warehouse
) -> None:
    """The file says what holds; what was published before stays in the history."""
    sync(brand)
    brand.write(
        "people/check_ins.csv",
        _HEADER + "\nrecall,2026-01-19,22.5%,5,,ben\nbrand/markets,2026-01-26,6,7,miscounted,ana\n",
    )
    assert sync(brand)[0]
    assert values(warehouse, "markets") == [("2026-01-12", None), ("2026-01-26", 6)]
    days = [row for row in history(warehouse, "brand/markets") if str(row.as_of) == "2026-01-26"]
    assert [(row.value, row.revision) for row in days] == [(5, 1), (6, 2)]
    assert {row.revision for row in history(warehouse, "brand/recall")} == {1}


def test_a_bad_row_is_told_by_its_line_and_stops_nothing_else(
    brand: Any, warehouse: Warehouse
) -> None:
    """The key result keeps its other check-ins and is marked failed; the other one is as ever."""
    bad = "brand/markets,2026-01-30,many,7,,ana\n"
    brand.write("people/check_ins.csv", _HEADER + _ROWS + bad)
    assert not sync(brand)[0]
    rows = current(warehouse)
    assert (rows["markets"].value, rows["markets"].freshness) == (5, "failed")
    assert "people/check_ins.csv line 5: `many` is not a number" in (rows["markets"].error or "")
    assert (rows["recall"].value, rows["recall"].error) == (Decimal("0.225"), None)
    brand.write("people/check_ins.csv", _HEADER + _ROWS)
    assert sync(brand)[0]
    assert current(warehouse)["markets"].freshness == "fresh"


@on_sqlite
def test_a_row_about_nobody_is_a_warning_by_its_line(brand: Any, warehouse: Warehouse) -> None:
    """An unknown key result names the near miss, one with a metric the command for it."""
    brand.write("metrics.yaml", "metrics: {n: {agg: count, from: people.signups, time: at}}\n")
    brand.write("people/signups.csv", "at\n2026-01-03\n")
    brand.write(
        "okrs/brand.yaml",
        _OKRS + "      - {id: signups, title: Get 9, metric: n, goal: {from: 0, to: 9}}\n",
    )
    more = "brand/market,2026-01-30,5,7,,ana\nbrand/signups,2026-01-30,5,7,,ana\n"
    brand.write("people/check_ins.csv", _HEADER + _ROWS + more)
    succeeded, lines = sync(brand)
    assert succeeded
    warnings = [line for line in lines if line.startswith("Warning: ")]
    assert "people/check_ins.csv line 5: There is no key result `brand/market`" in warnings[0]
    assert "Did you mean `brand/markets`?" in warnings[0]
    assert "line 6: brand/signups has a metric" in warnings[1]
    assert "okr-sync override" in warnings[1]


@on_sqlite
def test_a_file_that_can_not_be_read_leaves_what_was_said(brand: Any, warehouse: Warehouse) -> None:
    """A column gone: the numbers stay, marked failed with the column's name, until it is back."""
    sync(brand)
    brand.write("people/check_ins.csv", (_HEADER + _ROWS).replace("confidence", "sure"))
    assert not sync(brand)[0]
    row = current(warehouse)["markets"]
    assert (row.value, row.freshness) == (5, "failed")
    assert "has no column confidence" in (row.error or "")


class Watched(UserDict[str, KeyResult]):
    """Key results that tell when the first row looks for its own."""

    def __init__(self, key_results: Mapping[str, KeyResult], tell: Callable[[], None]) -> None:
        super().__init__(key_results)
        self._tell = tell

    def items(self) -> ItemsView[str, KeyResult]:
        """What there is, and it is told."""
        self._tell()
        return super().items()


@on_sqlite
def test_a_file_that_is_written_while_it_is_read_withdraws_nothing(
    brand: Any, warehouse: Warehouse
) -> None:
    """A file that an editor has emptied to write it anew must not be taken for all there is."""
    sync(brand)
    bundle = load_project(brand.project)
    brand.write("people/check_ins.csv", _HEADER + _ROWS.splitlines(keepends=True)[0])

    def rewrite() -> None:
        brand.write("people/check_ins.csv", _HEADER + _ROWS)

    source = bundle.project.sources["people"]
    assert isinstance(source, FilesSource)
    need = CheckInsNeed(
        "people", "check_ins", Watched(bundle.key_results, rewrite), frozenset(), ZoneInfo("UTC")
    )
    result = FilesConnector(source, brand.project).pull(need, warehouse, NOW)
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "a file of check_ins changed while it was read" in (result.error or "")
    with warehouse.read() as connection:
        said = check_ins_of(connection, ["brand/markets", "brand/recall"])
    assert [one.withdrawn_at for one in said] == [None] * 3


@on_sqlite
def test_a_preview_reads_the_files_before_anything_is_published(
    brand: Any, warehouse: Warehouse
) -> None:
    """What would be published next, from a file that no run has read yet; nothing is published."""
    done = CliRunner().invoke(
        main, ["preview", "markets", "--project", str(brand.project), "--json"]
    )
    assert done.exit_code == 0, done.output
    row = json.loads(done.output)["latest"]
    assert (row["value"], "confidence:7" in row["quality"]) == (5, True)
    assert status(warehouse, now=NOW) == []


@on_sqlite
def test_json_lines_and_parquet_say_the_same(brand: Any, warehouse: Warehouse) -> None:
    """Numbers and days come as such and are read as in CSV."""
    folder: Path = brand.project / "people"
    (folder / "check_ins.csv").unlink()
    rows = [
        {"key_result": "brand/markets", "day": "2026-01-12", "value": 4, "confidence": 6, "author": "a"},
        {"key_result": "brand/recall", "day": "2026-01-19", "value": 0.225, "confidence": 5.0, "author": "b"},
    ]  # fmt: skip
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "check_ins.jsonl").write_text(lines, encoding="utf-8")
    assert sync(brand)[0]
    before = values(warehouse, "markets"), values(warehouse, "recall")
    (folder / "check_ins.jsonl").unlink()
    days = [{**row, "day": datetime.fromisoformat(str(row["day"]))} for row in rows]
    table = pa.Table.from_pylist([{**row, "value": float(row["value"])} for row in days])  # type: ignore[arg-type]
    pq.write_table(table, folder / "check_ins.parquet")
    assert sync(brand)[0]
    assert (values(warehouse, "markets"), values(warehouse, "recall")) == before
    assert before == ([("2026-01-12", 4)], [("2026-01-19", Decimal("0.225"))])
    assert {row.revision for row in history(warehouse, "brand/markets")} == {1}


@on_sqlite
def test_the_final_word_after_the_cycle_is_still_taken(brand: Any, warehouse: Warehouse) -> None:
    """Weeks after the quarter people say where it ended; a measured number would be left alone."""
    april = datetime(2026, 4, 30, 15, tzinfo=UTC)
    sync(brand, datetime(2026, 3, 31, 15, tzinfo=UTC))
    sync(brand, april)
    assert values(warehouse, "markets")[-1] == ("2026-01-26", 5)
    brand.write("people/check_ins.csv", _HEADER + _ROWS + "brand/markets,2026-03-31,9,10,,ana\n")
    sync(brand, april)
    assert values(warehouse, "markets")[-1] == ("2026-03-31", 9)
