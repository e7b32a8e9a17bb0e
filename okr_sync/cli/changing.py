"""The words of the commands that write numbers: sync, override, checkin.

Belongs here: their options and arguments. Does not belong here: what they do (okr_sync.commands).
"""

from datetime import date
from pathlib import Path

import click

from okr_sync.cli.parameters import Day, DayRange, json_option, project_option
from okr_sync.errors import UsageError


@click.command()
@click.argument("key_results", nargs=-1, metavar="[KEY_RESULT]...")
@click.option(
    "--as-of", type=Day(), help="Measure as of the end of this day. Default: today, as of now."
)
@click.option(
    "--backfill",
    type=DayRange(),
    metavar="FIRST..LAST",
    help="Measure as of each of these days, in one run.",
)
@project_option
@click.pass_context
def sync(
    ctx: click.Context,
    key_results: tuple[str, ...],
    as_of: date | None,
    backfill: tuple[date, date] | None,
    folder: Path,
) -> None:
    """Pull the sources, measure the key results and publish them.

    Name key results (`team/id`) to sync only those; without a name, all are. The run is the same
    Dagster job that the schedule runs. Set DAGSTER_HOME to see it in Dagster's UI.
    """
    if as_of is not None and backfill is not None:
        raise UsageError("Give either --as-of or --backfill, not both.")
    from okr_sync.commands.sync import run_sync

    ctx.exit(run_sync(folder, key_results, as_of, backfill))


@click.command()
@click.argument("key_result")
@click.argument("value", required=False)
@click.option("--reason", help="Why the measured number doesn't count; shown with the number.")
@click.option("--until", type=Day(), help="The last as-of day on which the value counts.")
@click.option("--from", "first", type=Day(), help="The first such day. Default: today.")
@click.option("--author", help="Who says so. Default: your user name.")
@click.option("--withdraw", is_flag=True, help="Take the last override back instead.")
@project_option
@json_option
@click.pass_context
def override(
    ctx: click.Context,
    key_result: str,
    value: str | None,
    reason: str | None,
    until: date | None,
    first: date | None,
    author: str | None,
    withdraw: bool,
    folder: Path,
    as_json: bool,
) -> None:
    """Set a number by hand, for a reason and until a day; the automatic one goes on beneath it."""
    from okr_sync.commands.override import Asked, run_override, run_withdraw

    if withdraw:
        if any(given is not None for given in (value, reason, until, first, author)):
            raise UsageError("--withdraw takes the last override back and needs nothing else.")
        ctx.exit(run_withdraw(folder, key_result, as_json))
    if value is None or reason is None or until is None:
        raise UsageError("An override needs a VALUE, a --reason and --until DAY.")
    ctx.exit(run_override(folder, key_result, Asked(value, reason, until, first, author), as_json))


@click.command()
@click.argument("key_result")
@click.argument("value", required=False)
@click.option("--confidence", help="How sure you are, from 1 (a guess) to 10 (certain).")
@click.option("--note", help="What is behind the number; shown with it.")
@click.option("--day", type=Day(), help="The day it speaks of. Default: today.")
@click.option("--author", help="Who says so. Default: your user name.")
@click.option(
    "--withdraw", is_flag=True, help="Take the check-in of --day back (default: the newest)."
)
@project_option
@json_option
@click.pass_context
def checkin(
    ctx: click.Context,
    key_result: str,
    value: str | None,
    confidence: str | None,
    note: str | None,
    day: date | None,
    author: str | None,
    withdraw: bool,
    folder: Path,
    as_json: bool,
) -> None:
    """Say the number of a key result that has no metric; without a VALUE, list what was said."""
    from okr_sync.commands.checkin import Asked, run_checkin, run_list, run_withdraw

    if withdraw or value is None:
        given = (value, confidence, note, author) if withdraw else (confidence, note, author, day)
        if any(one is not None for one in given):
            raise UsageError(
                "--withdraw takes a check-in back and needs no more than --day."
                if withdraw
                else "A check-in needs a VALUE and --confidence."
            )
        ctx.exit(
            run_withdraw(folder, key_result, day, as_json)
            if withdraw
            else run_list(folder, key_result, as_json)
        )
    if confidence is None:
        raise UsageError("Say how sure you are with --confidence, from 1 to 10.")
    ctx.exit(run_checkin(folder, key_result, Asked(value, confidence, note, day, author), as_json))
