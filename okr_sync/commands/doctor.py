"""okr-sync doctor: what works and what doesn't, with the remedy beside it.

Belongs here: which sources are looked at, the warehouse, versions, and the list. Does not belong
here: looking at a source (connectors.*.health).
"""

import json
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from connectors.health import Finding, Level
from okr_sync import __version__
from okr_sync.commands.console import errors, output
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project
from okr_sync.config.models import FilesSource, Ga4Source, HubSpotSource, Source
from okr_sync.errors import NoWarehouseError, WarehouseError
from okr_sync.inspect.draft import datasets_of
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.reads import last_runs
from okr_sync.wording import counted

_PACKAGES = (
    "dagster",
    "sqlalchemy",
    "google-analytics-data",
    "hubspot-api-client",
    "urllib3",
    "psycopg",
    "pandas",
)
_BROKEN = {
    ("urllib3", "2.6.0"): "hubspot-api-client breaks with it: install another release.",
}
_LOOKS = {
    Level.OK: ("ok", "green"),
    Level.WARNING: ("warning", "yellow"),
    Level.FAILED: ("failed", "bold red"),
}


def run_doctor(folder: Path, as_json: bool) -> int:
    """Print what works and what doesn't; 1 if anything is in the way of a run."""
    bundle = load_project(folder)
    with errors().status("Looking") as status:
        found = list(_findings(bundle, status.update))
    if as_json:
        objects = [asdict(finding) | {"level": finding.level.value} for finding in found]
        click.echo(json.dumps(objects, indent=2))
    else:
        _print(output(), found)
    return 1 if any(finding.level is Level.FAILED for finding in found) else 0


def _print(console: Console, found: list[Finding]) -> None:
    for finding in found:
        word, style = _LOOKS[finding.level]
        line = Text.assemble((f"{word:<8}", style), (f"{finding.subject}: ", "bold"), finding.text)
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"        {finding.remedy}"), soft_wrap=True)
    bad = sum(finding.level is Level.FAILED for finding in found)
    what = f"{counted(bad, 'thing')} {'is' if bad == 1 else 'are'}" if bad else "Nothing is"
    console.print(f"{what} in the way of a run.")


def _findings(bundle: Bundle, say: Callable[[str], None]) -> Iterator[Finding]:
    project = _project(bundle)
    yield project
    bound = _bound_datasets(bundle)
    read = [source for name, source in bundle.project.sources.items() if name in bound]
    say("Looking at the sources")
    # All at once, so that several that don't answer take no longer than one.
    with ThreadPoolExecutor(max(1, len(read))) as pool:
        looks = pool.map(lambda source: _source(bundle, source, bound[source.name]), read)
        looked = dict(zip((source.name for source in read), looks, strict=True))
    for name in bundle.project.sources:
        if name in looked:
            yield from looked[name]
        else:
            yield Finding(
                Level.WARNING,
                name,
                "no key result that can run reads it",
                "Bind something of it, or take it out of okr_sync.yaml."
                if project.level is Level.OK
                else "Mend the project first: what can't run may read it.",
            )
    say("Looking at the warehouse")
    yield from _warehouse(bundle)
    yield from _channels(bundle)
    yield from _versions()


def _project(bundle: Bundle) -> Finding:
    wrong = []
    if bundle.quarantined:
        wrong.append(f"{counted(len(bundle.quarantined), 'key result')} can't run")
    if bundle.broken_files:
        wrong.append(f"{counted(len(bundle.broken_files), 'file')} can't be read in full")
    if not wrong:
        return Finding(
            Level.OK, "project", f"{counted(len(bundle.key_results), 'key result')} can run"
        )
    return Finding(
        Level.FAILED,
        "project",
        " and ".join(wrong),
        "Run `okr-sync check`: it says what is wrong, and where.",
    )


def _bound_datasets(bundle: Bundle) -> dict[str, set[str]]:
    """By source the datasets that key results read."""
    found: dict[str, set[str]] = {}
    for key_result in bundle.key_results.values():
        for dataset in datasets_of(bundle, bundle.metrics[key_result.metric]):
            source, _, name = dataset.partition(".")
            found.setdefault(source, set()).add(name)
    return found


def _source(bundle: Bundle, source: Source, datasets: set[str]) -> list[Finding]:
    # Each is imported only for a source of its kind: the vendors' clients take seconds.
    if isinstance(source, HubSpotSource):
        from connectors.hubspot import health as hubspot

        return hubspot.look(source, datasets, os.environ)
    if isinstance(source, Ga4Source):
        from connectors.ga4 import health as ga4

        return ga4.look(source, os.environ)
    if isinstance(source, FilesSource):
        from connectors.files import health as files

        return files.look(source, datasets, bundle.folder)
    from connectors.sql import health as sql

    return sql.look(source, os.environ)


def _warehouse(bundle: Bundle) -> Iterator[Finding]:
    try:
        url = warehouse_url(bundle.project.warehouse_url_env, bundle.folder, os.environ)
        warehouse = open_warehouse(url, migrate=False)
    except NoWarehouseError as error:
        yield Finding(Level.WARNING, "warehouse", error.user_text)
        return
    except WarehouseError as error:
        yield Finding(Level.FAILED, "warehouse", error.user_text)
        return
    try:
        with warehouse.write():
            pass  # entering is the test: a read-only or locked warehouse refuses here
        runs = last_runs(warehouse, 1)
    except WarehouseError as error:
        yield Finding(Level.FAILED, "warehouse", error.user_text)
        return
    finally:
        warehouse.close()
    yield Finding(Level.OK, "warehouse", f"{warehouse.label} is of this version and can be written")
    if not runs:
        yield Finding(Level.WARNING, "last run", "none yet", "Run `okr-sync sync`.")
        return
    run = runs[0]
    text = f"{run.status}, begun {_ago(datetime.now(UTC) - run.started_at)} ({run.trigger})"
    if run.status in ("success", "running"):
        yield Finding(Level.OK, "last run", text)
    else:
        yield Finding(Level.WARNING, "last run", text, "`okr-sync status` says what failed.")


def _ago(passed: timedelta) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        whole = int(passed.total_seconds() // length)
        if whole > 0:
            return f"{counted(whole, unit)} ago"
    return "just now"


def _channels(bundle: Bundle) -> Iterator[Finding]:
    tell = bundle.project.tell
    if tell is None:
        return
    for name in dict.fromkeys([tell.url_env, *tell.teams.values(), *tell.owners.values()]):
        if name is None:
            continue
        count = len(os.environ.get(name, "").split())
        if count:
            yield Finding(Level.OK, name, f"{counted(count, 'address')} to tell people by")
        else:
            yield Finding(
                Level.WARNING,
                name,
                "is not set, so nobody is told on this channel",
                "Put the channel's addresses into it: docs/how-to/tell-people.md says how.",
            )


def _versions() -> Iterator[Finding]:
    yield Finding(Level.OK, "okr-sync", f"{__version__} on Python {platform.python_version()}")
    for name in _PACKAGES:
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding(
                Level.FAILED, name, "is not installed", "Install okr-sync anew, with its packages."
            )
            continue
        broken = _BROKEN.get((name, installed))
        level = Level.FAILED if broken else Level.OK
        yield Finding(level, name, installed, broken)
