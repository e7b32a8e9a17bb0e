"""The words of the commands to begin with: init, demo, sandbox.

Belongs here: their options and arguments. Does not belong here: what they do (okr_sync.commands).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click


@click.command()
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


@click.command()
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


@click.command(context_settings={"ignore_unknown_options": True})
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
