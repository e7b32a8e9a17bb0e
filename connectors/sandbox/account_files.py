"""Reads an account folder.

    account.yaml                  hubspot: {portal_id, time_zone, currency}, optionally tier, scopes
                                  (a list), daily_limit; ga4: see ga4_sessions
    hubspot/<object>.csv          columns are property names; hs_object_id is the id; empty = null
    hubspot/<a>_to_<b>.csv        header <a>_id,<b>_id in singular, optionally label
    hubspot/pipelines.json        {object: [{id, label, stages: [{id, label, metadata}]}]}
    hubspot/marketing_emails.csv  id, published_at (the send time; empty for a draft), counters (sent,
                                  delivered, open, …); optionally name, subject, type, state,
                                  archived, created_at, updated_at, campaign, campaign_name,
                                  campaign_id
    hubspot/owners.csv            id, email; optionally first_name, last_name, user_id, type,
                                  archived, created_at, updated_at
    hubspot/properties.json       {object: {property: {type, label, options, calculated}}}
    databases/<VARIABLE>/         a SQLite database for a `sql` source: see databases

Belongs here: the form of these files and telling what is wrong with one. Does not belong here: the
account as it is served (account), ga4/sessions.csv (the GA4 sandbox reads it).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from connectors.sandbox.account import (
    Account,
    HubSpotSettings,
    MarketingEmail,
    PropertyOverride,
)
from connectors.sandbox.file_rows import bad_file, bad_row, read_header, read_json, read_rows
from connectors.sandbox.hubspot_emails import COUNTERS
from connectors.sandbox.hubspot_limits import TIERS
from connectors.sandbox.hubspot_properties import PropertyType, epoch_millis, is_whole
from connectors.sandbox.records import RecordTable, iso_millis, modified_property
from okr_sync.errors import OkrSyncError

_NOT_OBJECTS = ("marketing_emails", "owners")
_LAST_MILLIS = 253_402_300_799_999  # the end of the year 9999


def load_account(folder: Path) -> Account:
    """Read an account folder into an `Account`.

    Raises OkrSyncError that names the file, the row and what to do when something can't be read.
    """
    settings_file = folder / "account.yaml"
    if not settings_file.is_file():
        raise OkrSyncError(
            f"{folder} is not an account folder: it has no account.yaml. "
            "Name a folder that has one."
        )
    settings = _settings(settings_file)
    account = Account(folder=folder)
    account.hubspot = _hubspot_settings(settings_file, settings.get("hubspot"))
    account.has_ga4 = settings.get("ga4") is not None
    if account.hubspot is None and not account.has_ga4:
        raise bad_file(settings_file, "it describes no account", "Add a hubspot: or a ga4: part")
    if account.hubspot is not None:
        _load_hubspot(account, folder / "hubspot")
    return account


def _load_hubspot(account: Account, folder: Path) -> None:
    joins = []
    for file in sorted(folder.glob("*.csv")):
        if "_to_" in file.stem:
            joins.append(file)
        elif file.stem not in _NOT_OBJECTS:
            account.tables[file.stem] = _table(file)
    for file in joins:
        _load_join(account, file)
    pipelines = read_json(folder / "pipelines.json")
    for object_type, listed in pipelines.items():
        account.pipelines[object_type] = _pipelines(folder / "pipelines.json", listed)
    for object_type, properties in read_json(folder / "properties.json").items():
        account.overrides[object_type] = _overrides(folder / "properties.json", properties)
    emails = folder / "marketing_emails.csv"
    if emails.is_file():
        for number, row in read_rows(emails, ("id", "published_at")):
            email = _email(emails, number, row)
            account.emails[email.id] = email
    owners = folder / "owners.csv"
    if owners.is_file():
        for number, row in read_rows(owners, ("id", "email")):
            if not is_whole(row["id"]):
                raise bad_row(owners, number, f"id is {row['id']!r}", "Give a whole number")
            account.owners.append(row)


def _table(file: Path) -> RecordTable:
    modified = modified_property(file.stem)
    table = RecordTable(file.stem, [])
    for number, row in read_rows(file, ("hs_object_id",)):
        if not table.columns:
            table.columns.extend(row)
            if modified == "lastmodifieddate" and "hs_lastmodifieddate" in row:
                raise bad_file(
                    file,
                    "contacts have no values in hs_lastmodifieddate",
                    "Name the column lastmodifieddate",
                )
        text = row["hs_object_id"]
        if not is_whole(text) or text.startswith("0"):
            raise bad_row(file, number, f"hs_object_id is {text!r}", "Give a whole number above 0")
        if int(text) in table:
            raise bad_row(file, number, f"hs_object_id {text} comes twice", "Keep one of the rows")
        properties = {name: value for name, value in row.items() if value}
        for name in ("createdate", "hs_createdate", modified):
            if name in properties:
                properties[name] = _moment(file, number, name, properties[name])
        table.load(properties)
    if not table.columns:
        table.columns.extend(read_header(file))
    return table


def _load_join(account: Account, file: Path) -> None:
    one, _, other = file.stem.partition("_to_")
    from_type, to_type = account.object_type(one), account.object_type(other)
    if from_type is None or to_type is None:
        missing = one if from_type is None else other
        raise bad_file(
            file, f"{missing!r} is no object of this account", "Add its file or fix the name"
        )
    for number, row in read_rows(file, (f"{one}_id", f"{other}_id")):
        ids = []
        for name, object_type in ((f"{one}_id", from_type), (f"{other}_id", to_type)):
            text = row[name]
            if not is_whole(text) or int(text) not in account.table(object_type):
                raise bad_row(
                    file, number, f"{name} {text!r} is not in {object_type}.csv", "Fix the id"
                )
            ids.append(int(text))
        account.associate(from_type, ids[0], to_type, ids[1], row.get("label") or None)


def _pipelines(file: Path, listed: Any) -> list[dict[str, Any]]:
    shape = "Write {object: [{id, label, stages: [{id, label}]}]}"
    if not isinstance(listed, list):
        raise bad_file(file, "an object's pipelines are not a list", shape)
    for pipeline in listed:
        stages = pipeline.get("stages", []) if isinstance(pipeline, dict) else None
        if not isinstance(stages, list):
            raise bad_file(file, "a pipeline's stages are not a list", shape)
        for item in (pipeline, *stages):
            if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                raise bad_file(file, "a pipeline or a stage has no id", shape)
            if not isinstance(item.get("label"), str):
                raise bad_file(file, f"{item['id']!r} has no label", shape)
    return listed


def _overrides(file: Path, properties: Any) -> dict[str, PropertyOverride]:
    shape = "Write {object: {property: {type: number}}}"
    if not isinstance(properties, dict):
        raise bad_file(file, "an object's properties are not a mapping", shape)
    overrides = {}
    for name, given in properties.items():
        if not isinstance(given, dict):
            raise bad_file(file, f"{name!r} is not described by a mapping", shape)
        options = given.get("options", [])
        if not isinstance(options, list):
            raise bad_file(file, f"the options of {name!r} are not a list", shape)
        type_name = given.get("type")
        if type_name is not None and type_name not in list(PropertyType):
            raise bad_file(
                file, f"{name!r} has the type {type_name!r}", f"Use {', '.join(PropertyType)}"
            )
        overrides[name] = PropertyOverride(
            type=PropertyType(type_name) if type_name else None,
            label=given.get("label"),
            options=tuple(_option(file, name, option) for option in options),
            calculated=bool(given.get("calculated", False)),
        )
    return overrides


def _option(file: Path, name: str, given: Any) -> tuple[str, str]:
    if isinstance(given, str):
        return given, given
    if not isinstance(given, dict) or not isinstance(given.get("value"), str):
        raise bad_file(file, f"{name!r} has an option without a value", "Write {value, label}")
    return given["value"], str(given.get("label", given["value"]))


def _email(file: Path, number: int, row: dict[str, str]) -> MarketingEmail:
    if not is_whole(row["id"]):
        raise bad_row(file, number, f"id is {row['id']!r}", "Give a whole number")
    counters = {}
    for name in COUNTERS:
        text = row.get(name) or "0"
        if not is_whole(text):
            raise bad_row(file, number, f"{name} is {text!r}", "Give a whole number of 0 or more")
        counters[name] = int(text)
    if "selected" not in row:
        counters["selected"] = counters["sent"] + counters["notsent"]
    published = row["published_at"]
    if published:
        published = _moment(file, number, "published_at", published)
    return MarketingEmail(
        id=int(row["id"]),
        texts={name: value for name, value in row.items() if name not in COUNTERS},
        published_at=datetime.fromisoformat(published) if published else None,
        counters=counters,
    )


def _moment(file: Path, number: int, name: str, text: str) -> str:
    millis = epoch_millis(text)
    if millis is None or millis > _LAST_MILLIS:
        raise bad_row(file, number, f"{name} is {text!r}", "Write it as 2026-01-31T09:00:00.000Z")
    return iso_millis(datetime.fromtimestamp(millis / 1000, UTC))


def _settings(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_file(file, f"it is not YAML ({error})", "Mend it") from error
    if not isinstance(content, dict):
        raise bad_file(file, "it is not a mapping", "Write hubspot: and ga4: parts")
    return content


def _hubspot_settings(file: Path, part: Any) -> HubSpotSettings | None:
    if part is None:
        return None
    given = _part(file, "hubspot", part, ("portal_id", "time_zone", "currency"))
    tier = str(given.get("tier", "professional"))
    if tier not in TIERS:
        raise bad_file(file, f"hubspot.tier is {tier!r}", f"Use {', '.join(TIERS)}")
    if not isinstance(given["portal_id"], int):
        raise bad_file(file, "hubspot.portal_id is not a number", "Give a whole number")
    scopes = given.get("scopes")
    if scopes is not None and not isinstance(scopes, list):
        raise bad_file(file, "hubspot.scopes is not a list", "Write [crm.objects.contacts.read]")
    daily_limit = given.get("daily_limit")
    if daily_limit is not None and not isinstance(daily_limit, int):
        raise bad_file(file, "hubspot.daily_limit is not a number", "Give a whole number")
    return HubSpotSettings(
        portal_id=given["portal_id"],
        time_zone=given["time_zone"],
        currency=str(given["currency"]),
        tier=tier,
        scopes=None if scopes is None else frozenset(map(str, scopes)),
        daily_limit=daily_limit,
    )


def _part(file: Path, name: str, part: Any, needed: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(part, dict):
        raise bad_file(file, f"{name} is not a mapping", f"Give it {', '.join(needed)}")
    for key in needed:
        if key not in part:
            raise bad_file(file, f"{name}.{key} is missing", "Add it")
    try:
        ZoneInfo(str(part["time_zone"]))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise bad_file(
            file, f"{name}.time_zone is {part['time_zone']!r}", "Give an IANA name (Europe/Berlin)"
        ) from error
    return part
