"""The group that all commands belong to, and how a failure ends.

Belongs here: turning known errors into a text and an exit status. Does not belong here: the commands.

Exit status: 0 fine, 1 something failed, 2 wrong use.
"""

from typing import Any

import click

from okr_sync.errors import OkrSyncError, UsageError


class Group(click.Group):
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
