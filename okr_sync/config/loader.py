"""Loading a project: from a folder to a bundle, keeping what is right and reporting what is not.

Belongs here: the order of reading, and what a finding takes out of use. Does not belong here: files
(project_files), YAML (yaml_reader), the shapes of definitions (readers), rules across them (rules).
"""

from dataclasses import dataclass, field
from pathlib import Path

from okr_sync.config import (
    formula_rules,
    goal_rules,
    governance,
    metric_rules,
    rename_rules,
    rules,
)
from okr_sync.config.bundle import Bundle
from okr_sync.config.check_in_reader import check_metrics_beside
from okr_sync.config.findings import Draft, Findings
from okr_sync.config.hashes import config_hash
from okr_sync.config.metric_reader import read_metrics_file
from okr_sync.config.models import AnyMetric, KeyResult, Objective, Position
from okr_sync.config.okr_reader import read_okr_file
from okr_sync.config.problems import Problem, Severity
from okr_sync.config.project_files import FileRole, ProjectFiles, read_files
from okr_sync.config.project_reader import PROJECT_FILE, ProjectReading, read_project
from okr_sync.config.rule_settings import RuleSettings
from okr_sync.config.tell_reader import check_teams
from okr_sync.config.yaml_reader import Node, read_yaml
from okr_sync.errors import ConfigError


@dataclass(frozen=True)
class Inspection:
    """Every problem of a folder, in order of place; `bundle` is None if the project file is unusable."""

    problems: tuple[Problem, ...]
    bundle: Bundle | None
    settings: RuleSettings = field(default_factory=RuleSettings)


def load_project(folder: Path) -> Bundle:
    """The project in the folder, with all that is usable in it.

    Raises ConfigError only where there is no usable okr_sync.yaml; its text holds every problem.
    """
    inspection = _inspect(folder, is_reviewed=False)
    if inspection.bundle is not None:
        return inspection.bundle
    errors = [p for p in inspection.problems if p.severity is Severity.ERROR]
    lines = "\n".join(f"  {problem}" for problem in errors)
    raise ConfigError(f"The project can't be used until this is mended:\n{lines}")


def inspect_project(folder: Path) -> Inspection:
    """Read everything in the folder and find everything that is wrong or unwise.

    Raises ConfigError only if the folder isn't there.
    """
    return _inspect(folder, is_reviewed=True)


def _inspect(folder: Path, *, is_reviewed: bool) -> Inspection:
    """With `is_reviewed` also what no run needs to know: unused metrics and rules of governance."""
    if not folder.is_dir():
        raise ConfigError(
            f"There is no folder {folder}. Name the folder that holds {PROJECT_FILE}, "
            "with --project or OKR_SYNC_PROJECT."
        )
    findings = Findings()
    files = read_files(folder, findings)
    reading = _read_project(files, findings)
    reading.sources.sql_files.folder = folder
    if files.has_unread_folder:
        # What it defines can't be told from what was deleted, so nothing may be concluded.
        reading.project = None
    contents = _Contents()
    for name in files.usable(FileRole.METRICS):
        root = _parse(name, files, findings)
        if root is not None:
            contents.metrics += read_metrics_file(root, reading.sources, findings)
    for name in files.usable(FileRole.OKRS):
        root = _parse(name, files, findings)
        if root is None:
            continue
        okr_file = read_okr_file(root, reading.defaults, reading.sources, findings)
        contents.objectives += okr_file.objectives
        contents.key_results += okr_file.key_results
        contents.metrics += okr_file.metrics
        contents.in_place |= {draft.name for draft in okr_file.metrics}
        reading.rules.ignored |= okr_file.ignored
        if okr_file.unread is not None:
            files.broken[name] = okr_file.unread
    files.texts |= reading.sources.sql_files.texts
    _apply_rules(folder, contents, files, reading, findings)
    if is_reviewed:
        _review(contents, files, reading.rules, findings)
        teams = {draft.name.partition("/")[0] for draft in contents.objectives}
        check_teams(reading.told_teams, teams, findings)
    findings.problems = [p for p in findings.problems if not reading.rules.silences(p)]
    problems = tuple(sorted(findings.problems, key=lambda p: (p.position, p.rule, p.message)))
    bundle = _bundle(folder, files, reading, contents, problems)
    return Inspection(problems, bundle, reading.rules)


@dataclass
class _Contents:
    metrics: list[Draft[AnyMetric]] = field(default_factory=list)
    objectives: list[Draft[Objective]] = field(default_factory=list)
    key_results: list[Draft[KeyResult]] = field(default_factory=list)
    in_place: set[str] = field(default_factory=set)
    """Names of metrics that live and fall with their key result."""


def _read_project(files: ProjectFiles, findings: Findings) -> ProjectReading:
    if PROJECT_FILE not in files.roles:
        findings.error(
            Position(PROJECT_FILE, 1, 1),
            "missing-file",
            f"There is no {PROJECT_FILE} in the folder.",
            "Make a project with `okr-sync init`, or name the folder of yours with --project.",
        )
        return ProjectReading()
    if PROJECT_FILE not in files.texts:
        return ProjectReading()
    root = _parse(PROJECT_FILE, files, findings)
    if root is None:
        return ProjectReading()
    reading = read_project(root, findings)
    if PROJECT_FILE in files.broken:
        # It holds a secret: the rest of it was only read to report everything at once.
        reading.project = None
    return reading


def _parse(name: str, files: ProjectFiles, findings: Findings) -> Node | None:
    root, problems = read_yaml(files.texts[name], name)
    if root is None and not problems:
        own = Findings()
        own.error(Position(name, 1, 1), "empty-file", "The file is empty.", "Fill or remove it.")
        problems = own.problems
    if problems:
        findings.problems += problems
        files.broken.setdefault(name, problems[0])
        return None
    return root


def _apply_rules(
    folder: Path,
    contents: _Contents,
    files: ProjectFiles,
    reading: ProjectReading,
    findings: Findings,
) -> None:
    broken_metrics = [name for name in files.broken if files.roles[name] is FileRole.METRICS]
    metrics, key_results = contents.metrics, contents.key_results
    rules.check_names(metrics, "metric", "duplicate-metric", findings)
    rules.check_names(contents.objectives, "objective", "duplicate-id", findings)
    rules.check_names(key_results, "key result", "duplicate-id", findings)
    rules.check_objectives(key_results, contents.objectives)
    rename_rules.check_renames(key_results, findings)
    rules.check_supports(contents.objectives, findings)
    metric_rules.check_files(metrics, reading.sources.fx, reading.sources, folder, findings)
    if reading.project is not None:
        check_metrics_beside(metrics, reading.project.check_ins, findings)
    formula_rules.check_inputs(metrics, broken_metrics, findings)
    metric_rules.check_sums(metrics, reading.sources, findings)
    rules.check_metrics_of(key_results, metrics, broken_metrics, findings)
    if reading.project is not None:
        goal_rules.check_goals(key_results, metrics, reading.project, findings)


def _review(
    contents: _Contents, files: ProjectFiles, settings: RuleSettings, findings: Findings
) -> None:
    if not any(files.roles[name] is FileRole.OKRS for name in files.broken):
        # Otherwise a key result that can't be read may use them.
        metric_rules.check_unused(
            contents.metrics, contents.key_results, contents.in_place, findings
        )
    metric_rules.check_same(contents.metrics, findings)
    objectives = {draft.name: draft for draft in contents.objectives}
    governance.check_key_results(
        [
            (draft, objectives.get(draft.item.objective_id))
            for draft in contents.key_results
            if draft.item is not None
        ],
        {draft.name: draft.item for draft in contents.metrics if draft.item is not None},
        settings,
        findings,
    )
    governance.check_objectives(contents.objectives, contents.key_results, settings, findings)


def _bundle(
    folder: Path,
    files: ProjectFiles,
    reading: ProjectReading,
    contents: _Contents,
    problems: tuple[Problem, ...],
) -> Bundle | None:
    if reading.project is None:
        return None
    metrics = {draft.name: draft.item for draft in contents.metrics if draft.item is not None}
    key_results: dict[str, KeyResult] = {}
    quarantined: dict[str, str] = {}
    for draft in contents.key_results:
        if draft.item is not None:
            key_results[draft.name] = draft.item
        elif draft.problem is not None:
            quarantined.setdefault(draft.name, draft.problem.text)
    bound = {key_result.metric for key_result in key_results.values()}
    used = formula_rules.with_inputs(bound, metrics)
    for name in contents.in_place - used:
        metrics.pop(name, None)
    return Bundle(
        folder=folder,
        project=reading.project,
        metrics=metrics,
        objectives={d.name: d.item for d in contents.objectives if d.item is not None},
        key_results=key_results,
        quarantined=quarantined,
        broken_files={name: problem.text for name, problem in sorted(files.broken.items())},
        problems=problems,
        files=files.texts,
        config_hash=config_hash(files.texts),
    )
