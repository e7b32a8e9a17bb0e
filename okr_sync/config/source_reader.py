"""Reading the sources of a project: HubSpot accounts, GA4 properties, databases and files.

Belongs here: the keys of each kind of source. Does not belong here: the rest of okr_sync.yaml
(project_reader), credentials themselves and which endpoints may be spoken to (connectors).
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath, PureWindowsPath

from okr_sync.config.dataset_fields import check_column
from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Findings
from okr_sync.config.identifiers import check_source_name
from okr_sync.config.models import (
    FilesDataset,
    FilesSource,
    Ga4Source,
    HubSpotSource,
    Position,
    Source,
    SqlSource,
)
from okr_sync.config.problems import BadValue, Problem
from okr_sync.config.secret_scan import check_environment_name, secret_in_file
from okr_sync.config.sql_text import SqlFiles
from okr_sync.config.wording import quoted
from okr_sync.config.yaml_reader import Entry, MappingNode

SOURCE_KINDS = ("hubspot", "ga4", "sql", "files")
COLUMN_TYPES = ("text", "number", "instant", "day", "flag")
_API = re.compile(r"v3|20[0-9]{2}-[0-9]{2}")
SECRET_KEYS = ("token", "access_token", "api_key", "password", "secret", "credentials", "url")


@dataclass
class Sources:
    """The sources of the project: those that can be used, and the names of those that can't.

    `sql_files` reads the statements that metrics name by their file; `fx` is the dataset of exchange
    rates; `check_ins_problem` says what is wrong with where check-ins are read from.
    """

    usable: dict[str, Source] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    sql_files: SqlFiles = field(default_factory=SqlFiles)
    fx: str | None = None
    fx_is_broken: bool = False
    fx_position: Position | None = None
    check_ins_problem: Problem | None = None


def read_sources(fields: Fields, findings: Findings) -> Sources:
    """The key `sources`. What is wrong with one source goes to `findings`, not to the project's."""
    sources = Sources()
    node = fields.mapping(
        "sources",
        "a mapping of names to sources",
        required=True,
        hint="Name a source, as in `sources: {hubspot: {kind: hubspot}}`.",
    )
    if node is None:
        return sources
    if not node.entries:
        fields.findings.error(
            node.position, "empty-value", "`sources` is empty.", "Name at least one source."
        )
    for entry in (*node.entries.values(), *node.duplicates):
        own = Findings()
        source = _read_source(entry, own)
        if entry in node.duplicates:
            own.error(
                entry.position,
                "duplicate-key",
                f"The source {quoted(entry.name)} is defined twice.",
                "Keep one of them, or rename one.",
            )
        if source is None or own.first_error is not None:
            sources.broken.add(entry.name)
        else:
            sources.usable[entry.name] = source
        findings.include(own)
    for name in sources.broken:
        sources.usable.pop(name, None)
    return sources


def _read_source(entry: Entry, findings: Findings) -> Source | None:
    try:
        check_source_name(entry.name)
    except BadValue as bad:
        findings.bad(entry.position, bad)
    if not isinstance(entry.value, MappingNode):
        findings.error(
            entry.value.position,
            "wrong-type",
            f"The source {quoted(entry.name)} is {shape(entry.value)}.",
            f"Write a mapping, such as `{entry.name[:30]}: {{kind: hubspot}}`.",
        )
        return None
    secrets = {
        key: secret_in_file("a secret", f"{'url' if key == 'url' else 'token'}_env: NAME")
        for key in SECRET_KEYS
    }
    fields = Fields(entry.value, f"The source `{entry.name[:30]}`", findings, secrets)
    kind = fields.choice("kind", SOURCE_KINDS, required=True)
    if kind is None:
        return None
    read = {"hubspot": _read_hubspot, "ga4": _read_ga4, "sql": _read_sql, "files": _read_files}
    source = read[kind](entry.name, fields)
    fields.finish()
    return source


def _read_hubspot(name: str, fields: Fields) -> Source | None:
    token_env = fields.parsed("token_env", check_environment_name)
    endpoint = fields.parsed("endpoint", lambda text: _check_endpoint(text, ("http", "https")))
    api = fields.parsed("api", _check_api)
    return HubSpotSource(
        name=name,
        token_env=token_env or "HUBSPOT_ACCESS_TOKEN",
        endpoint=endpoint,
        api=api or "v3",
    )


def _read_ga4(name: str, fields: Fields) -> Source | None:
    number = fields.parsed(
        "property",
        _check_ga4_property,
        required=True,
        hint='Add its numeric id, as in `property: "123456789"`.',
    )
    credentials_env = fields.parsed("credentials_env", check_environment_name)
    endpoint = fields.parsed(
        "endpoint", lambda text: _check_endpoint(text, ("grpc", "http", "https"))
    )
    if number is None:
        return None
    return Ga4Source(name=name, property=number, credentials_env=credentials_env, endpoint=endpoint)


def _read_sql(name: str, fields: Fields) -> Source | None:
    url_env = fields.parsed(
        "url_env",
        check_environment_name,
        # A URL in its place has been told already.
        required=not fields.written & {"url"},
        hint="Name the environment variable that holds the URL, as in `url_env: PEOPLE_URL`.",
    )
    timeout = fields.duration("timeout")
    if timeout is not None and not timedelta(0) < timeout <= timedelta(hours=1):
        fields.findings.error(
            fields.position("timeout"),
            "bad-duration",
            "`timeout` is not between a second and an hour.",
            "Write it as in `timeout: 60s`.",
        )
    row_cap = fields.integer("row_cap", 1, 10_000_000)
    if url_env is None:
        return None
    defaults = SqlSource(name=name, url_env=url_env)
    return SqlSource(
        name=name,
        url_env=url_env,
        timeout=timeout or defaults.timeout,
        row_cap=row_cap or defaults.row_cap,
    )


def _read_files(name: str, fields: Fields) -> Source | None:
    path = fields.parsed(
        "path", _check_path, required=True, hint=f"Name the folder, as in `path: {name[:30]}`."
    )
    node = fields.mapping("datasets", "a mapping such as {posts: {glob: posts-*.csv}}")
    datasets: dict[str, FilesDataset] = {}
    for entry in () if node is None else (*node.entries.values(), *node.duplicates):
        dataset = _read_files_dataset(entry, fields.findings)
        if entry.name in datasets:
            fields.findings.error(
                entry.position,
                "duplicate-key",
                f"The dataset {quoted(entry.name)} is declared twice.",
                "Keep one of them, or rename one.",
            )
        elif dataset is not None:
            datasets[entry.name] = dataset
    return None if path is None else FilesSource(name=name, path=path, datasets=datasets)


def _read_files_dataset(entry: Entry, findings: Findings) -> FilesDataset | None:
    try:
        check_source_name(entry.name)
    except BadValue as bad:
        findings.bad(
            entry.position,
            BadValue(bad.rule, bad.message.replace("a source's name", "a dataset's name"), bad.fix),
        )
        return None
    if not isinstance(entry.value, MappingNode):
        findings.error(
            entry.value.position,
            "wrong-type",
            f"The dataset {quoted(entry.name)} is {shape(entry.value)}.",
            f"Write a mapping, such as `{entry.name}: {{glob: {entry.name}-*.csv}}`.",
        )
        return None
    fields = Fields(entry.value, f"The dataset `{entry.name}`", findings)
    glob = fields.parsed(
        "glob",
        _check_glob,
        required=True,
        hint=f"Say which files it is, as in `glob: {entry.name}-*.csv`.",
    )
    columns: dict[str, str] = {}
    node = fields.mapping("columns", "a mapping such as {published: day, likes: number}")
    if node is not None:
        inner = Fields(node, "`columns`", findings)
        for column in node.entries.values():
            try:
                check_column(column.name)
            except BadValue as bad:
                findings.bad(column.position, bad)
            kind = inner.choice(column.name, COLUMN_TYPES)
            if kind is not None:
                columns[column.name] = kind
    fields.finish()
    return None if glob is None else FilesDataset(glob=glob, columns=columns)


def _check_path(text: str) -> str:
    if text.startswith("~"):
        raise _outside(text)
    for path in (PurePosixPath(text), PureWindowsPath(text)):
        if path.is_absolute() or path.drive or ".." in path.parts:
            raise _outside(text)
    return text


def _check_glob(text: str) -> str:
    _check_path(text)
    if not text.endswith((".csv", ".parquet", ".jsonl", ".ndjson")):
        raise BadValue(
            "bad-glob",
            f"{quoted(text)} doesn't say what kind of files it is.",
            "End it with .csv, .parquet, .jsonl or .ndjson.",
        )
    return text


def _outside(text: str) -> BadValue:
    return BadValue(
        "outside-project",
        f"{quoted(text)} lies outside the project's folder.",
        "Put the files into the project and write the path from there.",
    )


def _check_ga4_property(text: str) -> str:
    number = text.removeprefix("properties/")
    if re.fullmatch(r"[0-9]{1,20}", number):
        return number
    where = "GA4 shows it under Admin, Property details."
    if re.fullmatch(r"G-[A-Za-z0-9]+", text):
        raise BadValue(
            "measurement-id",
            f"{quoted(text)} is a Measurement ID, which names a web stream.",
            f"Use the property's numeric id, such as 123456789. {where}",
        )
    if text.startswith("UA-"):
        raise BadValue(
            "measurement-id",
            f"{quoted(text)} is a property of Universal Analytics, which no longer exists.",
            f"Use the numeric id of a GA4 property. {where}",
        )
    raise BadValue(
        "bad-property",
        f"{quoted(text)} is not the numeric id of a GA4 property.",
        f"Use a number such as 123456789. {where}",
    )


def _check_api(text: str) -> str:
    if _API.fullmatch(text):
        return text
    raise BadValue(
        "bad-choice",
        f"{quoted(text)} is not a version of the HubSpot API.",
        "Use v3, or a dated one such as 2026-03.",
    )


def _check_endpoint(text: str, schemes: tuple[str, ...]) -> str:
    scheme, separator, rest = text.partition("://")
    if separator and scheme in schemes and rest and "@" not in rest and not re.search(r"\s", rest):
        return text
    forms = " or ".join(f"{scheme}://…" for scheme in schemes)
    raise BadValue("bad-endpoint", f"{quoted(text)} is not an endpoint.", f"Write {forms}.")
