"""The checks of a metric: could it be evaluated, and is its newest number as good as any?

Belongs here: the checks. Does not belong here: evaluating (okr_sync.metrics), why it can't be
(sync.measure), or what a flag means (okr_sync.flags).
"""

from collections.abc import Mapping, Sequence

from okr_sync.checks.results import CheckName, CheckResult, Subject, failed, passed
from okr_sync.flags import Weight, flag_in_words, weighing


def measured_checks(errors: Mapping[str, str | None]) -> list[CheckResult]:
    """The check of each metric that a run asked for, by name; None where there was no error."""
    return [
        passed(Subject.METRIC, name, CheckName.MEASURED, "It could be evaluated.")
        if error is None
        else failed(Subject.METRIC, name, CheckName.MEASURED, error)
        for name, error in sorted(errors.items())
    ]


def doubt_checks(flags: Mapping[str, Sequence[str]]) -> list[CheckResult]:
    """The check of each metric's flags by name: those of its newest number, or of why there is none."""
    results: list[CheckResult] = []
    for name, own in sorted(flags.items()):
        doubts = weighing(own, Weight.DOUBT) + weighing(own, Weight.REFUSED)
        if doubts:
            text = "; ".join(f"{flag}: {flag_in_words(flag)}" for flag in doubts)
            results.append(failed(Subject.METRIC, name, CheckName.NO_DOUBTS, f"{text}."))
        else:
            text = "Its flags cast no doubt on it."
            results.append(passed(Subject.METRIC, name, CheckName.NO_DOUBTS, text))
    return results
