"""Reading metrics: what `metrics*.yaml` says into AggMetric, RatioMetric and their like.

Belongs here: the YAML shape of each kind of metric and the checks within one metric. Does not belong
here: names used twice and who uses a metric (rules), numbers and filters (numbers, where_reader).
"""

from typing import Any

from okr_sync.config.bounds_reader import read_plausible
from okr_sync.config.datasets import Dataset, default_family, find_dataset
from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Draft, Findings
from okr_sync.config.formula_reader import ReadInput, read_formula
from okr_sync.config.identifiers import check_metric_name
from okr_sync.config.metric_kinds import (
    read_agg,
    read_groups,
    read_ratio,
    read_snapshot,
    read_times,
    where_of,
)
from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    Family,
    FormulaMetric,
    RatioMetric,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.config.problems import BadValue
from okr_sync.config.source_reader import Sources
from okr_sync.config.sql_reader import read_snapshot_sql, read_sql
from okr_sync.config.wording import listed, quoted
from okr_sync.config.yaml_reader import MappingNode, Node, ScalarNode

KINDS = ("agg", "ratio", "conversion", "duration", "formula", "sql", "snapshot")

_FROM_KINDS = ("agg", "ratio", "snapshot")
_MODELS: dict[str, type[AnyMetric]] = {
    "agg": AggMetric,
    "ratio": RatioMetric,
    "conversion": ConversionMetric,
    "duration": DurationMetric,
    "snapshot": SnapshotMetric,
    "sql": SqlMetric,
    "formula": FormulaMetric,
}
_REFUSED = {
    "goal": BadValue("unknown-key", "A metric has no goal.", "Write `goal` in the key result."),
    "over": BadValue(
        "unknown-key", "A metric has no window of its own.", "Write `over` in the key result."
    ),
    "within": BadValue(
        "unknown-key",
        "`within` belongs to a conversion.",
        "Write it as in `conversion: {from: …, to: …, within: 45d}`.",
    ),
    "inputs": BadValue(
        "unknown-key", "`inputs` belong to a formula.", "Remove them, or write a `formula`."
    ),
    "on": BadValue(
        "unknown-key", "`on` belongs to `sql`.", "Name the dataset with `from` or `of` instead."
    ),
    "change": BadValue(
        "unknown-key",
        "`change` belongs to a snapshot: what others measure lies in the window anyway.",
        "Remove it, or use a `snapshot`.",
    ),
    "pool": BadValue("unknown-key", "`pool` belongs to a ratio.", "Remove it, or write a `ratio`."),
    "currency": BadValue(
        "unknown-key",
        "`currency` belongs to an `agg` metric.",
        "Remove it, or convert the amounts in an `agg` metric and use that in a `formula`.",
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
        inputs: list[Draft[AnyMetric]] = []
        item = read_metric(entry.name, entry.value, sources, own, inputs)
        draft: Draft[AnyMetric] = Draft(entry.name, entry.position, entry.value, item)
        if own.first_error is not None:
            draft.reject(own.first_error)
        findings.include(own)
        drafts += [draft, *inputs]
    return drafts


_MISPLACED = {
    key: BadValue(
        "unknown-key",
        f"`{key}` doesn't belong in a metrics file.",
        "Write it in okrs.yaml or a file of the folder okrs/.",
    )
    for key in ("team", "cycle", "objectives", "key_results")
}


def read_metric(
    name: str,
    node: Node,
    sources: Sources,
    findings: Findings,
    inputs: list[Draft[AnyMetric]],
) -> AnyMetric | None:
    """A metric written under `name`, or in place; None, with findings, where it is none.

    Metrics that are written in place as inputs of a formula are added to `inputs`.
    """
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
    own = Findings()
    is_query = kind == "sql" or (kind == "snapshot" and _is_sql_snapshot(node))
    fields = Fields(node, f"A metric of kind `{kind}`", own, _refusals(kind, is_query))
    if kind == "formula":
        family = Family.FUNNEL  # until it is known what its inputs are (rules)
        special = read_formula(fields, name, _input_reader(sources, own, inputs))
    elif is_query:
        family = Family.ENGAGEMENT
        read = read_sql if kind == "sql" else read_snapshot_sql
        special = read(fields, sources)
    else:
        dataset = _dataset(fields, "from" if kind in _FROM_KINDS else "of", sources)
        family = Family.FUNNEL
        if dataset is not None:
            family = default_family(kind == "conversion", dataset)
        special = _read_dataset_metric(fields, kind, dataset, sources)
    common = _common(fields, name, family)
    fields.finish()
    findings.include(own)
    if own.first_error is not None:
        return None
    return _MODELS["sql" if is_query else kind](**common, **special)


def _read_dataset_metric(
    fields: Fields, kind: str, dataset: Dataset | None, sources: Sources
) -> dict[str, Any]:
    if kind == "agg":
        special = read_agg(fields, dataset, sources)
    elif kind == "ratio":
        special = read_ratio(fields, dataset)
    elif kind == "snapshot":
        special = read_snapshot(fields, dataset)
    else:
        special = read_times(fields, kind, dataset)
    return {
        "dataset": "" if dataset is None else f"{dataset.source.name}.{dataset.name}",
        "where": where_of(fields, dataset),
        **special,
        **read_groups(fields, dataset, special.get("aggregation")),
    }


def _input_reader(
    sources: Sources, findings: Findings, inputs: list[Draft[AnyMetric]]
) -> ReadInput:
    def read(name: str, node: MappingNode) -> None:
        nested: list[Draft[AnyMetric]] = []
        own = Findings()
        item = read_metric(name, node, sources, own, nested)
        draft: Draft[AnyMetric] = Draft(name, node.position, node, item)
        if own.first_error is not None:
            draft.reject(own.first_error)
        inputs.extend([draft, *nested])
        findings.include(own)

    return read


def _kind(name: str, node: MappingNode, findings: Findings) -> str | None:
    written = [key for key in node.entries if key in KINDS]
    if len(written) == 1:
        return written[0]
    if written:
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


def _is_sql_snapshot(node: MappingNode) -> bool:
    written = node.entries["snapshot"].value
    return isinstance(written, MappingNode) and "sql" in written.entries


def _refusals(kind: str, is_query: bool) -> dict[str, BadValue]:
    refused = dict(_REFUSED)
    if kind == "formula" or is_query:
        what = "A formula has no records of its own" if kind == "formula" else "A query is all SQL"
        where = "its inputs" if kind == "formula" else "the statement"
        for key in ("from", "of", "where", "time", "field", "by", "reduce"):
            refused[key] = BadValue(
                "unknown-key", f"{what}, so it takes no `{key}`.", f"Say it in {where}."
            )
        return refused
    if kind in _FROM_KINDS:
        wrong, right = "of", "from"
        if kind == "snapshot":
            refused["time"] = BadValue(
                "unknown-key", "A snapshot is a level as it is now.", "Remove `time`."
            )
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


def _common(fields: Fields, name: str, family: Family) -> dict[str, Any]:
    return {
        "name": name,
        "description": fields.text("description"),
        "family": fields.choice("family", list(Family)) or family,
        "min_n": fields.integer("min_n", 1, 1_000_000_000),
        "empty": _empty(fields),
        "unit": fields.unit(),
        "owner": fields.text("owner"),
        "tags": fields.texts("tags"),
        "plausible": read_plausible(fields),
    }


def _empty(fields: Fields) -> str | None:
    # `empty: null` is YAML's null, which for every other key means that the value was forgotten.
    entry = fields.node.entries.get("empty")
    if entry is not None and isinstance(entry.value, ScalarNode) and entry.value.text == "null":
        fields.has("empty")
        return "null"
    return fields.choice("empty", ("null", "zero"))
