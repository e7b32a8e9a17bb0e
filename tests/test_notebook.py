"""okr_sync.open_project: the same figures as the commands, in frames with sensible types."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import okr_sync
from connectors.sandbox.serve import Sandbox
from okr_sync.cli import main
from okr_sync.errors import ConfigError, OkrSyncError, UsageError

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "notebook.md"


def command(*words: str) -> Any:
    """What a command answers as JSON."""
    return json.loads(CliRunner().invoke(main, [*words, "--json"]).output)


@pytest.fixture
def project(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The company, synced as of the quarter's last day, opened as in a notebook."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    monkeypatch.setenv("OKR_SYNC_PROJECT", str(company.project))
    for day in ("2026-03-06", "2026-03-31"):
        assert CliRunner().invoke(main, ["sync", "--as-of", day]).exit_code == 0
    return okr_sync.open_project(company.project)


def test_status_and_history_have_the_commands_figures(project: Any) -> None:
    """Same rows, same numbers; numbers, flags, days and times have nullable types."""
    frame = project.status()
    rows = {row["key_result_id"]: row for row in command("status")}
    assert list(frame.index) == sorted(rows)
    assert frame.index.name == "key_result_id"
    for name, row in rows.items():
        assert frame.loc[name, "value"] == row["value"]
        assert frame.loc[name, "status"] == row["status"]
        assert frame.loc[name, "as_of"].date().isoformat() == row["as_of"]
    types = frame.dtypes.astype(str)
    assert types["value"] == "Float64"
    assert types["sample_size"] == "Int64"
    assert types["is_final"] == "boolean"
    assert types["measured_at"] == "datetime64[us, UTC]"
    assert types["as_of"] == "datetime64[us]"
    assert types["title"].startswith("str")
    assert project.status("2026-03-06").loc["sales/leads", "value"] == 2
    past = project.history("leads")
    assert past.index.names == ["as_of", "revision"]
    assert list(past["value"]) == [row["value"] for row in command("history", "leads")]
    assert str(past.dtypes["recorded_at"]) == "datetime64[us, UTC]"


def test_preview_explain_and_records(project: Any) -> None:
    """A curve to plot, an explanation to read, and the records to count."""
    curve = project.preview("leads", "2026-03-01")
    points = command("preview", "leads", "--from", "2026-03-01")["points"]
    assert list(curve["value"]) == [point["value"] for point in points]
    assert isinstance(curve.index, pd.DatetimeIndex)
    assert len(project.preview("leads")) == 1
    told = project.explain("paid-share")
    assert "value: 2 ÷ 3 = 66.7%" in list(told.loc["Arithmetic", "text"])
    records = project.records("paid-share")
    assert list(records.index) == ["1", "2", "3"]
    assert int(records["in_numerator"].sum()) == 2
    assert str(records.dtypes["at"]) == "datetime64[us, UTC]"
    assert records.loc["1", "url"].endswith("/4711/record/0-1/1")


def test_a_frame_without_rows_has_its_types(project: Any) -> None:
    """An empty history can be joined and plotted like any other."""
    nothing = project.status("2026-01-01")
    assert nothing["value"].isna().all()
    assert str(nothing.dtypes["value"]) == "Float64"


def test_mistakes_are_errors_with_a_text(project: Any, company: Any, tmp_path: Path) -> None:
    """Unknown key results, missing projects, figures without records, drafts that are invalid."""
    with pytest.raises(UsageError, match="Did you mean sales/leads"):
        project.history("leds")
    with pytest.raises(UsageError, match="'soon' is not a day"):
        project.explain("leads", "soon")
    with pytest.raises(ConfigError, match="okr_sync.yaml"):
        okr_sync.open_project(tmp_path)
    with pytest.raises(OkrSyncError, match="no records to list"):
        project.records("sessions")
    okrs = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", okrs.replace("metric: leads", "metric: leds"))
    with pytest.raises(ConfigError, match="leads can't be measured"):
        project.preview("leads")


def test_importing_okr_sync_loads_no_pandas() -> None:
    """The command starts fast: pandas is loaded by open_project, not by the package."""
    code = "import sys, okr_sync; print('pandas' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_the_how_to_runs(project: Any, company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of docs/how-to/notebook.md is run as it stands, in a project's folder."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(company.project)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 (the page's own code, run as a reader would)
    assert names["project"].status().equals(project.status())
