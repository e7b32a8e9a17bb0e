"""Rules on metrics: used by nobody, written twice, sums of what can't be added, files that aren't there.

Belongs here: what is odd about metrics that can be read. Does not belong here: whether they can be
(readers, formula_rules), goals (goal_rules).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from okr_sync.config.datasets import find_dataset
from okr_sync.config.findings import Draft, Findings
from okr_sync.config.hashes import metric_hash
from okr_sync.config.models import (
    AggMetric,
    AnyMetric,
    ConversionMetric,
    DatasetMetric,
    FilesSource,
    FormulaMetric,
    HubSpotSource,
    KeyResult,
    ManualMetric,
    RatioMetric,
    SnapshotMetric,
)
from okr_sync.config.problems import BadValue, Problem
from okr_sync.config.rules import node_at, place_of
from okr_sync.config.source_reader import Sources
from okr_sync.config.wording import advice, quoted
from okr_sync.config.yaml_reader import MappingNode, ScalarNode

_RATE = re.compile(r"(.*_)?(rate|ratio|pct|percent|percentage|share|ctr|average|avg)(_.*)?")
_SUM = re.compile(r"(?<![\w*/])([a-z]\w*)\s*\+\s*([a-z]\w*)(?!\s*[\w*/(])")
_ENDINGS = (".csv", ".parquet", ".jsonl", ".ndjson")


def check_unused(
    metrics: Sequence[Draft[AnyMetric]],
    key_results: Sequence[Draft[KeyResult]],
    in_place: Collection[str],
    findings: Findings,
) -> None:
    """Metrics that neither a key result nor a formula names."""
    named = {
        written.text.strip()
        for draft in key_results
        if isinstance(written := node_at(draft.node, ("metric",)), ScalarNode)
    }
    for draft in metrics:
        inputs = node_at(draft.node, ("inputs",))
        if isinstance(inputs, MappingNode):
            named |= {
                entry.value.text.strip()
                if isinstance(entry.value, ScalarNode)
                else f"{draft.name}__{entry.name}"
                for entry in inputs.entries.values()
            }
    for draft in metrics:
        if draft.item is not None and draft.name not in named and draft.name not in in_place:
            findings.warn(
                draft.position,
                "unused-metric",
                f"No key result and no formula uses the metric {quoted(draft.name)}.",
                "Use it, or remove it.",
            )


def check_same(metrics: Sequence[Draft[AnyMetric]], findings: Findings) -> None:
    """Metrics that compute the same number under several names."""
    usable = {draft.name: draft.item for draft in metrics if draft.item is not None}
    first: dict[str, Draft[AnyMetric]] = {}
    for draft in metrics:
        if draft.item is None or isinstance(draft.item, ManualMetric):
            continue
        same = first.setdefault(metric_hash(draft.item, usable), draft)
        if same is not draft:
            findings.warn(
                draft.position,
                "same-metric",
                f"The metric {quoted(draft.name)} computes the same number as "
                f"{quoted(same.name)} at {same.position}.",
                "Keep one of them and name it in every place.",
            )


def check_sums(metrics: Sequence[Draft[AnyMetric]], sources: Sources, findings: Findings) -> None:
    """Sums and averages of rates, sums of distinct counts, sums of deals in several currencies."""
    usable = {draft.name: draft.item for draft in metrics if draft.item is not None}
    for draft in metrics:
        metric = draft.item
        if isinstance(metric, FormulaMetric):
            _check_formula(draft, metric, usable, findings)
        elif isinstance(metric, AggMetric | SnapshotMetric):
            _check_field(draft, metric, sources, findings)


def _check_field(
    draft: Draft[AnyMetric],
    metric: AggMetric | SnapshotMetric,
    sources: Sources,
    findings: Findings,
) -> None:
    agg, field = metric.aggregation.agg, metric.aggregation.field
    is_snapshot = isinstance(metric, SnapshotMetric)
    position = place_of(draft.node, ("snapshot", "field") if is_snapshot else ("field",))
    source = sources.usable.get(metric.source)
    is_record = isinstance(metric, SnapshotMetric) or metric.time is not None
    if is_record and agg in ("sum", "average") and field and _RATE.fullmatch(field.lower()):
        findings.warn(
            position,
            "sum-of-rates",
            f"{quoted(field)} sounds like a rate, and the {agg} of rates weighs every record alike.",
            "Use a `ratio` of the two numbers it was made from.",
        )
    is_money = field == "amount" and metric.dataset_name == "deals" and agg == "sum"
    currency = metric.currency if isinstance(metric, AggMetric) else None
    if is_money and isinstance(source, HubSpotSource) and currency is None:
        findings.warn(
            position,
            "mixed-currency-field",
            "`amount` is in each deal's own currency, and they are added as they are.",
            "Use `amount_in_home_currency`, or say `currency: {field: deal_currency_code, to: …}`, "
            "or `currency: USD` if all deals are in it.",
        )


def _check_formula(
    draft: Draft[AnyMetric],
    formula: FormulaMetric,
    metrics: Mapping[str, AnyMetric],
    findings: Findings,
) -> None:
    for match in _SUM.finditer(formula.expression):
        pair = [metrics.get(formula.inputs.get(name, "")) for name in match.groups()]
        position = place_of(draft.node, ("formula",))
        if all(isinstance(one, RatioMetric | ConversionMetric) for one in pair):
            findings.warn(
                position,
                "sum-of-rates",
                f"{quoted(match[0])} adds two rates, which weighs small groups like large ones.",
                "Use one `ratio` or `conversion` over both groups.",
            )
        elif all(isinstance(m, AggMetric) and m.aggregation.agg == "count_distinct" for m in pair):
            findings.warn(
                position,
                "sum-of-distinct",
                f"{quoted(match[0])} adds counts of distinct things, which may be the same ones.",
                "Count them once, with one metric over both.",
            )


def check_files(
    metrics: Sequence[Draft[AnyMetric]],
    fx: str | None,
    sources: Sources,
    folder: Path,
    findings: Findings,
) -> None:
    """Datasets of files of which there is none in the folder now, and folders that lead outside."""
    root = folder.resolve()
    places: dict[str, Draft[AnyMetric] | None] = {}
    for draft in metrics:
        if isinstance(draft.item, DatasetMetric):
            places.setdefault(draft.item.dataset, draft)
    if fx is not None:
        places.setdefault(fx, None)
    for name, user in places.items():
        try:
            dataset = find_dataset(name, sources.usable, ())
        except BadValue:
            continue
        if not isinstance(dataset.source, FilesSource):
            continue
        place = (folder / dataset.source.path).resolve()
        position = (
            sources.fx_position
            if user is None
            else place_of(user.node, ("from",) if node_at(user.node, ("from",)) else ("of",))
        )
        if position is None:
            continue
        if not place.is_relative_to(root):
            problem = findings.error(
                position,
                "outside-project",
                f"The folder `{dataset.source.path}` is a link that leads out of the project.",
                "Put the files into the project.",
            )
            _reject_all(metrics, name, problem)
            continue
        declared = dataset.declaration
        patterns = [declared.glob] if declared else [dataset.name + end for end in _ENDINGS]
        if not any(next(place.glob(pattern), None) for pattern in patterns):
            known = [*dataset.source.datasets, *(path.stem for path in place.glob("*.*"))]
            findings.warn(
                position,
                "missing-data-file",
                f"No file of the folder `{dataset.source.path}` belongs to {quoted(name)}.",
                advice(
                    dataset.name,
                    {one for one in known if one != dataset.name},
                    "Put it there before the next sync.",
                ),
            )


def _reject_all(metrics: Sequence[Draft[AnyMetric]], dataset: str, problem: Problem) -> None:
    for draft in metrics:
        if isinstance(draft.item, DatasetMetric) and draft.item.dataset == dataset:
            draft.reject(problem)
