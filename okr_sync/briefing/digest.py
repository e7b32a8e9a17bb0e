"""The digest: a team's week in a message, as text and as HTML.

Belongs here: what a team is told, and filling the templates. Does not belong here: the facts (facts),
when it is sent (assets.telling) or how (connectors.telling).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from okr_sync.briefing.alerts import channels_of
from okr_sync.briefing.choosing import moved_most, needs_decision, not_fresh
from okr_sync.briefing.facts import Briefing, Standing
from okr_sync.briefing.words import TONES, in_points, long_day, short_day
from okr_sync.config.models import Tell
from okr_sync.numbers import show_number, show_percent
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.messages import Draft, Kind, Message, Told, queue
from okr_sync.wording import status_in_words


@dataclass(frozen=True)
class Digest:
    """What a team is told of its running cycles."""

    team: str
    title: str
    text: str
    html: str


def digests(briefing: Briefing) -> list[Digest]:
    """A digest for each team that has a running cycle or a quarantined key result, by team."""
    teams: dict[str, list[Standing]] = {}
    for cycle in briefing.cycles:
        if not cycle.is_over:
            teams.setdefault(cycle.team, []).extend(cycle.key_results)
    for name in briefing.unpublished:
        teams.setdefault(name.partition("/")[0], [])
    return [_digest(briefing, team, teams[team]) for team in sorted(teams)]


def queue_digests(
    warehouse: Warehouse,
    briefing: Briefing,
    tell: Tell,
    now: datetime,
    teams: Collection[str] | None = None,
) -> list[Message]:
    """Queue each team's digest for its channel; one that was queued on the same day is not repeated."""
    made = [one for one in digests(briefing) if teams is None or one.team in teams]

    def drafts(told: Told) -> Iterator[Draft]:
        for one in made:
            for channel in channels_of(tell, one.team):
                yield Draft(
                    Kind.DIGEST,
                    one.team,
                    briefing.today.isoformat(),
                    channel,
                    one.title,
                    one.text,
                    one.html,
                )

    return queue(warehouse, drafts, now)


def _digest(briefing: Briefing, team: str, standings: Sequence[Standing]) -> Digest:
    tally = Counter(one.row.status for one in standings)
    parts = [f"{tally[status]} {status_in_words(status)}" for status in TONES if tally[status]]
    content = {
        "team": team,
        "today": briefing.today,
        "summary": ", ".join(parts) or "no number yet",
        "standings": standings,
        "moved": moved_most(standings),
        "deciding": needs_decision(standings),
        "not_fresh": not_fresh(standings),
        "unpublished": {
            name: text
            for name, text in briefing.unpublished.items()
            if name.partition("/")[0] == team
        },
    }
    return Digest(
        team,
        f"{team}: the week to {long_day(briefing.today)}",
        _environment(is_html=False).get_template("digest.txt.j2").render(content).strip() + "\n",
        _environment(is_html=True).get_template("digest.html.j2").render(content),
    )


def _environment(*, is_html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("okr_sync.briefing"),
        autoescape=is_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "number": show_number,
        "percent": show_percent,
        "points": in_points,
        "words": status_in_words,
        "short": short_day,
        "day": long_day,
    }
    return environment
