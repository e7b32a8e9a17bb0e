"""What a key result rests on, as checks speak of it: its datasets, its metrics, itself.

Belongs here: that list. Does not belong here: the checks, or which of them fail (failing).
"""

from okr_sync.checks.results import Subject
from okr_sync.config.bundle import Bundle
from okr_sync.metrics.dependencies import datasets_read, with_inputs


def subjects_of(bundle: Bundle, key_result_id: str) -> list[tuple[Subject, str]]:
    """What a key result rests on, datasets first; only itself where the files have it no more."""
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
