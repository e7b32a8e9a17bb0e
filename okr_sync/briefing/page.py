"""The report: one page that needs nothing else, for leaders to look at and to print.

Belongs here: filling the template. Does not belong here: the facts (facts), what of them is picked out
(choosing), charts (chart), or writing a file (commands.report).
"""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from okr_sync import __version__
from okr_sync.briefing.chart import HEIGHT, WIDTH, chart_of
from okr_sync.briefing.choosing import moved_most, needs_decision, not_fresh
from okr_sync.briefing.facts import Briefing, Standing
from okr_sync.briefing.words import TONES, in_points, long_day, short_day
from okr_sync.numbers import show_number, show_percent
from okr_sync.wording import counted, status_in_words


def report_page(briefing: Briefing) -> str:
    """The page as HTML. Whatever people wrote is text in it, never markup."""
    return _environment(briefing).get_template("page.html.j2").render(_content(briefing))


def shown(number: Decimal | None, unit: str | None) -> str:
    """A number with its unit, which stays together at the end of a line."""
    return show_number(number, unit).replace(" ", "\u00a0")


def _environment(briefing: Briefing) -> Environment:
    environment = Environment(
        loader=PackageLoader("okr_sync.briefing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def moment(at: datetime) -> str:
        local = at.astimezone(briefing.zone)
        return f"{short_day(local.date())}, {local:%H:%M}"

    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.globals |= {
        "number": shown,
        "percent": show_percent,
        "points": in_points,
        "words": status_in_words,
        "short": short_day,
        "day": long_day,
        "moment": moment,
        "counted": counted,
        "tone": lambda status: TONES[status][0],
        "sign": lambda status: TONES[status][1],
        "width": lambda share: f"{min(max(share, Decimal(0)), Decimal(1)) * 100:.1f}",
        "describe": _described,
        "version": __version__,
    }
    return environment


def _content(briefing: Briefing) -> dict[str, object]:
    everything = [one for cycle in briefing.cycles for one in cycle.key_results]
    running = briefing.running
    tally = Counter(one.row.status for one in running)
    by_team = [
        (team, list(cycles)) for team, cycles in groupby(briefing.cycles, key=lambda one: one.team)
    ]
    return {
        "briefing": briefing,
        "running": running,
        "over": len(everything) - len(running),
        "teams": [team for team, _ in by_team],
        "team_count": len({one.row.team for one in running}),
        "by_team": by_team,
        "tally": [(status, tally[status]) for status in TONES if tally[status]],
        "deciding": needs_decision(running),
        "moved": moved_most(running),
        "not_fresh": not_fresh(running),
        "charts": {one.row.key_result_id: chart_of(one, briefing.today) for one in everything},
        "chart_width": WIDTH,
        "chart_height": HEIGHT,
    }


def _described(one: Standing) -> str:
    """The chart for who doesn't see it."""
    known = [point for point in one.points if point.value is not None]
    first, last = known[0], known[-1]
    unit = one.row.unit
    return (
        f"From {show_number(first.value, unit)} on {long_day(first.as_of)} to "
        f"{show_number(last.value, unit)} on {long_day(last.as_of)}; the goal is {one.goal}."
    )
