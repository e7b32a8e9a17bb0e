"""The sandbox's search, asked by the real client: operators, caps, paging, the index."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hubspot.crm.contacts import ApiException as ContactsError

from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_server import HubSpotSandbox


def _search(client: Any, filters: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    body: dict[str, Any] = {"limit": 200, **more}
    if filters is not None:
        body["filterGroups"] = [{"filters": filters}]
    return client.crm.contacts.search_api.do_search(body)


def _found(client: Any, name: str, operator: str, **values: Any) -> set[str]:
    one = {"propertyName": name, "operator": operator, **values}
    return {record.id for record in _search(client, [one]).results}


@pytest.mark.parametrize(
    ("name", "operator", "values", "expected"),
    [
        # numbers compare as numbers; what isn't one matches nothing but HAS_PROPERTY
        ("score", "GT", {"value": "9.6"}, {"101", "104"}),
        ("score", "EQ", {"value": "10.0"}, {"101"}),
        ("score", "NEQ", {"value": "10"}, {"102", "104"}),
        ("score", "BETWEEN", {"value": "9.5", "highValue": "10"}, {"101", "102"}),
        ("score", "IN", {"values": ["10", "100"]}, {"101", "104"}),
        ("score", "NOT_IN", {"values": ["10", "100"]}, {"102"}),
        ("score", "LTE", {"value": 10}, {"101", "102"}),
        ("score", "HAS_PROPERTY", {}, {"101", "102", "104"}),
        ("score", "NOT_HAS_PROPERTY", {}, {"103"}),
        ("team_size", "GTE", {"value": "0"}, {"102", "103", "104"}),
        ("team_size", "NEQ", {"value": "0"}, {"102", "103", "104"}),
        ("team_size", "HAS_PROPERTY", {}, {"101", "102", "103", "104"}),
        # times, as epoch milliseconds or as ISO, and as a day
        ("lastmodifieddate", "GTE", {"value": "1772532000000"}, {"103", "104"}),
        ("lastmodifieddate", "GT", {"value": "2026-03-03T10:00:00.000Z"}, {"104"}),
        ("lastmodifieddate", "LT", {"value": "2026-03-02"}, {"101"}),
        (
            "lastmodifieddate",
            "BETWEEN",
            {"value": "2026-03-02T10:00:00Z", "highValue": "2026-03-03T12:00:00+02:00"},
            {"102", "103"},
        ),
        ("hs_v2_date_entered_lead", "GTE", {"value": "0"}, {"101", "103"}),
        # enumerations: case matters
        ("hs_analytics_source", "EQ", {"value": "PAID_SEARCH"}, {"101", "104"}),
        ("hs_analytics_source", "EQ", {"value": "paid_search"}, set()),
        ("hs_analytics_source", "IN", {"values": ["PAID_SEARCH", "PAID_SOCIAL"]}, {"101", "102", "104"}),
        ("hs_analytics_source", "NEQ", {"value": "PAID_SEARCH"}, {"102"}),
        ("hs_analytics_source", "NOT_HAS_PROPERTY", {}, {"103"}),
        # strings: case doesn't matter, but IN compares with what was given
        ("city", "EQ", {"value": "BERLIN"}, {"101"}),
        ("city", "IN", {"values": ["berlin"]}, {"101"}),
        ("city", "IN", {"values": ["Berlin"]}, set()),
        ("city", "NOT_IN", {"values": ["berlin"]}, {"102", "103"}),
        ("city", "GT", {"value": "c"}, {"103"}),
        # tokens
        ("city", "CONTAINS_TOKEN", {"value": "berlin"}, {"101", "102"}),
        ("city", "CONTAINS_TOKEN", {"value": "Mitte"}, {"102"}),
        ("city", "CONTAINS_TOKEN", {"value": "ham*"}, {"103"}),
        ("city", "CONTAINS_TOKEN", {"value": "*urg"}, {"103"}),
        ("city", "CONTAINS_TOKEN", {"value": "ham"}, set()),
        ("city", "NOT_CONTAINS_TOKEN", {"value": "berlin"}, {"103"}),
        # booleans
        ("is_member", "EQ", {"value": "true"}, {"101", "103"}),
        ("is_member", "EQ", {"value": False}, {"102"}),
        # contacts have hs_lastmodifieddate and never a value in it: silence, not an error
        ("hs_lastmodifieddate", "GTE", {"value": "0"}, set()),
    ],
)  # fmt: skip
def test_operators_mean_what_they_mean_by_the_property_s_type(
    client: Any, name: str, operator: str, values: dict[str, Any], expected: set[str]
) -> None:
    """Each operator finds what HubSpot's would, by the type of the property."""
    assert _found(client, name, operator, **values) == expected


def test_filters_of_a_group_all_hold_and_groups_are_alternatives(client: Any) -> None:
    """A group is an AND of its filters; several groups are an OR, each record found once."""
    paid = {"propertyName": "hs_analytics_source", "operator": "EQ", "value": "PAID_SEARCH"}
    lead = {"propertyName": "lifecyclestage", "operator": "EQ", "value": "lead"}
    assert [r.id for r in _search(client, [paid, lead]).results] == ["101"]
    body = {"filterGroups": [{"filters": [paid]}, {"filters": [lead]}]}
    found = client.crm.contacts.search_api.do_search(body)
    assert [r.id for r in found.results] == ["101", "103", "104"] and found.total == 3


def test_search_sorts_by_one_property_or_by_creation(client: Any) -> None:
    """Numbers sort as numbers; records without a value come last in either direction."""

    def ids(sorts: list[Any]) -> list[str]:
        return [r.id for r in _search(client, sorts=sorts).results]

    assert ids([]) == ["101", "102", "103", "104"]
    up = [{"propertyName": "score", "direction": "ASCENDING"}]
    down = [{"propertyName": "score", "direction": "DESCENDING"}]
    assert ids(up) == ["102", "101", "104", "103"]
    assert ids(down) == ["104", "101", "102", "103"]
    assert ids(["city"])[:3] == ["101", "102", "103"]


def test_search_pages_by_offset(account: Account, client: Any) -> None:
    """Ten by default; `after` counts records; the last page has no paging; total is for all."""
    for _ in range(21):
        account.add("contacts", {"lifecyclestage": "lead"})
    ids: list[str] = []
    after = None
    while True:
        page = client.crm.contacts.search_api.do_search({"after": after} if after else {})
        ids += [record.id for record in page.results]
        assert page.total == 25
        if page.paging is None:
            break
        after = page.paging._next.after
        assert after == str(len(ids))
    assert len(ids) == len(set(ids)) == 25


def test_search_gives_ten_thousand_results_and_not_one_more(account: Account, client: Any) -> None:
    """The cap is on what is asked for: the page that reaches beyond 10,000 is a 400."""
    with account.lock:
        for number in range(10_100):
            account.table("contacts").load({"hs_object_id": str(10_000 + number)})
    last = _search(client, after="9800")
    assert last.total == 10_104 and len(last.results) == 200
    assert last.paging._next.after == "10000"
    with pytest.raises(ContactsError) as caught:
        _search(client, after=last.paging._next.after)
    assert caught.value.status == 400


_LEAD = {"propertyName": "lifecyclestage", "operator": "EQ", "value": "lead"}


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"limit": "ten"},
        {"after": "abc"},
        {"after": "9999", "limit": 2},
        {"sorts": ["city", "score"]},
        {"sorts": ["nope"]},
        {"sorts": [{"propertyName": "city", "direction": "UP"}]},
        {"filterGroups": [{"filters": [_LEAD]}] * 6},
        {"filterGroups": [{"filters": [_LEAD] * 7}]},
        {"filterGroups": [{"filters": [_LEAD] * 5}] * 4},
        {"filterGroups": [{"filters": []}]},
        {"filterGroups": [{"filters": [{"propertyName": "nope", "operator": "HAS_PROPERTY"}]}]},
        {"filterGroups": [{"filters": [{**_LEAD, "operator": "LIKE"}]}]},
        {"filterGroups": [{"filters": [{**_LEAD, "operator": "IN"}]}]},
        {"filterGroups": [{"filters": [{**_LEAD, "operator": "HAS_PROPERTY"}]}]},
        {"filterGroups": [{"filters": [{**_LEAD, "operator": "BETWEEN"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "score", "operator": "GT", "value": "x"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "createdate", "operator": "GT", "value": "May"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "score", "operator": "CONTAINS_TOKEN", "value": "1"}]}]},
        {"properties": "city"},
        {"propertiez": ["city"]},
    ],
)  # fmt: skip
def test_search_refuses_what_breaks_a_rule(client: Any, body: dict[str, Any]) -> None:
    """Every cap and every malformed filter is a 400 VALIDATION_ERROR."""
    with pytest.raises(ContactsError) as caught:
        client.crm.contacts.search_api.do_search(body)
    assert caught.value.status == 400
    assert '"category":"VALIDATION_ERROR"' in caught.value.body


def test_the_caps_themselves_are_allowed(client: Any) -> None:
    """5 groups, 6 filters in one, 18 in all and 200 a page pass."""
    groups = [{"filters": [_LEAD] * count} for count in (6, 6, 4, 1, 1)]
    found = client.crm.contacts.search_api.do_search({"filterGroups": groups, "limit": 200})
    assert found.total == 2


def test_a_body_of_3000_characters_is_the_longest(client: Any) -> None:
    """The body's length is capped, names of properties and values of IN included."""

    def ask(length: int) -> int:
        body = '{"properties":["%s"]}'
        text = body % ("x" * (length - len(body) + 2))
        assert len(text) == length
        answer = client.api_request(
            {"path": "/crm/v3/objects/contacts/search", "method": "POST", "body": text}
        )
        return int(answer.status_code)

    assert ask(3000) == 200
    assert ask(3001) == 400


@pytest.mark.parametrize("body", ["", "[]", "{", "null"])
def test_a_body_that_is_no_json_object_is_refused(client: Any, body: str) -> None:
    """A broken body is a 400, never an empty result."""
    path = "/crm/v3/objects/contacts/search"
    answer = client.api_request({"path": path, "method": "POST", "body": body})
    assert answer.status_code == 400


def test_search_never_finds_archived_or_merged_records(account: Account, client: Any) -> None:
    """The index holds live records only, whatever it knew before."""
    assert _search(client).total == 4
    account.archive("contacts", 101)
    account.merge("contacts", 103, 104)
    assert [record.id for record in _search(client).results] == ["102", "103"]


def test_a_change_is_found_at_once_without_a_lag(account: Account, client: Any) -> None:
    """Repeated searches are cached, but never across a change."""
    city = [{"propertyName": "city", "operator": "EQ", "value": "rome"}]
    assert _search(client, city).total == 0
    account.update("contacts", 104, {"city": "Rome"})
    found = _search(client, city, properties=["city"])
    assert [record.properties["city"] for record in found.results] == ["Rome"]
    assert (
        account.update("contacts", 104, {"city": None}, touch=False).updated_at
        == (found.results[0].properties["lastmodifieddate"])
    )
    assert _search(client, city).total == 0


def test_a_lagging_index_shows_what_was(
    account: Account,
    serve: Callable[..., HubSpotSandbox],
    connect: Callable[[HubSpotSandbox], Any],
) -> None:
    """Within the lag, search has the former content; the list has the new one at once."""
    now = datetime(2026, 4, 1, tzinfo=UTC)
    account.clock = lambda: now
    sandbox = serve(account)
    sandbox.faults.switch_on("hubspot.index_lag", seconds=600)
    client = connect(sandbox)
    account.update("contacts", 101, {"city": "Rome"})
    account.update("contacts", 101, {"city": "Oslo"})
    account.archive("contacts", 102)
    added = account.add("contacts", {"city": "Rome"})

    def cities() -> dict[str, str | None]:
        found = _search(client, properties=["city"]).results
        return {record.id: record.properties["city"] for record in found}

    before = {"101": "Berlin", "102": "berlin mitte", "103": "Hamburg", "104": None}
    assert cities() == before
    listed = client.crm.contacts.basic_api.get_page(properties=["city"]).results
    assert [record.id for record in listed] == ["101", "103", "104", str(added.id)]
    now += timedelta(minutes=9, seconds=59)
    assert cities() == before
    now += timedelta(seconds=1)
    assert cities() == {"101": "Oslo", "103": "Hamburg", "104": None, str(added.id): "Rome"}
