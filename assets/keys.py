"""Names in Dagster: asset keys, groups, tags and check names, in one place.

Belongs here: how a definition of the project is called in Dagster. Does not belong here: the assets.
"""

import re
from collections.abc import Iterable

import dagster as dg

from okr_sync.config.models import AnyMetric, KeyResult

SYNC_JOB = "sync"
TRIGGER_TAG = "okr_sync/trigger"
"""Says who asked for a run: `manual` or `backfill` from the command; Dagster's own runs lack it."""

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
"""First and last day of a single run over a range of days."""

KEY_RESULTS_GROUP = "key_results"
SOURCES_GROUP = "sources"

_LONGEST_TAG = 63
_E_MAIL = re.compile(r"[^@\s,;:<>\"']+@[^@\s,;:<>\"']+\.[A-Za-z]{2,}")


def dataset_key(dataset: str) -> dg.AssetKey:
    """`hubspot.contacts` → hubspot/contacts."""
    return dg.AssetKey(dataset.split("."))


def metric_key(metric: AnyMetric) -> dg.AssetKey:
    """A metric's key: metric/<name>."""
    return dg.AssetKey(["metric", metric.name])


def key_result_key(key_result: KeyResult) -> dg.AssetKey:
    """A key result's key: key_result/<team>/<id>."""
    return dg.AssetKey(["key_result", *key_result.key_result_id.split("/")])


def identifier(name: str) -> str:
    """A name that Dagster takes for a step: letters, digits and underscores."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def tag_name(text: str) -> str:
    """A text as Dagster takes it for the name or value of a tag: other signs become hyphens."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:_LONGEST_TAG]


def owners(*names: str | None) -> list[str]:
    """People and teams as Dagster takes them for owners: an e-mail address, or `team:NAME`.

    Whoever is named by something other than an address (`vp-marketing`) stands as a team, the only
    other form there is; signs that Dagster refuses become hyphens.
    """
    found: dict[str, None] = {}
    for name in filter(None, names):
        address = name.strip()
        if _E_MAIL.fullmatch(address):
            found[address] = None
        elif tag_name(address).strip("-"):
            found[f"team:{tag_name(address)}"] = None
    return list(found)


def labels(names: Iterable[str], prefix: str | None = None) -> dict[str, str]:
    """Tags without a value, one a name, so that people can filter by each: `supports/company.grow`."""
    named = (tag_name(name) for name in names)
    return {f"{prefix}/{name}" if prefix else name: "" for name in named if name}
