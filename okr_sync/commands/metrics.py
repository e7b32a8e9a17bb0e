"""okr-sync metrics: the worker's figures and the key results, as Prometheus-style collectors take them.

Belongs here: names, labels and help of each figure, and the three ways out (standard output, a text
file, an endpoint). Does not belong here: reading the warehouse (warehouse.worker_figures, reads).

Everything is read from the warehouse when it is asked for, so it holds whichever process or machine
did the work, and a worker that is gone can't leave an old figure behind.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import click
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from okr_sync.checks.quota import quota_left
from okr_sync.checks.results import Subject
from okr_sync.commands.output_file import write_whole
from okr_sync.commands.project_warehouse import outlined
from okr_sync.config.outline import Outline
from okr_sync.errors import OkrSyncError
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.status import StatusRow, status
from okr_sync.warehouse.worker_figures import WorkerFigures, worker_figures

Address = tuple[str, int]


def run_metrics(folder: Path, file: Path | None, address: Address | None) -> int:
    """Print the figures, or write them to a file, or serve them until interrupted."""
    if address is not None:
        _serve(folder, address)
        return 0
    with outlined(folder) as (outline, warehouse):
        text = generate_latest(_registry(_families(outline, warehouse)))
    if file is None:
        click.echo(text, nl=False)
    else:
        write_whole(file, text)
    return 0


class _Given(Collector):
    """A collector of families that have been made already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class _OnDemand(Collector):
    """A collector that looks into the warehouse at every scrape."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        try:
            with outlined(self._folder) as (outline, warehouse):
                families = _families(outline, warehouse)
        except OkrSyncError as error:
            click.echo(error.user_text, err=True)
            yield _is_up(0)
        else:
            yield from families


def _registry(families: list[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Given(families))
    return registry


def _serve(folder: Path, address: Address) -> None:
    host, port = address
    # A project or a warehouse that can't be had is said now and not to the first scrape.
    with outlined(folder):
        pass
    # auto_describe is off by default: registering doesn't look into the warehouse.
    registry = CollectorRegistry()
    registry.register(_OnDemand(folder))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise OkrSyncError(
            f"Nothing can be served on {host}:{port} ({error.strerror}). Name another port with --serve."
        ) from error
    click.echo(f"Serving on http://{host}:{server.server_port}/metrics (stop it with Ctrl-C)")
    with suppress(KeyboardInterrupt):
        Event().wait()
    server.shutdown()
    thread.join()


# --- the figures ------------------------------------------------------------------------------------


def _is_up(value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "okr_sync_warehouse_up", "Whether the warehouse could be read.", value=value
    )


def _families(outline: Outline, warehouse: Warehouse) -> list[Metric]:
    now = datetime.now(UTC)
    read = {
        name
        for subjects in outline.subjects.values()
        for kind, name in subjects
        if kind == Subject.DATASET
    }
    figures = worker_figures(warehouse)
    return [
        _is_up(1),
        *_of_key_results(status(warehouse, now=now)),
        *_of_runs(figures),
        *_of_pulls(figures, read),
    ]


def _of_key_results(rows: list[StatusRow]) -> list[Metric]:
    labels = ("key_result", "team", "cycle")
    value = GaugeMetricFamily(
        "okr_sync_key_result_value", "The current number, in the key result's unit.", labels=labels
    )
    progress = GaugeMetricFamily(
        "okr_sync_key_result_progress_ratio", "From baseline (0) to target (1).", labels=labels
    )
    standing = GaugeMetricFamily(
        "okr_sync_key_result_status", "1 for the status it has.", labels=(*labels, "status")
    )
    freshness = GaugeMetricFamily(
        "okr_sync_key_result_freshness",
        "1 for the freshness it has.",
        labels=(*labels, "freshness"),
    )
    measured = GaugeMetricFamily(
        "okr_sync_key_result_measured_timestamp_seconds",
        "When the number was last found to be so.",
        labels=labels,
    )
    for row in rows:
        own = (row.key_result_id, row.team, row.cycle)
        if row.value is not None:
            value.add_metric(own, float(row.value))
        if row.progress is not None:
            progress.add_metric(own, float(row.progress))
        if row.measured_at is not None:
            measured.add_metric(own, row.measured_at.timestamp())
        standing.add_metric((*own, row.status), 1)
        freshness.add_metric((*own, row.freshness), 1)
    return [value, progress, standing, freshness, measured]


def _of_runs(figures: WorkerFigures) -> list[Metric]:
    runs = CounterMetricFamily(
        "okr_sync_runs", "Runs that have ended, by status.", labels=("status",)
    )
    for name, count in sorted(figures.runs.items()):
        runs.add_metric((name,), count)
    last = figures.last_run
    if last is None or last.finished_at is None:
        return [runs]
    key_results = GaugeMetricFamily(
        "okr_sync_last_run_key_results", "Of the newest run that ended.", labels=("outcome",)
    )
    for outcome in ("ok", "failed", "unchanged"):
        key_results.add_metric((outcome,), getattr(last, f"key_results_{outcome}"))
    ended = GaugeMetricFamily(
        "okr_sync_last_run_finished_timestamp_seconds",
        "When the newest run ended.",
        labels=("status",),
    )
    ended.add_metric((last.status,), last.finished_at.timestamp())
    seconds = (last.finished_at - last.started_at).total_seconds()
    took = GaugeMetricFamily(
        "okr_sync_last_run_seconds", "How long the newest run took.", value=seconds
    )
    return [runs, key_results, ended, took]


def _of_pulls(figures: WorkerFigures, read: Collection[str]) -> list[Metric]:
    """Of the datasets that bindings read now: one that none reads any more would be shown as it last was."""
    labels = ("source", "dataset")
    rows = GaugeMetricFamily("okr_sync_pull_rows", "Rows of the newest pull.", labels=labels)
    seconds = GaugeMetricFamily("okr_sync_pull_seconds", "Its duration.", labels=labels)
    complete = GaugeMetricFamily(
        "okr_sync_pull_complete", "Whether it was proven complete.", labels=labels
    )
    quota = GaugeMetricFamily(
        "okr_sync_quota_left", "What the API said is left.", labels=(*labels, "quota")
    )
    requests = CounterMetricFamily("okr_sync_requests", "Requests so far.", labels=labels)
    for pull in figures.pulls:
        own = (pull.source, pull.dataset)
        if ".".join(own) not in read:
            continue
        rows.add_metric(own, pull.rows)
        seconds.add_metric(own, pull.seconds)
        complete.add_metric(own, int(pull.is_complete))
        requests.add_metric(own, pull.requests)
        for name, left in sorted(quota_left(pull.quota).items()):
            quota.add_metric((*own, name), left)
    return [rows, seconds, complete, requests, quota]
