"""The record mirror on both engines, without a source."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.hubspot.holdings import Held
from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.checkpoints import bare_stage
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import (
    DatasetState,
    FieldState,
    FieldType,
    Row,
    count_records,
    fields_of,
    ids_present,
    recent_ids,
    record_table,
    state_of,
)
from okr_sync.warehouse.mirror_writes import commit_changes, commit_full_read, store

_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
_TEXT = FieldState(FieldType.TEXT, _AT, None)
_NUMBER = FieldState(FieldType.NUMBER, _AT, None)
_STATE = DatasetState(_AT, _AT, "4711", "Europe/Berlin", "EUR")


def _row(record_id: str, updated_ms: int | None = 1_000, **columns: Any) -> Row:
    return {
        "id": record_id,
        **columns,
        "bad_fields": None,
        "created_ms": 1_000,
        "updated_ms": updated_ms,
    }


def _full_read(
    warehouse: Warehouse,
    fields: dict[str, FieldState],
    rows: list[Row],
    known: DatasetState | None = None,
    state: DatasetState = _STATE,
) -> int:
    types = {name: field.type for name, field in fields.items() if field.type}
    with warehouse.write() as connection:
        stage = bare_stage(connection, "hubspot", "deals", types, _AT).table
    with warehouse.write() as connection:
        store(connection, stage, rows)
    with warehouse.write() as connection:
        return commit_full_read(
            connection, "hubspot", "deals", stage=stage, fields=fields, known=known, state=state
        )


def _contents(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    with warehouse.read() as connection:
        table = sa.Table("src_hubspot__deals", sa.MetaData(), autoload_with=connection)
        return {row.id: dict(row._mapping) for row in connection.execute(sa.select(table))}


def _table_names(warehouse: Warehouse) -> set[str]:
    with warehouse.read() as connection:
        return {name for name in sa.inspect(connection).get_table_names() if "src_" in name}


def test_full_read_takes_the_place_of_the_mirror(warehouse: Warehouse) -> None:
    """Records that a full read no longer has are gone, and nothing is left of the stage."""
    fields = {"dealstage": _TEXT}
    assert _full_read(warehouse, fields, [_row("1", f_dealstage="a"), _row("2", f_dealstage="b")])
    held = _full_read(warehouse, fields, [_row("2", f_dealstage="c")], known=_STATE)
    assert held == 1
    assert {key: row["f_dealstage"] for key, row in _contents(warehouse).items()} == {"2": "c"}
    assert _table_names(warehouse) == {"src_hubspot__deals"}
    with warehouse.read() as connection:
        assert fields_of(connection, "hubspot", "deals") == fields
        assert state_of(connection, "hubspot", "deals") == _STATE


def test_columns_follow_the_bindings(warehouse: Warehouse) -> None:
    """A new field gets a column, an unbound one loses it with its values, a new type replaces it."""
    _full_read(
        warehouse,
        {"amount": _TEXT, "email": _TEXT},
        [_row("1", f_amount="x", f_email="a@b.example")],
    )
    fields = {"amount": _NUMBER, "dealstage": _TEXT}
    _full_read(warehouse, fields, [_row("1", f_amount=5_000_000, f_dealstage="won")], known=_STATE)
    (row,) = _contents(warehouse).values()
    assert (row["f_amount"], row["f_dealstage"]) == (5_000_000, "won")
    assert "f_email" not in row
    with warehouse.read() as connection:
        table = record_table("hubspot", "deals", {"amount": FieldType.NUMBER})
        assert connection.scalar(sa.select(sa.func.sum(table.c.f_amount))) == 5_000_000


def test_changes_apply_all_or_nothing(warehouse: Warehouse) -> None:
    """Changes, removals and the cursor become visible together, or none of them does."""
    fields = {"dealstage": _TEXT}
    _full_read(warehouse, fields, [_row("1", f_dealstage="a"), _row("2", f_dealstage="a")])
    later = DatasetState(_AT + timedelta(hours=1), _AT, "4711", None, None)
    changes: dict[str, Any] = {
        "rows": [_row("3", f_dealstage="b"), _row("1", 2_000, f_dealstage="b")],
        "gone": {"2", "77"},
        "fields": fields,
        "known": _STATE,
        "state": later,
    }
    with pytest.raises(ZeroDivisionError), warehouse.write() as connection:
        commit_changes(connection, "hubspot", "deals", **changes)
        raise ZeroDivisionError
    assert sorted(_contents(warehouse)) == ["1", "2"]
    with warehouse.write() as connection:
        assert commit_changes(connection, "hubspot", "deals", **changes) == 2
    assert {key: row["f_dealstage"] for key, row in _contents(warehouse).items()} == {
        "1": "b",
        "3": "b",
    }
    with warehouse.read() as connection:
        assert state_of(connection, "hubspot", "deals") == later


def test_another_runs_commit_is_not_overwritten(warehouse: Warehouse) -> None:
    """A run that read against an older state must not put its older records over newer ones."""
    fields = {"dealstage": _TEXT}
    _full_read(warehouse, fields, [_row("1", f_dealstage="a")])
    newer = DatasetState(_AT + timedelta(hours=1), _AT, "4711", None, None)
    _full_read(warehouse, fields, [_row("1", f_dealstage="b")], known=_STATE, state=newer)
    with pytest.raises(IncompletePullError, match="another run"):
        _full_read(warehouse, fields, [_row("1", f_dealstage="a")], known=_STATE)
    assert _contents(warehouse)["1"]["f_dealstage"] == "b"


def test_store_keeps_the_newest_version(warehouse: Warehouse) -> None:
    """An id twice, in one batch or two, leaves its newest version; an unknown age overwrites."""
    with warehouse.write() as connection:
        stage = bare_stage(connection, "hubspot", "deals", {"a": FieldType.TEXT}, _AT).table
        store(connection, stage, [_row("1", 5, f_a="new"), _row("1", 4, f_a="old")])
        store(connection, stage, [_row("1", 3, f_a="older")])
        assert connection.scalar(sa.select(stage.c.f_a)) == "new"
        store(connection, stage, [_row("1", 5, f_a="calculated anew")])
        assert connection.scalar(sa.select(stage.c.f_a)) == "calculated anew"
        store(connection, stage, [_row("1", None, f_a="of unknown age")])
        assert connection.scalar(sa.select(stage.c.f_a)) == "of unknown age"


def test_many_records(warehouse: Warehouse) -> None:
    """More records than one statement takes are stored, found and counted."""
    with warehouse.write() as connection:
        stage = bare_stage(connection, "hubspot", "deals", {"a": FieldType.NUMBER}, _AT).table
        store(connection, stage, [_row(str(n), f_a=n) for n in range(5_001)])
        assert count_records(connection, stage) == 5_001
        assert len(ids_present(connection, stage, {str(n) for n in range(4_000, 6_000)})) == 1_001
        assert recent_ids(connection, stage, _AT) == set()


@pytest.mark.parametrize("ids", [range(100, 999, 7), range(5, 20_000, 131), range(0)])
def test_ids_are_in_the_order_of_numbers(warehouse: Warehouse, ids: range) -> None:
    """Ids are texts, but ranges and places of them are those of the numbers: whether all are of one
    length or not, and wherever a range ends."""
    with warehouse.write() as connection:
        stage = bare_stage(connection, "hubspot", "deals", {}, _AT).table
        store(connection, stage, [_row(str(number)) for number in ids])
    held = Held(warehouse, stage)
    borders = (-1, 0, 7, 99, 100, 100, 107, 450, 998, 999, 1_000, 10_007, 2**63 - 1)
    for low, high in pairwise(borders):
        inside = [number for number in ids if low <= number <= high]
        assert held.count_between(low, high) == len(inside)
        assert held.ids_between(low, high) == set(map(str, inside))
        for place in (0, len(inside) // 2, len(inside)):
            expected = inside[place] if place < len(inside) else None
            assert held.nth(place, low, high) == expected
    for low, high in ((450, 107), (0, -1), (0, 2**63 - 1)):
        inside = [number for number in ids if low <= number <= high]
        assert held.count_between(low, high) == len(inside)


def test_killed_full_read_leaves_no_table_for_ever(warehouse: Warehouse) -> None:
    """The stage of a killed read is dropped once no running read can own it."""
    for at, tables in ((_AT, 1), (_AT + timedelta(days=1), 2), (_AT + timedelta(days=2), 2)):
        with warehouse.write() as connection:
            bare_stage(connection, "hubspot", "deals", {}, at)
        assert len(_table_names(warehouse)) == tables
