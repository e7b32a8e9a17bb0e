"""Why a number changed, and how much a reported number was restated."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.causes import Cause, cause_of, restated_share
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.definition_history import definition_periods
from okr_sync.warehouse.observations import KeyResultObservation
from okr_sync.warehouse.publish import PublishOutcome
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.status import status

Observe = Callable[..., KeyResultObservation]
Send = Callable[..., PublishOutcome]

LEADS = "growth/leads"
DAY = "2026-10-05"
ENDED = datetime(2026, 10, 6, 4, 0, tzinfo=UTC)
"""When that day was over, in New York."""


def tell(warehouse: Warehouse) -> list[tuple[str | None, str | None, tuple[str, ...]]]:
    """The causes, values and flags of all revisions, in order."""
    return [
        (row.cause, None if row.value is None else str(row.value), row.quality)
        for row in history(warehouse, LEADS)
    ]


class Story:
    """A day's number as one run after the other finds it, an hour apart from a given instant on."""

    def __init__(self, observe: Observe, send: Send, at: datetime) -> None:
        self._observe, self._send, self._at, self._runs = observe, send, at, 0

    def find(self, value: str | None, hours: float = 1, **fields: Any) -> PublishOutcome:
        """Publish what a run finds, that many hours after the run before."""
        self._runs += 1
        self._at += timedelta(hours=hours)
        usual: dict[str, Any] = {"ended_at": ENDED, "restated_from": Decimal("0.05"), "quality": ()}
        found = self._observe(LEADS, DAY, value, **usual | fields)
        return self._send(found, run_id=f"run-{self._runs}", at=self._at)


@pytest.fixture
def evening(observe: Observe, send: Send) -> Story:
    """A story that begins in the day, four hours before its end."""
    return Story(observe, send, ENDED - timedelta(hours=4))


def test_a_day_in_progress_goes_on(warehouse: Warehouse, evening: Story) -> None:
    """A number that grows while its day lasts, and with its last hour, is not called restated."""
    evening.find("100")
    evening.find("110")
    evening.find("120", hours=3)
    assert tell(warehouse) == [
        ("first", "100", ()),
        ("day_in_progress", "110", ()),
        ("day_in_progress", "120", ()),
    ]
    evening.find("121")
    assert tell(warehouse)[-1] == ("restated", "121", ())


def test_a_day_that_was_found_unchanged_after_its_end_is_restated_next(
    warehouse: Warehouse, evening: Story
) -> None:
    """That nothing was written since the day does not make a late change a part of the day."""
    evening.find("100")
    evening.find("100", hours=5)
    evening.find("88")
    assert tell(warehouse) == [("first", "100", ()), ("restated", "88", ("restated:0.12",))]


@pytest.fixture
def morning(observe: Observe, send: Send) -> Story:
    """A story that begins after the day's end."""
    return Story(observe, send, ENDED)


def number(value: object) -> Decimal:
    """A decimal of the published tables, which SQLite keeps as text."""
    return Decimal(str(value))


def test_small_restatements_add_up(warehouse: Warehouse, morning: Story) -> None:
    """Each is compared with what was reported first; the flag stays while it is so, also when final."""
    morning.find("100")
    morning.find("103")
    morning.find("106")
    morning.find("106")
    morning.find("106", is_final=True)
    morning.find("112", is_final=True)
    morning.find("101", is_final=True)
    flagged = ("restated:0.06",)
    assert tell(warehouse) == [
        ("first", "100", ()),
        ("restated", "103", ()),
        ("restated", "106", flagged),
        ("final", "106", flagged),
        ("restated", "112", ("restated:0.12",)),
        ("restated", "101", ()),
    ]
    with warehouse.read() as connection:
        assert violations(connection) == []
        found = [
            (number(old), number(new), bool(was_final))
            for old, new, was_final in connection.execute(
                text(
                    "SELECT old_value, new_value, was_final FROM key_result_restatements "
                    "WHERE cause = 'restated' ORDER BY revision"
                )
            )
        ]
    assert found == [(100, 103, False), (103, 106, False), (106, 112, True), (112, 101, True)]


def test_the_current_number_says_that_it_was_restated(
    warehouse: Warehouse, morning: Story, noon: datetime
) -> None:
    """Whoever reads only where a key result stands sees it too, also after it was confirmed."""
    morning.find("100")
    morning.find("50")
    for _ in range(2):
        (row,) = status(warehouse, now=noon)
        assert row.quality == ("restated:0.50",)
        morning.find("50")


def test_without_a_limit_nothing_is_flagged(warehouse: Warehouse, morning: Story) -> None:
    """The cause is told all the same."""
    morning.find("100", restated_from=None)
    morning.find("50", restated_from=None)
    assert tell(warehouse)[-1] == ("restated", "50", ())


def test_people_and_definitions_are_causes_of_their_own(
    warehouse: Warehouse, morning: Story
) -> None:
    """What somebody set, and what another definition or goal gives, is no restatement of the source."""
    morning.find("100")
    morning.find("50")
    morning.find("7", origin="override", quality=("override",))
    morning.find("8", origin="override", quality=("override",))
    morning.find("50")
    morning.find("51", definition_hash="d2")
    morning.find("51", definition_hash="d3", other_goals=frozenset({"d2"}), status="lagging")
    morning.find("51", definition_hash="d3", quality=("no_baseline",), status="no_data")
    morning.find("51", definition_hash="d3", status="lagging")
    morning.find("3", definition_hash="d4", origin="manual", quality=("manual",))
    assert [cause for cause, _, _ in tell(warehouse)] == [
        "first",
        "restated",
        "override",
        "override",
        "override_ended",
        "definition",
        "goal",
        "baseline",
        "baseline",
        "manual",
    ]
    assert [flags for _, _, flags in tell(warehouse)][1:6] == [
        ("restated:0.50",),
        ("override",),
        ("override",),
        (),
        (),
    ]


def test_a_new_goal_hides_no_restatement(warehouse: Warehouse, morning: Story) -> None:
    """A goal can't change a number: if both are new at once, the source said otherwise, and is flagged."""
    morning.find("100", target=Decimal(10))
    with_goal: dict[str, Any] = {
        "definition_hash": "d2",
        "other_goals": frozenset({"d1"}),
        "target": Decimal(20),
    }
    morning.find("50", **with_goal)
    assert tell(warehouse)[-1] == ("restated", "50", ("restated:0.50",))


def test_a_new_goal_on_a_day_in_progress(warehouse: Warehouse, evening: Story) -> None:
    """A day that goes on while its goal changes goes on."""
    evening.find("100")
    evening.find("110", definition_hash="d2", other_goals=frozenset({"d1"}))
    assert tell(warehouse)[-1] == ("day_in_progress", "110", ())


def test_a_check_in_beneath_an_override_counts_again(warehouse: Warehouse, morning: Story) -> None:
    """Nobody has checked anything in: what changed the number is that the override has ended."""
    morning.find("3", origin="manual")
    morning.find("7", origin="override", quality=("override",))
    morning.find("3", origin="manual")
    assert [cause for cause, _, _ in tell(warehouse)] == ["manual", "override", "override_ended"]


def test_a_day_begins_with_its_origin(warehouse: Warehouse, observe: Observe, send: Send) -> None:
    """The first number of a day says where it comes from."""
    for day, origin in enumerate(("automatic", "backfill", "override", "manual"), start=1):
        send(observe(LEADS, f"2026-10-0{day}", "1", origin=origin))
    causes = [cause for cause, _, _ in tell(warehouse)]
    assert causes == ["first", "backfill", "override", "manual"]


@pytest.mark.parametrize(
    ("reported", "value", "share"),
    [
        ("100", "112", "0.12"),
        ("100", "88", "0.12"),
        ("-100", "-88", "0.12"),
        ("100", "100", "0"),
        ("0", "3", "1"),
        ("100", None, "1"),
        (None, "100", "0"),
        (None, None, "0"),
    ],
)
def test_shares(reported: str | None, value: str | None, share: str) -> None:
    """Both directions alike; what vanished has changed by all of it, what appeared by nothing."""
    numbers = [None if given is None else Decimal(given) for given in (reported, value)]
    assert restated_share(*numbers) == Decimal(share)


def test_views_answer_what_was_known(
    warehouse: Warehouse, evening: Story, morning: Story, noon: datetime
) -> None:
    """Plain SQL: one number a day for every instant, and each reported number that was changed."""
    for value, hours in (("100", 1), ("110", 1), ("120", 3), ("130", 6)):
        evening.find(value, hours)
    known = text(
        "SELECT value, cause FROM key_result_as_known WHERE as_of = '2026-10-05' "
        "AND known_from <= :at AND :at < known_until"
    )
    changes = text("SELECT old_value, new_value, cause FROM key_result_restatements")
    is_text = warehouse.engine.dialect.name == "sqlite"
    with warehouse.read() as connection:
        for hour, expected in enumerate([None, "100", *["110"] * 3, *["120"] * 6, "130"], start=-4):
            at: Any = ENDED + timedelta(hours=hour)
            at = at.isoformat(timespec="microseconds") if is_text else at
            found = connection.execute(known, {"at": at}).all()
            assert [str(row.value) for row in found] == ([] if expected is None else [expected]), (
                hour
            )
        (change,) = connection.execute(changes)
    assert [str(part) for part in change] == ["120", "130", "restated"]


def test_definitions_over_time(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Old numbers keep the definition that gave them, and each definition says its days and its run."""
    days = [f"2026-10-0{day}" for day in range(1, 5)]
    send(*(observe(LEADS, day, "1") for day in days[:3]))
    later = {"run_id": "run-2", "at": noon + timedelta(hours=1)}
    send(*(observe(LEADS, day, "2", definition_hash="d2") for day in days[2:]), **later)
    with warehouse.read() as connection:
        first, second = definition_periods(connection, [LEADS, "growth/other"])[LEADS]
    assert (first.definition_hash, str(first.first_day), str(first.last_day)) == (
        "d1",
        days[0],
        days[2],
    )
    assert (second.definition_hash, str(second.first_day), str(second.last_day)) == (
        "d2",
        days[2],
        days[3],
    )
    assert (second.run_id, second.recorded_at) == ("run-2", noon + timedelta(hours=1))
    assert (first.config_hash, second.config_hash) == ("c1", "c1")


NUMBER: dict[str, Any] = {
    "value": Decimal(1),
    "numerator": None,
    "denominator": None,
    "sample_size": 3,
    "origin": "automatic",
    "definition_hash": "d1",
    "quality": (),
    "is_final": False,
}
SAID = {"origin": "manual"}
SET = {"origin": "override"}


@pytest.mark.parametrize(
    ("before", "after", "day_was_over", "cause"),
    [
        ({}, {"value": Decimal(2)}, True, Cause.RESTATED),
        ({}, {"numerator": Decimal(2)}, True, Cause.RESTATED),
        ({}, {"denominator": Decimal(2)}, True, Cause.RESTATED),
        ({}, {"sample_size": 4}, True, Cause.RESTATED),
        ({}, {"value": Decimal(2)}, False, Cause.DAY_IN_PROGRESS),
        ({}, {"origin": "backfill", "value": Decimal(2)}, True, Cause.RESTATED),
        # What people set: a new number of theirs, or the first of theirs with the same value.
        (SAID, SAID | {"value": Decimal(2)}, True, Cause.MANUAL),
        ({}, SAID, True, Cause.MANUAL),
        ({}, SET, True, Cause.OVERRIDE),
        (SET, SET | {"value": Decimal(2)}, True, Cause.OVERRIDE),
        (SAID, SET, True, Cause.OVERRIDE),
        # Nothing that somebody set has changed: something else has.
        (SAID, SAID | {"is_final": True}, True, Cause.FINAL),
        (SET, SET | {"quality": ("override", "checked_in:2026-10-05")}, True, Cause.QUALITY),
        (SAID, SAID | {"definition_hash": "d2"}, True, Cause.DEFINITION),
        (SAID, SAID | {"definition_hash": "goal"}, True, Cause.DEFINITION),
        (SAID | {"definition_hash": "goal"}, SAID, True, Cause.GOAL),
        # An override's end, whatever counts instead.
        (SET, {}, True, Cause.OVERRIDE_ENDED),
        (SET, {"value": Decimal(2)}, False, Cause.OVERRIDE_ENDED),
        (SET, SAID | {"value": Decimal(2)}, True, Cause.OVERRIDE_ENDED),
        # Another definition comes before another number, another goal after it.
        ({}, {"definition_hash": "d2", "value": Decimal(2)}, True, Cause.DEFINITION),
        ({"definition_hash": "goal"}, {}, True, Cause.GOAL),
        ({"definition_hash": "goal"}, {"value": Decimal(2)}, True, Cause.RESTATED),
        ({"definition_hash": "goal"}, {"quality": ("no_baseline",)}, True, Cause.GOAL),
        # Flags, the most telling first; those of the day itself tell nothing.
        ({}, {"quality": ("no_baseline", "sampled"), "is_final": True}, True, Cause.BASELINE),
        ({"quality": ("baseline_is_target",)}, {}, True, Cause.BASELINE),
        ({}, {"quality": ("sampled",), "is_final": True}, True, Cause.FINAL),
        ({"is_final": True}, {}, True, Cause.FINAL),
        ({}, {"quality": ("sampled",)}, True, Cause.QUALITY),
        ({"quality": ("sampled", "provisional")}, {}, True, Cause.QUALITY),
        ({"quality": ("provisional",)}, {}, True, Cause.SETTINGS),
        ({"quality": ("restated:0.10",)}, {}, True, Cause.SETTINGS),
        ({}, {}, True, Cause.SETTINGS),
    ],
)
def test_each_change_has_one_cause(
    before: dict[str, Any], after: dict[str, Any], day_was_over: bool, cause: Cause
) -> None:
    """What people do comes first, then definitions, the source's word, goals, and what is beside it."""
    found = cause_of(
        NUMBER | before, NUMBER | after, day_was_over=day_was_over, other_goals={"goal"}
    )
    assert found is cause


def test_what_is_restated_together_is_compared_each_with_its_own_report(
    warehouse: Warehouse, observe: Observe, send: Send
) -> None:
    """Key results and days of one publish: each with the number first reported of it, up to the limit
    itself; a change of another kind among them hides none."""
    others = ("growth/deals", "growth/visits")
    days = ("2026-10-03", DAY)
    first: dict[tuple[str, str], Any] = {
        (LEADS, days[0]): 100,
        (LEADS, DAY): 200,
        (others[0], DAY): 1000,
        (others[1], DAY): 10,
    }
    runs = [first, {key: value * 2 for key, value in first.items()}]
    third = {
        (LEADS, days[0]): "105",  # exactly the limit
        (LEADS, DAY): "209.99",  # just below it
        (others[0], DAY): "1050.01",
        (others[1], DAY): "20",
    }
    for number, values in enumerate([*runs, third], 1):
        found = []
        for (name, day), value in values.items():
            fields: dict[str, Any] = {"ended_at": ENDED, "restated_from": Decimal("0.05")}
            if name == others[1]:
                # Beside them, one that changes for another reason.
                fields["is_final"] = number == 3
            found.append(observe(name, day, str(value), quality=(), **fields))
        send(*found, run_id=f"run-{number}", at=ENDED + timedelta(hours=number))
    newest = {
        (name, str(row.as_of)): (row.cause, row.quality)
        for name in (LEADS, *others)
        for row in history(warehouse, name)
        if row.superseded_at is None
    }
    assert newest == {
        (LEADS, days[0]): ("restated", ("restated:0.05",)),
        (LEADS, DAY): ("restated", ()),
        (others[0], DAY): ("restated", ("restated:0.05",)),
        (others[1], DAY): ("final", ("restated:1.00",)),
    }
