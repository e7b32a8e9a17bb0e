"""Every rule of `okr-sync check`: its id, how severe it is and what it means.

Belongs here: the table that docs/rules.md is made from, and the numbers that some rules compare with.
Does not belong here: the rules themselves (readers, rules, metric_rules, goal_rules, governance,
commands.check_live).
"""

from dataclasses import dataclass
from typing import Final

from okr_sync.config.problems import Severity


@dataclass(frozen=True)
class Rule:
    """What a rule means. An error keeps what it concerns from running; a warning can be silenced."""

    group: str
    severity: Severity
    meaning: str


@dataclass(frozen=True)
class Limit:
    """The number that a rule compares with: its key in `rules`, and its default."""

    key: str
    default: int


LIMITS: Final = {
    "too-few-objectives": Limit("min", 1),
    "too-many-objectives": Limit("max", 5),
    "too-few-key-results": Limit("min", 2),
    "too-many-key-results": Limit("max", 5),
}

_FILES = {
    "missing-file": "There is no okr_sync.yaml in the folder, or no such `.sql` file.",
    "empty-file": "The file holds nothing.",
    "not-a-file": "The name is not that of a file.",
    "unreadable-file": "The file can't be opened or read.",
    "unreadable-folder": "A folder can't be read, so nothing can be said of what it defines.",
    "outside-project": "A path or link leads out of the project's folder.",
    "secret-in-file": "A token, key or password is written in a file.",
    "yaml-encoding": "The file is not UTF-8.",
    "yaml-too-big": "A file over 1 MiB, or with more than 100,000 values.",
    "yaml-too-deep": "Nested more than 20 levels deep.",
    "yaml-syntax": "The file is not valid YAML.",
    "yaml-tab": "A tab indents a line; YAML indents with spaces.",
    "yaml-alias": "An alias or anchor (`*a`, `&a`), which is not read.",
    "yaml-tag": "A tag (`!…`), which is not read.",
    "yaml-merge-key": "The merge key `<<`, which is not read.",
    "yaml-complex-key": "A list or mapping stands where a key should be.",
    "yaml-several-documents": "A second document begins in the file.",
    "yaml-control-character": "An invisible control character.",
}
_FORMS = {
    "unknown-key": "A key that this mapping doesn't have, or that belongs elsewhere.",
    "missing-key": "A key that is needed isn't there.",
    "duplicate-key": "A key is written twice.",
    "duplicate-item": "A list holds the same item twice.",
    "empty-value": "A key without a value, or an empty list or mapping.",
    "wrong-type": "A value of another shape than the one wanted: a list, a mapping, a text.",
    "too-long": "A text that is longer than what can be kept or run.",
    "bad-choice": "Not one of the words that the key takes.",
    "bad-number": "Not a number, or one that can be read in two ways.",
    "bad-date": "Not a day of the calendar.",
    "bad-duration": "Not a length of time, or not a sensible one here.",
    "bad-range": "`between` without two numbers, the smaller one first.",
    "bad-id": "An id or a name of a form that can't be kept.",
    "not-supported": "The language names it, and this version doesn't carry it out.",
}
_PROJECT = {
    "unknown-time-zone": "Not the IANA name of a time zone.",
    "bad-currency": "Not the code of a currency.",
    "bad-schedule": "Not a cron expression, or one that never fires.",
    "bad-thresholds": "The thresholds of `status` don't rise.",
    "bad-environment-name": "Not the name of an environment variable.",
    "bad-endpoint": "Not an address of the kind that the source speaks to.",
    "measurement-id": "A Measurement ID or a Universal Analytics property instead of a GA4 property.",
    "bad-glob": "A pattern that doesn't say what kind of files it means.",
    "bad-fx": "`fx` names a dataset that can't hold exchange rates.",
    "bad-check-ins": "`check_ins` names a dataset that can't hold check-ins.",
    "unknown-rule": "`rules` or `ignore` names a rule that doesn't exist or can't be silenced.",
    "bad-rule-setting": "A rule is set to something else than off, on or its number.",
    "ignore-without-reason": "`ignore` silences a rule and doesn't say why.",
}
_METRICS = {
    "two-kinds": "A metric has the keys of several kinds.",
    "unknown-source": "There is no such source, or none of that kind.",
    "invalid-source": "The source is defined wrongly in okr_sync.yaml.",
    "unknown-dataset": "The source has no such dataset.",
    "bad-property": "Not the form of a property's, dimension's or metric's name.",
    "bad-column": "Not the form of a column's name.",
    "unknown-field": "Marketing e-mails have no such field.",
    "bad-association": "`where` looks through an association to an object that there isn't.",
    "legacy-stage-property": "A stage property that HubSpot no longer fills in every account.",
    "not-a-time": "A field that is not a day or an instant is used as a time.",
    "not-a-number": "A field that is not a number is added up or averaged.",
    "email-ratio": "A ratio of single e-mails: combine their counters instead.",
    "unknown-aggregation": "There is no such `agg`.",
    "field-of-count": "`count` with a field.",
    "report-aggregation": "An aggregation that is wrong for the GA4 metric: people and rates can't be added.",
    "report-time": "`time` on a GA4 report, which counts by its own day.",
    "kind-needs-records": "A kind of metric that the dataset can't carry.",
    "same-times": "`from` and `to` are the same property.",
    "pool-mean": "`pool: mean` of something else than two sums of each record.",
    "by-without-reduce": "One of `by` and `reduce` without the other.",
    "by-of-report": "`by` on a GA4 report.",
    "not-additive": "`reduce: sum` of figures that can't be added: distinct counts, averages, rates.",
    "currency-of-count": "A count with a currency.",
    "currency-of-average": "Conversion of something else than a sum.",
    "currency-of-report": "Conversion of the records of a GA4 report.",
    "missing-fx": "Amounts are to be converted, and the project names no exchange rates.",
    "unknown-operator": "`where` has no such operator.",
    "bad-condition": "A condition whose values don't suit its operator.",
    "bad-formula": "The formula can't be read.",
    "unknown-input": "The formula uses a name that is not among its inputs.",
    "formula-without-inputs": "The formula is always the same number.",
    "formula-cycle": "The formula needs itself.",
    "too-many-levels": "More than 20 formulas stand one upon the other.",
    "bad-sql": "Not a query.",
    "several-statements": "More than one statement.",
    "unknown-bind": "A bind name other than :as_of, :window_start and :window_end.",
    "check-ins-dataset": "A metric reads the files that hold check-ins.",
    "duplicate-metric": "Two metrics have the same name.",
}
_METRIC_WARNINGS = {
    "unused-input": "The formula doesn't use one of its inputs.",
    "unused-metric": "No key result and no formula uses the metric.",
    "same-metric": "Two metrics compute the same number.",
    "sum-of-rates": "Rates are added or averaged, which weighs small groups like large ones.",
    "sum-of-distinct": "A formula adds counts of distinct things, which may be the same ones.",
    "mixed-currency-field": "HubSpot's `amount` is in each deal's own currency.",
    "missing-data-file": "No file of a `files` source has that name now.",
}
_GOALS = {
    "bad-cycle": "Not a cycle's name or its two days.",
    "bad-over": "Not a window.",
    "two-goals": "A goal of several forms.",
    "goal-is-baseline": "A goal that ends where it starts.",
    "relative-target": "A relative target that is no change, or of a baseline that isn't above 0.",
    "goal-beyond-conversion": "A conversion that is to be above 100 %.",
    "goal-beyond-share": "A share of records, or a GA4 rate, that is to be above 100 %.",
    "other-currency": "The goal is in another currency than the metric's amounts.",
    "window-never-mature": "No cohort of the window ever has its `within` behind it.",
    "snapshot-over-previous": "A level as it is now over a period that is past.",
    "check-ins-with-metric": "A key result has both a metric and `check_ins`.",
    "check-ins-with-over": "`over` where there is no metric.",
    "check-ins-measured": "`from: measured` where there is no metric.",
    "unknown-metric": "There is no such metric.",
    "invalid-metric": "The metric can't be used, for a reason given where it is defined.",
    "bad-rename": "`was` names an id that is still used, or that two key results claim.",
    "duplicate-id": "Two objectives or two key results of a team have the same id.",
}
_GOAL_WARNINGS = {
    "percent-sign": "A goal above 1 with the unit percent and no % sign.",
    "percent-in-other-unit": "A goal in per cent with another unit: 18% is shown as 0.18.",
    "percent-of-count": "A goal in per cent for a count or a duration.",
    "unit-of-duration": "A duration, which is in days, with another unit of time.",
    "wrong-side": "The title says down and the goal goes up, or the reverse.",
    "title-differs": "The title names other numbers than the goal.",
    "goal-since-outside-cycle": "`goal_since` is no day of the cycle.",
    "within-longer-than-cycle": "No cohort is mature before the cycle ends.",
    "window-never-moves": "`previous` is one and the same period all through the cycle.",
    "window-beyond-retention": "GA4 keeps people for 14 months at most, and `last` looks back further.",
    "unknown-former-id": "`was` names an id that the warehouse has never had.",
    "unknown-objective": "`supports` names an objective that the team doesn't have.",
    "unknown-team": "`tell` names a team that has no objective.",
    "file-ending": "A file that ends with .yml, which is not read.",
    "linked-folder": "A folder that is a link, which is not read.",
}
_GOVERNANCE = {
    "activity-as-result": "The title begins like a task (launch, publish, run …), not like a result.",
    "yes-no-result": "The key result is done or not done.",
    "vague-result": "The title names no number.",
    "too-few-objectives": "A team has fewer objectives in a cycle than the project wants.",
    "too-many-objectives": "A team has more objectives in a cycle than the project wants.",
    "too-few-key-results": "An objective has fewer key results than the project wants.",
    "too-many-key-results": "An objective has more key results than the project wants.",
    "only-lagging": "All key results of an objective are lagging indicators.",
    "sandbagging": "The target was met before the cycle began, by the baseline or last cycle's result.",
    "carried-over": "The objective was there in an earlier cycle.",
    "shared-one-owner": "A key result that teams share has one owner.",
}
_LIVE = {
    "live-unreachable": "The source didn't answer, refused the credentials, or has no such object.",
    "live-missing-scope": "The token lacks a scope that the bindings need.",
    "live-unknown-field": "The account has no such property, dimension or metric.",
    "live-hidden-field": "The account has the property, and the token may not see it.",
    "live-wrong-type": "The property is of another type than its use needs.",
    "live-unknown-stage": "No pipeline has a stage or pipeline of that id.",
    "live-stage-label": "A stage's or pipeline's label is written where its id is needed.",
    "live-blocked": "GA4 doesn't show the dimension or metric to these credentials.",
    "live-incompatible": "GA4 can't combine the metric with the dimensions of `where`.",
}

RULES: Final[dict[str, Rule]] = {
    name: Rule(group, severity, meaning)
    for group, severity, rules in (
        ("Files", Severity.ERROR, _FILES),
        ("Forms", Severity.ERROR, _FORMS),
        ("The project file", Severity.ERROR, _PROJECT),
        ("Metrics", Severity.ERROR, _METRICS),
        ("Metrics", Severity.WARNING, _METRIC_WARNINGS),
        ("Goals and key results", Severity.ERROR, _GOALS),
        ("Goals and key results", Severity.WARNING, _GOAL_WARNINGS),
        ("Governance", Severity.WARNING, _GOVERNANCE),
        ("check --live", Severity.ERROR, _LIVE),
    )
    for name, meaning in rules.items()
}
