"""The checks of a dataset that was pulled: complete, fresh, reconciled, as it was, and affordable.

Belongs here: what each check asks and what it says. Does not belong here: pulling (connectors) or
what a failure does to key results (sync.measure).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from okr_sync.checks.quota import near_the_end
from okr_sync.checks.results import (
    CheckName,
    CheckResult,
    CheckSeverity,
    Subject,
    failed,
    passed,
)
from okr_sync.config.models import Source
from okr_sync.warehouse.mirror import FieldState
from okr_sync.warehouse.reads import PullRow
from okr_sync.wording import counted

_MOST_NAMED = 10


@dataclass(frozen=True)
class Pulled:
    """A dataset after its pull: what the pull said, what is stored, and its fields before and after.

    `stored` is how many records the warehouse holds, None where it holds figures and no records.
    `complete_at` is when it was last read completely, `allowed_age` how old that may be.
    `users` are the key results that rest on each field.
    """

    source: Source
    pull: PullRow
    stored: int | None
    complete_at: datetime | None
    allowed_age: timedelta
    before: Mapping[str, FieldState]
    after: Mapping[str, FieldState]
    users: Mapping[str, Sequence[str]]

    @property
    def name(self) -> str:
        """The dataset's name, `hubspot.contacts`."""
        return f"{self.pull.source}.{self.pull.dataset}"


def dataset_checks(one: Pulled, now: datetime) -> list[CheckResult]:
    """Every check of a dataset that this run has pulled."""
    return [
        _complete(one),
        _fresh(one, now),
        _reconciled(one),
        _schema_unchanged(one),
        _quota_left(one),
    ]


def untouched_checks(dataset: str) -> list[CheckResult]:
    """The checks of a dataset that had not to be read: all its figures are final and stored."""
    return [_fine(dataset, check) for check in _FINE]


# The same words whether a dataset was read or had not to be: results are stored when they change.
_FINE = {
    CheckName.COMPLETE: "Everything that is needed was read.",
    CheckName.FRESH: "It was read as recently as is needed.",
    CheckName.RECONCILED: "The warehouse holds what the source counts, as far as it tells.",
    CheckName.SCHEMA_UNCHANGED: "Every field that key results rest on is there, as it was.",
    CheckName.QUOTA_LEFT: "Enough is left, as far as it is told.",
}


def _fine(dataset: str, check: CheckName) -> CheckResult:
    return passed(Subject.DATASET, dataset, check, _FINE[check])


def _complete(one: Pulled) -> CheckResult:
    if one.pull.is_complete:
        return _fine(one.name, CheckName.COMPLETE)
    text = one.pull.error or "The pull could not prove that it had read everything."
    return failed(Subject.DATASET, one.name, CheckName.COMPLETE, text)


def _fresh(one: Pulled, now: datetime) -> CheckResult:
    check = CheckName.FRESH
    if one.pull.is_complete:
        return _fine(one.name, check)
    if one.complete_at is None:
        return failed(Subject.DATASET, one.name, check, "It has never been read completely.")
    if now - one.complete_at <= one.allowed_age:
        return _fine(one.name, check)
    read_at = one.complete_at.astimezone(UTC)
    text = (
        f"It was last read completely on {read_at:%Y-%m-%d at %H:%M} UTC, which is longer ago than the "
        "schedule allows. Key results that rest on it keep their last good numbers."
    )
    return failed(Subject.DATASET, one.name, check, text)


def _reconciled(one: Pulled) -> CheckResult:
    check, pull = CheckName.RECONCILED, one.pull
    if not pull.is_complete:
        text = "It could not be held against the source's count, because the pull failed."
        return failed(Subject.DATASET, one.name, check, text)
    held = pull.rows if one.stored is None else one.stored
    if pull.rows_expected in (None, held):
        return _fine(one.name, check)
    text = (
        f"The warehouse holds {counted(held, 'row')}, but the source counts {pull.rows_expected:,}. "
        "Somebody else may have changed the table; the next complete read mends it."
    )
    return failed(Subject.DATASET, one.name, check, text)


def _schema_unchanged(one: Pulled) -> CheckResult:
    check = CheckName.SCHEMA_UNCHANGED
    broken = {name: state.error for name, state in one.after.items() if state.error is not None}
    retyped = {
        name: (one.before[name].type, state.type)
        for name, state in one.after.items()
        if name in one.before
        and one.before[name].type is not None
        and state.type is not None
        and state.type is not one.before[name].type
    }
    lines = [
        f"{text} {_users(one, name)}" for name, text in sorted(broken.items()) if text is not None
    ]
    lines += [
        f"{name} was of the type {old} and is now {new}. {_users(one, name)}"
        for name, (old, new) in sorted(retyped.items())
        if name not in broken
    ]
    if not lines:
        return _fine(one.name, check)
    shown = lines[:_MOST_NAMED]
    if len(lines) > len(shown):
        shown.append(f"And {counted(len(lines) - len(shown), 'field')} more.")
    result = failed(Subject.DATASET, one.name, check, "\n".join(shown))
    if not broken:
        return result
    return CheckResult(
        Subject.DATASET, one.name, check, False, result.message, CheckSeverity.ERROR, True
    )


def _users(one: Pulled, field: str) -> str:
    # GA4's refusals are kept by metric and filter: `sessions@…`.
    names = one.users.get(field.partition("@")[0], ())
    if not names:
        return "No key result rests on it alone."
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"It breaks {shown}{more}."


def _quota_left(one: Pulled) -> CheckResult:
    check = CheckName.QUOTA_LEFT
    low = near_the_end(one.source, one.pull.quota)
    if not low:
        return _fine(one.name, check)
    text = (
        f"Less than a tenth is left of {one.pull.source}'s {' and '.join(low)}. Runs may fail until it "
        "is renewed. Run less often, or find what else uses the same account."
    )
    return failed(Subject.DATASET, one.name, check, text)
