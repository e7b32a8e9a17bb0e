"""Whole columns of values are read as single values are."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from okr_sync.warehouse.record_columns import parse_column, parse_columns
from okr_sync.warehouse.record_values import FieldType, parse_value

_TIMES = st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
_NUMBERS = st.decimals(allow_nan=True, allow_infinity=True).map(str)
_MONEY = st.integers(0, 10**16).map(lambda cents: str(Decimal(cents).scaleb(-6)))
_ODD = st.sampled_from(
    [
        *(
            "",
            " ",
            "\x00",
            "a\x00b",
            "true",
            "FALSE",
            "yes",
            "2026-11-12",
            "20261112",
            "1795348800000",
        ),
        *("2026-W40-4T08:00:00.000Z", "2026-02-30T08:00:00.000Z", "2026-10-01T24:00:00.000Z"),
        *("2026-10-01T08:00:00.000+", "0000-01-01T00:00:00.000Z", "1605830400.5", "1e9000", "-5"),
        *("3092727991;3881228353", "٣", "12,5", ".5", "5.", "007", "99999999.999999", "+1"),
    ]
)
_VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.none(), max_size=1)),
    *(st.text(max_size=5), _TIMES, _NUMBERS, _MONEY, _ODD),
)
_USUAL = st.one_of(st.none(), _TIMES, _MONEY)
_COLUMNS = st.one_of(
    *(st.lists(kind, min_size=0, max_size=8) for kind in (_VALUES, _USUAL)),
    *(st.lists(st.one_of(st.none(), kind), max_size=8) for kind in (_TIMES, _MONEY, _ODD)),
)


@settings(max_examples=300, deadline=None)
@given(column=_COLUMNS, kind=st.sampled_from(FieldType))
def test_a_column_is_read_as_its_values_are(column: list[object], kind: FieldType) -> None:
    """The quick ways give what parse_value gives, whatever a source wrote, and flag the same values."""
    many = column * (60 // max(1, len(column)) + 1)  # short columns are read one by one
    values, bad = parse_column(many, kind)
    alone = [parse_value(value, kind) for value in many]
    assert values == [value for value, _ in alone]
    assert bad == [place for place, (_, is_bad) in enumerate(alone) if is_bad]


def test_distinct_numbers_are_exact() -> None:
    """Thousands of amounts that differ in their last digit are kept to the last digit, also beside
    what is none or none that is usual."""
    texts = [str(Decimal(10**14 - n).scaleb(-6)) for n in range(0, 5_000_000, 997)]
    values, bad = parse_column(texts, FieldType.NUMBER)
    assert values == [10**14 - n for n in range(0, 5_000_000, 997)]
    assert bad == []
    mixed = [*texts[:60], "1\n2", "1e3", "", None]
    values, bad = parse_column(mixed, FieldType.NUMBER)
    assert values == [*(10**14 - n * 997 for n in range(60)), None, 10**9, None, None]
    assert bad == [60]


@settings(max_examples=100, deadline=None)
@given(data=st.data(), kind=st.sampled_from(FieldType))
def test_columns_are_read_as_each_alone(data: st.DataObject, kind: FieldType) -> None:
    """What is unusual in a column changes nothing in those that are read with it."""
    size = data.draw(st.integers(0, 60))
    usual = data.draw(st.lists(_USUAL, min_size=size, max_size=size))
    columns = [usual, data.draw(st.lists(_VALUES, min_size=size, max_size=size)), usual]
    assert parse_columns(columns, kind) == [parse_column(column, kind) for column in columns]
    assert parse_columns([usual, usual], kind) == 2 * [parse_column(usual, kind)]
