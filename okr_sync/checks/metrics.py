"""The check of a metric: could it be evaluated?

Belongs here: the check. Does not belong here: evaluating (okr_sync.metrics), or why it can't be
(sync.measure).
"""

from collections.abc import Mapping

from okr_sync.checks.results import CheckName, CheckResult, Subject, failed, passed


def measured_checks(errors: Mapping[str, str | None]) -> list[CheckResult]:
    """The check of each metric that a run asked for, by name; None where there was no error."""
    return [
        passed(Subject.METRIC, name, CheckName.MEASURED, "It could be evaluated.")
        if error is None
        else failed(Subject.METRIC, name, CheckName.MEASURED, error)
        for name, error in sorted(errors.items())
    ]
