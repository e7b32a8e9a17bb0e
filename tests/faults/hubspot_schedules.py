"""What a history of a HubSpot account consists of, as data: drawn from a seed, or kept because it failed.

Belongs here: schedules, drawing them, those that failed once. Does not belong here: what is done with
one (hubspot_histories).
"""

import random
from dataclasses import dataclass
from typing import Any

STAGES = ("lead", "customer", "opportunity")


@dataclass(frozen=True)
class Step:
    """One pull: what happens to the account before it, which faults are on, whether it is killed."""

    minutes: int
    before: tuple[tuple[Any, ...], ...] = ()
    faults: tuple[tuple[tuple[str, Any], ...], ...] = ()
    killed_at: int | None = None


@dataclass(frozen=True)
class Schedule:
    """An account, what is odd about it from first to last, and the pulls of its history."""

    ids: tuple[int, ...]
    api: str
    lag_seconds: int
    always: tuple[tuple[tuple[str, Any], ...], ...]
    steps: tuple[Step, ...]
    search_page: int = 200
    """With one or two a page an account is too large for a search of all its records."""


_REFUSALS = (
    *("hubspot.401", "hubspot.403_scopes", "hubspot.400", "hubspot.423", "hubspot.429_burst"),
    *("hubspot.429_search", "hubspot.429_daily", "hubspot.477", "hubspot.500", "hubspot.502"),
    *("hubspot.503", "hubspot.521", "hubspot.302"),
)
_DELIVERIES = (
    *("hubspot.200_html", "hubspot.200_cut_json", "hubspot.200_empty", "hubspot.drop"),
    "hubspot.drop_midway",
)
_PAGES = (
    *("hubspot.empty_page", "hubspot.repeated_page", "hubspot.reordered_page", "hubspot.circle"),
    *("hubspot.lost_cursor", "hubspot.lost_rows", "hubspot.total_too_high"),
    *("hubspot.total_too_low", "hubspot.newer_than_window", "hubspot.id_types"),
    "hubspot.hidden_property",
)
_UPHEAVALS = (
    *("hubspot.record_created", "hubspot.record_updated", "hubspot.record_calculated"),
    *("hubspot.record_archived", "hubspot.record_restored", "hubspot.record_deleted"),
    *("hubspot.record_merged", "hubspot.records_touched"),
)
_CHANGES = ("create", "update", "calculate", "archive", "restore", "delete", "merge", "touch all")


def drawn(seed: int) -> Schedule:
    """The schedule of a seed."""
    draw = random.Random(seed)
    size = draw.choice((0, 1, 2, 3, 5, 8, 12, 20))
    ids = tuple(draw.sample(range(1, 1_200), size))
    always = [fault("hubspot.short_page", size=draw.choice((1, 2, 3, 3, 5)))]
    always += [fault("hubspot.search_cap", size=draw.choice((6, 20)))]
    if draw.random() < 0.3:
        always.append(fault("hubspot.list_out_of_order"))
    if draw.random() < 0.2:
        always.append(fault("hubspot.ids_as_text"))
    lag = draw.choice((0, 0, 5, 600))
    steps = tuple(_step(draw, number) for number in range(draw.choice((1, 1, 2, 2, 3))))
    api = draw.choice(("v3", "2026-03", "2026-09"))
    return Schedule(ids, api, lag, tuple(always), steps, draw.choice((200, 200, 1, 2)))


def _step(draw: random.Random, number: int) -> Step:
    changes = draw.choice((0, 1, 2, 4)) if number else 0
    before = tuple((draw.choice(_CHANGES), draw.random()) for _ in range(changes))
    faults = []
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        kind = draw.choice((_REFUSALS, _DELIVERIES, _PAGES, _UPHEAVALS, _UPHEAVALS))
        name = draw.choice(kind)
        more: dict[str, Any] = {"after": draw.randrange(12)}
        if kind is _UPHEAVALS or draw.random() < 0.85:
            more["times"] = draw.choice((1, 1, 1, 2, 3))
        if name == "hubspot.record_calculated":
            more |= {"property": "score", "value": str(draw.randrange(100))}
        elif name == "hubspot.hidden_property":
            more["property"] = "score"
        elif name == "hubspot.record_updated":
            more |= {"property": "lifecyclestage", "value": draw.choice(STAGES)}
        elif name == "hubspot.newer_than_window":
            more["seconds"] = (
                90 * 86_400
            )  # later than any pull: what lies within a window can't be told
        elif name in ("hubspot.total_too_high", "hubspot.total_too_low"):
            more["by"] = draw.choice((1, 7))
        faults.append(fault(name, **more))
    killed_at = draw.randrange(1, 15) if draw.random() < 0.25 else None
    return Step(draw.choice((1, 20, 90, 1_500)), before, tuple(faults), killed_at)


def fault(name: str, **more: Any) -> tuple[tuple[str, Any], ...]:
    """A fault of the sandbox with its parameters."""
    return (("name", name), *more.items())


FOUND = {
    "a deletion while the index lags, then an archiving: the counts agree by chance": Schedule(
        (1084, 717),
        "2026-03",
        5,
        (),
        (
            Step(90, faults=(fault("hubspot.record_deleted", after=2, times=1),)),
            Step(20, before=(("archive", 0.09),)),
        ),
    ),
    "a merge and a restoration while a killed full read waits to go on": Schedule(
        (44, 643, 1123),
        "2026-03",
        0,
        (),
        (
            Step(1_500, before=(("archive", 0.9),), killed_at=4),
            Step(1, before=(("merge", 0.1), ("restore", 0.14))),
        ),
    ),
    "a property is calculated and a page is short": Schedule(
        (592, 590, 1054),
        "v3",
        5,
        (fault("hubspot.short_page", size=2),),
        (Step(1), Step(90, before=(("calculate", 0.8),)), Step(1)),
    ),
    "an archiving, and a creation between the ids of what is new and the count": Schedule(
        (505, 224, 230),
        "2026-09",
        0,
        (fault("hubspot.short_page", size=1),),
        (
            Step(20, faults=(fault("hubspot.records_touched", after=3, times=1),)),
            Step(
                1,
                before=(("archive", 0.88),),
                faults=(fault("hubspot.record_created", after=3, times=1),),
            ),
        ),
    ),
    "an archiving, and a creation before the first count": Schedule(
        (505, 224, 230),
        "2026-09",
        0,
        (fault("hubspot.short_page", size=1),),
        (
            Step(20, faults=(fault("hubspot.records_touched", after=3, times=1),)),
            Step(
                1,
                before=(("archive", 0.88),),
                faults=(fault("hubspot.record_created", times=1),),
            ),
        ),
    ),
    "a list passes a record over, and one that it gave is archived": Schedule(
        (744, 713, 979, 131, 757),
        "v3",
        0,
        (fault("hubspot.short_page", size=1),),
        (
            Step(
                1,
                faults=(
                    fault("hubspot.lost_rows", after=4, times=1),
                    fault("hubspot.record_archived", after=10, times=1),
                ),
            ),
        ),
    ),
    "an archiving while a killed full read waits, and a creation while it goes on": Schedule(
        (505, 224, 230),
        "2026-09",
        0,
        (fault("hubspot.short_page", size=1),),
        (
            Step(
                20,
                faults=(fault("hubspot.records_touched", after=3, times=1),),
                killed_at=8,
            ),
            Step(
                1,
                before=(("archive", 0.88),),
                faults=(fault("hubspot.record_created", after=3, times=1),),
            ),
        ),
    ),
    "a deletion, and an index that orders ids as texts": Schedule(
        (1095, 468, 13),
        "2026-03",
        0,
        (fault("hubspot.ids_as_text"),),
        (Step(1_500, faults=(fault("hubspot.record_deleted", after=8, times=1),)), Step(90)),
        search_page=1,
    ),
    "a change, an archiving and a restoration, and an index that lags behind all three": Schedule(
        (552, 886),
        "2026-03",
        600,
        (fault("hubspot.short_page", size=1),),
        (
            Step(1_500),
            Step(
                1,
                before=(("update", 0.06),),
                faults=(fault("hubspot.record_archived", after=4, times=1),),
            ),
            Step(90, before=(("restore", 0.59),)),
        ),
    ),
    "a change that a search passes over, and the record is archived behind it": Schedule(
        (367,),
        "v3",
        0,
        (),
        (
            Step(90),
            Step(
                20,
                before=(("create", 0.81), ("create", 0.002), ("archive", 0.26), ("merge", 0.05)),
                faults=(
                    fault("hubspot.lost_rows", times=2),
                    fault("hubspot.record_archived", after=1, times=3),
                ),
            ),
        ),
    ),
    "a list that ends too soon, and what it did not give is modified behind it": Schedule(
        (157, 1091, 329, 339, 260, 225, 59, 1008, 684),
        "v3",
        0,
        (fault("hubspot.short_page", size=3),),
        (
            Step(
                1_500,
                faults=(
                    fault("hubspot.lost_cursor", after=2, times=1),
                    fault("hubspot.records_touched", after=9, times=1),
                ),
            ),
        ),
        search_page=1,
    ),
    "a restoration, and the record is modified while changes are read": Schedule(
        (177, 1082, 149, 825, 517, 560, 773),
        "v3",
        0,
        (fault("hubspot.short_page", size=2),),
        (
            Step(1, faults=(fault("hubspot.record_archived", after=8, times=3),)),
            Step(
                90,
                before=(("restore", 0.69),),
                faults=(
                    fault(
                        "hubspot.record_updated",
                        times=1,
                        property="lifecyclestage",
                        value="customer",
                    ),
                ),
            ),
        ),
        search_page=1,
    ),
    "changes that are archived while their ids are listed once more": Schedule(
        (733, 612, 1099, 318, 120),
        "v3",
        0,
        (fault("hubspot.ids_as_text"),),
        (
            Step(1),
            Step(
                20,
                before=(("touch all", 0.61),),
                faults=(
                    fault("hubspot.record_archived", after=8, times=3),
                    fault("hubspot.record_archived", after=6, times=2),
                ),
            ),
        ),
        search_page=1,
    ),
    "a record that is archived for a moment, as if the index lagged, beside a deletion": Schedule(
        (543, 6, 267, 696, 956),
        "2026-03",
        0,
        (),
        (
            Step(1),
            Step(
                1,
                before=(("touch all", 0.95), ("delete", 0.17)),
                faults=(
                    fault("hubspot.record_archived", after=7, times=1),
                    fault("hubspot.record_restored", after=10, times=3),
                ),
            ),
        ),
        search_page=2,
    ),
}
"""The smallest schedules of seeds that failed once, by what went wrong."""
