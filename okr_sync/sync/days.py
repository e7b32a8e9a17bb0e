"""Which as-of days a run evaluates for each key result.

Belongs here: the day asked for, the days that are revised with it, those that overrides concern, and
cycles that are left alone.
Does not belong here: windows of a day (metrics.spans) or what is pulled for them (metrics.plan).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, or_, select

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.hashes import definition_hash
from okr_sync.config.models import KeyResult
from okr_sync.metrics.dependencies import is_live
from okr_sync.metrics.spans import Span, closing_day, is_closed, is_final, left_alone_from
from okr_sync.metrics.windows import as_of_instant, resolve_window
from okr_sync.sync.check_ins import days_to_judge, said_since
from okr_sync.sync.goals import Goals, definition_hashes, goals_of, judged_by
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.overrides import OVERRIDE, Override, override_on, overrides_of
from okr_sync.warehouse.tables import key_result_current, key_result_history


@dataclass(frozen=True)
class RunDays:
    """The as-of days that a run was asked for.

    Those of a backfill were named as such, so that no other day is to be touched.
    """

    days: tuple[date, ...]
    is_backfill: bool = False


def days_by_key_result(
    connection: Connection,
    bundle: Bundle,
    key_result_ids: Iterable[str],
    run: RunDays,
    calendar: Calendar,
    now: datetime,
) -> dict[str, tuple[date, ...]]:
    """The as-of days to look at, by key result id; none where nothing can change any more.

    A backfill looks at the days it names. Any other run looks at its day and, because sources
    restate, at every day within `revise` before it that already has a number, and at days whose
    number an override has to take the place of, or to leave, that is to become final, or that was
    judged by another goal than the day's. A cycle that was over, settled and past
    revising before the run's day is else left alone once it has a last number, unless its definition
    has changed since or it is marked failed (a mark that only a measurement takes away). What people
    check in is judged for its last day ever after, and for every day once they have said more.
    """
    chosen = {key_result_id: bundle.key_results[key_result_id] for key_result_id in key_result_ids}
    overrides = active_overrides(connection, chosen)
    goals = goals_of(connection, bundle, chosen.values(), calendar, now)
    measured = _measured_days(connection, chosen.values(), run, overrides, goals)
    failed = _failed(connection)
    said_lately = _said_lately(connection, bundle, chosen.values(), calendar)
    wanted: dict[str, tuple[date, ...]] = {}
    for key_result_id, key_result in chosen.items():
        metric = bundle.metrics[key_result.metric]
        known = measured.get(key_result_id, {})
        last = closing_day(key_result, metric, bundle.metrics)
        if run.is_backfill:
            wanted[key_result_id] = tuple(sorted(set(run.days)))
            continue
        own = overrides.get(key_result_id, ())
        days = {day for day, one in known.items() if _number_on(own, day) != one.overridden}
        settled = {
            day
            for day, one in known.items()
            if not one.is_final and is_final(key_result, day, calendar, now)
        }
        days |= _of_this_definition(bundle, key_result, goals[key_result_id], known, settled)
        is_left_alone = (
            is_closed(key_result, metric, bundle.metrics, calendar, now)
            and last in known
            and known[last].definition_hash
            == definition_hash(
                judged_by(key_result, goals[key_result_id].on(last)), metric, bundle.metrics
            )
            and key_result_id not in failed
        )
        if key_result_id in said_lately or not is_left_alone or run.days[0] <= last:
            day = min(run.days[0], last)
            days |= {day, *(one for one in known if day - key_result.revise <= one < day)}
            if key_result.is_manual:
                days |= days_to_judge(key_result, day)
        elif key_result.is_manual:
            days.add(last)  # so that files are still looked at for a late last word
        wanted[key_result_id] = tuple(sorted(days))
    return wanted


def kept_spans(
    connection: Connection,
    bundle: Bundle,
    days_of: Mapping[str, Collection[date]],
    calendar: Calendar,
    now: datetime,
) -> dict[str, tuple[Span, ...]]:
    """The past spans of key results that can only be measured as of today, by id, where there are any.

    They are judged anew by what was measured then, because a day becomes final and an override ends
    long after it. A number of another definition stays as it is.
    """
    today = now.astimezone(calendar.zone).date()
    live = {
        name: [day for day in days if day < today]
        for name, days in days_of.items()
        if is_live(bundle.metrics, bundle.metrics[bundle.key_results[name].metric])
    }
    goals = goals_of(connection, bundle, (bundle.key_results[name] for name in live), calendar, now)
    history = key_result_history.c
    found: dict[str, tuple[Span, ...]] = {}
    for name, days in live.items():
        if not days:
            continue
        key_result = bundle.key_results[name]
        hashes = definition_hashes(bundle, key_result, goals[name])
        known = connection.scalars(
            select(history.as_of)
            .where(
                history.key_result_id == name,
                history.as_of.between(min(days), max(days)),
                history.superseded_at.is_(None),
                history.definition_hash.in_(hashes.values()),
            )
            .order_by(history.as_of)
        )
        spans = []
        for day in known:
            window = resolve_window(key_result.over, key_result.cycle, day, calendar, now)
            if day in days and window is not None:
                spans.append(Span(day, as_of_instant(day, calendar.zone, now), window))
        if spans:
            found[name] = tuple(spans)
    return found


def active_overrides(
    connection: Connection, key_result_ids: Collection[str]
) -> dict[str, list[Override]]:
    """The overrides of key results that have not been withdrawn, by key result id."""
    found: dict[str, list[Override]] = {}
    for override in overrides_of(connection, key_result_ids):
        if override.withdrawn_at is None:
            found.setdefault(override.key_result_id, []).append(override)
    return found


def _said_lately(
    connection: Connection, bundle: Bundle, key_results: Iterable[KeyResult], calendar: Calendar
) -> set[str]:
    """The key results of which people have said something after they would be left alone."""
    left_alone_at = {
        one.key_result_id: left_alone_from(
            one, bundle.metrics[one.metric], bundle.metrics, calendar
        )
        for one in key_results
        if one.is_manual
    }
    return said_since(connection, left_alone_at.keys(), left_alone_at)


def _number_on(overrides: Iterable[Override], day: date) -> Decimal | None:
    override = override_on(overrides, day)
    return None if override is None else override.value


def _of_this_definition(
    bundle: Bundle,
    key_result: KeyResult,
    goals: Goals,
    known: Mapping[date, "_MeasuredDay"],
    settled: Collection[date],
) -> set[date]:
    """Days beyond what is revised that are to be judged anew by the definition that measured them.

    Those that have settled, and those whose goal is another one since `goal_since` says so. A number
    of another definition stays as it is.
    """
    if not settled and len(goals.terms) < 2:
        return set()
    hashes = definition_hashes(bundle, key_result, goals)
    own = set(hashes.values())
    return {
        day
        for day, one in known.items()
        if one.definition_hash in own
        and (day in settled or one.definition_hash != hashes[goals.on(day)])
    }


def _failed(connection: Connection) -> set[str]:
    """The key results whose latest run had no number for them."""
    current = key_result_current.c
    return set(connection.scalars(select(current.key_result_id).where(current.error.is_not(None))))


@dataclass(frozen=True)
class _MeasuredDay:
    """What is published of an as-of day: an override's number, if one is, and whether it can change."""

    overridden: Decimal | None
    definition_hash: str
    is_final: bool


def _measured_days(
    connection: Connection,
    key_results: Iterable[KeyResult],
    run: RunDays,
    overrides: Mapping[str, Iterable[Override]],
    goals: Mapping[str, Goals],
) -> dict[str, dict[date, _MeasuredDay]]:
    """By key result id the as-of days that have a number, and what is published of each.

    As far back as a run may look: to what is revised, to each cycle's last day, to overrides, to goals
    that have changed, and to what is not final yet.
    """
    history = key_result_history.c
    key_results = list(key_results)
    if not key_results:
        return {}
    revise = max(key_result.revise for key_result in key_results)
    last_days = (key_result.cycle.end - timedelta(days=1) for key_result in key_results)
    since = min(min(run.days), *last_days) - revise
    first_days = [one.from_day for own in overrides.values() for one in own]
    first_days += [start for own in goals.values() for start, _ in own.changes[1:]]
    found: dict[str, dict[date, _MeasuredDay]] = {}
    columns = (
        history.key_result_id,
        history.as_of,
        history.origin,
        history.value,
        history.definition_hash,
        history.is_final,
    )
    for ids in in_chunks([key_result.key_result_id for key_result in key_results]):
        rows = connection.execute(
            select(*columns).where(
                history.superseded_at.is_(None),
                or_(
                    history.as_of >= min([since, *first_days]),
                    history.origin == OVERRIDE,
                    history.is_final.is_(False),
                ),
                history.key_result_id.in_(ids),
            )
        )
        for key_result_id, as_of, origin, value, definition, final in rows:
            measured = _MeasuredDay(value if origin == OVERRIDE else None, definition, final)
            found.setdefault(key_result_id, {})[as_of] = measured
    return found
