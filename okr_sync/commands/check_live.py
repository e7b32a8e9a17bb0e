"""`okr-sync check --live`: ask the sources whether they have what the bindings name.

Belongs here: which questions follow from the bindings, and what their answers mean as findings. Does
not belong here: the requests (connectors.*.live), or what files alone show (config).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from connectors.ga4.live import Ga4Probe, PropertyFields
from connectors.hubspot.live import HubSpotProbe, Named, Pipeline
from connectors.hubspot.schema import BoundProperty
from okr_sync.config.bundle import Bundle
from okr_sync.config.datasets import EMAILS
from okr_sync.config.formula_rules import with_inputs
from okr_sync.config.models import DatasetMetric, Ga4Source, HubSpotSource, Position, RecordMetric
from okr_sync.config.places import metric_nodes, position_within
from okr_sync.config.problems import Problem, Severity
from okr_sync.config.where import AnyOf, Condition, Operator, Where
from okr_sync.config.wording import advice, listed, near_miss, quoted
from okr_sync.config.yaml_reader import Node
from okr_sync.errors import SourceError, TransientSourceError
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.metrics.record_fields import (
    aggregations,
    associated_fields,
    fields_of_metric,
    number_fields,
    time_fields,
)

_STAGES = ("dealstage", "hs_pipeline_stage")
_PIPELINES = ("pipeline", "hs_pipeline")
_NAMED = (Operator.EQ, Operator.NOT, Operator.IN, Operator.NOT_IN)


def live_problems(bundle: Bundle, environ: Mapping[str, str]) -> list[Problem]:
    """Everything that the key results' bindings name and the sources don't have.

    One finding a source that can't be asked; nothing is written anywhere.
    """
    used = with_inputs((one.metric for one in bundle.key_results.values()), bundle.metrics)
    nodes = metric_nodes(bundle)
    by_source: dict[str, list[RecordMetric]] = defaultdict(list)
    for name in sorted(used):
        metric = bundle.metrics.get(name)
        if isinstance(metric, DatasetMetric) and name in nodes:
            by_source[metric.source].append(metric)

    def ask(name: str) -> list[Problem]:
        source = bundle.project.sources[name]
        if isinstance(source, HubSpotSource):
            return _ask_hubspot(source, by_source[name], bundle, nodes, environ)
        if isinstance(source, Ga4Source):
            return _ask_ga4(source, by_source[name], nodes, environ)
        return []

    # All at once, so that several that don't answer take no longer than one.
    with ThreadPoolExecutor(max(1, len(by_source))) as pool:
        problems = {problem for found in pool.map(ask, by_source) for problem in found}
    return sorted(problems, key=lambda p: (p.position, p.rule, p.message))


def _error(position: Position, rule: str, message: str, fix: str) -> Problem:
    return Problem(position, Severity.ERROR, rule, message, fix)


def _refused(position: Position, error: SourceError) -> Problem:
    """A refusal as a finding; its text says what happened and, after that, what to do."""
    is_scope = "scope" in error.user_text.casefold()
    message, _, fix = error.user_text.partition(". ")
    return _error(
        position,
        "live-missing-scope" if is_scope else "live-unreachable",
        f"{message.rstrip('.')}.",
        fix or "`okr-sync doctor` tells more.",
    )


# --- HubSpot -------------------------------------------------------------------------------------


def _ask_hubspot(
    source: HubSpotSource,
    metrics: list[RecordMetric],
    bundle: Bundle,
    nodes: Mapping[str, Node],
    environ: Mapping[str, str],
) -> list[Problem]:
    problems: list[Problem] = []
    by_dataset: dict[str, list[RecordMetric]] = defaultdict(list)
    for metric in metrics:
        by_dataset[metric.dataset_name].append(metric)
        for related in associated_fields(metric, bundle.project):
            by_dataset[related].append(metric)
    probe = HubSpotProbe(source, environ)
    try:
        for dataset, users in sorted(by_dataset.items()):
            first = position_within(nodes[users[0].name], users[0].dataset)
            try:
                probe.check_reading(dataset)
                if dataset != EMAILS:
                    problems += _check_properties(probe, dataset, users, bundle, nodes)
                    problems += _check_stages(probe, dataset, users, nodes)
            except TransientSourceError as error:
                # Who does not answer now is not waited for once more.
                problems.append(_refused(first, error))
                break
            except SourceError as error:
                problems.append(_refused(first, error))
    finally:
        probe.close()
    return problems


def _check_properties(
    probe: HubSpotProbe,
    dataset: str,
    users: Iterable[RecordMetric],
    bundle: Bundle,
    nodes: Mapping[str, Node],
) -> list[Problem]:
    """Each property is asked for once, and told in every metric that uses it in the wrong way."""
    metrics = list(users)
    needs = {metric.name: _need(dataset, metric, bundle) for metric in metrics}
    verdicts = probe.verdicts(
        RecordsNeed(
            metrics[0].source,
            dataset,
            frozenset().union(*(need.fields for need in needs.values())),
            frozenset().union(*(need.time_fields for need in needs.values())),
            frozenset().union(*(need.number_fields for need in needs.values())),
        )
    )
    problems = []
    for metric in metrics:
        need, node = needs[metric.name], nodes[metric.name]
        prefix = "" if metric.dataset_name == dataset else f"{dataset}."
        for field in sorted(need.fields):
            verdict = verdicts[field]
            is_use = verdict.type is not None
            if verdict.error is None or (
                is_use and field not in need.time_fields | need.number_fields
            ):
                continue
            message, _, fix = verdict.error.partition(". ")
            problems.append(
                _error(
                    position_within(node, f"{prefix}{field}"),
                    _rule_of(verdict),
                    f"{message.rstrip('.')}.",
                    fix or "Check it in HubSpot's settings.",
                )
            )
    return problems


def _rule_of(verdict: BoundProperty) -> str:
    if verdict.type is not None:
        return "live-wrong-type"
    return "live-hidden-field" if verdict.quality else "live-unknown-field"


def _need(dataset: str, metric: RecordMetric, bundle: Bundle) -> RecordsNeed:
    if metric.dataset_name != dataset:
        fields = associated_fields(metric, bundle.project)[dataset]
        return RecordsNeed(metric.source, dataset, fields)
    return RecordsNeed(
        metric.source,
        dataset,
        fields_of_metric(metric, bundle.project),
        time_fields(metric),
        number_fields(metric),
    )


def _check_stages(
    probe: HubSpotProbe, dataset: str, users: Iterable[RecordMetric], nodes: Mapping[str, Node]
) -> list[Problem]:
    """Stages and pipelines in `where`, which are compared by their ids."""
    problems: list[Problem] = []
    known: tuple[Pipeline, ...] | None = None
    for metric in users:
        prefix = "" if metric.dataset_name == dataset else f"{dataset}."
        for condition in _conditions(metric):
            field = condition.field.removeprefix(prefix)
            is_stage, is_pipeline = field in _STAGES, field in _PIPELINES
            if not (is_stage or is_pipeline) or condition.operator not in _NAMED:
                continue
            known = probe.pipelines(dataset) if known is None else known
            for value in condition.values:
                found = _check_name(str(value), is_stage, known)
                if found is not None:
                    position = position_within(nodes[metric.name], str(value))
                    problems.append(_error(position, *found))
    return problems


def _check_name(
    value: str, is_stage: bool, pipelines: tuple[Pipeline, ...]
) -> tuple[str, str, str] | None:
    """Rule, message and fix for a value that is not the id of a stage (or pipeline)."""
    places = [
        (stage, pipeline.name)
        for pipeline in pipelines
        for stage in (pipeline.stages if is_stage else (pipeline.name,))
    ]
    if value in {one.id for one, _ in places}:
        return None
    what = "stage" if is_stage else "pipeline"
    labelled = [(one, of) for one, of in places if one.label.casefold() == value.casefold()]
    if labelled:
        ids = listed(_shown(one, of, is_stage and len(labelled) > 1) for one, of in labelled)
        told = (
            f"is the label of {len(labelled)} {what}s; records hold an id"
            if len(labelled) > 1
            else f"is the label of a {what}; records hold its id"
        )
        return ("live-stage-label", f"{quoted(value)} {told}.", f"Write {ids}.")
    ids_and_labels = {one.id: one.id for one, _ in places} | {
        one.label: one.id for one, _ in places
    }
    meant = near_miss(value, ids_and_labels)
    fix = (
        f"Did you mean `{ids_and_labels[meant]}`?" if meant else "HubSpot shows ids beside labels."
    )
    return ("live-unknown-stage", f"No {what} has the id {quoted(value)}.", fix)


def _shown(named: Named, pipeline: Named, is_ambiguous: bool) -> str:
    return f"`{named.id}` (in {pipeline.label})" if is_ambiguous else f"`{named.id}`"


def _conditions(metric: RecordMetric) -> list[Condition]:
    found: list[Condition] = []
    waiting: list[Where] = [metric.where, *(part.where for part in aggregations(metric))]
    while waiting:
        for test in waiting.pop().tests:
            if isinstance(test, AnyOf):
                waiting += test.alternatives
            else:
                found.append(test)
    return found


# --- GA4 -----------------------------------------------------------------------------------------


def _ask_ga4(
    source: Ga4Source,
    metrics: list[RecordMetric],
    nodes: Mapping[str, Node],
    environ: Mapping[str, str],
) -> list[Problem]:
    problems: list[Problem] = []
    probe = Ga4Probe(source, environ)
    try:
        known = probe.fields()
        for metric in metrics:
            node = nodes[metric.name]
            for part in aggregations(metric):
                dimensions = (metric.where & part.where).fields()
                names = [part.field] if part.field is not None else []
                found = _check_names(names, dimensions, known, node)
                problems += found
                if found or part.field is None:
                    continue
                if not probe.go_together(part.field, {*dimensions, "date"}):
                    shown = listed(sorted(dimensions), "and") or "the day"
                    problems.append(
                        _error(
                            position_within(node, part.field),
                            "live-incompatible",
                            f"GA4 can't combine {quoted(part.field)} with {shown}.",
                            "Use a dimension or a metric of the same scope: session, user or event.",
                        )
                    )
    except SourceError as error:
        first = metrics[0]
        problems.append(_refused(position_within(nodes[first.name], first.dataset), error))
    finally:
        probe.close()
    return problems


def _check_names(
    metrics: list[str], dimensions: Iterable[str], known: PropertyFields, node: Node
) -> list[Problem]:
    problems = []
    for what, names, have in (
        ("metric", metrics, known.metrics),
        ("dimension", sorted(dimensions), known.dimensions),
    ):
        for name in names:
            if name not in have:
                problems.append(
                    _error(
                        position_within(node, name),
                        "live-unknown-field",
                        f"The GA4 property has no {what} {quoted(name)}.",
                        advice(name, have, "Look it up in the property's custom definitions."),
                    )
                )
            elif name in known.blocked:
                problems.append(
                    _error(
                        position_within(node, name),
                        "live-blocked",
                        f"GA4 doesn't show {quoted(name)} to these credentials: "
                        f"{known.blocked[name]}.",
                        "Ask for access in GA4's settings, under Property access management.",
                    )
                )
    return problems
