"""Every number of the demo can be traced: the records listed are as many as were counted."""

import json
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.sandbox.generate import LAST_DAY, write_demo_account
from connectors.sandbox.serve import Sandbox
from okr_sync.cli import main


@pytest.fixture(scope="module")
def demo_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The demo's project, synced once as of its last day."""
    folder = tmp_path_factory.mktemp("explained")
    write_demo_account(folder / "account")
    environment = pytest.MonkeyPatch()
    with (
        as_file(files("okr_sync.demo") / "project") as project,
        Sandbox(folder / "account", rate_limits=False) as sandbox,
    ):
        for name, value in sandbox.environment().items():
            environment.setenv(name, value)
        environment.delenv("DAGSTER_HOME", raising=False)
        environment.setenv("OKR_SYNC_PROJECT", str(project))
        environment.setenv("OKR_SYNC_WAREHOUSE", str(folder / "warehouse.sqlite"))
        done = CliRunner().invoke(main, ["sync", "--as-of", LAST_DAY.isoformat()])
        assert done.exit_code == 0, done.output
        yield folder
    environment.undo()


def asked(*words: str) -> Any:
    """What a command answers as JSON."""
    result = CliRunner().invoke(main, [*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_a_status_says_from_where_to_where_it_goes(demo_project: Path) -> None:
    """Who is ahead reads of points ahead, and not of so many less than none behind."""
    told = {
        name: CliRunner().invoke(main, ["explain", name]).output
        for name in ("mql-to-sql", "mqls", "sqls", "email-sessions")
    }
    assert "ahead of the expected progress: exceeding (10 ahead or better)" in told["mql-to-sql"]
    assert ": on track (less than 10 ahead and at most 16.5 behind)" in told["mqls"]
    assert ": lagging (more than 16.5 behind and at most 33 behind)" in told["sqls"]
    assert ": severely lagging (more than 33 behind)" in told["email-sessions"]


def test_the_records_listed_are_those_that_were_counted(demo_project: Path) -> None:
    """For each key result over records, of all kinds: numerator, denominator, sample and sums."""
    traced = 0
    for row in asked("status"):
        name = row["key_result_id"]
        if row["team"] in ("web",) or row["metric"] in ("email_sessions", "referral_sessions"):
            continue
        found = asked("explain", name, "--records")
        number, records = found["number"], found["records"]
        counted = [record for record in records if record["counted"]]
        assert len(counted) == number["sample_size"], name
        (tally,) = found["records_counted"]
        assert tally["counted"] == number["sample_size"], name
        if number["denominator"] is not None:
            assert sum(r["in_numerator"] for r in records) == number["numerator"], name
            assert sum(r["in_denominator"] for r in records) == number["denominator"], name
            assert tally["in_numerator"] == number["numerator"], name
        if name in ("revenue-marketing/sourced-pipeline", "revenue-marketing/won-revenue"):
            total = sum(Decimal(str(record["amount"])) for record in counted)
            assert total == Decimal(str(number["value"])), name
        flags = dict(flag.partition(":")[::2] for flag in number["quality"])
        left_out = tally["left_out"]
        for flag, words in (
            ("negative_duration", "lies before"),
            ("missing_home_currency", "home_currency is empty"),
        ):
            told = sum(n for reason, n in left_out.items() if words in reason)
            assert told == int(flags.get(flag, 0)), (name, flag)
        traced += 1
    assert traced >= 12


def test_medians_list_the_days_of_each_record(demo_project: Path) -> None:
    """The median sales cycle is the median of the listed durations, in days."""
    found = asked("explain", "revenue-marketing/sales-cycle", "--records")
    days = sorted(r["amount"] for r in found["records"] if r["counted"])
    middle = len(days) // 2
    median = days[middle] if len(days) % 2 else (days[middle - 1] + days[middle]) / 2
    assert found["number"]["value"] == pytest.approx(median, rel=1e-12)
