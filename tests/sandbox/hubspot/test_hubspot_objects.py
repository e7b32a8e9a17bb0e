"""The sandbox's records, read by the real client: list, one, batch read."""

from collections.abc import Callable
from typing import Any

import pytest
from hubspot.crm.contacts import ApiException as ContactsError
from hubspot.crm.contacts import BatchReadInputSimplePublicObjectId

from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_server import HubSpotSandbox


def _ids(page: Any) -> list[str]:
    return [record.id for record in page.results]


def test_pages_of_a_list_cover_every_record_once_in_order_of_id(
    account: Account, client: Any
) -> None:
    """A list pages by opaque tokens, ten by default, and its last page has no paging."""
    for _ in range(21):
        account.add("contacts", {"lifecyclestage": "lead"})
    api = client.crm.contacts.basic_api
    first = api.get_page()
    assert len(first.results) == 10
    assert "/crm/v3/objects/contacts?" in first.paging._next.link
    assert not first.paging._next.after.isdigit()
    second = api.get_page(after=first.paging._next.after)
    third = api.get_page(after=second.paging._next.after)
    assert third.paging is None
    ids = [*_ids(first), *_ids(second), *_ids(third)]
    assert ids == sorted(set(ids), key=int) and len(ids) == 25
    assert len(client.crm.contacts.get_all()) == 25


def test_a_record_added_or_archived_while_a_list_is_paged_moves_no_other(
    account: Account, client: Any
) -> None:
    """Tokens name the last record, not an offset, so paging neither repeats nor skips the rest."""
    api = client.crm.contacts.basic_api
    first = api.get_page(limit=2)
    account.archive("contacts", 101)
    added = account.add("contacts", {"lifecyclestage": "lead"})
    rest = api.get_page(limit=100, after=first.paging._next.after)
    assert _ids(rest) == ["103", "104", str(added.id)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 101},
        {"limit": 0},
        {"limit": 51, "properties_with_history": ["lifecyclestage"]},
        {"after": "nonsense"},
        {"after": "ZGVhbHM6MTAx"},
    ],
)
def test_a_list_refuses_what_hubspot_refuses(client: Any, arguments: dict[str, Any]) -> None:
    """Page sizes over the cap and tokens that no page of this list gave are a 400, not clipped."""
    with pytest.raises(ContactsError) as caught:
        client.crm.contacts.basic_api.get_page(**arguments)
    assert caught.value.status == 400
    assert '"category":"VALIDATION_ERROR"' in caught.value.body


def test_properties_are_those_asked_for_and_the_constant_ones(client: Any) -> None:
    """Unknown names are silently ignored; a value that is missing is null; values are strings."""
    page = client.crm.contacts.basic_api.get_page(properties=["score", "city", "nope"])
    assert page.results[0].properties == {
        "city": "Berlin",
        "createdate": "2026-01-05T09:00:00.000Z",
        "hs_object_id": "101",
        "lastmodifieddate": "2026-03-01T10:00:00.000Z",
        "score": "10",
    }
    assert page.results[3].properties["city"] is None


def test_properties_by_default(client: Any) -> None:
    """Without a list of properties, HubSpot's few default ones come."""
    deal = client.crm.deals.basic_api.get_page().results[0]
    assert set(deal.properties) == {
        *("amount", "closedate", "createdate", "dealname", "dealstage"),
        *("hs_lastmodifieddate", "hs_object_id", "pipeline"),
    }


@pytest.mark.parametrize("query", ["properties=city,score", "properties=city&properties=score"])
def test_lists_of_names_may_be_repeated_or_separated_by_commas(client: Any, query: str) -> None:
    """Both ways of the official clients to send a list are understood."""
    answer = client.api_request({"path": f"/crm/v3/objects/contacts/?{query}&limit=1"}).json()
    assert {"city", "score"} < set(answer["results"][0]["properties"])


@pytest.mark.parametrize("flag", ["true", "True"])
def test_archived_records_come_only_when_asked_for(
    account: Account, client: Any, flag: str
) -> None:
    """A list holds either live or archived records; archiving moves no modified date."""
    account.archive("deals", 201)
    assert _ids(client.crm.deals.basic_api.get_page()) == ["202"]
    path = f"/crm/v3/objects/deals?archived={flag}"
    archived = client.api_request({"path": path}).json()["results"]
    assert [record["id"] for record in archived] == ["201"]
    assert archived[0]["archived"] is True and archived[0]["archivedAt"]
    assert archived[0]["updatedAt"] == "2026-02-02T00:00:00.000Z"


def test_one_record_by_id(account: Account, client: Any) -> None:
    """One record is found by id while it is live, with its history and its associations."""
    account.update("contacts", 101, {"lifecyclestage": "marketingqualifiedlead"})
    record = client.crm.contacts.basic_api.get_by_id(
        "101", properties_with_history=["lifecyclestage"], associations=["deals"]
    )
    history = record.properties_with_history["lifecyclestage"]
    assert [version.value for version in history] == ["marketingqualifiedlead", "lead"]
    assert [tie.id for tie in record.associations["deals"].results] == ["201"]
    for missing in ("999", "abc", "²", "9" * 5000):
        with pytest.raises(ContactsError) as caught:
            client.crm.contacts.basic_api.get_by_id(missing)
        assert caught.value.status == 404


def test_a_batch_gives_what_is_there_and_names_what_is_not(client: Any) -> None:
    """Missing ids turn a batch read into a 207 with errors; known ones still come."""
    ask = BatchReadInputSimplePublicObjectId(
        inputs=[{"id": "103"}, {"id": "101"}, {"id": "999"}],
        properties=["city"],
        properties_with_history=[],
    )
    answer, status, _ = client.crm.contacts.batch_api.read_with_http_info(ask)
    assert status == 207
    assert _ids(answer) == ["101", "103"]
    assert answer.num_errors == 1
    assert answer.errors[0].context == {"ids": ["999"]}


@pytest.mark.parametrize(("count", "history"), [(101, []), (51, ["city"]), (0, [])])
def test_a_batch_has_a_cap(client: Any, count: int, history: list[str]) -> None:
    """A batch read takes 1 to 100 inputs, 50 with history."""
    ask = BatchReadInputSimplePublicObjectId(
        inputs=[{"id": "101"}] * count, properties=[], properties_with_history=history
    )
    with pytest.raises(ContactsError) as caught:
        client.crm.contacts.batch_api.read(ask)
    assert caught.value.status == 400


def test_a_merged_record_leads_to_the_one_that_was_kept(account: Account, client: Any) -> None:
    """After a merge one record is listed, the other's id finds it, and ties have moved."""
    account.merge("contacts", 103, 102)
    assert _ids(client.crm.contacts.basic_api.get_page()) == ["101", "103", "104"]
    kept = client.crm.contacts.basic_api.get_by_id("102", properties=["hs_merged_object_ids"])
    assert kept.id == "103" and kept.properties["hs_merged_object_ids"] == "102"
    tied = client.crm.associations.v4.basic_api.get_page("deals", "201", "contacts")
    assert [tie.to_object_id for tie in tied.results] == ["101", "103"]


def test_a_deleted_record_is_gone_from_the_archive_too(account: Account, client: Any) -> None:
    """A record deleted for good is neither live nor archived."""
    account.delete("contacts", 104)
    assert "104" not in _ids(client.crm.contacts.basic_api.get_page())
    assert _ids(client.crm.contacts.basic_api.get_page(archived=True)) == []


def test_a_type_without_a_file_is_empty_and_an_unknown_type_is_refused(client: Any) -> None:
    """Standard objects exist in every portal; others only if the account has their file."""
    assert client.crm.companies.basic_api.get_page().results == []
    answer = client.api_request({"path": "/crm/v3/objects/unicorns"})
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["contacts", "contact", "0-1"])
@pytest.mark.parametrize(
    "family", ["/crm/v3/objects", "/crm/objects/2026-03", "/crm/objects/2026-09"]
)
def test_both_path_families_serve_the_same_records(client: Any, family: str, name: str) -> None:
    """v3 and dated paths answer alike, whichever name of the object type is used."""
    listed = client.api_request({"path": f"{family}/{name}?limit=2"}).json()
    assert [record["id"] for record in listed["results"]] == ["101", "102"]
    assert f"{family}/{name}?limit=2&after=" in listed["paging"]["next"]["link"]
    one = client.api_request({"path": f"{family}/{name}/101"}).json()
    assert one == listed["results"][0]
    batch = client.api_request(
        {
            "path": f"{family}/{name}/batch/read",
            "method": "POST",
            "body": {"inputs": [{"id": "101"}]},
        }
    ).json()
    assert batch["results"] == [one]
    search = client.api_request(
        {"path": f"{family}/{name}/search", "method": "POST", "body": {"limit": 1}}
    ).json()
    assert search["results"] == [one] and search["total"] == 4


def test_shapes_are_those_of_the_service(
    account: Account,
    sandbox: HubSpotSandbox,
    client: Any,
    example: Callable[[str], Any],
    same_shape: Callable[[Any, Any], None],
) -> None:
    """Keys and value types of lists and batches are those of recorded responses."""

    def ask(path: str, body: Any = None) -> Any:
        options: dict[str, Any] = {"path": path}
        if body is not None:
            options |= {"method": "POST", "body": body}
        return client.api_request(options).json()

    base = "/crm/v3/objects/contacts"
    same_shape(ask(f"{base}?limit=3"), example("contacts_list.response"))
    same_shape(
        ask(f"{base}/batch/read", {"inputs": [{"id": "101"}]}), example("batch_read.response")
    )
    same_shape(
        ask(f"{base}/batch/read", {"inputs": [{"id": "101"}, {"id": "999"}]}),
        example("batch_read_207.response"),
    )
    same_shape(ask(f"{base}/search", {"limit": 1}), example("contacts_search.response"))
    same_shape(ask(f"{base}/search", {}), example("contacts_search_last_page.response"))
    nothing = {
        "filterGroups": [
            {"filters": [{"propertyName": "hs_object_id", "operator": "LT", "value": 1}]}
        ]
    }
    assert ask(f"{base}/search", nothing) == example("search_empty.response")
    full = ask(f"{base}?propertiesWithHistory=lifecyclestage&associations=deals")
    recorded = example("contacts_list_with_history_and_associations.response")["results"][0]
    assert full["results"][0].keys() == recorded.keys()
    same_shape(full["results"][0]["associations"], recorded["associations"])
