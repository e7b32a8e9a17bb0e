"""The words of the commands that look and change nothing: check, doctor, preview, status, history, explain.

Belongs here: their options and arguments. Does not belong here: what they do (okr_sync.commands).
"""

from datetime import date
from pathlib import Path

import click

from okr_sync.cli.parameters import Day, json_option, project_option
from okr_sync.errors import UsageError


@click.command()
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


@click.command()
@project_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Look at credentials, scopes, quotas, clock, warehouse and versions, with what to do."""
    from okr_sync.commands.doctor import run_doctor

    ctx.exit(run_doctor(folder, as_json))


@click.command()
@click.argument("key_result")
@click.option(
    "--from",
    "first",
    type=Day(),
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


@click.command()
@click.argument("key_results", nargs=-1, metavar="[KEY_RESULT]...")
@click.option("--as-of", type=Day(), help="Show the numbers of this day instead of the current.")
@click.option(
    "--as-known-on",
    type=Day(),
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


@click.command()
@click.argument("key_result")
@click.option(
    "--as-known-on",
    type=Day(),
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


@click.command()
@click.argument("key_result")
@click.option("--as-of", type=Day(), help="Explain the number of this day. Default: the current.")
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
