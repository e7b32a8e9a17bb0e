"""Which rules a project tunes or silences: `rules:` in okr_sync.yaml and `ignore:` in a definition.

Belongs here: reading both keys, and asking whether a rule speaks. Does not belong here: the rules
themselves (rules, metric_rules, goal_rules, governance) and their meaning (rule_table).
"""

from dataclasses import dataclass, field

from okr_sync.config.fields import Fields, shape
from okr_sync.config.problems import BadValue, Problem, Severity
from okr_sync.config.rule_table import LIMITS, RULES
from okr_sync.config.wording import advice, quoted
from okr_sync.config.yaml_reader import Entry, MappingNode, ScalarNode

_SHORTEST_REASON = 5


@dataclass
class RuleSettings:
    """What a project says of rules: `off` holds those that don't speak, `limits` their numbers.

    `ignored` holds (id of a key result or objective, rule).
    """

    off: set[str] = field(default_factory=set)
    limits: dict[str, int] = field(default_factory=dict)
    ignored: set[tuple[str, str]] = field(default_factory=set)

    def limit(self, rule: str) -> int:
        """The number that a rule compares with: the project's, or the default."""
        return self.limits.get(rule, LIMITS[rule].default)

    def silences(self, problem: Problem, subject: str | None = None) -> bool:
        """Whether a finding on a key result or the objective `subject` is not to be shown."""
        if problem.severity is Severity.ERROR:
            return False
        about = (problem.key_result_id, subject)
        return problem.rule in self.off or any(
            (name, problem.rule) in self.ignored for name in about if name is not None
        )


def read_rules(fields: Fields) -> RuleSettings:
    """The key `rules` of the project file."""
    settings = RuleSettings()
    node = fields.mapping("rules", "a mapping such as {activity-as-result: off}")
    for entry in () if node is None else node.entries.values():
        try:
            rule = _check_rule(entry.name)
        except BadValue as bad:
            fields.findings.bad(entry.position, bad)
            continue
        _read_setting(rule, entry, settings, fields)
    return settings


def _read_setting(rule: str, entry: Entry, settings: RuleSettings, fields: Fields) -> None:
    node = entry.value
    limit = LIMITS.get(rule)
    if isinstance(node, ScalarNode) and node.text in ("off", "on"):
        if node.text == "off":
            settings.off.add(rule)
        return
    if isinstance(node, MappingNode) and limit is not None:
        inner = Fields(node, f"`{rule}`", fields.findings)
        number = inner.integer(limit.key, 0, 1000)
        inner.finish()
        if number is not None:
            settings.limits[rule] = number
        return
    forms = "off or on" if limit is None else f"off, on or {{{limit.key}: {limit.default}}}"
    fields.findings.error(
        node.position, "bad-rule-setting", f"`{rule}` is {shape(node)}.", f"Write {forms}."
    )


def read_ignores(fields: Fields) -> tuple[str, ...]:
    """The rules that the key `ignore` of a key result or an objective silences, with its reasons."""
    node = fields.mapping("ignore", "a mapping of rules to reasons")
    if node is None:
        return ()
    rules: list[str] = []
    for entry in node.entries.values():
        try:
            rules.append(_check_rule(entry.name))
        except BadValue as bad:
            fields.findings.bad(entry.position, bad)
            continue
        value = entry.value
        reason = value.text.strip() if isinstance(value, ScalarNode) and value.value else ""
        if len(reason) < _SHORTEST_REASON or reason in ("true", "false"):
            fields.findings.error(
                value.position,
                "ignore-without-reason",
                f"`ignore` of `{entry.name}` gives no reason.",
                f"Write why, as in `{entry.name}: the board asked for it`.",
            )
    return tuple(rules)


def _check_rule(name: str) -> str:
    rule = RULES.get(name)
    warnings = [key for key, one in RULES.items() if one.severity is Severity.WARNING]
    if rule is None:
        raise BadValue(
            "unknown-rule",
            f"There is no rule {quoted(name)}.",
            advice(name, warnings, "docs/rules.md lists them."),
        )
    if rule.severity is Severity.ERROR:
        raise BadValue(
            "unknown-rule",
            f"{quoted(name)} finds errors, which can't be silenced.",
            "Mend what it finds.",
        )
    return name
