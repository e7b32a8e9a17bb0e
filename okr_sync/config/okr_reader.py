"""Reading a team's objectives and key results.

Belongs here: the YAML shape of `okrs*.yaml`. Does not belong here: goals, windows and cycles
(goal_reader), ids used twice and metrics that don't exist (rules).
"""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from okr_sync.config.bounds_reader import read_plausible
from okr_sync.config.check_in_reader import check_manual, read_check_in_rhythm
from okr_sync.config.fields import Fields, shape
from okr_sync.config.findings import Draft, Findings
from okr_sync.config.goal_reader import read_cycle, read_goal, read_over
from okr_sync.config.identifiers import (
    check_former_id,
    check_id,
    check_metric_name,
    check_objective_reference,
    in_place_name,
)
from okr_sync.config.metric_reader import read_metric
from okr_sync.config.models import (
    AnyMetric,
    Cycle,
    Family,
    KeyResult,
    ManualMetric,
    Objective,
    Over,
)
from okr_sync.config.numbers import parse_restated
from okr_sync.config.problems import BadValue, Problem
from okr_sync.config.rule_settings import read_ignores
from okr_sync.config.source_reader import Sources
from okr_sync.config.yaml_reader import MappingNode, Node

_FILE_FORM = "Begin with `team:`, `cycle:` and `objectives:`."
_MISPLACED_IN_FILE = {
    "metrics": BadValue(
        "unknown-key",
        "Metrics don't belong in a file of OKRs.",
        "Write them in metrics.yaml or a file of the folder metrics/.",
    ),
    "key_results": BadValue(
        "unknown-key",
        "Key results belong to an objective.",
        "Indent them below an item of `objectives`.",
    ),
}
_REFUSED_IN_KEY_RESULT = {
    **{
        key: BadValue(
            "unknown-key",
            f"`{key}` belongs to the metric, not to the key result.",
            "Write it where the metric is defined.",
        )
        for key in (
            *("min_n", "empty", "where", "agg", "field", "time", "family", "within", "by"),
            *("reduce", "formula", "inputs", "sql", "snapshot", "ratio", "conversion", "currency"),
        )
    },
    **{
        key: BadValue(
            "unknown-key",
            f"`{key}` belongs into `goal`.",
            "Write it as in `goal: {from: 18%, to: 27%}`.",
        )
        for key in ("from", "to", "at_least", "at_most", "between", "target", "baseline")
    },
}


@dataclass(frozen=True)
class Defaults:
    """What the project says for every key result that doesn't say otherwise."""

    fiscal_year_start: int
    settle: timedelta
    revise: timedelta
    check_in_every: timedelta
    restated: Decimal


@dataclass
class OkrFile:
    """What one file defines. `unread` tells why some ids of it are not known, if so."""

    objectives: list[Draft[Objective]] = field(default_factory=list)
    key_results: list[Draft[KeyResult]] = field(default_factory=list)
    metrics: list[Draft[AnyMetric]] = field(default_factory=list)
    """Those written in place, each named by its key result: `team__key_result`."""
    unread: Problem | None = None
    ignored: set[tuple[str, str]] = field(default_factory=set)
    """Ids of key results and objectives with the rules that they silence."""

    def lose(self, problem: Problem | None) -> None:
        """Note that the file defines something whose id couldn't be read."""
        self.unread = self.unread or problem


@dataclass(frozen=True)
class _Place:
    """Where an objective stands: its team and cycle, None if wrong, and that `problem`."""

    team: str | None
    cycle: Cycle | None
    problem: Problem | None
    defaults: Defaults
    sources: Sources

    def full_id(self, own: str | None) -> str | None:
        return None if self.team is None or own is None else f"{self.team}/{own}"


def read_okr_file(root: Node, defaults: Defaults, sources: Sources, findings: Findings) -> OkrFile:
    """Every objective and key result of a file; a faulty one is a draft without an item."""
    file = OkrFile()
    if not isinstance(root, MappingNode):
        file.lose(
            findings.error(
                root.position,
                "wrong-type",
                f"A file of OKRs is a mapping, and this is {shape(root)}.",
                _FILE_FORM,
            )
        )
        return file
    head = Findings()
    fields = Fields(root, "A file of OKRs", head, _MISPLACED_IN_FILE)
    team = fields.parsed("team", check_id, required=True, hint="Add it, as in `team: demand-gen`.")
    node = fields.value("cycle", required=True, hint="Add it, as in `cycle: 2026-Q4`.")
    cycle = None if node is None else read_cycle(node, defaults.fiscal_year_start, head)
    objectives = fields.items("objectives", "objectives", required=True)
    fields.finish()
    findings.include(head)
    place = _Place(team, cycle, head.first_error, defaults, sources)
    if team is None or (head.first_error is not None and not objectives):
        file.lose(head.first_error)
    for item in objectives:
        _read_objective(item, place, file, findings)
    return file


def _read_objective(node: Node, place: _Place, file: OkrFile, findings: Findings) -> None:
    if not isinstance(node, MappingNode):
        file.lose(
            findings.error(
                node.position,
                "wrong-type",
                f"An objective is {shape(node)}.",
                "Write a mapping with `id`, `title` and `key_results`.",
            )
        )
        return
    own = Findings()
    fields = Fields(node, "An objective", own)
    own_id = fields.parsed("id", check_id, required=True, hint="Add a short id that will stay.")
    title = fields.text("title", required=True)
    owner = fields.text("owner")
    supports = fields.texts("supports", check_objective_reference)
    ignored = read_ignores(fields)
    items = fields.items("key_results", "key results", required=True)
    fields.finish()
    findings.include(own)
    full_id = place.full_id(own_id)
    problem = place.problem or own.first_error
    if own.first_error is not None and not items:
        file.lose(own.first_error)
    if full_id is not None:
        file.ignored |= {(full_id, rule) for rule in ignored}
        draft: Draft[Objective] = Draft(full_id, fields.position("id"), node, None)
        if problem is not None:
            draft.reject(problem)
        elif place.team is not None and place.cycle is not None and title is not None:
            draft.item = Objective(
                objective_id=full_id,
                team=place.team,
                cycle=place.cycle,
                title=title,
                owner=owner,
                supports=supports,
                defined_at=fields.position("id"),
            )
        file.objectives.append(draft)
    for item in items:
        _read_key_result(item, place, full_id, problem, file, findings)


def _read_key_result(
    node: Node,
    place: _Place,
    objective_id: str | None,
    outer: Problem | None,
    file: OkrFile,
    findings: Findings,
) -> None:
    if not isinstance(node, MappingNode):
        file.lose(
            findings.error(
                node.position,
                "wrong-type",
                f"A key result is {shape(node)}.",
                "Write a mapping with `id`, `title`, `metric` and `goal`.",
            )
        )
        return
    own = Findings()
    fields = Fields(node, "A key result", own, _REFUSED_IN_KEY_RESULT)
    own_id = fields.parsed("id", check_id, required=True, hint="Add a short id that will stay.")
    full_id = place.full_id(own_id)
    title = fields.text("title", required=True)
    is_manual = not fields.has("metric")
    metric = (
        _manual_metric(full_id, node, file)
        if is_manual
        else _read_metric_of(fields, full_id, place.sources, file)
    )
    goal_node = fields.value("goal", required=True, hint="Add it, as in {from: 18%, to: 27%}.")
    goal = None if goal_node is None else read_goal(goal_node, own)
    over_node = fields.value("over")
    over = Over() if over_node is None else read_over(over_node, own)
    check_in_every = read_check_in_rhythm(
        fields, place.defaults.check_in_every, is_manual=is_manual
    )
    if is_manual:
        check_manual(fields, goal)
    owner = fields.text("owner")
    unit = fields.unit()
    commitment = fields.choice("commitment", ("committed", "aspirational"))
    indicator = fields.choice("indicator", ("leading", "lagging"))
    pace = fields.choice("pace", ("linear", "none"))
    shared_with = fields.texts("shared_with", check_id)
    plausible = read_plausible(fields)
    settle = fields.duration("settle")
    revise = fields.duration("revise")
    restated = fields.parsed("restated", parse_restated)
    goal_since = fields.day("goal_since")
    was = fields.parsed("was", check_former_id)
    ignored = read_ignores(fields)
    fields.finish()
    findings.include(own, full_id)
    if full_id is None:
        file.lose(own.first_error or outer)
        return
    draft: Draft[KeyResult] = Draft(full_id, fields.position("id"), node, None)
    file.key_results.append(draft)
    file.ignored |= {(full_id, rule) for rule in ignored}
    problem = own.first_error or outer or (place.sources.check_ins_problem if is_manual else None)
    if problem is not None:
        draft.reject(problem)
        return
    if (
        objective_id is None
        or place.team is None
        or place.cycle is None
        or title is None
        or metric is None
        or goal is None
    ):
        raise AssertionError(f"{full_id} lacks a part, and nothing was found wrong with it")
    draft.item = KeyResult(
        key_result_id=full_id,
        objective_id=objective_id,
        team=place.team,
        title=title,
        owner=owner,
        metric=metric,
        goal=goal,
        goal_since=goal_since,
        over=over,
        cycle=place.cycle,
        unit=unit,
        commitment=commitment or "committed",
        indicator=indicator,
        pace=pace or "linear",
        shared_with=shared_with,
        plausible=plausible,
        settle=place.defaults.settle if settle is None else settle,
        revise=place.defaults.revise if revise is None else revise,
        check_in_every=check_in_every,
        restated=place.defaults.restated if restated is None else restated,
        was=place.full_id(was) if was is None or "/" not in was else was,
        defined_at=fields.position("id"),
    )


def _manual_metric(key_result_id: str | None, node: Node, file: OkrFile) -> str | None:
    """The name of what stands in a metric's place where people say the number."""
    if key_result_id is None:
        return None
    name = in_place_name(key_result_id)
    metric = ManualMetric(name=name, family=Family.ENGAGEMENT, key_result_id=key_result_id)
    file.metrics.append(Draft(name, node.position, node, metric))
    return name


def _read_metric_of(
    fields: Fields, key_result_id: str | None, sources: Sources, file: OkrFile
) -> str | None:
    """The metric's name: the one written, or the one made for a metric written in place."""
    node = fields.value("metric", required=True, hint="Name a metric of metrics.yaml.")
    if not isinstance(node, MappingNode):
        return None if node is None else fields.parsed("metric", check_metric_name)
    name = in_place_name(key_result_id or "")
    metric_findings = Findings()
    inputs: list[Draft[AnyMetric]] = []
    metric = read_metric(name, node, sources, metric_findings, inputs)
    fields.findings.include(metric_findings)
    if metric is None or key_result_id is None:
        return None
    file.metrics += [Draft(name, node.position, node, metric), *inputs]
    return name
