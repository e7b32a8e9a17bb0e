"""Objects beside contacts, companies and deals in the sandbox, read by the real client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.objects import ApiException

from connectors.sandbox.account_files import load_account
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN, HubSpotSandbox

_OBJECTS = ("leads", "tickets", "feedback_submissions", "p123_cars", "2-345")


@pytest.fixture
def folder(account_folder: Path) -> Path:
    """The small account with two records of each other object, tied to contacts by files."""
    for name in _OBJECTS:
        rows = "hs_object_id,hs_createdate,hs_value\n1,2026-10-01T08:00:00Z,9\n2,2026-10-02,x\n"
        (account_folder / "hubspot" / f"{name}.csv").write_text(rows)
    (account_folder / "hubspot" / "p123_cars_to_contacts.csv").write_text(
        "p123_cars_id,contacts_id,label\n1,101,Driver\n1,102,\n"
    )
    (account_folder / "hubspot" / "lead_to_contact.csv").write_text("lead_id,contact_id\n2,103\n")
    return account_folder


@pytest.fixture
def other_client(folder: Path) -> Iterator[Any]:
    """The real client, pointed at this account."""
    with HubSpotSandbox(load_account(folder), rate_limits=False) as sandbox:
        yield HubSpot(access_token=SANDBOX_TOKEN, host=sandbox.url, base_url=sandbox.url)


@pytest.mark.parametrize("name", _OBJECTS)
def test_a_file_makes_an_object(other_client: Any, name: str) -> None:
    """Any hubspot/<object>.csv can be listed, searched and described."""
    page = other_client.crm.objects.basic_api.get_page(name, properties=["hs_value"])
    assert [one.properties["hs_value"] for one in page.results] == ["9", "x"]
    found = other_client.crm.objects.search_api.do_search(
        name,
        {
            "filterGroups": [
                {"filters": [{"propertyName": "hs_value", "operator": "EQ", "value": "9"}]}
            ]
        },
    )
    assert (found.total, found.results[0].id) == (1, "1")
    properties = other_client.crm.properties.core_api.get_all(name).results
    assert {"hs_value", "hs_createdate", "hs_lastmodifieddate"} <= {one.name for one in properties}


def test_files_tie_other_objects(other_client: Any) -> None:
    """Pairs of custom objects and leads are tied both ways, labels included."""
    api = other_client.crm.associations.v4.basic_api
    assert [tie.to_object_id for tie in api.get_page("p123_cars", "1", "contacts").results] == [
        "101",
        "102",
    ]
    back = api.get_page("contacts", "101", "p123_cars").results
    assert [one.label for one in back[0].association_types] == ["Driver"]
    assert [tie.to_object_id for tie in api.get_page("contacts", "103", "leads").results] == ["2"]


@pytest.mark.parametrize(
    ("name", "type_id"), [("leads", "0-136"), ("feedback_submissions", "0-19")]
)
def test_type_ids_name_the_same_objects(other_client: Any, name: str, type_id: str) -> None:
    """A standard object answers to its type id as well."""
    by_name, by_id = (
        other_client.crm.objects.basic_api.get_page(one).results for one in (name, type_id)
    )
    assert [one.id for one in by_name] == [one.id for one in by_id] == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("leads", "crm.objects.leads.read"),
        ("feedback_submissions", "crm.objects.feedback_submissions.read"),
        ("tickets", "tickets"),
        ("p123_cars", "crm.objects.custom.read"),
    ],
)
def test_each_object_has_its_scope(folder: Path, name: str, scope: str) -> None:
    """Without the object's own scope reading it is refused, and with it allowed."""
    for granted, status in ((scope, 200), ("crm.objects.deals.read", 403)):
        (folder / "account.yaml").write_text(
            "hubspot: {portal_id: 1, time_zone: Europe/Berlin, currency: EUR, "
            f"scopes: [{granted}]}}\n"
        )
        with HubSpotSandbox(load_account(folder), rate_limits=False) as sandbox:
            client = HubSpot(access_token=SANDBOX_TOKEN, host=sandbox.url, base_url=sandbox.url)
            if status == 200:
                assert len(client.crm.objects.basic_api.get_page(name).results) == 2
                continue
            with pytest.raises(ApiException) as caught:
                client.crm.objects.basic_api.get_page(name)
            assert caught.value.status == 403 and scope in caught.value.body
