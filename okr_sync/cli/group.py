"""The group that all commands belong to, and how a failure ends.

Belongs here: turning known errors into a text and an exit status. Does not belong here: the commands.

Exit status: 0 fine, 1 something failed, 2 wrong use.
"""

import atexit
import gc
from typing import Any, Final

import click

from okr_sync.cli.interrupts import interrupts_kept
from okr_sync.errors import OkrSyncError, UsageError

# Python looks for garbage after every 700 new objects. What a command imports is hundreds of thousands
# that stay to the end, and looking through them took a tenth of the time of a short command.
_NEW_OBJECTS: Final = 50_000


class Group(click.Group):
    """Commands whose known failures end with their text instead of a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        gc.set_threshold(_NEW_OBJECTS)
        # At its end Python looks through all that is left once more; the process's memory goes anyway.
        atexit.register(gc.freeze)
        with interrupts_kept():
            return super().main(*args, **kwargs)

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
