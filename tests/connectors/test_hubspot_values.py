"""What the mirror keeps of the values that a source writes."""

import pytest

from okr_sync.warehouse.mirror import FieldType, Stored, column_name, parse_value, table_name

_NOON_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z


@pytest.mark.parametrize(
    ("kind", "raw", "stored"),
    [
        ("text", "PAID_SEARCH", "PAID_SEARCH"),
        ("text", " kept as it is ", " kept as it is "),
        ("text", "", None),
        ("text", None, None),
        ("text", "a\x00b", "ab"),
        ("text", 12, "12"),
        ("flag", "true", "true"),
        ("flag", "False", "false"),
        ("flag", True, "true"),
        ("flag", "", None),
        ("number", "12500", 12_500_000_000),
        ("number", "8000.50", 8_000_500_000),
        ("number", "-0.0000005", 0),
        ("number", "-0.0000015", -2),
        ("number", "1E3", 1_000_000_000),
        ("number", " 7 ", 7_000_000),
        ("number", 0.1, 100_000),
        ("number", "0", 0),
        ("number", "", None),
        ("number", "9200000000000", 9_200_000_000_000_000_000),
        ("instant", "2026-11-22T12:00:00Z", _NOON_MS),
        ("instant", "2026-11-22T12:00:00.123Z", _NOON_MS + 123),
        ("instant", "2026-11-22T13:00:00+01:00", _NOON_MS),
        ("instant", "2026-11-22T12:00:00", _NOON_MS),
        ("instant", "2026-11-22", _NOON_MS - 12 * 3_600_000),
        ("instant", str(_NOON_MS), _NOON_MS),
        ("instant", f"{_NOON_MS}.0", _NOON_MS),
        ("instant", "1.7953488E12", _NOON_MS),
        ("instant", _NOON_MS, _NOON_MS),
        ("instant", " ", None),
        ("day", "2026-11-22", 20_779),
        ("day", "1969-12-31", -1),
        ("day", "2026-11-22T00:00:00.000Z", 20_779),
        ("day", str(20_779 * 86_400_000), 20_779),
    ],
)
def test_value_read(kind: str, raw: object, stored: Stored) -> None:
    """Every form that HubSpot was seen to write is read exactly."""
    assert parse_value(raw, FieldType(kind)) == (stored, False)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("number", "3092727991;3881228353"),
        ("number", "1,234.50"),
        ("number", "1_000"),
        ("number", "NaN"),
        ("number", "Infinity"),
        ("number", "1e999999999"),
        ("number", "9200000000001"),
        ("number", "9" * 100_000),
        ("number", "\u0661\u0662"),
        ("number", ["1"]),
        ("number", "true"),
        ("instant", "1605830400"),
        ("instant", "1605830400.5"),
        ("instant", "0"),
        ("instant", "yesterday"),
        ("instant", "20261122"),
        ("instant", "2026-02-30T00:00:00Z"),
        ("instant", "0001-01-01T00:00:00+25:00"),
        ("instant", {"at": 1}),
        ("day", "1605830400"),
        ("day", "2026-13-01"),
        ("day", "1e300"),
        ("flag", "yes"),
        ("flag", "2"),
        ("text", {"a": 1}),
    ],
)
def test_bad_value_is_flagged_and_never_zero(kind: str, raw: object) -> None:
    """What can't be read is no value and bad: never 0, never a crash (airbyte 62866, 60962)."""
    assert parse_value(raw, FieldType(kind)) == (None, True)


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("amount", "f_amount"),
        (
            "hs_v2_date_entered_marketingqualifiedlead",
            "f_hs_v2_date_entered_marketingqualifiedlead",
        ),
        ("x" * 53, "f_" + "x" * 53),
    ],
)
def test_plain_column_names(field: str, column: str) -> None:
    """A field that fits keeps its name, so that people find it."""
    assert column_name(field) == column


def test_shortened_names_differ_and_fit() -> None:
    """Long, capital and odd names get columns and tables that fit and don't collide."""
    fields = ["x" * 54, "x" * 55, "Amount", "AMOUNT", "größe", "a-b", 'a"; drop']
    columns = {column_name(field) for field in fields}
    assert len(columns) == len(fields)
    assert all(len(column) <= 63 and column.replace("_", "a").isalnum() for column in columns)
    assert table_name("hubspot", "contacts") == "src_hubspot__contacts"
    assert len(table_name("s" * 100, "2-12345")) <= 47
