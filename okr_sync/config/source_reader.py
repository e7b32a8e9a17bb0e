"""Reading the sources of a project: HubSpot accounts and GA4 properties.

Belongs here: the keys of each kind of source. Does not belong here: the rest of okr_sync.yaml
(project_reader), credentials themselves and which endpoints may be spoken to (connectors).
"""

import re
from dataclasses import dataclass, field

from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Findings
from okr_sync.config.identifiers import check_source_name
from okr_sync.config.models import Ga4Source, HubSpotSource, Source
from okr_sync.config.problems import BadValue
from okr_sync.config.secret_scan import check_environment_name, secret_in_file
from okr_sync.config.wording import advice, not_supported, quoted
from okr_sync.config.yaml_reader import Entry, MappingNode

_LATER_SOURCES = ("sql", "files")
_API = re.compile(r"v3|20[0-9]{2}-[0-9]{2}")
SECRET_KEYS = ("token", "access_token", "api_key", "password", "secret", "credentials", "url")


@dataclass
class Sources:
    """The sources of the project: those that can be used, and the names of those that can't."""

    usable: dict[str, Source] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)


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
    secrets = {key: secret_in_file("a secret", "token_env: NAME") for key in SECRET_KEYS}
    fields = Fields(entry.value, f"The source `{entry.name[:30]}`", findings, secrets)
    kind = fields.parsed(
        "kind", _check_kind, required=True, hint="Add `kind: hubspot` or `kind: ga4`."
    )
    if kind is None:
        return None
    source = (
        _read_hubspot(entry.name, fields) if kind == "hubspot" else _read_ga4(entry.name, fields)
    )
    fields.finish()
    return source


def _check_kind(text: str) -> str:
    if text in _LATER_SOURCES:
        raise not_supported(f"Sources of kind `{text}` are", "Use hubspot or ga4.")
    if text not in ("hubspot", "ga4"):
        raise BadValue(
            "bad-choice",
            f"There is no kind of source {quoted(text)}.",
            advice(text, ("hubspot", "ga4"), "Use hubspot or ga4."),
        )
    return text


def _read_hubspot(name: str, fields: Fields) -> Source:
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
