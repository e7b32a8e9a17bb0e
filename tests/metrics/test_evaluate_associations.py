"""Conditions that look through associations: deals of contacts from paid search."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from okr_sync.config.models import AggMetric, Aggregation, Family
from okr_sync.config.where import AnyOf, Condition, Operator, Where
from okr_sync.metrics.measurement import Measurement
from okr_sync.warehouse.association_store import replace_associations
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

PutRecords = Callable[..., None]
DEAL_TYPES = {"won_on": FieldType.DAY, "amount": FieldType.NUMBER}
CONTACT_TYPES = {
    "channel": FieldType.TEXT,
    "country": FieldType.TEXT,
    "score": FieldType.NUMBER,
}
# Each deal's amount tells which deals were counted.
DEALS = [
    {"id": str(number), "won_on": "2026-03-02", "amount": str(10**number)} for number in range(4)
]
CONTACTS: list[dict[str, str | None]] = [
    {"id": "a", "channel": "PAID", "country": "UK", "score": "10"},
    {"id": "b", "channel": "ORGANIC", "country": "US", "score": "90"},
    {"id": "c", "channel": "PAID", "country": "US", "score": None},
    {"id": "d", "channel": "PAID", "country": "US"},  # nobody's contact
]
PAIRS = {"0": ["a", "b"], "1": ["b"], "2": ["c", "gone"], "3": []}


def is_(field: str, *values: str | D | bool, operator: Operator = Operator.EQ) -> Condition:
    """A single test."""
    return Condition(field, operator, values)


def either(*tests: Condition) -> AnyOf:
    """A test of which one alternative is enough."""
    return AnyOf(tuple(Where((test,)) for test in tests))


@pytest.mark.parametrize(
    ("where", "total"),
    [
        (Where((is_("contacts.channel", "PAID"),)), 101),
        (Where((is_("contacts.channel", "ORGANIC"),)), 11),
        # One and the same contact must be paid and American.
        (Where((is_("contacts.channel", "PAID"), is_("contacts.country", "US"))), 100),
        # An alternative is a mapping of its own: another contact may satisfy it.
        (Where((is_("contacts.channel", "PAID"), either(is_("contacts.country", "US")))), 101),
        (Where((either(is_("contacts.country", "UK"), is_("amount", D(1000))),)), 1001),
        # Negations ask for a contact for which they hold, not for the lack of one.
        (Where((is_("contacts.channel", "PAID", operator=Operator.NOT),)), 11),
        (Where((is_("contacts.score", False, operator=Operator.IS_SET),)), 100),
        (Where((is_("contacts.score", D(50), operator=Operator.GTE), is_("amount", D(10)))), 10),
        (Where((is_("contacts.channel", "NONE"),)), 0),
    ],
)
def test_conditions_look_through_associations(
    warehouse: Warehouse,
    put_records: PutRecords,
    put_associations: Callable[..., None],
    measure: Callable[..., Measurement],
    where: Where,
    total: int,
) -> None:
    """A deal counts once if at least one of its contacts satisfies all that is asked of contacts."""
    put_records(warehouse, "hubspot.deals", DEAL_TYPES, DEALS)
    put_records(warehouse, "hubspot.contacts", CONTACT_TYPES, CONTACTS)
    put_associations(warehouse, PAIRS)
    assert measure(warehouse, won(where)).value == total
    part = won(Where()).model_copy(
        update={"aggregation": Aggregation(agg="sum", field="amount", where=where)}
    )
    assert measure(warehouse, part).value == total
    ranked = won(where).model_copy(update={"aggregation": Aggregation(agg="p50", field="amount")})
    assert (measure(warehouse, ranked).value is None) == (total == 0)


def won(where: Where) -> AggMetric:
    """What the deals that satisfy a condition amount to."""
    return AggMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.PIPELINE,
        aggregation=Aggregation(agg="sum", field="amount"),
        time="won_on",
        where=where,
    )


def test_associations_that_were_not_read_are_not_taken_for_none(
    warehouse: Warehouse,
    put_records: PutRecords,
    put_associations: Callable[..., None],
    refusal: Callable[..., str],
) -> None:
    """Until contacts, their fields and who belongs to whom have been read, there is no number."""
    metric = won(Where((is_("contacts.channel", "PAID"),)))
    put_records(warehouse, "hubspot.deals", DEAL_TYPES, DEALS)
    assert "hubspot.contacts has not yet been read with the field channel" in refusal(
        warehouse, metric
    )
    put_records(warehouse, "hubspot.contacts", CONTACT_TYPES, CONTACTS)
    assert "which contacts belong to hubspot.deals" in refusal(warehouse, metric)


def test_a_column_of_a_file_may_have_a_dot_in_its_name(
    warehouse: Warehouse, put_records: PutRecords, measure: Callable[..., Measurement]
) -> None:
    """Only HubSpot's records have associations: elsewhere `post.kind` is a column."""
    types = {"day": FieldType.DAY, "post.kind": FieldType.TEXT}
    rows = [{"day": "2026-03-01", "post.kind": kind} for kind in ("video", "text")]
    put_records(warehouse, "files.posts", types, rows)
    metric = AggMetric(
        name="m",
        dataset="files.posts",
        family=Family.ENGAGEMENT,
        aggregation=Aggregation(agg="count"),
        time="day",
        where=Where((is_("post.kind", "video"),)),
    )
    assert measure(warehouse, metric).value == 1


def test_only_the_associations_of_these_two_objects_count(
    warehouse: Warehouse,
    put_records: PutRecords,
    put_associations: Callable[..., None],
    measure: Callable[..., Measurement],
) -> None:
    """Ids repeat between objects and accounts: a deal's companies, a ticket's contacts and another
    account's are not the deal's contacts."""
    put_records(warehouse, "hubspot.deals", DEAL_TYPES, DEALS)
    put_records(warehouse, "hubspot.contacts", CONTACT_TYPES, CONTACTS)
    put_associations(warehouse, {"0": ["a"]})
    others = [
        ("hubspot", "deals", "companies"),
        ("hubspot", "tickets", "contacts"),
        ("another", "deals", "contacts"),
    ]
    read_at = datetime(2026, 5, 1, tzinfo=UTC)
    with warehouse.write() as connection:
        for source, dataset, related in others:
            pairs = {str(number): ["a", "b", "c"] for number in range(4)}
            replace_associations(connection, source, dataset, related, pairs, read_at)
    for channel, total in (("PAID", 1), ("ORGANIC", 0)):
        assert measure(warehouse, won(Where((is_("contacts.channel", channel),)))).value == total
