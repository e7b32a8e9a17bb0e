"""What a check says: of what, whether it passed, and how much a failure weighs.

Belongs here: the names of the checks and the type of a result. Does not belong here: the checks
themselves (datasets, key_results), storing results (warehouse.check_results) or Dagster (assets.checks).
"""

from dataclasses import dataclass
from enum import StrEnum


class Subject(StrEnum):
    """What a check looks at."""

    DATASET = "dataset"
    METRIC = "metric"
    KEY_RESULT = "key_result"


class CheckName(StrEnum):
    """The checks by name, as people see them in Dagster and in the warehouse."""

    COMPLETE = "complete"
    FRESH = "fresh"
    RECONCILED = "reconciled"
    SCHEMA_UNCHANGED = "schema_unchanged"
    QUOTA_LEFT = "quota_left"
    MEASURED = "measured"
    NO_DOUBTS = "no_doubts"
    IN_BOUNDS = "in_bounds"
    NOT_RESTATED = "not_restated"
    NOT_EMPTY = "not_empty"


MEANINGS = {
    CheckName.COMPLETE: "Everything was read, by the source's own count.",
    CheckName.FRESH: "It has been read completely within the time that the schedule promises.",
    CheckName.RECONCILED: "The warehouse holds as many records as the source counts.",
    CheckName.SCHEMA_UNCHANGED: "No field that key results rest on was renamed, deleted or retyped.",
    CheckName.QUOTA_LEFT: "The source's request quota is far from its end.",
    CheckName.MEASURED: "The metric could be evaluated.",
    CheckName.NO_DOUBTS: "No flag of the newest number says that it may be off.",
    CheckName.IN_BOUNDS: "The number is plausible: within declared bounds, or like its own past.",
    CheckName.NOT_RESTATED: "No number of an earlier day has changed by more than a little.",
    CheckName.NOT_EMPTY: "There is a number, and it isn't 0, where there always was one.",
}

BLOCKING = frozenset({CheckName.COMPLETE, CheckName.RECONCILED, CheckName.MEASURED})
"""Checks whose failure keeps key results from being published, each as far as it is concerned.

`in_bounds` blocks where bounds were declared; against a learnt range it only warns.
"""


class CheckSeverity(StrEnum):
    """What a failure means: the number is not published, or it is and deserves a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class CheckResult:
    """What one check found of one subject.

    `message` is for people, without secrets, and is the same as long as nothing has changed: results
    are stored when they change. `is_blocking` says that a failure kept a number from being published.
    """

    subject_kind: Subject
    subject: str
    check: CheckName
    passed: bool
    message: str
    severity: CheckSeverity = CheckSeverity.WARNING
    is_blocking: bool = False


def passed(kind: Subject, subject: str, check: CheckName, message: str) -> CheckResult:
    """A check that found nothing wrong."""
    severity = CheckSeverity.ERROR if check in BLOCKING else CheckSeverity.WARNING
    return CheckResult(kind, subject, check, True, message, severity, check in BLOCKING)


def failed(kind: Subject, subject: str, check: CheckName, message: str) -> CheckResult:
    """A check that failed, as grave as its kind is."""
    severity = CheckSeverity.ERROR if check in BLOCKING else CheckSeverity.WARNING
    return CheckResult(kind, subject, check, False, message, severity, check in BLOCKING)
