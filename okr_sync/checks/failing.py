"""Which checks fail of what a key result rests on: itself, its metrics, their datasets.

Belongs here: finding them. Does not belong here: the checks, or how they are shown (commands).
"""

from collections.abc import Iterable, Mapping

from okr_sync.warehouse.check_results import RecordedCheck, checks_now
from okr_sync.warehouse.connect import Warehouse


def failing_checks(
    warehouse: Warehouse, rests_on: Mapping[str, Iterable[tuple[str, str]]]
) -> dict[str, list[RecordedCheck]]:
    """By key result id the checks that fail now of what it rests on; only where there are any.

    `rests_on` has kind and name of each subject by key result id, as subjects_of gives them.
    """
    failing = {
        (one.result.subject_kind, one.result.subject, one.result.check): one
        for one in checks_now(warehouse, only_failing=True)
    }
    by_subject: dict[tuple[str, str], list[RecordedCheck]] = {}
    for (kind, subject, _), one in failing.items():
        by_subject.setdefault((kind, subject), []).append(one)
    found: dict[str, list[RecordedCheck]] = {}
    for name, subjects in rests_on.items() if by_subject else ():
        own = [one for subject in subjects for one in by_subject.get(subject, ())]
        if own:
            found[name] = own
    return found
