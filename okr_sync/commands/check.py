"""`okr-sync check`: every problem of a project at once, or a word that there is none.

Belongs here: how findings are shown and which exit status they give. Does not belong here: finding
them (config).
"""

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from okr_sync.commands.check_formats import as_object, as_sarif_log
from okr_sync.commands.check_warehouse import warehouse_problems
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import Inspection, inspect_project
from okr_sync.config.problems import Severity
from okr_sync.wording import counted


def run_check(
    folder: Path, *, as_json: bool = False, as_sarif: bool = False, live: bool = False
) -> int:
    """Print every problem in the project's files; 0 if none is an error, else 1.

    As JSON: a list of objects with file, line, column, severity, rule, message, fix, key_result_id.
    With `live` the sources are asked too whether what the bindings name exists. Raises ConfigError
    if the folder isn't there.
    """
    inspection = inspect_project(folder)
    bundle = inspection.bundle
    if bundle is not None:
        more = warehouse_problems(bundle, inspection.settings)
        if live:
            # Imported late: connectors load their vendors' SDKs.
            from okr_sync.commands.check_live import live_problems

            more += live_problems(bundle, os.environ)
        problems = sorted(
            [*inspection.problems, *more], key=lambda p: (p.position, p.rule, p.message)
        )
        inspection = replace(inspection, problems=tuple(problems))
    if as_sarif:
        click.echo(json.dumps(as_sarif_log(inspection.problems), indent=2))
    elif as_json:
        click.echo(json.dumps([as_object(p) for p in inspection.problems], indent=2))
    else:
        _print_for_people(inspection)
    return 1 if _count(inspection, Severity.ERROR) else 0


def _count(inspection: Inspection, severity: Severity) -> int:
    return sum(problem.severity is severity for problem in inspection.problems)


def _print_for_people(inspection: Inspection) -> None:
    for problem in inspection.problems:
        click.echo(str(problem))
    bundle = inspection.bundle
    if bundle is not None:
        for line in _cycles(bundle):
            click.echo(line)
    counts = [
        counted(_count(inspection, severity), severity.value)
        for severity in Severity
        if _count(inspection, severity)
    ]
    found = " and ".join(counts) or "no problems"
    click.echo(found if bundle is None else f"{_contents(bundle)}: {found}")
    if bundle is not None and bundle.quarantined:
        count = counted(len(bundle.quarantined), "key result")
        click.echo(f"{count} can't run and will keep the last good value; the others run.")


def _cycles(bundle: Bundle) -> list[str]:
    """A line for each team and cycle, with the days that the cycle's name came to mean."""
    numbers: dict[tuple[str, str, str], int] = {}
    for key_result in bundle.key_results.values():
        cycle = key_result.cycle
        days = f"{cycle.start} to {cycle.end - timedelta(days=1)}"
        key = (key_result.team, cycle.name, days)
        numbers[key] = numbers.get(key, 0) + 1
    return [
        f"{team}: {counted(number, 'key result')} in {name} ({days})"
        if ".." not in name
        else f"{team}: {counted(number, 'key result')} from {days}"
        for (team, name, days), number in sorted(numbers.items())
    ]


def _contents(bundle: Bundle) -> str:
    teams = {key_result.team for key_result in bundle.key_results.values()}
    return (
        f"{counted(len(bundle.key_results), 'key result')} in {counted(len(teams), 'team')}, "
        f"{counted(len(bundle.metrics), 'metric')}, "
        f"{counted(len(bundle.project.sources), 'source')}"
    )
