"""Reading account folders: what is in them, and clear words for what is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.account_files import load_account
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.errors import OkrSyncError


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("account.yaml", "hubspot: [", "account.yaml: it is not YAML"),
        ("account.yaml", "- a", "account.yaml: it is not a mapping"),
        ("account.yaml", "name: x", "it describes no account"),
        ("account.yaml", "hubspot: {portal_id: 1}", "hubspot.time_zone is missing"),
        (
            "account.yaml",
            "hubspot: {portal_id: 1, time_zone: Mars/Base, currency: EUR}",
            "hubspot.time_zone is 'Mars/Base'",
        ),
        (
            "account.yaml",
            "hubspot: {portal_id: 1, time_zone: UTC, currency: EUR, tier: gold}",
            "hubspot.tier is 'gold'",
        ),
        ("hubspot/deals.csv", "", "deals.csv: it is empty"),
        ("hubspot/deals.csv", "amount\n1\n", "it has no column hs_object_id"),
        ("hubspot/deals.csv", "hs_object_id,a,a\n", "the column a comes twice"),
        ("hubspot/deals.csv", "hs_object_id," + "x" * 101 + "\n", "Use 1 to 100 characters"),
        ("hubspot/deals.csv", "hs_object_id,a\n201,1\n202\n", "deals.csv:3: it has 1 fields"),
        ("hubspot/deals.csv", "hs_object_id\n20x\n", "deals.csv:2: hs_object_id is '20x'"),
        ("hubspot/deals.csv", "hs_object_id\n201\n201\n", "deals.csv:3: hs_object_id 201 comes"),
        (
            "hubspot/deals.csv",
            "hs_object_id,createdate\n201,yesterday\n",
            "deals.csv:2: createdate is 'yesterday'",
        ),
        (
            "hubspot/contacts.csv",
            "hs_object_id,hs_lastmodifieddate\n1,2026-01-01T00:00:00Z\n",
            "Name the column lastmodifieddate",
        ),
        ("hubspot/contact_to_deal.csv", "contact_id,deal_id\n101,999\n", "csv:2: deal_id '999'"),
        ("hubspot/contact_to_unicorn.csv", "contact_id,unicorn_id\n", "'unicorn' is no object"),
        ("hubspot/pipelines.json", "{", "pipelines.json: it is not JSON"),
        ("hubspot/pipelines.json", '{"deals": [{"label": "x"}]}', "has no id"),
        ("hubspot/properties.json", '{"deals": {"a": {"type": "text"}}}', "has the type 'text'"),
        (
            "hubspot/marketing_emails.csv",
            "id,published_at,sent\n1,,many\n",
            "csv:2: sent is 'many'",
        ),
        ("hubspot/owners.csv", "id,email\nx,a@example.com\n", "owners.csv:2: id is 'x'"),
    ],
)
def test_a_bad_file_is_named_with_its_row_and_what_to_do(
    account_folder: Path, file: str, text: str, words: str
) -> None:
    """Every mistake in a folder is one clear sentence, never a traceback."""
    (account_folder / file).write_text(text)
    with pytest.raises(OkrSyncError) as caught:
        load_account(account_folder)
    assert words in caught.value.user_text
    assert caught.value.user_text.endswith(".")


def test_a_file_that_is_not_utf_8_is_named(account_folder: Path) -> None:
    """Text in another encoding is refused, not read wrongly."""
    (account_folder / "hubspot" / "deals.csv").write_bytes(b"hs_object_id,a\n201,\xff\n")
    with pytest.raises(OkrSyncError, match="not UTF-8"):
        load_account(account_folder)


def test_a_folder_without_account_yaml_is_no_account(tmp_path: Path) -> None:
    """The error says what makes a folder an account."""
    with pytest.raises(OkrSyncError, match="no account.yaml"):
        load_account(tmp_path)


def test_an_account_without_hubspot_can_t_serve_it(account_folder: Path) -> None:
    """An account of GA4 alone loads; serving its HubSpot is refused in words."""
    (account_folder / "account.yaml").write_text("ga4: {property: '1', time_zone: UTC}\n")
    account = load_account(account_folder)
    assert account.has_ga4 and account.hubspot is None
    with pytest.raises(OkrSyncError, match="no hubspot: part"):
        HubSpotSandbox(account)


def test_an_empty_account_and_one_record(
    account_folder: Path,
    serve: Callable[..., HubSpotSandbox],
    connect: Callable[[HubSpotSandbox], Any],
) -> None:
    """A file with a header alone is an empty object; one record is enough for a page."""
    for file in (account_folder / "hubspot").iterdir():
        file.unlink()
    (account_folder / "hubspot" / "contacts.csv").write_text("hs_object_id,city\n")
    client = connect(serve(load_account(account_folder)))
    assert client.crm.contacts.basic_api.get_page().results == []
    assert client.crm.contacts.search_api.do_search({}).total == 0
    assert client.crm.properties.core_api.get_by_name("contacts", "city").type == "string"
    (account_folder / "hubspot" / "contacts.csv").write_text("hs_object_id,city\n7,Bonn\n")
    client = connect(serve(load_account(account_folder)))
    page = client.crm.contacts.basic_api.get_page()
    assert [record.id for record in page.results] == ["7"] and page.paging is None
