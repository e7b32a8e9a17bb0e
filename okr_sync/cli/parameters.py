"""What several commands take: the project's folder, JSON, days, ranges of days, addresses.

Belongs here: shared options, and types of values. Does not belong here: a command's own options, which
stand with the command.
"""

from datetime import date
from pathlib import Path
from typing import Any

import click

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


class Day(click.ParamType[date]):
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


class DayRange(click.ParamType[tuple[date, date]]):
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
        days = (Day().convert(first, param, ctx), Day().convert(last, param, ctx))
        if days[0] > days[1]:
            self.fail(f"{value!r} ends before it begins.", param, ctx)
        return days


class Address(click.ParamType[tuple[str, int]]):
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
