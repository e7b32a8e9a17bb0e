"""Names in Dagster: asset keys, groups, tags and check names, in one place.

Belongs here: how a definition of the project is called in Dagster. Does not belong here: the assets.
"""

import re

import dagster as dg

from okr_sync.config.models import AnyMetric, KeyResult

SYNC_JOB = "sync"
TRIGGER_TAG = "okr_sync/trigger"
"""Says who asked for a run: `manual` or `backfill` from the command; Dagster's own runs lack it."""

COMPLETE_CHECK = "complete"
MEASURED_CHECK = "measured"
KEY_RESULTS_GROUP = "key_results"
SOURCES_GROUP = "sources"

_LONGEST_TAG = 63


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


def tag_text(text: str) -> str:
    """A tag's key or value that Dagster takes: 63 letters, digits, `_`, `-` and `.` at most.

    People's tags and ids may be longer and hold anything; a tag that can't be had as written must not
    stop the project, so what Dagster refuses becomes `_`.
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:_LONGEST_TAG]
