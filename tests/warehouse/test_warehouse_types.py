"""Column types: what goes in comes out, and what would be guessed is refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.types import ExactDecimal, FlagList, UtcDateTime


@pytest.fixture
def samples(warehouse: Warehouse) -> Iterator[Table]:
    """A table with a column of each type."""
    table = Table(
        "samples",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("number", ExactDecimal),
        Column("at", UtcDateTime),
        Column("flags", FlagList),
    )
    with warehouse.write() as connection:
        table.create(connection)
    yield table


@pytest.mark.parametrize(
    "digits",
    ["0", "-1.50", "12345678901234567890123456789.000000000000000001", "1E-40", "1E+25", "0.1"],
)
def test_decimals(warehouse: Warehouse, samples: Table, digits: str) -> None:
    """A decimal comes back equal, with every digit, in both engines."""
    with warehouse.write() as connection:
        connection.execute(insert(samples), [{"number": Decimal(digits)}])
    with warehouse.read() as connection:
        found = connection.scalar(select(samples.c.number))
    assert isinstance(found, Decimal)
    assert found == Decimal(digits)


def test_zero_has_no_sign(warehouse: Warehouse, samples: Table) -> None:
    """-0, which arithmetic may give, is shown as 0."""
    with warehouse.write() as connection:
        connection.execute(insert(samples), [{"number": Decimal("-0.0")}])
    with warehouse.read() as connection:
        assert not str(connection.scalar(select(samples.c.number))).startswith("-")


@pytest.mark.parametrize("wrong", [1.5, Decimal("NaN"), Decimal("Infinity"), 3])
def test_floats_are_refused(warehouse: Warehouse, samples: Table, wrong: object) -> None:
    """A float has lost digits before it comes here; a NaN would spread."""
    with pytest.raises(StatementError, match="finite Decimal"), warehouse.write() as connection:
        connection.execute(insert(samples), [{"number": wrong}])


def test_times(warehouse: Warehouse, samples: Table) -> None:
    """Times come back as aware UTC to the microsecond, and sort and compare as times."""
    base = datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC)
    times = [base, base + timedelta(microseconds=1), base + timedelta(hours=10)]
    elsewhere = [at.astimezone(timezone(timedelta(hours=13))) for at in times]
    with warehouse.write() as connection:
        connection.execute(insert(samples), [{"at": at} for at in reversed(elsewhere)])
    with warehouse.read() as connection:
        found = list(connection.scalars(select(samples.c.at).order_by(samples.c.at)))
        later = connection.scalars(select(samples.c.at).where(samples.c.at > times[0])).all()
    assert found == times
    assert {at.tzinfo for at in found} == {UTC}
    assert len(later) == 2


def test_times_without_a_zone_are_refused(warehouse: Warehouse, samples: Table) -> None:
    """A naive time would be taken for UTC by one engine and for local time by the other."""
    with pytest.raises(StatementError, match="aware time"), warehouse.write() as connection:
        connection.execute(insert(samples), [{"at": datetime.fromisoformat("2026-01-01")}])


def test_flags(warehouse: Warehouse, samples: Table) -> None:
    """Flags keep their order and signs; no flags is an empty list."""
    given = [("negative_duration:1", 'a"b, ü'), (), None]
    with warehouse.write() as connection:
        connection.execute(insert(samples), [{"flags": flags} for flags in given])
    with warehouse.read() as connection:
        found = list(connection.scalars(select(samples.c.flags).order_by(samples.c.id)))
    assert found == [given[0], (), ()]
