"""Dagster's own pages, opened in a browser on the demo: what a data person finds without being told.

With `--save-pictures` the pages are also saved as the pictures of docs/for-data-teams.md.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from connectors.sandbox.generate import LAST_DAY, write_demo_account
from connectors.sandbox.serve import Sandbox
from okr_sync.commands.sync import run_sync

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
KEY_RESULT = "demand-gen/mql-to-sql"
PAGE = f"/assets/key_result/{KEY_RESULT}"
FIRST_DAY = date(2026, 10, 26)
PATIENCE_MS = 90_000
_MATERIALIZATIONS = """{
  assetOrError(assetKey: {path: ["key_result", "demand-gen", "mql-to-sql"]}) {
    ... on Asset {
      found: assetMaterializations {
        partition
        runId
        metadataEntries {
          label
          ... on TextMetadataEntry { text }
          ... on FloatMetadataEntry { floatValue }
        }
      }
    }
  }
}"""

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium on this machine (`apt-get install chromium` has one)"
)


@dataclass(frozen=True)
class Opened:
    """The demo in Dagster's UI: the browser's page, and where pictures go, if anywhere."""

    page: Page
    address: str
    pictures: Path | None

    def go(self, path: str, tab: str | None = None) -> None:
        """Open a page of the UI, and a tab of it as a person does."""
        self.page.goto(self.address + path)
        if tab is not None:
            self.page.get_by_role("tab", name=tab, exact=True).click()

    def ask(self, query: str) -> Any:
        """What the UI's server, from which the page has its numbers, answers to a query."""
        request = urllib.request.Request(
            f"{self.address}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def picture(self, name: str) -> None:
        """Save what is on the screen, where that was asked for."""
        if self.pictures is not None:
            self.page.wait_for_timeout(2_000)  # the last of the drawing
            self.page.screenshot(path=self.pictures / f"{name}.png")


@pytest.fixture(scope="module")
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Dagster's web server on the demo, after three weeks of one key result."""
    folder = tmp_path_factory.mktemp("demo")
    account, project, home = (folder / name for name in ("account", "project", "dagster"))
    write_demo_account(account)
    with as_file(files("okr_sync.demo") / "project") as template:
        shutil.copytree(template, project)
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OKR_SYNC_WAREHOUSE", raising=False)
        patch.setenv("DAGSTER_HOME", str(home))
        with Sandbox(account, rate_limits=False) as sandbox:
            for name, value in sandbox.environment().items():
                patch.setenv(name, value)
            assert run_sync(project, (KEY_RESULT,), None, (FIRST_DAY, LAST_DAY)) == 0
            assert run_sync(project, (), LAST_DAY, None) == 0
        with serving(home, project) as address:
            yield address


@contextmanager
def serving(home: Path, project: Path) -> Iterator[str]:
    """Dagster's web server on a free port for the length of the block; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "--read-only"]
    command += ["-m", "okr_sync.definitions", "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "DAGSTER_HOME": str(home), "OKR_SYNC_PROJECT": str(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/server_info", process)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers; fails when it ends or takes longer than two minutes."""
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "the web server has ended"
            time.sleep(0.5)
    raise AssertionError("the web server did not answer within two minutes")


@pytest.fixture(scope="module")
def demo(web_server: str, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """A browser on the web server; it reaches nothing but this machine."""
    pictures = PICTURES if request.config.getoption("--save-pictures") else None
    if pictures is not None:
        pictures.mkdir(exist_ok=True)
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    arguments += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), lambda route: route.abort())
        yield Opened(page, web_server, pictures)
        browser.close()


def test_the_graph_reads_from_sources_to_key_results(demo: Opened) -> None:
    """Six groups, from what is read over four families of metrics to key results."""
    demo.go("/asset-groups")
    for group in ("sources", "conversion", "funnel", "pipeline", "engagement", "key_results"):
        expect(demo.page.get_by_text(group, exact=True).first).to_be_visible()
    demo.picture("graph")


def test_a_key_result_says_what_it_is_whose_and_where_it_is_defined(demo: Opened) -> None:
    """Title, objective, metric and goal in words; owners, tags, the defining line, the table."""
    demo.go(PAGE, "Overview")
    for text in (
        "Improve MQL-to-SQL conversion from 18% to 27%",
        "Goal: 18.0% → 27.0% (aspirational)",
        "key_result_history",
        "commitment: aspirational",
        "team: demand-gen",
    ):
        expect(demo.page.get_by_text(text).first).to_be_visible()
    expect(demo.page.get_by_text(re.compile(r"Open okrs/2026")).first).to_be_visible()
    demo.picture("key-result")


def test_a_key_result_is_plotted_over_its_days(demo: Opened) -> None:
    """Each as-of day has its own number, also after a backfill in a single run."""
    demo.go(PAGE, "Overview")
    plots = demo.page.get_by_text("Plots", exact=True).first
    plots.scroll_into_view_if_needed()
    plots.click()
    plot = demo.page.locator("canvas").last
    plot.scroll_into_view_if_needed()
    expect(plot).to_be_visible()
    demo.picture("plots")
    found = demo.ask(_MATERIALIZATIONS)["assetOrError"]["found"]
    backfilled = found[-1]["runId"]  # the newest come first
    told = {one["partition"]: one for one in found if one["runId"] == backfilled}
    days = [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    assert sorted(told) == [str(day) for day in days]
    numbers = set()
    for day, one in told.items():
        said = {entry["label"]: entry for entry in one["metadataEntries"]}
        assert said["as_of"]["text"] == day
        if "value" in said:  # the first cohorts of the cycle are not ripe yet
            numbers.add(said["value"]["floatValue"])
    assert len(numbers) > 1


def test_a_key_result_comes_from_its_metric_and_its_dataset(demo: Opened) -> None:
    """The lineage of one key result leads back to the source's dataset."""
    demo.go(f"{PAGE}?view=lineage&lineageScope=upstream&lineageDepth=5")
    for text in ("contacts", "mql_to_sql", "mql-to-sql"):
        expect(demo.page.get_by_text(text, exact=True).first).to_be_visible()
    demo.picture("lineage")


def test_a_key_result_says_what_is_wrong_with_it(demo: Opened) -> None:
    """Its checks are listed with what they ask."""
    demo.go(f"{PAGE}?view=checks")
    for check in ("in_bounds", "not_restated", "not_empty"):
        expect(demo.page.get_by_text(check).first).to_be_visible()
    demo.picture("checks")
