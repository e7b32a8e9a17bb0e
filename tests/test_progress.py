"""OKR arithmetic: progress, score, pace and status as tables of cases."""

from datetime import date, timedelta
from decimal import Decimal as D

import pytest

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    ConversionMetric,
    Cycle,
    Family,
    FormulaMetric,
    Goal,
    GoalKind,
    KeyResult,
    Over,
    OverKind,
    Position,
    SnapshotMetric,
    SqlMetric,
    StatusThresholds,
)
from okr_sync.metrics.measurement import Measurement
from okr_sync.progress import (
    Standing,
    Status,
    elapsed_share,
    is_cumulative,
    judge,
    progress_toward,
    resolve_goal,
    threshold_met,
)

CYCLE = Cycle("2026-Q1", date(2026, 1, 1), date(2026, 4, 11))  # 100 days
HALF_WAY = date(2026, 2, 19)
LAST_DAY = date(2026, 4, 10)


def from_to(baseline: str, target: str) -> Goal:
    return Goal(kind=GoalKind.FROM_TO, baseline=D(baseline), target=D(target))


def measured(target: str | None = None, relative: str | None = None) -> Goal:
    return Goal(
        kind=GoalKind.FROM_TO,
        measured_baseline=True,
        target=None if target is None else D(target),
        relative_target=None if relative is None else D(relative),
    )


def relative_from(baseline: str, relative: str) -> Goal:
    return Goal(kind=GoalKind.FROM_TO, baseline=D(baseline), relative_target=D(relative))


def at_least(low: str) -> Goal:
    return Goal(kind=GoalKind.AT_LEAST, target=D(low), low=D(low))


def at_most(high: str) -> Goal:
    return Goal(kind=GoalKind.AT_MOST, target=D(high), high=D(high))


def between(low: str, high: str) -> Goal:
    return Goal(kind=GoalKind.BETWEEN, target=D(high), low=D(low), high=D(high))


def key_result(goal: Goal, commitment: str = "committed", over: Over | None = None) -> KeyResult:
    return KeyResult(
        key_result_id="team/kr",
        objective_id="team/objective",
        team="team",
        title="A key result",
        metric="m",
        goal=goal,
        cycle=CYCLE,
        over=over or Over(),
        commitment=commitment,
        settle=timedelta(hours=48),
        revise=timedelta(days=7),
        defined_at=Position("okrs.yaml", 1, 1),
    )


def count_metric(min_n: int | None = None) -> AggMetric:
    return AggMetric(
        name="m",
        dataset="hubspot.contacts",
        family=Family.FUNNEL,
        aggregation=Aggregation(agg="count"),
        time="createdate",
        min_n=min_n,
    )


@pytest.mark.parametrize(
    ("baseline", "target", "value", "progress"),
    [
        ("18", "27", "18", "0"),
        ("18", "27", "27", "1"),
        ("18", "27", "22.5", "0.5"),
        ("18", "27", "9", "-1"),
        ("18", "27", "36", "2"),
        ("40", "14", "27", "0.5"),
        ("40", "14", "53", "-0.5"),
        ("-20", "30", "5", "0.5"),
    ],
)
def test_progress_is_linear_and_unclamped_in_both_directions(
    baseline: str, target: str, value: str, progress: str
) -> None:
    """Progress is (value − baseline) ÷ (target − baseline) for rising, falling and crossing goals."""
    assert progress_toward(from_to(baseline, target), D(value)) == D(progress)


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (at_least("10"), "10", True),
        (at_least("10"), "9.999", False),
        (at_most("0.25"), "0.25", True),
        (at_most("0.25"), "0.2501", False),
        (between("5", "7"), "5", True),
        (between("5", "7"), "7", True),
        (between("5", "7"), "7.1", False),
        (between("5", "7"), "4.9", False),
    ],
)
def test_a_threshold_itself_counts_as_met(goal: Goal, value: str, met: bool) -> None:
    """at_least, at_most and between include their bounds, and have no progress."""
    assert threshold_met(goal, D(value)) is met
    assert progress_toward(goal, D(value)) is None


@pytest.mark.parametrize(
    ("day", "share"),
    [
        (date(2025, 12, 31), "0"),
        (date(2026, 1, 1), "0.01"),
        (HALF_WAY, "0.5"),
        (LAST_DAY, "1"),
        (date(2026, 5, 1), "1"),
    ],
)
def test_elapsed_share_counts_the_as_of_day_as_passed(day: date, share: str) -> None:
    """Expected progress is the share of days passed by the end of the as-of day, within 0…1."""
    assert elapsed_share(CYCLE, day) == D(share)


@pytest.mark.parametrize(
    ("value", "commitment", "day", "status"),
    [
        ("60", "committed", HALF_WAY, Status.EXCEEDING),  # 10 points ahead
        ("59.9", "committed", HALF_WAY, Status.ON_TRACK),
        ("33.5", "committed", HALF_WAY, Status.ON_TRACK),  # 16.5 points behind
        ("33.4", "committed", HALF_WAY, Status.LAGGING),
        ("17", "committed", HALF_WAY, Status.LAGGING),  # 33 points behind
        ("16.9", "committed", HALF_WAY, Status.SEVERELY_LAGGING),
        ("100", "committed", HALF_WAY, Status.ACHIEVED),
        ("75", "committed", LAST_DAY, Status.LAGGING),
        ("100", "aspirational", HALF_WAY, Status.EXCEEDING),
        ("70", "aspirational", LAST_DAY, Status.ACHIEVED),
        ("69.9", "aspirational", LAST_DAY, Status.LAGGING),
    ],
)
def test_status_follows_points_behind_the_pace(
    value: str, commitment: str, day: date, status: Status
) -> None:
    """Each status begins exactly at its threshold; what counts as achieved depends on commitment."""
    standing = judge(
        key_result(from_to("0", "100"), commitment),
        count_metric(),
        Measurement(D(value), sample_size=10),
        day,
        StatusThresholds(),
    )
    assert standing.status is status
    assert standing.progress == D(value) / 100


@pytest.mark.parametrize(
    ("goal", "value", "day", "over", "status", "score"),
    [
        (at_least("200"), "110", HALF_WAY, None, Status.ON_TRACK, 0),
        (at_least("200"), "20", HALF_WAY, None, Status.SEVERELY_LAGGING, 0),
        (at_least("200"), "200", HALF_WAY, None, Status.ON_TRACK, 1),
        (at_least("200"), "200", LAST_DAY, None, Status.ACHIEVED, 1),
        (at_least("200"), "199", LAST_DAY, None, Status.SEVERELY_LAGGING, 0),
        (at_least("200"), "20", HALF_WAY, Over(kind=OverKind.LAST, days=28), Status.LAGGING, 0),
        (at_most("25"), "30", HALF_WAY, None, Status.LAGGING, 0),
        (between("5", "7"), "6", HALF_WAY, None, Status.ON_TRACK, 1),
    ],
)
def test_threshold_goals_are_met_or_not_and_growing_ones_have_a_pace(
    goal: Goal, value: str, day: date, over: Over | None, status: Status, score: int
) -> None:
    """A threshold scores 0 or 1; a count over the cycle isn't called behind while it keeps its pace."""
    standing = judge(
        key_result(goal, over=over),
        count_metric(),
        Measurement(D(value), sample_size=10),
        day,
        StatusThresholds(),
    )
    assert (standing.status, standing.score) == (status, D(score))
    assert standing.progress is None


def test_below_min_n_keeps_value_and_progress_but_gives_no_score() -> None:
    """Too small a sample is shown, flagged and not judged."""
    standing = judge(
        key_result(from_to("0", "100")),
        count_metric(min_n=50),
        Measurement(D(40), sample_size=49),
        HALF_WAY,
        StatusThresholds(),
    )
    assert standing.status is Status.INSUFFICIENT_DATA
    assert (standing.progress, standing.score) == (D("0.4"), None)
    assert standing.flags == ("below_min_n",)


def test_a_sample_of_min_n_is_large_enough() -> None:
    """`min_n: 50` wants fifty, not fifty-one; with a pace the line to the target is shown as well."""
    large, small = (
        judge(
            key_result(from_to("0", "100")),
            count_metric(min_n=50),
            Measurement(D(40), sample_size=size),
            HALF_WAY,
            StatusThresholds(),
        )
        for size in (50, 49)
    )
    assert large == Standing(D("0.4"), D("0.4"), D("0.5"), Status.ON_TRACK)
    assert small.expected_progress == D("0.5")


@pytest.mark.parametrize("value", [D(40), None])
@pytest.mark.parametrize("goal", [from_to("0", "100"), measured("27"), at_least("30")])
def test_flags_are_always_a_list(goal: Goal, value: D | None) -> None:
    """A standing without anything to remark has no flags, whichever way it came about."""
    standing = judge(
        key_result(goal), count_metric(), Measurement(value), HALF_WAY, StatusThresholds()
    )
    assert standing.flags == (("no_baseline",) if goal.measured_baseline else ())
    assert standing.expected_progress == (D("0.5") if goal.kind is GoalKind.FROM_TO else None)


def test_a_threshold_below_min_n_has_no_progress() -> None:
    """Not even where its bounds would give one: a threshold is met or not."""
    goal = Goal(kind=GoalKind.AT_LEAST, baseline=D(0), target=D(200), low=D(200))
    standing = judge(
        key_result(goal),
        count_metric(min_n=50),
        Measurement(D(40), sample_size=49),
        HALF_WAY,
        StatusThresholds(),
    )
    assert standing == Standing(None, None, None, Status.INSUFFICIENT_DATA, ("below_min_n",))


def test_a_cycle_is_over_on_its_last_day_and_not_before() -> None:
    """A met threshold is achieved at the end of the last day; the day before it's on track."""
    met = [
        judge(
            key_result(at_least("200")),
            count_metric(),
            Measurement(D(200), sample_size=200),
            day,
            StatusThresholds(),
        ).status
        for day in (LAST_DAY - timedelta(days=1), LAST_DAY, LAST_DAY + timedelta(days=1))
    ]
    assert met == [Status.ON_TRACK, Status.ACHIEVED, Status.ACHIEVED]


def test_no_value_is_no_data_unless_its_cohort_is_only_too_young() -> None:
    """Nothing to measure is `no_data`; a cohort that has not matured is `insufficient_data`."""
    metric = ConversionMetric(
        name="m",
        dataset="hubspot.contacts",
        family=Family.CONVERSION,
        from_time="a",
        to_time="b",
        within=timedelta(days=45),
    )
    kr = key_result(from_to("0", "1"))
    nothing = judge(kr, metric, Measurement(None, sample_size=0), HALF_WAY, StatusThresholds())
    young = judge(
        kr,
        metric,
        Measurement(None, sample_size=0, quality=("immature:1.00",)),
        HALF_WAY,
        StatusThresholds(),
    )
    assert nothing.status is Status.NO_DATA
    assert young.status is Status.INSUFFICIENT_DATA
    assert (nothing.progress, nothing.score, nothing.expected_progress) == (None, None, D("0.5"))


@pytest.mark.parametrize(
    ("goal", "baseline", "start", "target"),
    [
        (from_to("18", "27"), None, "18", "27"),
        (from_to("18", "27"), "20", "18", "27"),  # what was measured counts only when asked for
        (measured("27"), "18", "18", "27"),
        (measured("27"), None, None, "27"),
        (measured(relative="0.25"), "0.18", "0.18", "0.225"),
        (measured(relative="-0.1"), "40", "40", "36"),
        (measured(relative="0.25"), "-20", "-20", None),  # a quarter more is not -25
        (measured(relative="0.25"), "0", "0", None),
        (measured(relative="0.25"), None, None, None),
        (relative_from("34", "-0.5"), None, "34", "17"),
    ],
)
def test_goals_are_filled_in_from_the_measured_baseline(
    goal: Goal, baseline: str | None, start: str | None, target: str | None
) -> None:
    """`from: measured` and `to: +25%` become numbers as soon as there is a baseline."""
    resolved = resolve_goal(goal, None if baseline is None else D(baseline))
    found = (resolved.baseline, resolved.target)
    assert found == tuple(None if text is None else D(text) for text in (start, target))


@pytest.mark.parametrize(
    ("goal", "flag"),
    [
        (resolve_goal(measured("27"), None), "no_baseline"),
        (resolve_goal(measured(relative="0.25"), None), "no_baseline"),
        (resolve_goal(measured("27"), D(27)), "baseline_is_target"),
        (resolve_goal(measured(relative="0.25"), D(0)), "baseline_not_above_zero"),
        (resolve_goal(measured(relative="0.25"), D(-20)), "baseline_not_above_zero"),
    ],
)
def test_without_a_way_to_go_there_is_no_progress(goal: Goal, flag: str) -> None:
    """A baseline that is not known, or is the target already, is said; nothing is divided by zero."""
    standing = judge(
        key_result(goal),
        count_metric(),
        Measurement(D(30), sample_size=10),
        HALF_WAY,
        StatusThresholds(),
    )
    assert (standing.progress, standing.score, standing.status) == (None, None, Status.NO_DATA)
    assert standing.flags == (flag,)


@pytest.mark.parametrize(
    ("goal", "value", "commitment", "day", "status"),
    [
        (from_to("0", "100"), "0", "committed", HALF_WAY, Status.ON_TRACK),
        (from_to("0", "100"), "100", "committed", HALF_WAY, Status.ACHIEVED),
        (from_to("0", "100"), "100", "aspirational", HALF_WAY, Status.ACHIEVED),
        (from_to("0", "100"), "70", "aspirational", HALF_WAY, Status.ON_TRACK),
        (from_to("0", "100"), "70", "aspirational", LAST_DAY, Status.ACHIEVED),
        (from_to("0", "100"), "84", "committed", LAST_DAY, Status.ON_TRACK),
        (from_to("0", "100"), "70", "committed", LAST_DAY, Status.LAGGING),
        (from_to("0", "100"), "10", "committed", LAST_DAY, Status.SEVERELY_LAGGING),
        (at_least("200"), "1", "committed", HALF_WAY, Status.ON_TRACK),
        (at_least("200"), "1", "committed", LAST_DAY, Status.SEVERELY_LAGGING),
        (at_least("200"), "200", "committed", LAST_DAY, Status.ACHIEVED),
    ],
)
def test_without_a_pace_nothing_is_expected_before_the_end(
    goal: Goal, value: str, commitment: str, day: date, status: Status
) -> None:
    """`pace: none` is on track until the cycle's end, and then as far behind as it is short."""
    standing = judge(
        key_result(goal, commitment).model_copy(update={"pace": "none"}),
        count_metric(),
        Measurement(D(value), sample_size=10),
        day,
        StatusThresholds(),
    )
    assert (standing.status, standing.expected_progress) == (status, None)


@pytest.mark.parametrize(
    ("metric", "grows"),
    [
        (count_metric(), True),
        (
            count_metric().model_copy(update={"aggregation": Aggregation(agg="sum", field="x")}),
            True,
        ),
        (count_metric().model_copy(update={"aggregation": Aggregation(agg="average")}), False),
        (SqlMetric(name="m", family=Family.FUNNEL, source="s", text="SELECT 1 AS value"), False),
        (
            FormulaMetric(name="m", family=Family.FUNNEL, expression="a", inputs={"a": "leads"}),
            False,
        ),
        (
            SnapshotMetric(
                name="m",
                family=Family.FUNNEL,
                dataset="hubspot.deals",
                aggregation=Aggregation(agg="sum", field="amount"),
                change=True,
            ),
            False,
        ),
    ],
)
def test_only_counts_and_sums_over_the_cycle_grow_from_zero(metric: AnyMetric, grows: bool) -> None:
    """Of anything else nobody knows how it moves, so `at_least` has no pace for it."""
    assert is_cumulative(key_result(at_least("10")), metric) is grows
