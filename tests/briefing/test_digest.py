"""A team's week as text and HTML, printed by the command or queued once."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.telling import AT_A_TIME
from okr_sync.briefing.digest import digests, queue_digests
from okr_sync.briefing.facts import brief
from okr_sync.cli import main
from okr_sync.config.models import Tell

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
TODAY = NOW.date()
XSS = "<script>alert(1)</script>"


@pytest.fixture
def week(story: Any) -> Any:
    """A team with a key result that moved, one that lags, a broken one; and a team of last quarter."""
    days = [TODAY - timedelta(days=10 - i) for i in range(11)]
    story.tell(
        "web/traffic", [(day, str(40 + i)) for i, day in enumerate(days)], title="Grow traffic"
    )
    story.tell("web/deals", [(TODAY, "5")], title=f"Win deals {XSS}", status="severely_lagging")
    story.tell("web/broken", title="Broken one", error="HubSpot says 403.")
    story.tell("old/one", [(date(2026, 9, 30), "5")], cycle_end=date(2026, 9, 30))
    return story


def test_a_digest_tells_moves_pace_decisions_and_what_is_stale(week: Any) -> None:
    """The same in text and HTML, whose titles are text; teams without a running cycle have none."""
    (found,) = digests(brief(week.warehouse, week.bundle, NOW))
    assert (found.team, found.title) == ("web", "web: the week to 23 November 2026")
    for text in (
        "1 on track, 1 severely lagging, 1 no data",
        f"WHAT NEEDS A DECISION\n- Win deals {XSS} (web/deals), ana\n  Severely lagging, 54 points",
        "points behind: help it, change the plan, or agree on another goal.",
        "WHAT IS STALE\n- Broken one (web/broken): never\n  HubSpot says 403.",
        "WHAT MOVED\n- Grow traffic (web/traffic): 43 → 50, +7 points\n",
        "(web/traffic): 50 (goal: 0 → 100), 50% of the way (59% expected), on track\n",
    ):
        assert text in found.text, found.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found.html and XSS not in found.html
    for text in ("43 → 50, +7 points", "54 points behind", "HubSpot says 403.", "(59% expected)"):
        assert text in found.html


def test_a_weeks_digest_is_queued_once_for_the_teams_channel(week: Any) -> None:
    """Asked for twice on a day it is one message; the next week's is another."""
    tell = Tell(url_env="ALL", teams={"web": "WEB"})
    now = brief(week.warehouse, week.bundle, NOW)
    (one,) = queue_digests(week.warehouse, now, tell, NOW)
    assert (one.channel, one.html is not None) == ("WEB", True)
    assert queue_digests(week.warehouse, now, tell, NOW + timedelta(hours=1)) == []
    later = NOW + timedelta(days=7)
    assert (
        len(queue_digests(week.warehouse, brief(week.warehouse, week.bundle, later), tell, later))
        == 1
    )


def test_the_command_prints_without_telling_anybody(
    week: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--print names each channel's variable; without channels sending is wrong use."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", f"sqlite:///{week.folder}/warehouse.sqlite")
    words = ["digest", "--project", str(week.folder)]
    printed = CliRunner().invoke(main, [*words, "--print"])
    assert printed.exit_code == 0, printed.output
    assert "To nobody: no channel is named for it\nweb: the week to" in printed.output
    facts = json.loads(CliRunner().invoke(main, [*words, "--print", "--json", "web"]).output)
    assert facts[0]["team"] == "web" and facts[0]["html"].startswith("<!doctype html>")
    for more, text in (
        ([], "tell: {url_env: OKR_TELL}"),
        (["--print", "wep"], "Teams that have one: web."),
        (["--json"], "--json goes with --print"),
    ):
        wrong = CliRunner().invoke(main, [*words, *more])
        assert wrong.exit_code == 2 and text in wrong.output, wrong.output


def test_the_command_sends_every_digest_and_says_which_did_not_arrive(
    story: Any, posts: tuple[list[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More teams than one round sends are all told; while one is not, the command ends with 1."""
    *reached, last = (f"team{i:02}" for i in range(AT_A_TIME + 2))
    days = {"cycle_start": date(2020, 1, 1), "cycle_end": date(2099, 12, 31)}
    for team in (*reached, last):
        story.tell(f"{team}/known", [(TODAY, "5")], **days)
    project = (story.folder / "okr_sync.yaml").read_text(encoding="utf-8")
    tell = f"tell: {{url_env: TELL_ALL, teams: {{{last}: TELL_LAST}}}}\n"
    story.write("okr_sync.yaml", project + tell)
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", f"sqlite:///{story.folder}/warehouse.sqlite")
    monkeypatch.setenv("TELL_ALL", posts[1])
    monkeypatch.delenv("TELL_LAST", raising=False)
    for queued in (f"{len(reached) + 1} digests", "0 digests"):
        sent = CliRunner().invoke(main, ["digest", "--project", str(story.folder)])
        assert sent.exit_code == 1, sent.output
        assert f"{queued} queued, 1 message waiting." in sent.output
        assert f"{last}: the week to" in sent.output and "TELL_LAST is not set" in sent.output
        assert sorted(one["title"].partition(":")[0] for one in posts[0]) == reached
