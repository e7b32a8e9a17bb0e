"""The report in a real browser: all of it is there, nothing runs off the edge, no title is markup."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, sync_playwright

from okr_sync.briefing.facts import brief
from okr_sync.briefing.page import report_page
from okr_sync.cli import main
from okr_sync.numbers import show_number
from okr_sync.warehouse.status import status

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
TODAY = date(2026, 11, 23)
LONG = "Grow the number of " + "very " * 60 + "long" * 40 + " titles from 0 to 100"
XSS = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium on this machine (`apt-get install chromium` has one)"
)


def days(count: int, last: date = TODAY) -> list[date]:
    """So many days that end with the last."""
    return [last - timedelta(days=count - 1 - i) for i in range(count)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Open a page's text at a width; requests to anywhere else are remembered on the page."""
    contexts = []

    def opened(html: str, width: int = 1280, scheme: str = "light") -> Page:
        file = tmp_path / "report.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        assert asked == [file.as_uri()]
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def eventful(story: Any) -> Any:
    """Key results in every state: moved, restated, redefined, behind, failed, stale, never, strange."""
    rising = [(day, str(20 + i)) for i, day in enumerate(days(40))]
    story.tell("web/traffic", rising, title="Grow traffic from 0 to 100", indicator="leading")
    story.tell(
        "web/redefined",
        [(day, "30") for day in days(20, TODAY - timedelta(days=10))],
        title="Grow engaged visits from 0 to 100",
    )
    story.tell(
        "web/redefined",
        [(day, "44") for day in days(10)],
        title="Grow engaged visits from 0 to 100",
        definition_hash="d2",
    )
    story.tell(
        "web/new-goal",
        [(day, "10") for day in days(20, TODAY - timedelta(days=8))],
        title="Reach 80",
    )
    story.tell(
        "web/new-goal",
        [(day, "12") for day in days(8)],
        title="Reach 80",
        target=Decimal(80),
        definition_hash="d3",
        status="severely_lagging",
    )
    story.tell(
        "web/restated", [(TODAY, "60")], title="Win 100 deals", quality=("restated:0.25", "sampled")
    )
    story.tell("pr/strange", [(TODAY, "5")], title=XSS, objective=XSS, owner="<b>ana</b>")
    story.tell("pr/long", [(TODAY, "1")], title=LONG, owner="x" * 120)
    story.tell(
        "pr/unicode",
        [(TODAY, "77")],
        title="Größer 日本語 الهدف 🎯 from 0 to 100",
        status="exceeding",
    )
    story.tell("pr/failed", [(TODAY - timedelta(days=3), "9")], title="Failed one")
    story.tell(
        "pr/failed",
        title="Failed one",
        error="HubSpot says 403: add the scope crm.objects.deals.read.",
    )
    story.tell(
        "pr/never",
        title="Never measured",
        error="people/check_ins.csv line 5: `many` is not a number.",
    )
    story.tell("pr/stale", [(TODAY, "9")], title="Stale one", at=NOW - timedelta(days=2))
    story.tell("pr/last-quarter", [(date(2026, 9, 30), "90")], title="Last quarter", cycle="2026-Q3",
               cycle_start=date(2026, 7, 1), cycle_end=date(2026, 9, 30))  # fmt: skip
    story.write(
        "okrs/q.yaml",
        "team: ops\ncycle: 2026-Q4\nobjectives:\n  - id: o\n    title: O\n    key_results:\n"
        "      - {id: broken, title: Broken one, goal: {from: 1, to: 1}}\n",
    )
    return story


def page_of(story: Any) -> str:
    """The report as it is now."""
    return report_page(brief(story.warehouse, story.bundle, NOW))


def test_everything_the_warehouse_says_is_on_the_page(eventful: Any, show: Any) -> None:
    """Each key result with value, goal, status, freshness, owner and error; each change of its curve."""
    page = show(page_of(eventful))
    for row in status(eventful.warehouse, now=NOW):
        place = page.locator(f"[id='kr-{row.key_result_id}']")
        told = place.text_content() or ""
        for word in (
            row.title,
            show_number(row.value, row.unit),
            show_number(row.target, row.unit),
            row.status.replace("_", " "),
            row.owner or "",
            row.error or "",
            row.freshness,
        ):
            assert word in told, (row.key_result_id, word)
        assert (place.locator("svg").count() == 1) == (row.value is not None)
    text = page.locator("body").inner_text()
    assert "14 Nov: the definition changed: earlier days were measured by another one" in text
    assert "16 Nov: the goal changed from 0 → 100 to 0 → 80" in text
    assert "23 Nov: the reported number was restated by 25%" in text
    assert "The number may be off: GA4 computed the figure from a part of the events" in text
    assert "ops/broken" in text and "okrs/q.yaml:7" in text
    decisions = page.locator("section", has=page.locator("#decide")).inner_text()
    assert "Reach 80" in decisions and "Severely lagging, 47 points behind" in decisions
    stale = page.locator("section", has=page.locator("#fresh")).inner_text()
    assert "add the scope crm.objects.deals.read" in stale
    assert "It was last measured on 2026-11-21 at 09:00" in stale
    moved = page.locator("section", has=page.locator("#moved")).inner_text()
    assert "Grow traffic" in moved and "+7 points" in moved and "52 16 Nov" in moved


def test_the_head_counts_what_is_running(story: Any, show: Any) -> None:
    """A team whose only cycle is over is no team of the count, and its stale number nobody's concern."""
    story.tell("web/traffic", [(TODAY, "60")])
    story.tell(
        "old/one",
        [(date(2026, 9, 30), "90")],
        at=NOW - timedelta(days=50),
        cycle_start=date(2026, 7, 1),
        cycle_end=date(2026, 9, 30),
    )
    text = show(page_of(story)).locator("body").inner_text()
    assert "1 key result in 1 team, and 1 of cycles that are over" in text
    assert "not fresh" not in text and "What is stale" not in text


def test_on_paper_nothing_is_hidden_but_the_links(eventful: Any, show: Any) -> None:
    """Printing leaves out the list of teams, which leads nowhere on paper, and nothing else."""
    page = show(page_of(eventful))
    page.emulate_media(media="print")
    assert page.get_by_role("navigation").count() == 0
    assert page.locator("[id='kr-web/traffic']").is_visible()


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_off_the_edge_and_every_text_can_be_read(
    eventful: Any, show: Any, width: int, scheme: str
) -> None:
    """No sideways scrolling with endless words, and contrast of at least 4.5 for every text."""
    page = show(page_of(eventful), width, scheme)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        "w => [...document.querySelectorAll('main *')].filter(e => e.getClientRects().length && "
        "!e.closest('thead') && e.getBoundingClientRect().right > w + 1).map(e => e.outerHTML.slice(0, 90))",
        width,
    )
    assert outside == []
    assert page.evaluate(_LOW_CONTRAST) == []


def test_what_people_write_is_never_markup(eventful: Any, show: Any) -> None:
    """Titles with scripts and images are shown as they were typed, and do nothing."""
    page = show(page_of(eventful))
    assert page.title() == "Key results, 23 November 2026"
    assert page.locator("main img, main script, main b:not(.bar b)").count() == 0
    assert XSS in (page.locator("[id='kr-pr/strange']").text_content() or "")


def test_the_page_is_told_to_who_does_not_see_it(eventful: Any, show: Any) -> None:
    """Headings in order, tables with headings, charts and bars in words, links that lead somewhere."""
    page = show(page_of(eventful), 375)
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(one => +one.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    chart = page.get_by_role("img", name="From 20 on 15 October 2026 to 59 on 23 November 2026")
    assert chart.count() == 1
    assert page.get_by_role("img", name="59% of the way, 59% expected by now").count() == 1
    # As cards on a narrow screen they are tables still.
    table = page.get_by_role("table", name="Key results of: Be known").first
    assert table.get_by_role("columnheader").all_text_contents() == [
        "Key result", "Value", "Goal", "Progress", "Status", "Course",
    ]  # fmt: skip
    assert table.get_by_role("rowheader").count() == 6
    broken = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => "
        "!document.getElementById(decodeURIComponent(a.hash.slice(1)))).map(a => a.href)"
    )
    assert broken == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the key results"


def test_two_hundred_key_results_and_none(story: Any, show: Any) -> None:
    """The page of a large company opens, is small, and an empty one says what to do."""
    assert "Nothing has been published so far" in show(page_of(story)).locator("main").inner_text()
    for team in range(10):
        rows = [story.define(f"team-{team}/kr-{i}", f"Goal {i}", None) for i in range(20)]
        numbers = [(day, str(i)) for i, day in enumerate(days(50))]
        story.publish(rows, numbers, "on_track", (), None, NOW, "Be known")
    html = page_of(story)
    assert len(html) < 1_500_000
    page = show(html, 375)
    assert page.locator("tr[id]").count() == 200
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_the_command_writes_the_page_or_its_facts(
    eventful: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole file, standard output, JSON; a folder that isn't there is said in a sentence."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", f"sqlite:///{eventful.folder}/warehouse.sqlite")
    words = ["report", "--project", str(eventful.folder)]
    file = tmp_path / "out.html"
    done = CliRunner().invoke(main, [*words, "-o", str(file)])
    assert (done.exit_code, done.output) == (0, f"Report: {file}\n")
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.html"]
    assert CliRunner().invoke(main, [*words, "-o", "-"]).output.startswith("<!doctype html>")
    facts = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)
    goal = next(one for one in facts["key_results"] if one["key_result_id"] == "web/new-goal")
    assert goal["events"][0]["kind"] == "goal" and goal["points"][0]["as_of"] == "2026-10-27"
    wrong = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "no" / "out.html")])
    assert wrong.exit_code == 1
    assert "can't be written" in wrong.output and "-o" in wrong.output


_LOW_CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.getClientRects().length || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e);
    const a = light(rgb(e.closest('svg') ? style.fill : style.color).slice(0, 3)), b = light(ground(e.closest('svg') ? e.closest('svg').parentElement : e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push([e.tagName, e.className.toString(), e.textContent.slice(0, 40), ratio.toFixed(2)]);
  }
  return bad;
}"""
