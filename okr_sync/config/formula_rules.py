"""Rules on the inputs of formulas: that they exist, are valid and go in no circle.

Belongs here: what follows from metrics that use metrics. Does not belong here: reading a formula
(formula_reader) or the metrics of key results (rules).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from okr_sync.config.findings import Draft, Findings
from okr_sync.config.models import AnyMetric, FormulaMetric, Position
from okr_sync.config.rules import advice_on_metric, by_name, node_at
from okr_sync.config.wording import quoted
from okr_sync.config.yaml_reader import MappingNode

MAX_LEVELS = 20
"""How many formulas may stand one upon the other."""


def with_inputs(names: Iterable[str], metrics: Mapping[str, AnyMetric]) -> set[str]:
    """These metrics and all that they are computed from, at any distance."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        metric = metrics.get(name)
        if isinstance(metric, FormulaMetric):
            waiting += metric.inputs.values()
    return found


def check_inputs(
    metrics: Sequence[Draft[AnyMetric]], broken_files: Collection[str], findings: Findings
) -> None:
    """Reject formulas whose inputs don't exist, can't be used, or depend on the formula itself.

    The family of a formula that names none becomes that of its first input.
    """
    known = by_name(metrics)
    formulas = [draft for draft in metrics if isinstance(draft.item, FormulaMetric)]
    levels: dict[str, int] = {}
    for draft in formulas:
        _check_existence(draft, known, broken_files, findings)
    _settle_all(formulas, known, levels, findings)
    circles = [
        (draft, circle)
        for draft in _unsettled(formulas, levels)
        if (circle := _circle(draft.name, known, levels))
    ]
    for draft, circle in circles:
        name = next(key for key, value in _inputs(draft).items() if value == circle[1])
        shown = " → ".join(circle[:8]) + (" → …" if len(circle) > 8 else "")
        draft.problem = draft.problem or findings.error(
            _place(draft, name),
            "formula-cycle",
            f"The formula needs itself: {shown}.",
            "Give one of them inputs that don't lead back.",
        )
    for draft, _ in circles:
        draft.item = None
    _settle_all(formulas, known, levels, findings)


def _unsettled(
    formulas: Sequence[Draft[AnyMetric]], levels: Mapping[str, int]
) -> list[Draft[AnyMetric]]:
    return [
        draft
        for draft in formulas
        if isinstance(draft.item, FormulaMetric) and draft.name not in levels
    ]


def _settle_all(
    formulas: Sequence[Draft[AnyMetric]],
    known: Mapping[str, Sequence[Draft[AnyMetric]]],
    levels: dict[str, int],
    findings: Findings,
) -> None:
    """Round by round, settle the formulas whose inputs are settled; circles are left over."""
    while True:
        left = _unsettled(formulas, levels)
        names = {draft.name for draft in left}
        ready = [draft for draft in left if not names & set(_inputs(draft).values())]
        if not ready:
            return
        for draft in ready:
            _settle(draft, known, levels, findings)


def _circle(
    name: str, known: Mapping[str, Sequence[Draft[AnyMetric]]], levels: Mapping[str, int]
) -> list[str]:
    """A way from the formula back to itself, both ends included; empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = [name]
    while waiting:
        at = waiting.pop(0)
        for metric in _inputs(known[at][0]).values():
            if metric == name:
                path = [name, at]
                while path[-1] != name:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if metric not in came_from and metric not in levels and metric in known:
                came_from[metric] = at
                waiting.append(metric)
    return []


def _inputs(draft: Draft[AnyMetric]) -> dict[str, str]:
    return draft.item.inputs if isinstance(draft.item, FormulaMetric) else {}


def _place(draft: Draft[AnyMetric], name: str) -> Position:
    found = node_at(draft.node, ("inputs", name))
    return draft.position if found is None else found.position


def _check_existence(
    draft: Draft[AnyMetric],
    known: Mapping[str, Sequence[Draft[AnyMetric]]],
    broken_files: Collection[str],
    findings: Findings,
) -> None:
    for name, metric in _inputs(draft).items():
        if metric not in known:
            draft.reject(
                findings.error(
                    _place(draft, name),
                    "unknown-metric",
                    f"There is no metric {quoted(metric)}.",
                    advice_on_metric(metric, known, broken_files),
                )
            )


def _settle(
    draft: Draft[AnyMetric],
    known: Mapping[str, Sequence[Draft[AnyMetric]]],
    levels: dict[str, int],
    findings: Findings,
) -> None:
    inputs = _inputs(draft)
    levels[draft.name] = 1 + max((levels.get(metric, 0) for metric in inputs.values()), default=0)
    if levels[draft.name] == MAX_LEVELS + 1:  # those above it have an input that can't be used
        draft.reject(
            findings.error(
                draft.position,
                "too-many-levels",
                f"More than {MAX_LEVELS} formulas stand one upon the other.",
                "Write what they compute in fewer formulas.",
            )
        )
        return
    for name, metric in inputs.items():
        used = known[metric][0]
        if used.item is not None:
            continue
        written_in_place = isinstance(node_at(draft.node, ("inputs", name)), MappingNode)
        if written_in_place and used.problem is not None:
            draft.reject(used.problem)
            continue
        place = used.problem.position if used.problem else used.position
        draft.reject(
            findings.error(
                _place(draft, name),
                "invalid-metric",
                f"The input's metric {quoted(metric)} can't be used, for a reason at {place}.",
                "Mend the metric there.",
            )
        )
    first = next(iter(inputs.values()), None)
    item = draft.item
    if isinstance(item, FormulaMetric) and first is not None:
        family_is_written = node_at(draft.node, ("family",)) is not None
        source = known[first][0].item
        if not family_is_written and source is not None:
            draft.item = item.model_copy(update={"family": source.family})
