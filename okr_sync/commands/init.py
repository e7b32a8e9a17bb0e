"""okr-sync init: a commented starter project that passes `check`.

Belongs here: what is asked, and laying the files down. Does not belong here: the files themselves
(okr_sync.templates) or what is right in them (config).
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from okr_sync.config.loader import inspect_project
from okr_sync.config.problems import BadValue, Severity
from okr_sync.config.project_reader import PROJECT_FILE, parse_time_zone
from okr_sync.errors import OkrSyncError, UsageError

SOURCES = ("hubspot", "ga4")
DEMO_PROPERTY = "400123456"
"""The GA4 property of the account that `okr-sync demo` makes, so that the starter runs on it."""

_OF_SOURCE = {
    "hubspot": ("metrics/funnel.yaml", "okrs/demand-gen.yaml"),
    "ga4": ("metrics/web.yaml", "okrs/web.yaml"),
}
_SOURCE_LINES = {
    "hubspot": (
        "  # The token is never written here: it is in the environment variable HUBSPOT_ACCESS_TOKEN.\n"
        "  hubspot: {kind: hubspot}\n"
    ),
    "ga4": (
        '  # A property has a number; the "G-…" id on web pages is something else. Credentials are\n'
        "  # Google's own: GOOGLE_APPLICATION_CREDENTIALS names the key file of a service account.\n"
        '  web: {kind: ga4, property: "@property"}\n'
    ),
}
_SCHEMAS = ".schema"
"""Where editors find the schemas: beside the files, because a package has no address of its own."""

_DAGSTER = ".okr_sync/dagster/dagster.yaml"
"""Dagster's settings: its usage statistics are off and a refusal is not tried again."""

_IGNORING = ".gitignore"
_IGNORED = "# okr-sync's own folder: the warehouse, if it is a file, lies in it.\n.okr_sync/\n"


@dataclass(frozen=True)
class Answers:
    """What the starter is made for; None where it was not said."""

    time_zone: str | None
    currency: str | None
    ga4_property: str | None
    sources: Sequence[str]


def run_init(folder: Path, given: Answers) -> int:
    """Write the starter project to a folder; on a terminal ask for what was not given.

    Never overwrites a file: UsageError names those that are there, and nothing is written.
    """
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    texts = _texts(_asked(given) if asks else given)
    # A folder under version control has one already; a line is missing there, not a file.
    keeps_ignored = (folder / _IGNORING).exists()
    if keeps_ignored:
        del texts[_IGNORING]
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise UsageError(
            f"{folder} already has {', '.join(there)}. Nothing was written; name another folder."
        )
    _check(texts)
    try:
        _write(folder, texts)
    except OSError as error:
        raise OkrSyncError(f"{folder} can't be written: {error.strerror}.") from error
    for name in texts:
        if not name.startswith("."):
            click.echo(f"  {folder / name}")
    if keeps_ignored:
        click.echo(f"\n{folder / _IGNORING} was left as it is: add the line .okr_sync/ to it.")
    click.echo(_where_next(folder, given.ga4_property))
    return 0


def _asked(given: Answers) -> Answers:
    """The answers of a person at a terminal to what was not said."""
    sources = given.sources or [
        name
        for name, question in (
            ("hubspot", "Are there numbers in HubSpot?"),
            ("ga4", "Are there numbers in Google Analytics 4?"),
        )
        if click.confirm(question, default=True)
    ]
    time_zone = given.time_zone or click.prompt("Time zone of your days", default="UTC")
    currency = given.currency or click.prompt("Currency", default="USD")
    property_ = given.ga4_property
    if "ga4" in sources and property_ is None:
        property_ = click.prompt("GA4 property (its number)", default=DEMO_PROPERTY)
    return Answers(time_zone, currency, property_, sources)


def _texts(answers: Answers) -> dict[str, str]:
    """The files to write, by name."""
    sources = [name for name in SOURCES if name in (answers.sources or SOURCES)]
    property_ = answers.ga4_property or DEMO_PROPERTY
    if not property_.isdigit():
        raise UsageError(
            f"{property_!r} is not a GA4 property: it is a number, under Admin, Property details."
        )
    zone = _time_zone(answers.time_zone or "UTC")
    today = datetime.now(ZoneInfo(zone)).date()
    values = {
        "time_zone": zone,
        "currency": (answers.currency or "USD").strip().upper(),
        "cycle": f"{today.year}-Q{(today.month + 2) // 3}",
        "sources": "".join(_SOURCE_LINES[name].replace("@property", property_) for name in sources),
    }
    names = [PROJECT_FILE, *(name for source in sources for name in _OF_SOURCE[source])]
    texts = {name: _schema_line(name) + _filled(name, values) for name in names}
    schemas = {
        f"{_SCHEMAS}/{name}": (files("okr_sync") / "schema" / name).read_text(encoding="utf-8")
        for name in ("okr_sync.schema.json", "metrics.schema.json", "okrs.schema.json")
    }
    dagster = (files("okr_sync.templates") / "dagster.yaml").read_text(encoding="utf-8")
    return texts | {_IGNORING: _IGNORED, _DAGSTER: dagster} | schemas


def _schema_line(name: str) -> str:
    """The comment by which editors find the schema of a file, for completion and help."""
    folder, _, file = name.rpartition("/")
    schema = f"{folder or file.removesuffix('.yaml')}.schema.json"
    up = "../" if folder else ""
    return f"# yaml-language-server: $schema={up}{_SCHEMAS}/{schema}\n"


def _time_zone(text: str) -> str:
    try:
        return parse_time_zone(text)
    except BadValue as error:
        raise UsageError(str(error)) from error


def _filled(name: str, values: dict[str, str]) -> str:
    text = (files("okr_sync.templates") / "project" / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text


def _check(texts: dict[str, str]) -> None:
    """Refuse answers that would make a project with mistakes, before anything is written."""
    with tempfile.TemporaryDirectory(prefix="okr-sync-") as folder:
        _write(Path(folder), texts)
        problems = inspect_project(Path(folder)).problems
    wrong = [f"{p.message} {p.fix}" for p in problems if p.severity is Severity.ERROR]
    if wrong:
        raise UsageError("\n".join(dict.fromkeys(wrong)))


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # "x": a file that appeared since we looked is not overwritten either.
        with path.open("x", encoding="utf-8") as file:
            file.write(text)


def _where_next(folder: Path, ga4_property: str | None) -> str:
    lines = [
        "",
        "What next:",
        f"  okr-sync check --project {folder}",
        "  okr-sync demo DEMO          makes an account to try it on, then",
        f"  okr-sync sandbox DEMO/account -- okr-sync sync --project {folder}",
        "With your own accounts: set HUBSPOT_ACCESS_TOKEN and GOOGLE_APPLICATION_CREDENTIALS, then",
        f"  okr-sync doctor --project {folder}",
        f"For Dagster's UI: DAGSTER_HOME={(folder / _DAGSTER).parent.absolute()}",
    ]
    if ga4_property is None:
        lines.insert(1, f"The GA4 property in {PROJECT_FILE} is the demo's; put your own there.")
    return "\n".join(lines)
