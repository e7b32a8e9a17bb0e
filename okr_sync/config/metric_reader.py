"""Reading metrics: what `metrics*.yaml` says into AggMetric, RatioMetric and their like.

Belongs here: the YAML shape of each kind of metric and the checks within one metric. Does not belong
here: names used twice and who uses a metric (rules), numbers and filters (numbers, where_reader).
"""

from typing import Any

from okr_sync.config.datasets import Dataset, default_family, find_dataset
from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Draft, Findings
from okr_sync.config.identifiers import check_metric_name
from okr_sync.config.metric_kinds import read_agg, read_ratio, read_times, where_of
from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    Family,
    RatioMetric,
)
from okr_sync.config.problems import BadValue
from okr_sync.config.source_reader import Sources
from okr_sync.config.wording import listed, not_supported, quoted
from okr_sync.config.yaml_reader import MappingNode, Node, ScalarNode

KINDS = ("agg", "ratio", "conversion", "duration")

_LATER_KINDS = ("formula", "sql", "snapshot")
_USE_ANOTHER_KIND = f"Use {listed(KINDS)}."
_REFUSED = {
    **{kind: not_supported(f"`{kind}` metrics are", _USE_ANOTHER_KIND) for kind in _LATER_KINDS},
    "by": not_supported("`by` (a value per group) is", "Define one metric for each group."),
    "reduce": not_supported("`reduce` (of groups) is", "Define one metric for each group."),
    "inputs": not_supported("`inputs` (of a formula) are", _USE_ANOTHER_KIND),
    "change": not_supported("`change` (of a snapshot) is", _USE_ANOTHER_KIND),
    "on": not_supported("`on` (the source of an `sql` metric) is", _USE_ANOTHER_KIND),
    "goal": BadValue("unknown-key", "A metric has no goal.", "Write `goal` in the key result."),
    "over": BadValue(
        "unknown-key", "A metric has no window of its own.", "Write `over` in the key result."
    ),
}


def read_metrics_file(root: Node, sources: Sources, findings: Findings) -> list[Draft[AnyMetric]]:
    """Every metric of a metrics file; a faulty one is a draft without an item."""
    if not isinstance(root, MappingNode):
        findings.error(
            root.position,
            "wrong-type",
            f"A metrics file is a mapping, and this is {shape(root)}.",
            "Begin with `metrics:` and indent the metrics below it.",
        )
        return []
    fields = Fields(root, "A metrics file", findings, _MISPLACED)
    node = fields.mapping(
        "metrics",
        "a mapping of names to metrics",
        required=True,
        hint="Begin with `metrics:` and indent the metrics below it.",
    )
    fields.finish()
    if node is None:
        return []
    drafts: list[Draft[AnyMetric]] = []
    for entry in (*node.entries.values(), *node.duplicates):
        own = Findings()
        try:
            check_metric_name(entry.name)
        except BadValue as bad:
            own.bad(entry.position, bad)
        item = read_metric(entry.name, entry.value, sources, own)
        draft: Draft[AnyMetric] = Draft(entry.name, entry.position, entry.value, item)
        if own.first_error is not None:
            draft.reject(own.first_error)
        findings.include(own)
        drafts.append(draft)
    return drafts


_MISPLACED = {
    key: BadValue(
        "unknown-key",
        f"`{key}` doesn't belong in a metrics file.",
        "Write it in okrs.yaml or a file of the folder okrs/.",
    )
    for key in ("team", "cycle", "objectives", "key_results")
}


def read_metric(name: str, node: Node, sources: Sources, findings: Findings) -> AnyMetric | None:
    """A metric written under `name`, or in place; None, with findings, where it is none."""
    if not isinstance(node, MappingNode):
        findings.error(
            node.position,
            "wrong-type",
            f"The metric {quoted(name)} is {shape(node)}.",
            "Write a mapping, such as {agg: count, from: hubspot.contacts, time: createdate}.",
        )
        return None
    kind = _kind(name, node, findings)
    if kind is None:
        return None
    fields = Fields(node, f"A metric of kind `{kind}`", findings, _refusals(kind))
    dataset = _dataset(fields, "from" if kind in ("agg", "ratio") else "of", sources)
    common = _common(fields, name, dataset, kind)
    if kind == "agg":
        special = read_agg(fields, dataset)
    elif kind == "ratio":
        special = read_ratio(fields, dataset)
    else:
        special = read_times(fields, kind, dataset)
    fields.finish()
    if findings.first_error is not None:
        return None
    models: dict[str, type[AnyMetric]] = {
        "agg": AggMetric,
        "ratio": RatioMetric,
        "conversion": ConversionMetric,
        "duration": DurationMetric,
    }
    return models[kind](**common, **special)


def _kind(name: str, node: MappingNode, findings: Findings) -> str | None:
    written = [key for key in node.entries if key in KINDS or key in _LATER_KINDS]
    if len(written) == 1 and written[0] in KINDS:
        return written[0]
    if len(written) == 1:
        findings.bad(node.entries[written[0]].position, _REFUSED[written[0]])
    elif written:
        findings.error(
            node.entries[written[1]].position,
            "two-kinds",
            f"The metric {quoted(name)} is of {len(written)} kinds: {listed(written, 'and')}.",
            "Keep one of these keys.",
        )
    else:
        findings.error(
            node.position,
            "missing-key",
            f"The metric {quoted(name)} doesn't say how it is computed.",
            f"Give it one of the keys {listed(KINDS)}.",
        )
    return None


def _refusals(kind: str) -> dict[str, BadValue]:
    refused = dict(_REFUSED)
    if kind in ("agg", "ratio"):
        wrong, right = "of", "from"
    else:
        wrong, right = "from", "of"
        refused["time"] = BadValue(
            "unknown-key",
            f"A metric of kind `{kind}` has its times in `{kind}: {{from: …, to: …}}`.",
            "Remove `time`.",
        )
    refused[wrong] = BadValue(
        "unknown-key",
        f"A metric of kind `{kind}` names its dataset with `{right}`.",
        f"Write `{right}` instead of `{wrong}`.",
    )
    return refused


def _dataset(fields: Fields, key: str, sources: Sources) -> Dataset | None:
    return fields.parsed(
        key,
        lambda text: find_dataset(text, sources.usable, sources.broken),
        required=True,
        hint=f"Name the dataset, as in `{key}: hubspot.contacts`.",
    )


def _common(fields: Fields, name: str, dataset: Dataset | None, kind: str) -> dict[str, Any]:
    family = fields.choice("family", list(Family))
    if family is None and dataset is not None:
        family = default_family(kind == "conversion", dataset)
    return {
        "name": name,
        "dataset": "" if dataset is None else f"{dataset.source.name}.{dataset.name}",
        "description": fields.text("description"),
        "family": family,
        "where": where_of(fields, dataset),
        "min_n": fields.integer("min_n", 1, 1_000_000_000),
        "empty": _empty(fields),
        "unit": fields.unit(),
        "owner": fields.text("owner"),
        "tags": fields.texts("tags"),
    }


def _empty(fields: Fields) -> str | None:
    # `empty: null` is YAML's null, which for every other key means that the value was forgotten.
    entry = fields.node.entries.get("empty")
    if entry is not None and isinstance(entry.value, ScalarNode) and entry.value.text == "null":
        fields.has("empty")
        return "null"
    return fields.choice("empty", ("null", "zero"))
