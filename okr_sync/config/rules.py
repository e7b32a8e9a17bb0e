"""Rules across definitions: names used twice and names that don't exist.

Belongs here: what only shows when all files have been read. Does not belong here: what one mapping
shows alone (readers).

Every rule takes drafts, adds to `findings`, and rejects the drafts that can't be used.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from okr_sync.config.findings import Draft, Findings
from okr_sync.config.identifiers import check_metric_name
from okr_sync.config.models import (
    AnyMetric,
    KeyResult,
    Objective,
    Position,
)
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import advice, listed, quoted
from okr_sync.config.yaml_reader import MappingNode, Node, ScalarNode

T = TypeVar("T")


def check_names(drafts: Sequence[Draft[T]], what: str, rule: str, findings: Findings) -> None:
    """A name that several definitions bear means none of them: all are rejected.

    `what` names the thing ("metric"); for key results the findings bear the id.
    """
    for name, same in by_name(drafts).items():
        if len(same) < 2:
            continue
        for draft in same:
            other = same[1] if draft is same[0] else same[0]
            more = f" (and {len(same) - 2} times more)" if len(same) > 2 else ""
            own = Findings()
            draft.reject(
                own.error(
                    draft.position,
                    rule,
                    f"The {what} {quoted(name)} is defined again at {other.position}{more}.",
                    "Keep one of them, or rename one.",
                )
            )
            findings.include(own, name if what == "key result" else None)


def by_name(drafts: Sequence[Draft[T]]) -> dict[str, list[Draft[T]]]:
    """The drafts of each name, in order."""
    groups: dict[str, list[Draft[T]]] = defaultdict(list)
    for draft in drafts:
        groups[draft.name].append(draft)
    return groups


def check_objectives(
    key_results: Sequence[Draft[KeyResult]],
    objectives: Sequence[Draft[Objective]],
) -> None:
    """Key results of an objective that was rejected are rejected for its reason."""
    reasons = {draft.name: draft.problem for draft in objectives if draft.problem is not None}
    for draft in key_results:
        if draft.item is not None and draft.item.objective_id in reasons:
            draft.reject(reasons[draft.item.objective_id])


def check_supports(objectives: Sequence[Draft[Objective]], findings: Findings) -> None:
    """A team of this project that doesn't have the objective that is supported is a slip."""
    names = {draft.name for draft in objectives}
    teams = {name.partition("/")[0] for name in names}
    for draft in objectives:
        if draft.item is None:
            continue
        for supported in draft.item.supports:
            team = supported.partition("/")[0]
            if team in teams and supported not in names:
                of_team = [name for name in names if name.startswith(f"{team}/")]
                findings.warn(
                    place_of(draft.node, ("supports",)),
                    "unknown-objective",
                    f"The team `{team}` has no objective {quoted(supported)}.",
                    advice(supported, of_team),
                )


def check_metrics_of(
    key_results: Sequence[Draft[KeyResult]],
    metrics: Sequence[Draft[AnyMetric]],
    broken_files: Collection[str],
    findings: Findings,
) -> None:
    """Every key result needs a metric that exists and is valid.

    `broken_files` are metrics files that couldn't be read: a missing metric may be in one of them.
    """
    known = by_name(metrics)
    for draft in key_results:
        # One that can't be used for another reason is told of a metric that doesn't exist, too.
        name = _written_metric(draft.node) if draft.item is None else draft.item.metric
        if name is None:
            continue
        own = Findings()
        same = known.get(name)
        position = place_of(draft.node, ("metric",))
        if same is None:
            own.error(
                position,
                "unknown-metric",
                f"There is no metric {quoted(name)}.",
                advice_on_metric(name, known, broken_files),
            )
        elif same[0].item is None and draft.item is not None:
            place = same[0].problem.position if same[0].problem else same[0].position
            own.error(
                position,
                "invalid-metric",
                f"Its metric {quoted(name)} can't be used, for a reason at {place}.",
                "Mend the metric there.",
            )
        if own.first_error is not None:
            draft.reject(own.first_error)
        findings.include(own, draft.name)


def _written_metric(node: Node) -> str | None:
    """The name that a key result has for `metric`; None where it has none that could be one."""
    entry = node.entries.get("metric") if isinstance(node, MappingNode) else None
    if entry is None or not isinstance(entry.value, ScalarNode) or entry.value.value is None:
        return None
    try:
        return check_metric_name(entry.value.text.strip())
    except BadValue:
        return None  # found wrong already


def advice_on_metric(name: str, known: Mapping[str, object], broken_files: Collection[str]) -> str:
    """What to do about a metric that doesn't exist, or may be in a file that can't be read."""
    if broken_files:
        files = listed(sorted(broken_files), "and")
        return advice(name, known, f"It may be in {files}, which can't be read: mend that first.")
    return advice(name, known, "Define it in metrics.yaml or a file of the folder metrics/.")


def node_at(node: Node, path: tuple[str, ...]) -> Node | None:
    """What stands under these keys, one below the other; None if nothing does."""
    found: Node | None = node
    for key in path:
        if not isinstance(found, MappingNode) or key not in found.entries:
            return None
        found = found.entries[key].value
    return found


def place_of(node: Node, path: tuple[str, ...]) -> Position:
    """Where that stands, or the whole of `node` if nothing is there."""
    found = node_at(node, path)
    return node.position if found is None else found.position
