"""okr-sync sync and checks: what they found is kept, whether or not Dagster keeps records."""

from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from okr_sync.warehouse.check_results import checks_now
from okr_sync.warehouse.connect import open_warehouse

Found = set[tuple[str, str, bool]]


def test_checks_are_kept_without_dagster_and_shown_with_it(
    okr_sync: Any, at_company: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync without DAGSTER_HOME tells Dagster nothing of checks, and the warehouse just as much."""
    text = (at_company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    at_company.write(
        "okrs/sales.yaml", text.replace("to: 10}}", "to: 10}, plausible: {at_most: 1}}")
    )
    found: list[Found] = []
    for name in ("without", "with"):
        url = f"sqlite:///{tmp_path / name}.sqlite"
        monkeypatch.setenv("OKR_SYNC_WAREHOUSE", url)
        if name == "with":
            (tmp_path / "dagster").mkdir()
            monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
        assert okr_sync("sync", "--as-of", "2026-03-06").exit_code == 1
        with closing(open_warehouse(url)) as warehouse:
            results = [one.result for one in checks_now(warehouse)]
        found.append({(one.subject, one.check.value, one.passed) for one in results})
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        told = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert ("sales/leads", "in_bounds", False) in found[0]
    assert found[0] == found[1]
    assert len(told) == len(found[1])
