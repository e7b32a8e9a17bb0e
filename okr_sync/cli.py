"""The okr-sync command: its words, its help and its exit statuses.

Belongs here: options and arguments, and turning errors into clear endings. Does not belong here:
what the commands do (okr_sync.commands), which is imported only when a command runs, because
Dagster and the vendors' clients cost seconds to import.

Exit status: 0 fine, 1 something failed, 2 wrong use.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import click

from okr_sync import __version__
from okr_sync.errors import OkrSyncError, UsageError

project_option = click.option(
    "--project",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="OKR_SYNC_PROJECT",
    default=Path("."),
    show_default="the working directory",
    show_envvar=True,
    help="The project's folder, which holds okr_sync.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")

_YEARS = range(1970, 2200)
"""Beyond them there are no numbers, and days at the very end of the calendar have no next day."""


class _Day(click.ParamType[date]):
    """A calendar day written as 2026-10-31."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day. Write it as 2026-10-31.", param, ctx)
        if day.year not in _YEARS:
            self.fail(f"{value!r} is too far away. Write a day of this century.", param, ctx)
        return day


class _DayRange(click.ParamType[tuple[date, date]]):
    """Two days, both inclusive, written as 2026-10-01..2026-10-31."""

    name = "first..last"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[date, date]:
        if isinstance(value, tuple):
            return value
        first, separator, last = value.partition("..")
        if not separator:
            self.fail(f"{value!r} is not a range. Write it as 2026-10-01..2026-10-31.", param, ctx)
        days = (_Day().convert(first, param, ctx), _Day().convert(last, param, ctx))
        if days[0] > days[1]:
            self.fail(f"{value!r} ends before it begins.", param, ctx)
        return days


class _Address(click.ParamType[tuple[str, int]]):
    """Where to listen, written as 9464 (this machine only) or 0.0.0.0:9464."""

    name = "[host:]port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not port.isdigit() or int(port) > 65_535:
            self.fail(f"{value!r} is not a port. Write it as 9464 or as 0.0.0.0:9464.", param, ctx)
        return host or "127.0.0.1", int(port)


class _Group(click.Group):
    """Commands whose known failures end with their text instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            click.echo(f"Error: {error.user_text}", err=True)
            ctx.exit(2)
        except OkrSyncError as error:
            click.echo(f"Error: {error.user_text}", err=True)
            if error.detail:
                click.echo(f"Technical detail: {error.detail.strip()}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="okr-sync")
def main() -> None:
    """Keep marketing key results up to date from GA4 and HubSpot.

    Start with `okr-sync demo`, then `okr-sync check`, `okr-sync sync` and `okr-sync status` in a
    project's folder.
    """


@main.command()
@click.argument(
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("."),
    metavar="[DIR]",
)
@click.option("--time-zone", help="Whose midnight ends a day, such as Europe/London. Default: UTC.")
@click.option("--currency", help="What money is in, such as EUR. Default: USD.")
@click.option("--ga4-property", help="The number of the GA4 property. Default: the demo's.")
@click.option(
    "--source",
    "sources",
    type=click.Choice(["hubspot", "ga4"]),
    multiple=True,
    help="Where numbers come from; may be given twice. Default: both.",
)
@click.pass_context
def init(
    ctx: click.Context,
    directory: Path,
    time_zone: str | None,
    currency: str | None,
    ga4_property: str | None,
    sources: tuple[str, ...],
) -> None:
    """Write a commented starter project to DIR (default: the working directory).

    On a terminal it asks for what no option says. It never overwrites a file.
    """
    from okr_sync.commands.init import Answers, run_init

    ctx.exit(run_init(directory, Answers(time_zone, currency, ga4_property, sources)))


@main.command()
@project_option
@json_option
@click.option("--sarif", "as_sarif", is_flag=True, help="Print SARIF 2.1.0, for code review.")
@click.option("--live", is_flag=True, help="Also ask the sources whether what is bound exists.")
@click.pass_context
def check(ctx: click.Context, folder: Path, as_json: bool, as_sarif: bool, live: bool) -> None:
    """Report every problem in the project's files at once: where, what, and what to do."""
    if as_json and as_sarif:
        raise UsageError("Give either --json or --sarif, not both.")
    from okr_sync.commands.check import run_check

    ctx.exit(run_check(folder, as_json=as_json, as_sarif=as_sarif, live=live))


@main.command()
@project_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Look at credentials, scopes, quotas, clock, warehouse and versions, with what to do."""
    from okr_sync.commands.doctor import run_doctor

    ctx.exit(run_doctor(folder, as_json))


@main.command()
@click.argument("key_result")
@click.option(
    "--from",
    "first",
    type=_Day(),
    help="Show the curve from this day on. Default: only the newest day.",
)
@click.option(
    "--diff", "as_diff", is_flag=True, help="Show what is published beside it, day by day."
)
@click.option(
    "--pull/--no-pull",
    "pull",
    default=None,
    help="Read the sources first, or never. Default: only if the warehouse can't answer.",
)
@project_option
@json_option
@click.pass_context
def preview(
    ctx: click.Context,
    key_result: str,
    first: date | None,
    as_diff: bool,
    pull: bool | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Show what a key result would say as its files are now, without publishing anything."""
    from okr_sync.commands.preview import run_preview

    ctx.exit(run_preview(folder, key_result, first, as_diff=as_diff, pull=pull, as_json=as_json))


@main.command()
@click.argument("key_results", nargs=-1, metavar="[KEY_RESULT]...")
@click.option(
    "--as-of", type=_Day(), help="Measure as of the end of this day. Default: today, as of now."
)
@click.option(
    "--backfill",
    type=_DayRange(),
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


@main.command()
@click.argument("key_results", nargs=-1, metavar="[KEY_RESULT]...")
@click.option("--as-of", type=_Day(), help="Show the numbers of this day instead of the current.")
@click.option(
    "--as-known-on",
    type=_Day(),
    help="Show what was believed at the end of this day, instead of what is known now.",
)
@project_option
@json_option
@click.pass_context
def status(
    ctx: click.Context,
    key_results: tuple[str, ...],
    as_of: date | None,
    as_known_on: date | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Show where the key results stand."""
    from okr_sync.commands.status import run_status

    ctx.exit(run_status(folder, key_results, as_of, as_known_on, as_json))


@main.command()
@click.argument("key_result")
@click.option(
    "--as-known-on",
    type=_Day(),
    help="Show what was believed at the end of this day, instead of what is known now.",
)
@project_option
@json_option
@click.pass_context
def history(
    ctx: click.Context, key_result: str, as_known_on: date | None, folder: Path, as_json: bool
) -> None:
    """Show a key result's numbers over time, with every revision."""
    from okr_sync.commands.history import run_history

    ctx.exit(run_history(folder, key_result, as_known_on, as_json))


@main.command()
@click.argument("key_result")
@click.option("--as-of", type=_Day(), help="Explain the number of this day. Default: the current.")
@click.option("--records", "as_records", is_flag=True, help="List the records behind the number.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the records behind the number to this file.",
)
@project_option
@json_option
@click.pass_context
def explain(
    ctx: click.Context,
    key_result: str,
    as_of: date | None,
    as_records: bool,
    csv_file: Path | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Trace a number back: arithmetic, definition, window, records, pulls and run."""
    from okr_sync.commands.explain import run_explain

    ctx.exit(
        run_explain(
            folder, key_result, as_of, as_records=as_records, csv_file=csv_file, as_json=as_json
        )
    )


@main.command()
@click.argument("key_result")
@click.argument("value", required=False)
@click.option("--reason", help="Why the measured number doesn't count; shown with the number.")
@click.option("--until", type=_Day(), help="The last as-of day on which the value counts.")
@click.option("--from", "first", type=_Day(), help="The first such day. Default: today.")
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


@main.command()
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("okr-report.html"),
    show_default=True,
    help="The file to write; - for standard output.",
)
@project_option
@json_option
@click.pass_context
def report(ctx: click.Context, file: Path, folder: Path, as_json: bool) -> None:
    """Write a page that shows where all key results stand, what moved and what needs a decision."""
    from okr_sync.commands.report import run_report

    ctx.exit(run_report(folder, file, as_json))


@main.command()
@click.argument("teams", nargs=-1, metavar="[TEAM]...")
@click.option("--print", "only_print", is_flag=True, help="Show it and send nothing.")
@project_option
@json_option
@click.pass_context
def digest(
    ctx: click.Context, teams: tuple[str, ...], only_print: bool, folder: Path, as_json: bool
) -> None:
    """Tell each team of its week: what moved, pace, what needs a decision, what is stale."""
    if as_json and not only_print:
        raise UsageError("--json goes with --print.")
    from okr_sync.commands.digest import run_digest

    ctx.exit(run_digest(folder, teams, only_print=only_print, as_json=as_json))


@main.command()
@click.argument("key_result")
@click.argument("value", required=False)
@click.option("--confidence", help="How sure you are, from 1 (a guess) to 10 (certain).")
@click.option("--note", help="What is behind the number; shown with it.")
@click.option("--day", type=_Day(), help="The day it speaks of. Default: today.")
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


@main.command()
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write them to this file at once, for a collector that reads files.",
)
@click.option(
    "--serve",
    "address",
    type=_Address(),
    help="Serve them on this port until Ctrl-C, for a collector that asks.",
)
@project_option
@click.pass_context
def metrics(
    ctx: click.Context, file: Path | None, address: tuple[str, int] | None, folder: Path
) -> None:
    """Print the worker's figures as Prometheus-style collectors take them."""
    if file is not None and address is not None:
        raise UsageError("Give either --output or --serve, not both.")
    from okr_sync.commands.metrics import run_metrics

    ctx.exit(run_metrics(folder, file, address))


def _print_faults(ctx: click.Context, parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from okr_sync.commands.sandbox import print_faults

        print_faults()
        ctx.exit()


def _sandbox_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--hubspot-port", type=int, default=0, help="Default: a free port."),
        click.option("--ga4-port", type=int, default=0, help="Default: a free port."),
        click.option(
            "--control-port",
            type=int,
            default=0,
            help="Where faults are switched over HTTP. Default: a free port.",
        ),
        click.option(
            "--fault",
            "faults",
            multiple=True,
            metavar="NAME[:n][,key=value…]",
            help="Let something go wrong, n times or for good; may be repeated.",
        ),
        click.option(
            "--faults",
            "lists_faults",
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_faults,
            help="List the faults that there are, and exit.",
        ),
        click.option(
            "--ga4-transport",
            type=click.Choice(["grpc", "rest"]),
            default="grpc",
            show_default=True,
            help="How GA4 is served; REST asks for a bearer token as Google does.",
        ),
        click.option(
            "--rate-limits/--no-rate-limits",
            default=True,
            show_default=True,
            help="Whether to limit requests as the real services do.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("account", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@_sandbox_options
@click.pass_context
def sandbox(
    ctx: click.Context,
    account: Path,
    command: tuple[str, ...],
    hubspot_port: int,
    ga4_port: int,
    control_port: int,
    ga4_transport: Literal["grpc", "rest"],
    rate_limits: bool,
    faults: tuple[str, ...],
) -> None:
    """Serve HubSpot and GA4 from a folder of files, on this machine only.

    \b
    okr-sync sandbox ACCOUNT                serve until Ctrl-C, and print what to export
    okr-sync sandbox ACCOUNT -- COMMAND …   run a command against it; its exit status is ours
    """
    from okr_sync.commands.sandbox import run_sandbox

    ctx.exit(
        run_sandbox(
            account,
            command,
            hubspot_port=hubspot_port,
            ga4_port=ga4_port,
            control_port=control_port,
            faults=faults,
            ga4_transport=ga4_transport,
            rate_limits=rate_limits,
        )
    )


@main.command()
@click.argument(
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("okr-sync-demo"),
    metavar="[DIR]",
)
@click.pass_context
def demo(ctx: click.Context, directory: Path) -> None:
    """Run the whole job on a made-up company: sandbox, sync and status, from nothing.

    Everything is kept in DIR (default: okr-sync-demo). Running it again finds nothing new.
    """
    from okr_sync.commands.demo import run_demo

    ctx.exit(run_demo(directory))
