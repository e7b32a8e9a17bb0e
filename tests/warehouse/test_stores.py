"""Associations, results of queries, measured baselines and overrides, on both engines."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from okr_sync.warehouse.association_store import (
    associations_filled_at,
    change_associations,
    forget_associations,
    replace_associations,
)
from okr_sync.warehouse.baselines import MeasuredBaseline, freeze_baselines, frozen_baselines
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.overrides import (
    add_override,
    override_on,
    overrides_of,
    withdraw_override,
)
from okr_sync.warehouse.query_store import (
    QueryResult,
    put_query_results,
    query_key,
    query_refusals,
    query_result,
    record_queries_complete,
)
from okr_sync.warehouse.tables import source_association

NOON = datetime(2026, 10, 6, 12, tzinfo=UTC)
ARROW = ("hubspot", "deals", "contacts")


def _pairs(warehouse: Warehouse, to_dataset: str) -> set[tuple[str, str]]:
    table = source_association.c
    statement = select(table.from_id, table.to_id).where(table.to_dataset == to_dataset)
    with warehouse.read() as connection:
        return {(from_id, to_id) for from_id, to_id in connection.execute(statement)}


def test_associations_are_replaced_for_some_records_or_for_all(warehouse: Warehouse) -> None:
    """What is read anew of a record takes the place of its pairs; other records and ways keep theirs."""
    with warehouse.write() as connection:
        pairs = {"1": ["a", "b"], "2": ["a", "a"]}
        replace_associations(connection, *ARROW, pairs, NOON)
        replace_associations(connection, "hubspot", "deals", "companies", {"1": ["z"]}, NOON)
        change_associations(connection, *ARROW, ["1", "3"], {"1": ["c"]})
    assert _pairs(warehouse, "contacts") == {("1", "c"), ("2", "a")}
    with warehouse.write() as connection:
        replace_associations(connection, *ARROW, {"9": ["a"]}, NOON)
    assert _pairs(warehouse, "contacts") == {("9", "a")}
    assert _pairs(warehouse, "companies") == {("1", "z")}


def test_no_pairs_and_never_read_are_different_things(warehouse: Warehouse) -> None:
    """An account whose deals have no contacts is complete without a pair."""
    with warehouse.write() as connection:
        assert associations_filled_at(connection, *ARROW) is None
        replace_associations(connection, *ARROW, {}, NOON)
        assert associations_filled_at(connection, *ARROW) == NOON
        forget_associations(connection, "hubspot", "deals", kept=["contacts"])
        assert associations_filled_at(connection, *ARROW) == NOON
        forget_associations(connection, "hubspot", "deals", kept=[])
        assert associations_filled_at(connection, *ARROW) is None


def test_a_query_has_one_result_a_day_and_window(warehouse: Warehouse) -> None:
    """Results come back digit for digit, by the statement's text; the last one read counts."""
    days = (date(2026, 10, 5), date(2026, 10, 1), date(2026, 10, 6))
    text = "SELECT 1 AS value"
    with warehouse.write() as connection:
        first = QueryResult(query_key(text), *days, value=Decimal("0.10"))
        put_query_results(connection, "people", [first], NOON)
        last = QueryResult(query_key(text), *days, None, Decimal(3), Decimal(7))
        put_query_results(connection, "people", [first, last], NOON)
        assert query_result(connection, "people", text, *days) == last
        assert query_result(connection, "people", "SELECT 2 AS value", *days) is None
        assert query_result(connection, "other", text, *days) is None


def test_a_query_that_failed_says_why_until_it_is_run_again(warehouse: Warehouse) -> None:
    """One statement's mistake is its own: the reasons are kept by statement."""
    with warehouse.write() as connection:
        record_queries_complete(connection, "people", {query_key("a"): "No such table."}, NOON)
        assert query_refusals(connection, "people") == {query_key("a"): "No such table."}
        record_queries_complete(connection, "people", {}, NOON)
        assert query_refusals(connection, "people") == {}


def _baseline(value: str, cycle_start: date = date(2026, 10, 1)) -> MeasuredBaseline:
    return MeasuredBaseline(
        "t/kr", cycle_start, Decimal(value), date(2026, 9, 30), "d1", NOON, "run-1"
    )


def test_a_baseline_is_frozen_once_a_cycle(warehouse: Warehouse) -> None:
    """The first one stays whatever comes later; another cycle has its own."""
    first, later = _baseline("0.180"), _baseline("0.2")
    assert freeze_baselines(warehouse, [first]) == {"t/kr": first}
    assert freeze_baselines(warehouse, [later]) == {"t/kr": first}
    with warehouse.read() as connection:
        assert frozen_baselines(connection, [("t/kr", first.cycle_start)]) == {"t/kr": first}
        assert frozen_baselines(connection, [("t/kr", date(2027, 1, 1))]) == {}
    next_cycle = _baseline("0.3", date(2027, 1, 1))
    assert freeze_baselines(warehouse, [next_cycle]) == {"t/kr": next_cycle}


def test_the_last_override_that_was_not_withdrawn_counts(warehouse: Warehouse) -> None:
    """Overrides hold from their first to their last day; withdrawing one brings back the one before."""

    def add(value: int, from_day: int, until_day: int) -> int:
        return add_override(
            warehouse,
            key_result_id="t/kr",
            value=Decimal(value),
            reason="Counted by hand",
            author="ann",
            from_day=date(2026, 10, from_day),
            until_day=date(2026, 10, until_day),
            recorded_at=NOON,
        ).override_id

    assert (add(10, 5, 9), add(20, 7, 8)) == (1, 2)
    with pytest.raises(ValueError, match="can't begin"):
        add(1, 8, 7)

    def on(day: int) -> Decimal | None:
        with warehouse.read() as connection:
            found = override_on(overrides_of(connection, ["t/kr"]), date(2026, 10, day))
        return None if found is None else found.value

    assert [on(day) for day in (4, 5, 7, 8, 9, 10)] == [None, 10, 20, 20, 10, None]
    assert withdraw_override(warehouse, "t/kr", 2, NOON)
    assert not withdraw_override(warehouse, "t/kr", 2, NOON)
    assert on(7) == 10
    with warehouse.read() as connection:
        assert [one.withdrawn_at for one in overrides_of(connection)] == [None, NOON]
