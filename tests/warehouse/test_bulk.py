"""Inserting in bulk: the same values and errors as a usual insert, in one transaction."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import Boolean, Column, Date, Integer, MetaData, Table, Text, func, insert, select

from okr_sync.errors import WarehouseError
from okr_sync.warehouse.bulk import insert_all
from okr_sync.warehouse.checkpoints import Block, append, bare_stage
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.record_values import FieldType
from okr_sync.warehouse.types import ExactDecimal, FlagList, UtcDateTime

_NUMBERS = ["0", "-0.0", "-0.5", "1.50", "1E+25", "1E-40", "12345678901234567890123.0000001", None]
_TEXTS = ["plain", "a\tb\nc\\N", "ö €", "", None, '"quoted"', "NULL", "\\."]
_ZONE = timezone(timedelta(hours=-5))


def _table(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("number", ExactDecimal),
        Column("ratio", ExactDecimal),
        Column("at", UtcDateTime),
        Column("flags", FlagList, nullable=False),
        Column("day", Date),
        Column("is_final", Boolean, nullable=False),
        Column("said", Text),
    )


def _row(number: int) -> dict[str, Any]:
    digits, said = _NUMBERS[number % 8], _TEXTS[number % 8]
    return {
        "id": number,
        "number": None if digits is None else Decimal(digits),
        "ratio": Decimal(number + 1) / 7,
        "at": datetime(2026, 10, 6, 12, 0, number, 123456, tzinfo=UTC if number % 2 else _ZONE),
        "flags": ("provisional", "immature:0.38") if number % 3 else (),
        "day": date(2026, 10, 6),
        "is_final": number % 2 == 0,
        "said": said,
    }


def test_values_arrive_as_with_a_usual_insert(warehouse: Warehouse) -> None:
    """Whatever the column and its type: digits, signs, zones, flags, missing values, odd text."""
    usual, bulk = _table("usual"), _table("bulk")
    rows = [_row(number) for number in range(24)]
    with warehouse.write() as connection:
        usual.create(connection)
        bulk.create(connection)
        connection.execute(insert(usual), rows)
        insert_all(connection, bulk, rows)
        insert_all(connection, bulk, [])
    with warehouse.read() as connection:
        first, second = (
            [tuple(row) for row in connection.execute(select(each).order_by(each.c.id))]
            for each in (usual, bulk)
        )
    assert second == first
    assert [str(row[1]) for row in second] == [str(row[1]) for row in first]
    assert len(second) == 24


@pytest.mark.parametrize("wrong", [1.5, Decimal("NaN"), Decimal("-Infinity")])
def test_what_is_no_exact_number_is_refused(warehouse: Warehouse, wrong: object) -> None:
    """Also in a long column of numbers that are, and before anything is written."""
    table = _table("bulk")
    rows = [_row(number) | {"number": Decimal(1)} for number in range(20)]
    with warehouse.write() as connection:
        table.create(connection)
    with pytest.raises(TypeError, match="finite Decimal"), warehouse.write() as connection:
        insert_all(connection, table, [*rows, _row(21) | {"number": wrong}])
    with warehouse.read() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_a_key_that_exists(warehouse: Warehouse) -> None:
    """The database's refusal is the warehouse's error, and nothing of the write is kept."""
    table = _table("bulk")
    with warehouse.write() as connection:
        table.create(connection)
        insert_all(connection, table, [_row(1)])
    with pytest.raises(WarehouseError, match="refused a statement"), warehouse.write() as again:
        insert_all(again, table, [_row(0), _row(1), _row(2)])
    with warehouse.read() as connection:
        assert list(connection.scalars(select(table.c.id))) == [1]


def test_a_page_that_the_database_refuses(postgresql_url: str) -> None:
    """Records are written as quickly, and a refusal of theirs is the warehouse's error too."""
    warehouse = open_warehouse(postgresql_url)
    page = Block(("id", "f_amount"), [["1"], ["a text"]])
    with (
        pytest.raises(WarehouseError, match="refused a statement"),
        warehouse.write() as connection,
    ):
        now = datetime(2026, 10, 6, tzinfo=UTC)
        stage = bare_stage(connection, "hubspot", "deals", {"amount": FieldType.NUMBER}, now)
        append(connection, stage, page, None, True)
    warehouse.close()


def test_a_connection_that_is_lost_meanwhile(postgresql_url: str) -> None:
    """The server ends the session: a clear error, and the next write has a new connection."""
    warehouse = open_warehouse(postgresql_url)
    table = _table("bulk")
    with warehouse.write() as connection:
        table.create(connection)
    with pytest.raises(WarehouseError, match="closed the connection"), warehouse.write() as lost:
        own = lost.scalar(select(func.pg_backend_pid()))
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [own])
        insert_all(lost, table, [_row(number) for number in range(50)])
    with warehouse.write() as connection:
        insert_all(connection, table, [_row(1)])
    with warehouse.read() as connection:
        assert list(connection.scalars(select(table.c.id))) == [1]
    warehouse.close()
