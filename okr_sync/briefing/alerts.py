"""Broken key results and runs: who is told, once when it breaks and once when it is mended.

Belongs here: what counts as broken, whom it concerns, and the words. Does not belong here: remembering
and sending (warehouse.messages, connectors.telling).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from okr_sync.briefing.facts import Briefing, Standing
from okr_sync.config.models import Tell
from okr_sync.numbers import show_number
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.messages import Draft, Kind, Message, Told, queue
from okr_sync.warehouse.reads import last_runs
from okr_sync.wording import status_in_words

RUNS = "sync"
"""The subject of messages about runs."""


@dataclass(frozen=True)
class Broken:
    """A key result without a fresh number: its id and title, whose it is, why, and what still stands."""

    key_result_id: str
    title: str
    team: str
    owners: tuple[str, ...]
    why: str
    stands: str | None = None


def queue_alerts(
    warehouse: Warehouse, briefing: Briefing, tell: Tell, now: datetime
) -> list[Message]:
    """Queue a message for whatever has broken or was mended since the last one about it."""
    broken = {one.key_result_id: one for one in _broken(briefing)}
    mended = {one.row.key_result_id: one for one in briefing.running if one.stale is None}
    runs = last_runs(warehouse, 1)
    run_is_over = bool(runs) and runs[0].status in ("success", "partial")

    def drafts(told: Told) -> Iterator[Draft]:
        for one in broken.values():
            for channel in channels_of(tell, one.team, one.owners):
                if told.get((one.key_result_id, channel)) != Kind.BROKEN:
                    yield _told_broken(one, channel, now)
        for (subject, channel), kind in told.items():
            if kind == Kind.BROKEN and subject in mended:
                yield _told_mended(mended[subject], channel, now)
            if kind == Kind.BROKEN and subject == RUNS and run_is_over:
                yield Draft(
                    Kind.MENDED,
                    RUNS,
                    now.isoformat(),
                    channel,
                    "Mended: okr-sync runs again",
                    f"The run that began at {_at(runs[0].started_at, briefing)} came to its end.",
                )

    return queue(warehouse, drafts, now)


def queue_failed_run(
    warehouse: Warehouse, tell: Tell, why: str, run: str, now: datetime
) -> list[Message]:
    """Queue a message about a run that broke as a whole, unless the last one said so already."""

    def drafts(told: Told) -> Iterator[Draft]:
        channel = tell.url_env
        if channel is not None and told.get((RUNS, channel)) != Kind.BROKEN:
            yield Draft(
                Kind.BROKEN,
                RUNS,
                now.isoformat(),
                channel,
                "Broken: okr-sync could not finish a run",
                f"{why}\n\nThe numbers stand as they were and go stale. The run is {run} in Dagster. "
                "You are told once more when a run has come to its end.",
            )

    return queue(warehouse, drafts, now)


def channels_of(tell: Tell, team: str, owners: Iterable[str] = ()) -> tuple[str, ...]:
    """The variables of whom something concerns: its owners' channels, else its team's, else the general."""
    own = [tell.owners[owner] for owner in owners if owner in tell.owners]
    if own:
        return tuple(dict.fromkeys(own))
    channel = tell.teams.get(team, tell.url_env)
    return () if channel is None else (channel,)


def _broken(briefing: Briefing) -> Iterator[Broken]:
    for one in briefing.running:
        if one.stale is not None:
            row = one.row
            value = show_number(row.value, row.unit)
            stands = (
                None
                if row.as_of is None
                else f"The last good value stands: {value} as of {row.as_of}."
            )
            yield Broken(row.key_result_id, row.title, row.team, _owners(one), one.stale, stands)
    for name, why in briefing.unpublished.items():
        yield Broken(name, name, name.partition("/")[0], (), why)


def _owners(one: Standing) -> tuple[str, ...]:
    return tuple(part.strip() for part in (one.row.owner or "").split(",") if part.strip())


def _told_broken(one: Broken, channel: str, now: datetime) -> Draft:
    lines = [f"{one.title} ({one.key_result_id})", one.why]
    if one.stands:
        lines.append(one.stands)
    lines.append("You are told once more when it is mended.")
    return Draft(
        Kind.BROKEN,
        one.key_result_id,
        now.isoformat(),
        channel,
        f"Broken: {one.key_result_id}",
        "\n\n".join(lines),
    )


def _told_mended(one: Standing, channel: str, now: datetime) -> Draft:
    row = one.row
    value = show_number(row.value, row.unit)
    body = f"{row.title} ({row.key_result_id})\n\nIt is {value} as of {row.as_of}, {status_in_words(row.status)}."
    return Draft(
        Kind.MENDED,
        row.key_result_id,
        now.isoformat(),
        channel,
        f"Mended: {row.key_result_id}",
        body,
    )


def _at(at: datetime, briefing: Briefing) -> str:
    return at.astimezone(briefing.zone).strftime("%Y-%m-%d %H:%M")
