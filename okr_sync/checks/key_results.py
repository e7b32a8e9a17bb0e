"""The checks of a key result's numbers: plausible, as reported before, there at all.

Belongs here: what each check asks and what it says. Does not belong here: reading earlier numbers
(past), the arithmetic of what is usual (learnt) or publishing (warehouse.publish).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from okr_sync.checks.learnt import LEAST_MOVES, Day, usual_range
from okr_sync.checks.past import Past, comparable
from okr_sync.checks.results import CheckName, CheckResult, CheckSeverity, Subject, failed, passed
from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.models import Bounds, KeyResult
from okr_sync.flags import share_in_words
from okr_sync.numbers import show_number
from okr_sync.warehouse.check_ins import MANUAL
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.overrides import OVERRIDE
from okr_sync.wording import counted

_RESTATED = "restated:"
"""The flag of a number that differs from what was reported of its day (warehouse.causes)."""

_BY_PEOPLE = (OVERRIDE, MANUAL)
"""Origins of numbers that people have set, who know what they say."""

_NOTHING_NEW = "No new number was measured."

_LEAST_DAYS = 7
"""Days that must all have had a number above or below 0 before a 0 is remarkable."""


@dataclass(frozen=True)
class Standing:
    """A key result with its newest number of this run, and earlier ones to hold it against."""

    key_result: KeyResult
    latest: KeyResultObservation | None
    past: Past
    refused: str | None = None
    """Why a number was kept back, where it was beyond declared bounds."""


def declared_bounds(bundle: Bundle, key_result: KeyResult) -> Bounds | None:
    """The bounds that people have declared: the key result's own, else its metric's."""
    return key_result.plausible or bundle.metrics[key_result.metric].plausible


def beyond_bounds(
    bundle: Bundle, key_result: KeyResult, observations: Iterable[KeyResultObservation]
) -> dict[date, str]:
    """The days whose measured number can't be right by the declared bounds, and why, for people."""
    bounds = declared_bounds(bundle, key_result)
    if bounds is None:
        return {}
    unit = _unit(bundle, key_result)
    found: dict[date, str] = {}
    for one in observations:
        value = one.measurement.value
        if value is not None and one.origin not in _BY_PEOPLE and not bounds.hold(value):
            found[one.as_of] = (
                f"{show_number(value, unit)} as of {one.as_of} is beyond what can be right "
                f"(`plausible`: {_shown(bounds, unit)}), so it is not published. Look at where it "
                f"comes from with `okr-sync preview {key_result.key_result_id}`; if it is right, "
                "widen `plausible`."
            )
    return found


def key_result_checks(
    bundle: Bundle,
    standings: Sequence[Standing],
    recorded_flags: Mapping[str, Mapping[date, Sequence[str]]],
    calendar: Calendar,
    now: datetime,
) -> list[CheckResult]:
    """Every check of each key result that this run has looked at.

    `recorded_flags` are the quality flags of the days that were written or confirmed, by key result
    id. A key result without a number in this run is checked for what can be said without one.
    """
    results: list[CheckResult] = []
    for one in standings:
        earlier = {}
        if one.latest is not None:
            earlier = comparable(one.key_result, one.past, one.latest.as_of, calendar, now)
        results += (
            _in_bounds(bundle, one, earlier),
            _not_restated(one, recorded_flags.get(one.key_result.key_result_id, {})),
            _not_empty(bundle, one, earlier),
        )
    return results


def _in_bounds(
    bundle: Bundle, one: Standing, earlier: Mapping[date, Decimal | None]
) -> CheckResult:
    name, unit = one.key_result.key_result_id, _unit(bundle, one.key_result)
    bounds = declared_bounds(bundle, one.key_result)
    check = CheckName.IN_BOUNDS
    if one.refused is not None:
        result = failed(Subject.KEY_RESULT, name, check, one.refused)
        return replace(result, severity=CheckSeverity.ERROR, is_blocking=True)
    value = _measured(one.latest)
    if bounds is not None:
        text = f"the declared bounds, {_shown(bounds, unit)}."
        text = f"Within {text}" if value is not None else f"No new number to hold against {text}"
        return replace(passed(Subject.KEY_RESULT, name, check, text), is_blocking=True)
    if one.latest is None or value is None:
        return passed(Subject.KEY_RESULT, name, check, "No new number to hold against its past.")
    days = [Day(day, number) for day, number in sorted(earlier.items()) if number is not None]
    usual = usual_range(days, one.latest.as_of)
    if usual is None:
        text = (
            f"Nothing is declared as `plausible`, and there are fewer than {LEAST_MOVES + 1} earlier "
            "days to learn from."
        )
        return passed(Subject.KEY_RESULT, name, check, text)
    if usual.low <= value <= usual.high:
        return passed(Subject.KEY_RESULT, name, check, "It moves as it has moved before.")
    text = (
        f"{show_number(value, unit)} as of {one.latest.as_of} is unusual: after "
        f"{show_number(days[-1].value, unit)} on {days[-1].as_of}, the last "
        f"{counted(usual.moves, 'move')} let expect {show_number(usual.low, unit)} to "
        f"{show_number(usual.high, unit)}. It is published; look at it with `okr-sync explain {name}`, "
        "and declare `plausible` if you know its bounds."
    )
    return failed(Subject.KEY_RESULT, name, check, text)


def _not_restated(one: Standing, flags: Mapping[date, Sequence[str]]) -> CheckResult:
    name, check = one.key_result.key_result_id, CheckName.NOT_RESTATED
    restated = {
        day: flag.removeprefix(_RESTATED)
        for day, own in sorted(flags.items())
        for flag in own
        if flag.startswith(_RESTATED)
    }
    if not restated:
        text = "Earlier days say what was reported of them."
        text = _NOTHING_NEW if one.latest is None else text
        return passed(Subject.KEY_RESULT, name, check, text)
    days = ", ".join(f"{day} by {share_in_words(share)}" for day, share in restated.items())
    text = (
        f"The source says otherwise of days that were reported: {days}. "
        f"`okr-sync history {name}` has both numbers."
    )
    return failed(Subject.KEY_RESULT, name, check, text)


def _not_empty(
    bundle: Bundle, one: Standing, earlier: Mapping[date, Decimal | None]
) -> CheckResult:
    name, check = one.key_result.key_result_id, CheckName.NOT_EMPTY
    if one.latest is None or one.latest.origin in _BY_PEOPLE:
        return passed(Subject.KEY_RESULT, name, check, _NOTHING_NEW)
    value = one.latest.measurement.value
    if value:
        return passed(Subject.KEY_RESULT, name, check, "There is a number.")
    what = "has no number" if value is None else "is 0"
    if len(earlier) < _LEAST_DAYS or not all(earlier.values()):
        return passed(Subject.KEY_RESULT, name, check, f"It {what}, as it was before.")
    last = max(earlier)
    text = (
        f"It {what} as of {one.latest.as_of}, and was {show_number(earlier[last], _unit(bundle, one.key_result))} "
        f"on {last} and never empty on the {counted(len(earlier), 'day')} before. Look at whether the "
        f"source still fills what it counts: `okr-sync explain {name}`."
    )
    return failed(Subject.KEY_RESULT, name, check, text)


def _measured(latest: KeyResultObservation | None) -> Decimal | None:
    """The newest number, unless people have set it."""
    if latest is None or latest.origin in _BY_PEOPLE:
        return None
    return latest.measurement.value


def _unit(bundle: Bundle, key_result: KeyResult) -> str | None:
    return key_result.unit or bundle.metrics[key_result.metric].unit


def _shown(bounds: Bounds, unit: str | None) -> str:
    if bounds.low is None:
        return f"at most {show_number(bounds.high, unit)}"
    if bounds.high is None:
        return f"at least {show_number(bounds.low, unit)}"
    return f"{show_number(bounds.low, unit)} to {show_number(bounds.high, unit)}"
