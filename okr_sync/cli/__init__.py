"""The okr-sync command: its words, its help and its exit statuses.

Belongs here: options and arguments, and turning errors into clear endings. Does not belong here:
what the commands do (okr_sync.commands), which is imported only when a command runs, because
Dagster and the vendors' clients cost seconds to import.
"""

import click

from okr_sync import __version__
from okr_sync.cli.changing import checkin, override, sync
from okr_sync.cli.group import Group
from okr_sync.cli.reading import check, doctor, explain, history, preview, status
from okr_sync.cli.starting import demo, init, sandbox
from okr_sync.cli.telling import digest, metrics, report


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="okr-sync")
def main() -> None:
    """Keep marketing key results up to date from GA4 and HubSpot.

    Start with `okr-sync demo`, then `okr-sync check`, `okr-sync sync` and `okr-sync status` in a
    project's folder.
    """


for _command in (
    *(check, doctor, explain, history, preview, status),
    *(checkin, override, sync),
    *(digest, metrics, report),
    *(demo, init, sandbox),
):
    main.add_command(_command)
