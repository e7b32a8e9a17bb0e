"""The words of the commands that tell others: report, digest, metrics.

Belongs here: their options and arguments. Does not belong here: what they do (okr_sync.commands).
"""

from pathlib import Path

import click

from okr_sync.cli.parameters import Address, json_option, project_option
from okr_sync.errors import UsageError


@click.command()
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


@click.command()
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


@click.command()
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
    type=Address(),
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
