"""okr-sync digest: each team's week, printed or sent.

Belongs here: the command. Does not belong here: the digest (briefing.digest) or sending
(connectors.telling).
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from okr_sync.briefing.alerts import channels_of
from okr_sync.briefing.digest import Digest, digests, queue_digests
from okr_sync.briefing.facts import Briefing, brief
from okr_sync.commands.project_warehouse import opened
from okr_sync.config.models import Tell
from okr_sync.errors import UsageError
from okr_sync.warehouse.messages import waiting
from okr_sync.wording import counted


def run_digest(folder: Path, teams: Sequence[str], *, only_print: bool, as_json: bool) -> int:
    """Print the digests, or send them and all that is due; 1 if a message has not arrived yet."""
    now = datetime.now(UTC)
    with opened(folder, migrate=not only_print) as (bundle, warehouse):
        briefing = brief(warehouse, bundle, now)
        found = _chosen(briefing, teams)
        tell = bundle.project.tell
        if only_print:
            _print(found, tell, as_json)
            return 0
        if tell is None:
            raise UsageError(
                "okr_sync.yaml doesn't say whom to tell. Name the variable that holds the addresses, "
                "as in `tell: {url_env: OKR_TELL}`, or look at the digest with --print."
            )
        # Imported when used: Apprise takes a second.
        from connectors.telling import send_due

        queued = queue_digests(warehouse, briefing, tell, now, {one.team for one in found})
        while any(message.due_at <= now for message in waiting(warehouse)):
            # A round sends some; what it could not send is due later.
            send_due(warehouse, os.environ, now)
        left = waiting(warehouse)
    click.echo(f"{counted(len(queued), 'digest')} queued, {counted(len(left), 'message')} waiting.")
    for message in left:
        why = message.error or "Somebody else is sending it just now."
        click.echo(f"{message.title}: {why}", err=True)
    return 1 if left else 0


def _chosen(briefing: Briefing, teams: Sequence[str]) -> list[Digest]:
    found = {one.team: one for one in digests(briefing)}
    for team in teams:
        if team not in found:
            known = ", ".join(found) or "none"
            raise UsageError(f"The team {team} has no digest. Teams that have one: {known}.")
    return [found[team] for team in (teams or found)]


def _print(found: Sequence[Digest], tell: Tell | None, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
        return
    for one in found:
        channels = () if tell is None else channels_of(tell, one.team)
        to = f"To {', '.join(channels)}" if channels else "To nobody: no channel is named for it"
        click.echo(f"{to}\n{one.title}\n\n{one.text}")
    if not found:
        click.echo("No team has a cycle that runs.")
