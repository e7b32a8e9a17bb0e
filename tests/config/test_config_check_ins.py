"""Key results without a metric, and where their check-ins come from: what is read, what is refused."""

from datetime import timedelta
from typing import Any

import pytest

from okr_sync.config.models import ManualMetric

FILES = """\
version: 1
time_zone: UTC
currency: USD
sources:
  people: {kind: files, path: people}
  crm: {kind: sql, url_env: CRM_URL}
rules: {too-few-key-results: off}
"""
GOAL = "goal: {from: 3, to: 8}"


def files(body: str, check_ins: str = "", metrics: str = "{}") -> dict[str, str]:
    """A project with one key result."""
    return {
        "okr_sync.yaml": FILES + check_ins,
        "metrics.yaml": f"metrics: {metrics}\n",
        "people/check_ins.csv": "key_result,day,value,confidence,note,author\n",
        "okrs.yaml": (
            "team: growth\ncycle: 2026-Q4\nobjectives:\n  - id: more\n    title: More\n"
            f"    key_results:\n      - {{id: kr, title: Grow 3 to 8, {body}}}\n"
        ),
    }


def test_a_key_result_without_a_metric_takes_check_ins(inspect: Any) -> None:
    """Every 7 days by default, by the project's rhythm, or by its own; the rhythm is no definition."""
    for project, own, days in (
        ("", "", 7),
        ("check_ins: {from: people.check_ins, every: 30d}\n", "", 30),
        ("check_ins: {every: 30d}\n", ", check_ins: {every: 2w}", 14),
    ):
        inspection = inspect(files(GOAL + own, project))
        assert inspection.problems == ()
        found = inspection.bundle.key_results["growth/kr"]
        assert (found.is_manual, found.check_in_every) == (True, timedelta(days=days))
        assert isinstance(inspection.bundle.metrics[found.metric], ManualMetric)


@pytest.mark.parametrize(
    ("body", "project", "rule", "words"),
    [
        (f"{GOAL}, over: {{last: 28d}}", "", "check-ins-with-over", "Remove `over`"),
        ("goal: {from: measured, to: 8}", "", "check-ins-measured", "Write the number"),
        (f"{GOAL}, check_ins: {{every: 1h}}", "", "bad-duration", "between a day and a year"),
        (f"{GOAL}, check_ins: {{}}", "", "missing-key", "every: 14d"),
        (f"metric: n, {GOAL}, check_ins: {{every: 7d}}", "", "check-ins-with-metric", "override"),
        (GOAL, "check_ins: {from: crm.check_ins}\n", "bad-check-ins", "`files` source"),
        (GOAL, "check_ins: {from: peple.check_ins}\n", "unknown-source", "Did you mean `people`?"),
        (GOAL, "check_ins: {form: people.check_ins}\n", "unknown-key", "Did you mean `from`?"),
        (f"metric: c, {GOAL}", "check_ins: {from: people.check_ins}\n", "check-ins-dataset",
         "Leave `metric` out"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_and_quarantines(
    inspect: Any, body: str, project: str, rule: str, words: str
) -> None:
    """One error that names the remedy; the key result doesn't run with half of its settings."""
    metrics = (
        "{n: {agg: count, from: people.signups, time: at}, "
        "c: {agg: count, from: people.check_ins, time: day}}"
    )
    inspection = inspect(files(body, project, metrics))
    errors = [one for one in inspection.problems if one.severity == "error"]
    assert rule in [one.rule for one in errors], errors
    assert words in " ".join(f"{one.message} {one.fix}" for one in errors)
    assert list(inspection.bundle.quarantined) == ["growth/kr"]
