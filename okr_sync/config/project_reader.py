"""Reading the project file: sources, time, warehouse, schedule, thresholds.

Belongs here: the YAML shape of okr_sync.yaml. Does not belong here: reading secrets from the
environment (connectors, commands) or what the thresholds mean (progress).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from okr_sync.config.check_in_reader import read_check_ins
from okr_sync.config.cycles import WEEKDAYS
from okr_sync.config.datasets import find_dataset
from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Findings
from okr_sync.config.identifiers import check_currency
from okr_sync.config.models import (
    DEFAULT_RESTATED,
    CheckIns,
    FilesSource,
    Position,
    Project,
    SqlSource,
    StatusThresholds,
)
from okr_sync.config.numbers import parse_restated
from okr_sync.config.okr_reader import Defaults
from okr_sync.config.problems import BadValue
from okr_sync.config.rule_settings import RuleSettings, read_rules
from okr_sync.config.secret_scan import SECRET_RULES, check_environment_name, secret_in_file
from okr_sync.config.source_reader import SECRET_KEYS, Sources, read_sources
from okr_sync.config.tell_reader import read_tell
from okr_sync.config.wording import advice, not_supported, quoted
from okr_sync.config.yaml_reader import MappingNode, Node

PROJECT_FILE = "okr_sync.yaml"

_DEFAULT_SETTLE = timedelta(hours=48)
_DEFAULT_REVISE = timedelta(days=7)
_ELSEWHERE = {
    "metrics": BadValue(
        "unknown-key",
        f"Metrics don't belong in {PROJECT_FILE}.",
        "Write them in metrics.yaml or a file of the folder metrics/.",
    ),
    **{
        key: BadValue(
            "unknown-key",
            f"`{key}` doesn't belong in {PROJECT_FILE}.",
            "Write it in okrs.yaml or a file of the folder okrs/.",
        )
        for key in ("team", "cycle", "objectives", "key_results")
    },
    **{key: secret_in_file("a secret", "token_env: NAME") for key in SECRET_KEYS},
}


@dataclass
class ProjectReading:
    """The project, None if it can't be used, and what the other files need either way."""

    project: Project | None = None
    sources: Sources = field(default_factory=Sources)
    rules: RuleSettings = field(default_factory=RuleSettings)
    told_teams: dict[str, Position] = field(default_factory=dict)
    defaults: Defaults = field(
        default_factory=lambda: Defaults(
            1, _DEFAULT_SETTLE, _DEFAULT_REVISE, CheckIns().every, DEFAULT_RESTATED
        )
    )


def read_project(root: Node, findings: Findings) -> ProjectReading:
    """What okr_sync.yaml says. A faulty source spoils only what reads from it."""
    reading = ProjectReading()
    if not isinstance(root, MappingNode):
        findings.error(
            root.position,
            "wrong-type",
            f"{PROJECT_FILE} is a mapping, and this is {shape(root)}.",
            "Begin with `version: 1`, `time_zone:`, `currency:` and `sources:`.",
        )
        return reading
    own = Findings()
    fields = Fields(root, PROJECT_FILE, own, _ELSEWHERE)
    fields.parsed("version", _check_version, required=True, hint="Add `version: 1`.")
    time_zone = fields.parsed(
        "time_zone",
        parse_time_zone,
        required=True,
        hint="Add it, as in `time_zone: America/New_York`: calendar days are local to it.",
    )
    currency = fields.parsed(
        "currency", check_currency, required=True, hint="Add it, as in `currency: USD`."
    )
    fiscal_year_start = fields.integer("fiscal_year_start", 1, 12)
    week_start = fields.choice("week_start", WEEKDAYS)
    schedule = fields.parsed("schedule", parse_schedule)
    settle = fields.duration("settle")
    revise = fields.duration("revise")
    restated = fields.parsed("restated", parse_restated)
    warehouse_url_env = _read_warehouse(fields)
    status = _read_status(fields)
    source_findings = Findings()
    reading.rules = read_rules(fields)
    reading.sources = read_sources(fields, source_findings)
    reading.sources.fx = _read_fx(fields, reading.sources, source_findings)
    check_ins = read_check_ins(fields, reading.sources, source_findings)
    tell, reading.told_teams = read_tell(fields, source_findings, parse_schedule)
    fields.finish()
    findings.include(own)
    findings.include(source_findings)
    reading.defaults = Defaults(
        fiscal_year_start or 1,
        _DEFAULT_SETTLE if settle is None else settle,
        _DEFAULT_REVISE if revise is None else revise,
        check_ins.every,
        DEFAULT_RESTATED if restated is None else restated,
    )
    if any(problem.rule in SECRET_RULES for problem in source_findings.problems):
        # The file may hold a secret: nothing of it may get into config_version.
        return reading
    if own.first_error is None and time_zone is not None and currency is not None:
        reading.project = Project(
            time_zone=time_zone,
            currency=currency,
            fiscal_year_start=reading.defaults.fiscal_year_start,
            week_start=week_start or "monday",
            sources=reading.sources.usable,
            warehouse_url_env=warehouse_url_env,
            schedule=schedule or "0 * * * *",
            settle=reading.defaults.settle,
            revise=reading.defaults.revise,
            restated=reading.defaults.restated,
            status=status,
            check_ins=check_ins,
            tell=tell,
            fx=reading.sources.fx,
        )
    return reading


def _check_version(text: str) -> None:
    if text != "1":
        raise not_supported(f"`version: {text[:20]}` of the binding language is", "Use version 1.")


def parse_time_zone(text: str) -> str:
    """The IANA name of a time zone as written, or BadValue.

    Only names with an area (and UTC): `EST` and the like have no daylight saving, and what other
    short names mean depends on the machine.
    """
    if "/" in text or text == "UTC":
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # unknown, malformed, or the folder of an area: all told below
        else:
            return text
    raise BadValue(
        "unknown-time-zone",
        f"{quoted(text)} is not a time zone by its IANA name.",
        advice(
            text,
            [name for name in available_timezones() if "/" in name],
            "Name an area and a city, such as America/New_York, Europe/Berlin or Asia/Tokyo.",
        ),
    )


def parse_schedule(text: str) -> str:
    """A cron expression of five fields as written, or BadValue."""
    fix = "Use the five fields of cron, such as `0 * * * *` for every hour, in quotes."
    try:
        if len(text) > 100 or len(text.split()) != 5:
            raise BadValue("bad-schedule", f"{quoted(text)} doesn't have five fields.", fix)
        # A start in UTC: only whether it ever fires is asked.
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise BadValue(
            "bad-schedule", f"{quoted(text)} is not a schedule: {str(error).lower()}.", fix
        ) from error
    except StopIteration:
        raise BadValue("bad-schedule", f"{quoted(text)} would never run.", fix) from None
    return text


def _read_fx(fields: Fields, sources: Sources, findings: Findings) -> str | None:
    """The dataset of exchange rates. What is wrong with it spoils only what needs rates."""
    own = Findings()
    text = Fields(fields.node, PROJECT_FILE, own).text("fx") if fields.has("fx") else None
    if text is not None:
        try:
            dataset = find_dataset(text, sources.usable, sources.broken)
            if not isinstance(dataset.source, FilesSource | SqlSource):
                raise BadValue(
                    "bad-fx",
                    f"{quoted(text)} can't hold exchange rates.",
                    "Name a dataset of a `files` or `sql` source that has the fields date, from, "
                    "to and rate.",
                )
        except BadValue as bad:
            own.bad(fields.position("fx"), bad)
    sources.fx_position = fields.position("fx") if fields.has("fx") else None
    sources.fx_is_broken = own.first_error is not None
    findings.include(own)
    return None if sources.fx_is_broken else text


def _read_warehouse(fields: Fields) -> str | None:
    node = fields.value("warehouse")
    if node is None:
        return None
    if not isinstance(node, MappingNode):
        fields.findings.bad(
            node.position, secret_in_file("a warehouse's URL", "warehouse: {url_env: …}")
        )
        return None
    inner = Fields(
        node,
        "`warehouse`",
        fields.findings,
        {"url": secret_in_file("a warehouse's URL", "warehouse: {url_env: …}")},
    )
    name = inner.parsed(
        "url_env",
        check_environment_name,
        required=not set(node.entries) & {"url"},
        hint="Name the environment variable that holds the URL, as in `url_env: OKR_SYNC_WAREHOUSE`.",
    )
    inner.finish()
    return name


def _read_status(fields: Fields) -> StatusThresholds:
    node = fields.mapping(
        "status", "a mapping such as {on_track: 16.5, lagging: 33, exceeding: -10}"
    )
    defaults = StatusThresholds()
    if node is None:
        return defaults
    inner = Fields(node, "`status`", fields.findings)

    def threshold(key: str, default: Decimal) -> Decimal:
        written = inner.number(key)
        return default if written is None else written

    thresholds = StatusThresholds(
        on_track=threshold("on_track", defaults.on_track),
        lagging=threshold("lagging", defaults.lagging),
        exceeding=threshold("exceeding", defaults.exceeding),
    )
    inner.finish()
    if not thresholds.exceeding < thresholds.on_track < thresholds.lagging:
        fields.findings.error(
            node.position,
            "bad-thresholds",
            f"The thresholds don't rise: exceeding {thresholds.exceeding}, "
            f"on_track {thresholds.on_track}, lagging {thresholds.lagging}.",
            "They are percentage points behind expected progress: exceeding < on_track < lagging.",
        )
    return thresholds
