"""The main job on real data: Olist's funnel through the sandbox, against answers worked out apart."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from okr_sync.cli import main

OLIST = Path(__file__).parents[2] / "shared" / "data" / "olist"
TEAM = "seller-acquisition"
COMPARED = ("value", "numerator", "denominator", "sample_size", "progress")

pytestmark = pytest.mark.skipif(
    not OLIST.is_dir(),
    reason="needs ../shared/data/olist, whose licence keeps it out of this project",
)


def sync(warehouse_url: str, *words: str) -> None:
    """Sync through the sandbox as a user does; the test fails with its output if that does.

    The warehouse is elsewhere: the project may be read-only.
    """
    command = str(Path(sys.executable).with_name("okr-sync"))
    environment = {**os.environ, "OKR_SYNC_WAREHOUSE": warehouse_url}
    environment.pop("DAGSTER_HOME", None)
    done = subprocess.run(
        [command, "sandbox", str(OLIST), "--", command, "sync", "--project", str(OLIST), *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read(warehouse_url: str, *words: str) -> list[dict[str, Any]]:
    """What a reading command prints as JSON, run in this process: there are forty of them."""
    environment = {"OKR_SYNC_WAREHOUSE": warehouse_url, "DAGSTER_HOME": None}
    done = CliRunner(env=environment).invoke(main, [*words, "--project", str(OLIST), "--json"])
    assert done.exit_code == 0, done.output
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def expected() -> dict[str, dict[str, dict[str, Any]]]:
    """By day and key result, the figures that come with the data."""
    figures: dict[str, dict[str, dict[str, Any]]] = json.loads(
        (OLIST / "expected.json").read_text(encoding="utf-8")
    )
    return figures


def check_day(rows: list[dict[str, Any]], day: str) -> None:
    """Every figure of a day is what the independent computation says, to 1e-9."""
    by_id = {row["key_result_id"]: row for row in rows}
    for name, figures in expected()[day].items():
        row = by_id[f"{TEAM}/{name}"]
        assert row["as_of"] == day
        for column in COMPARED:
            if column in figures:
                wanted = figures[column]
                close = None if wanted is None else pytest.approx(wanted, abs=1e-9)
                assert row[column] == close, (name, day, column)
        negative = figures.get("negative_durations", 0)
        assert (f"negative_duration:{negative}" in row["quality"]) is bool(negative)


def test_three_days_as_people_would_sync_them(warehouse_url: str) -> None:
    """Each day's status gives every published figure; older days stay readable with --as-of."""
    for day in sorted(expected()):
        sync(warehouse_url, "--as-of", day)
        check_day(read(warehouse_url, "status"), day)
    for day in expected():
        check_day(read(warehouse_url, "status", "--as-of", day), day)


def test_a_backfill_gives_ninety_days_that_agree(warehouse_url: str) -> None:
    """A backfill writes each of its days once, and again nothing; the known days agree."""
    backfill = ("--backfill", "2018-01-01..2018-03-31")
    sync(warehouse_url, *backfill)
    sync(warehouse_url, *backfill)
    for name in expected()["2018-03-31"]:
        history = read(warehouse_url, "history", f"{TEAM}/{name}")
        assert len({row["as_of"] for row in history}) == 90
        assert {row["revision"] for row in history} == {1}
    for day in expected():
        check_day(read(warehouse_url, "status", "--as-of", day), day)
    check_day(read(warehouse_url, "status"), "2018-03-31")


def test_an_older_day_does_not_take_the_place_of_the_current_one(sqlite_url: str) -> None:
    """Syncing a past day adds history; what people read as current stays the newest day."""
    sync(sqlite_url, "--as-of", "2018-03-31")
    sync(sqlite_url, "--as-of", "2018-02-28")
    check_day(read(sqlite_url, "status"), "2018-03-31")
    check_day(read(sqlite_url, "status", "--as-of", "2018-02-28"), "2018-02-28")
