"""A number explained in sentences, section by section.

Belongs here: the words of `explain`, shared by the command and notebooks. Does not belong here:
gathering the facts (inspect.explanation) or laying the words out (explain, notebook).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from okr_sync.config.models import GoalKind, KeyResult, StatusThresholds
from okr_sync.flags import Weight, flag_in_words, weighing
from okr_sync.inspect.contributions import Tally
from okr_sync.inspect.definition import definition_parts
from okr_sync.inspect.explanation import Definition, Explanation, GroupFigure
from okr_sync.inspect.words import cause_in_words, goal_in_words
from okr_sync.metrics.spans import Span
from okr_sync.numbers import show_number, show_percent
from okr_sync.progress import elapsed_share
from okr_sync.sync.goals import goal_of
from okr_sync.warehouse.check_ins import MANUAL, check_in_on
from okr_sync.warehouse.goals import RecordedGoal
from okr_sync.wording import status_in_words

Lines = list[tuple[str, str]]
"""Section and sentence; several sentences of one section follow one another."""

_MOST_GROUPS_SHOWN = 20
_GROUPS_AN_END = 10


def explanation_lines(found: Explanation, version: str) -> Lines:
    """Everything that is to be said of a number, in the order to read it."""
    row, unit = found.row, found.key_result.unit
    lines: Lines = [
        ("Number", f"{show_number(row.value, unit)} as of {row.as_of}, revision {row.revision}"),
        ("Number", f"{status_in_words(row.status)}, {'final' if row.is_final else 'provisional'}"),
    ]
    if found.key_result.error:
        lines.append(("Number", f"it is the last good value: {found.key_result.error}"))
    lines += [("Arithmetic", text) for text in _arithmetic(found)]
    refused = weighing(found.key_result.quality, Weight.REFUSED)
    lines += [("Notes", f"{flag}: {flag_in_words(flag)}") for flag in (*row.quality, *refused)]
    lines += [
        ("Checks", f"{one.result.subject}, {one.result.check}: {one.result.message}")
        for one in found.checks
        if one.result.message != found.key_result.error
    ]
    lines += [("Definition", text) for text in _definition(found)]
    lines += [("Goals", text) for text in goal_lines(found.goals, unit)]
    if found.span is not None and found.definition is not None:
        zone = found.definition.bundle.project.time_zone
        lines += [("Window", text) for text in _window(found.span, zone)]
    lines += [("Records", text) for text in _records(found)]
    lines += [("Pulls", text) for text in _pulls(found)]
    lines += [("Run", text) for text in _run(found, version)]
    return lines


# --- arithmetic -----------------------------------------------------------------------------------


def _arithmetic(found: Explanation) -> Iterator[str]:
    row, unit = found.row, found.key_result.unit
    if row.origin == "override":
        yield from _override(found)
    elif row.origin == MANUAL:
        yield from _check_in(found)
    elif row.numerator is not None and row.denominator is not None:
        yield (
            f"value: {show_number(row.numerator, None)} ÷ {show_number(row.denominator, None)} = "
            f"{show_number(row.value, unit)}"
        )
    elif row.sample_size is not None:
        yield f"value: {show_number(row.value, unit)} from a sample of {row.sample_size:,}"
    yield from _groups(found)
    for one in found.inputs:
        yield f"{one.name} = {show_number(one.value, one.unit)} ({one.metric})"
    if found.definition is None:
        return
    key_result = found.definition.key_result
    thresholds = found.definition.bundle.project.status
    baseline, target = _ends(found, found.definition)
    if found.baseline is not None and key_result.goal.measured_baseline:
        measured = show_number(found.baseline.baseline, unit)
        yield f"baseline: {measured}, measured as of {found.baseline.as_of} and kept"
    if key_result.goal.kind is not GoalKind.FROM_TO:
        yield from _threshold(found, key_result)
    elif row.progress is not None and row.value is not None:
        value, low, high = (show_number(n, unit) for n in (row.value, baseline, target))
        yield f"progress: ({value} − {low}) ÷ ({high} − {low}) = {show_percent(row.progress)}"
    elif row.value is not None and (baseline is None or target is None):
        yield f"progress: none, because {flag_in_words(_missing_end(baseline))}"
    metric = found.definition.bundle.metrics[key_result.metric]
    if "below_min_n" in row.quality:
        yield f"status: the sample of {row.sample_size} is below min_n, {metric.min_n}"
    elif row.progress is not None:
        yield from _pace(found, key_result, thresholds)


def _groups(found: Explanation) -> Iterator[str]:
    """The groups that `reduce` made one number of, the smallest first; of many the two ends."""
    known = sorted(
        found.groups, key=lambda one: (one.metric, one.value is None, one.value or 0, one.group)
    )
    several = len({one.metric for one in known}) > 1
    shown = known if len(known) <= _MOST_GROUPS_SHOWN else known[:_GROUPS_AN_END]
    rest = known[len(shown) :]
    for one in shown:
        yield _group(found, one, several)
    if rest:
        yield f"… {len(rest) - _GROUPS_AN_END} groups more (--json lists all) …"
        for one in rest[-_GROUPS_AN_END:]:
            yield _group(found, one, several)


def _group(found: Explanation, one: GroupFigure, several: bool) -> str:
    named = f"{one.metric}: " if several else ""
    unit = one.unit or (found.key_result.unit if not found.inputs else None)
    sample = "" if one.sample_size is None else f" from a sample of {one.sample_size:,}"
    return f"{named}{one.group}: {show_number(one.value, unit)}{sample}"


def _missing_end(baseline: Decimal | None) -> str:
    """The flag of a goal whose baseline or target is not known."""
    return "no_baseline" if baseline is None else "baseline_not_above_zero"


def _ends(found: Explanation, definition: Definition) -> tuple[Decimal | None, Decimal | None]:
    """Baseline and target by which the number was judged."""
    if found.row.baseline is not None or found.row.target is not None:
        return found.row.baseline, found.row.target
    if found.row.definition_hash == found.key_result.definition_hash:
        return found.key_result.baseline, found.key_result.target
    return definition.key_result.goal.baseline, definition.key_result.goal.target


def _override(found: Explanation) -> Iterator[str]:
    override = found.override
    if override is None:
        yield "value: set by a person"
        return
    yield (
        f"value: set by {override.author} for {override.from_day} to {override.until_day}, because: "
        f"{override.reason}"
    )


def _check_in(found: Explanation) -> Iterator[str]:
    """Who said the number. The history keeps what was published, `check_ins` what is said now."""
    row, unit = found.row, found.key_result.unit
    said = check_in_on(found.check_ins, row.as_of, found.key_result.cycle_start)
    if said is None:
        yield "value: nobody has checked in, or what was said has been withdrawn"
        return
    note = f": {said.note}" if said.note else ""
    yield (
        f"value: {show_number(said.value, unit)} as of {said.day}, said by {said.author}, confidence "
        f"{said.confidence} of 10{note}"
    )
    read_from = "by `okr-sync checkin`" if said.place is None else f"in {said.place}"
    yield f"said {read_from}, recorded at {time_in_words(said.recorded_at)}"
    flags = {f"checked_in:{said.day}", f"confidence:{said.confidence}"}
    if said.value != row.value or not flags <= set(row.quality):
        yield "it was said after this number was published: the next sync publishes a revision"


def _said_before(found: Explanation) -> Iterator[str]:
    for one in sorted(found.check_ins, key=lambda one: (one.day, one.check_in_id)):
        note = f": {one.note}" if one.note else ""
        gone = "" if one.withdrawn_at is None else " (withdrawn)"
        yield (
            f"{one.day}: {show_number(one.value, found.key_result.unit)}, {one.author}, confidence "
            f"{one.confidence} of 10{gone}{note}"
        )


def _threshold(found: Explanation, key_result: KeyResult) -> Iterator[str]:
    value, unit, goal = found.row.value, found.key_result.unit, key_result.goal
    if value is None:
        return
    bounds = []
    if goal.low is not None:
        bounds.append(f"{'≥' if value >= goal.low else '<'} {show_number(goal.low, unit)}")
    if goal.high is not None:
        bounds.append(f"{'≤' if value <= goal.high else '>'} {show_number(goal.high, unit)}")
    verdict = "met" if found.row.score else "not met"
    yield f"goal: {show_number(value, unit)} {' and '.join(bounds)}: {verdict}"


def _pace(found: Explanation, key_result: KeyResult, thresholds: StatusThresholds) -> Iterator[str]:
    row = found.row
    cycle = key_result.cycle
    if row.expected_progress is None or row.progress is None:
        yield from _unpaced(found, key_result, thresholds)
        return
    total = (cycle.end - cycle.start).days
    passed = min((row.as_of + timedelta(days=1) - cycle.start).days, total)
    yield (
        f"expected: {passed} of the cycle's {total} days have passed = "
        f"{show_percent(elapsed_share(cycle, row.as_of))}"
    )
    status = status_in_words(row.status)
    if row.status == "achieved":
        yield f"status: {status}, at {show_percent(row.progress)} of the way ({key_result.commitment})"
        return
    points = (row.expected_progress - row.progress) * 100
    side = "behind" if points > 0 else "ahead of"
    yield (
        f"status: {abs(points):.1f} points {side} the expected progress: {status} "
        f"({_threshold_of(row.status, thresholds)})"
    )


def _unpaced(
    found: Explanation, key_result: KeyResult, thresholds: StatusThresholds
) -> Iterator[str]:
    """The status of a goal with `pace: none`: nothing is expected until the cycle's last day."""
    row, status = found.row, status_in_words(found.row.status)
    if row.progress is None:
        return
    if row.status == "achieved":
        yield f"status: {status}, at {show_percent(row.progress)} of the way ({key_result.commitment})"
    elif row.as_of < key_result.cycle.end - timedelta(days=1):
        yield f"status: {status}: nothing is expected before the cycle's end (`pace: none`)"
    else:
        points = f"{(1 - row.progress) * 100:.1f} points short of the target at the cycle's end"
        yield f"status: {points}: {status} ({_threshold_of(row.status, thresholds)})"


def _threshold_of(status: str, thresholds: StatusThresholds) -> str:
    exceeding, on_track, lagging = (
        _points(number)
        for number in (thresholds.exceeding, thresholds.on_track, thresholds.lagging)
    )
    side = "less" if thresholds.exceeding < 0 else "more"
    return {
        "exceeding": f"{exceeding} or better",
        "on_track": f"{side} than {exceeding} and at most {on_track}",
        "lagging": f"more than {on_track} and at most {lagging}",
        "severely_lagging": f"more than {lagging}",
    }.get(status, "thresholds do not apply")


def _points(behind: Decimal) -> str:
    return f"{abs(behind).normalize():f} {'ahead' if behind < 0 else 'behind'}"


# --- definition, window, records ------------------------------------------------------------------


def _definition(found: Explanation) -> Iterator[str]:
    if found.definition is None:
        yield f"not known any more ({found.row.definition_hash[:12]})"
        return
    bundle, key_result = found.definition.bundle, found.definition.key_result
    place = f"{key_result.defined_at.file}:{key_result.defined_at.line}"
    if found.definition.is_current:
        yield f"{place} ({found.row.definition_hash[:12]})"
    else:
        yield f"{place} as it was in that run ({found.row.definition_hash[:12]}); changed since"
    parts = definition_parts(bundle, key_result, lambda n: show_number(n, found.key_result.unit))
    for name, text in parts.items():
        yield f"{name}: {text}"


def _window(span: Span, zone: str) -> Iterator[str]:
    window = span.window
    last = window.end_day - timedelta(days=1)
    yield f"{window.start_day} to {last}, both included, in {zone}"
    yield f"{time_in_words(window.start_at)} to {time_in_words(window.end_at)}, the end not included"
    if span.as_of_at != window.end_at:
        yield f"as known at {time_in_words(span.as_of_at)}"


def _records(found: Explanation) -> Iterator[str]:
    if found.uncounted is not None:
        yield found.uncounted
    elif found.check_ins and not found.tallies:
        yield from _said_before(found)
    elif found.key_result_is_manual:
        yield "none: the number is what people check in"
    elif not found.tallies:
        yield "none: the number comes from reports or a query, not from records that can be listed"
    for one in found.tallies:
        named = f"{one.metric}: " if len(found.tallies) > 1 else ""
        yield f"{named}{_counted(one)}"
        for reason, number in sorted(one.left_out.items()):
            yield f"{named}{number:,} with the note: {reason}"
        if one.filtered_out:
            yield f"{named}{one.filtered_out:,} more in the window don't satisfy the conditions"
    if len(found.tallies) == 1 and _differs(found, found.tallies[0]):
        yield (
            "the source has changed since the number was recorded: its records are not the same "
            "now. The next sync publishes a revision if the day is still read again."
        )


def _counted(one: Tally) -> str:
    if one.in_numerator is None:
        return f"{one.counted:,} counted"
    return f"{one.in_numerator:,} in the numerator, {one.in_denominator:,} in the denominator"


def _differs(found: Explanation, one: Tally) -> bool:
    sample = found.row.sample_size
    return found.row.origin != "override" and sample is not None and sample != one.counted


# --- pulls and run --------------------------------------------------------------------------------


def _pulls(found: Explanation) -> Iterator[str]:
    for pull in found.pulls:
        complete = "complete" if pull.is_complete else f"not complete: {pull.error}"
        counted = "" if pull.rows_expected is None else f" of {pull.rows_expected:,} expected"
        yield (
            f"{pull.source}.{pull.dataset} in this run: {pull.rows:,} rows{counted} in "
            f"{pull.requests:,} requests, {complete}"
        )
    for name, state in found.read_at:
        if state.complete_at is not None:
            yield f"{name} was last complete at {time_in_words(state.complete_at)}"


def _run(found: Explanation, version: str) -> Iterator[str]:
    run = found.run
    why = cause_in_words(found.row.cause)
    yield f"recorded at {time_in_words(found.row.recorded_at)} ({found.row.origin}): {why}"
    if found.before is not None:
        value = show_number(found.before.value, found.key_result.unit)
        yield f"before: {value}, recorded at {time_in_words(found.before.recorded_at)}"
    if run is None:
        yield f"{found.row.run_id}: not known any more"
    else:
        yield f"{run.run_id}: {run.trigger}, begun at {time_in_words(run.started_at)}"
        commit = f"commit {found.git_sha}" if found.git_sha else "not in a git checkout"
        yield f"config {run.config_hash[:12]}, {commit}"
    yield f"explained by okr-sync {version}"


def goal_lines(goals: Sequence[RecordedGoal], unit: str | None) -> Iterator[str]:
    """The goals of a key result over time, in words; nothing where the goal has always been the same."""
    if len(goals) < 2:
        return
    for one in goals:
        text = goal_in_words(goal_of(one.agreed), lambda number: show_number(number, unit))
        extra = [] if one.agreed.pace == "linear" else [f"pace: {one.agreed.pace}"]
        terms = ", ".join([text, one.agreed.commitment, *extra])
        since, recorded = one.agreed.effective_from, time_in_words(one.recorded_at)
        yield f"from {since} on: {terms} (recorded at {recorded})"


def time_in_words(at: datetime) -> str:
    """A time in UTC as people read it."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
