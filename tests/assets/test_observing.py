"""Log lines and spans of a run: what each piece of work did, with the ids to follow it by."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from assets.keys import SYNC_JOB
from assets.observing import observed
from connectors.sandbox.serve import Sandbox
from okr_sync.definitions import build_definitions
from okr_sync.errors import OkrSyncError

DAY = "2026-03-06"


def run(project: Path) -> dg.ExecuteInProcessResult:
    """Run the sync job over everything, in this process."""
    job = build_definitions(project).resolve_job_def(SYNC_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, partition_key=DAY, raise_on_error=False)


def lines(text: str) -> list[dict[str, Any]]:
    """Our lines among those of standard error, without their times."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    for line in found:
        assert line.pop("at").endswith("Z")
        line.pop("seconds", None)
    return found


def test_each_piece_of_work_is_a_line_with_its_ids(
    company: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """A run can be followed by its id: pulls by source, evaluations, publishes, changed numbers."""
    monkeypatch.setenv("OKR_SYNC_LOG", "json")
    result = run(company.project)
    told = lines(capfd.readouterr().err)
    assert {line["run_id"] for line in told} == {result.run_id}
    contacts = next(line for line in told if line.get("dataset") == "contacts")
    assert contacts["event"] == "pull_ended" and contacts["source"] == "hubspot"
    assert (contacts["rows"], contacts["complete"], contacts["level"]) == (3, True, "info")
    assert [line["metrics"] for line in told if line["event"] == "evaluation_ended"] == [4]
    published = {line["team"]: line["new"] for line in told if line["event"] == "publish_ended"}
    assert published == {"sales": 2, "web": 2}
    changed = {line["key_result"] for line in told if line["event"] == "key_result_changed"}
    assert changed == {"sales/leads", "sales/paid-share", "web/sessions", "web/visitors"}


def test_a_failure_is_an_error_line_without_secrets(
    company: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """What could not be read says why, once for the pull and once for each key result it hurts."""
    monkeypatch.setenv("OKR_SYNC_LOG", "json")
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat-na1-not-the-right-one")
    assert not run(company.project).success
    text = capfd.readouterr().err
    assert "not-the-right-one" not in text
    errors = [line for line in lines(text) if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["pull_ended"] + ["key_result_failed"] * 2
    assert all("HUBSPOT_ACCESS_TOKEN" in line["error"] for line in errors)


def test_nothing_is_told_unasked_and_a_wrong_setting_is_said(
    company: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Without OKR_SYNC_LOG there is no line; a value that means nothing is an error in words."""
    monkeypatch.delenv("OKR_SYNC_LOG", raising=False)
    assert run(company.project).success
    assert lines(capfd.readouterr().err) == []
    monkeypatch.setenv("OKR_SYNC_LOG", "loud")
    wrong = pytest.raises(OkrSyncError, match="OKR_SYNC_LOG is 'loud'. Set it to json or text")
    with wrong, observed("pull"):
        pass


def test_each_piece_of_work_is_a_span(company: Any, sandbox: Sandbox) -> None:
    """With a tracer provider in place, pulls, evaluations and publishes are spans with their ids."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)  # once a process: the other tests of this file look at none
    run_id = run(company.project).run_id
    found: dict[str, list[ReadableSpan]] = {}
    for span in spans.get_finished_spans():
        found.setdefault(span.name, []).append(span)
        assert span.attributes is not None and span.attributes["run_id"] == run_id
    assert {name: len(of_name) for name, of_name in found.items()} == {
        "pull": 2,
        "evaluation": 1,
        "publish": 2,
    }
    datasets = {(span.attributes or {})["dataset"]: span.attributes for span in found["pull"]}
    assert (datasets["contacts"] or {})["rows"] == 3
