"""Which checks fail of what a key result rests on: itself, its metrics, their datasets.

Belongs here: finding them. Does not belong here: the checks, or how they are shown (commands).
"""

from collections.abc import Iterable

from okr_sync.checks.results import Subject
from okr_sync.config.bundle import Bundle
from okr_sync.metrics.dependencies import datasets_read, with_inputs
from okr_sync.warehouse.check_results import RecordedCheck, checks_now
from okr_sync.warehouse.connect import Warehouse


def failing_checks(
    warehouse: Warehouse, bundle: Bundle, key_result_ids: Iterable[str]
) -> dict[str, list[RecordedCheck]]:
    """By key result id the checks that fail now, those of its datasets first; only where there are any."""
    failing = {
        (one.result.subject_kind, one.result.subject, one.result.check): one
        for one in checks_now(warehouse, only_failing=True)
    }
    by_subject: dict[tuple[Subject, str], list[RecordedCheck]] = {}
    for (kind, subject, _), one in failing.items():
        by_subject.setdefault((kind, subject), []).append(one)
    found: dict[str, list[RecordedCheck]] = {}
    for name in key_result_ids if by_subject else ():
        own = [one for subject in _subjects(bundle, name) for one in by_subject.get(subject, ())]
        if own:
            found[name] = own
    return found


def _subjects(bundle: Bundle, key_result_id: str) -> list[tuple[Subject, str]]:
    """What a key result rests on; only itself where the files have it no more."""
    subjects: dict[tuple[Subject, str], None] = {}
    key_result = bundle.key_results.get(key_result_id)
    if key_result is not None:
        metrics = with_inputs(bundle.metrics, [key_result.metric])
        for metric in metrics:
            for dataset in datasets_read(bundle.project, metric):
                subjects[Subject.DATASET, dataset] = None
        for metric in metrics:
            subjects[Subject.METRIC, metric.name] = None
    subjects[Subject.KEY_RESULT, key_result_id] = None
    return list(subjects)
