"""The sandbox's properties, pipelines, owners, account details and usage, read by the real client."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hubspot.crm.owners import ApiException as OwnersError
from hubspot.crm.properties import ApiException as PropertiesError

from connectors.sandbox.account import Account
from connectors.sandbox.account_files import load_account
from connectors.sandbox.hubspot_properties import PropertyType, infer_type
from connectors.sandbox.hubspot_server import HubSpotSandbox


def test_properties_have_the_types_that_their_values_and_names_say(client: Any) -> None:
    """A file's columns, the standard properties and properties.json all show, with types."""
    listed = client.crm.properties.core_api.get_all("contacts").results
    types = {one.name: one.type for one in listed}
    assert types["score"] == "number"
    assert types["team_size"] == "number"  # properties.json, against its values
    assert types["city"] == "string"
    assert types["is_member"] == "bool"
    assert types["hs_v2_date_entered_lead"] == "datetime"
    assert types["lifecyclestage"] == types["hs_analytics_source"] == "enumeration"
    assert types["email"] == "string"  # not in the file, in every portal
    deals = {one.name: one for one in client.crm.properties.core_api.get_all("deals").results}
    assert deals["amount"].type == "number" and deals["closedate"].type == "datetime"
    stages = [(option.value, option.label) for option in deals["dealstage"].options]
    assert stages == [("qualifiedtobuy", "Qualified"), ("closedwon", "Won")]


def test_one_property_by_name(client: Any) -> None:
    """A property that doesn't exist is a 404."""
    assert client.crm.properties.core_api.get_by_name("contacts", "score").type == "number"
    with pytest.raises(PropertiesError) as caught:
        client.crm.properties.core_api.get_by_name("contacts", "nope")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("amount_due", ["0.0", "0.0", ""], PropertyType.NUMBER),
        ("growth", ["-1.5", "+2", ".5", "1e3"], PropertyType.NUMBER),
        ("growth", ["1", "n/a"], PropertyType.STRING),
        ("growth", ["1_000"], PropertyType.STRING),
        ("growth", ["nan", "inf"], PropertyType.STRING),
        ("handover_stage", ["98100231"], PropertyType.STRING),
        ("external_id", ["12", "13"], PropertyType.STRING),
        ("amount", [], PropertyType.NUMBER),
        ("closedate", ["soon"], PropertyType.DATETIME),
        ("signed", ["2026-01-31T09:00:00Z", None], PropertyType.DATETIME),
        ("signed", ["2026-01-31"], PropertyType.DATE),
        ("signed", ["2026-01-31T09:00:00"], PropertyType.STRING),
        ("renewal_date", ["1793836800000"], PropertyType.DATETIME),
        ("hs_v2_date_entered_lead", [None], PropertyType.DATETIME),
        ("notes", [None, ""], PropertyType.STRING),
        ("opted_in", ["true", "false"], PropertyType.BOOL),
    ],
)
def test_a_type_is_inferred_from_name_and_values(
    name: str, values: list[str | None], expected: PropertyType
) -> None:
    """Codes stay text, zeros are numbers, times need an offset, and nothing is guessed from one."""
    assert infer_type(name, values) is expected


def test_pipelines_and_stages(client: Any) -> None:
    """Stages come in order; their metadata are strings; an unknown pipeline is a 404."""
    api = client.crm.pipelines
    pipeline = api.pipelines_api.get_all("deals").results[0]
    assert [stage.id for stage in pipeline.stages] == ["qualifiedtobuy", "closedwon"]
    assert pipeline.stages[1].metadata == {"isClosed": "true", "probability": "1.0"}
    assert api.pipelines_api.get_by_id("deals", "default").label == "Sales"
    assert len(api.pipeline_stages_api.get_all("deals", "default").results) == 2
    assert client.api_request({"path": "/crm/v3/pipelines/deals/nope"}).status_code == 404
    assert api.pipelines_api.get_all("tickets").results == []


def test_owners(client: Any) -> None:
    """Owners are listed live or archived, by e-mail, by id and by user id."""
    api = client.crm.owners.owners_api
    assert [owner.id for owner in api.get_page().results] == ["70011"]
    assert [owner.id for owner in api.get_page(archived=True).results] == ["70012"]
    assert api.get_page(email="nobody@example.com").results == []
    assert api.get_by_id(70011).email == "ola@example.com"
    assert api.get_by_id(44, id_property="userId").id == "70011"
    with pytest.raises(OwnersError) as caught:
        api.get_by_id(1)
    assert caught.value.status == 404


def test_owners_come_in_pages(account: Account, client: Any) -> None:
    """Owners page by opaque tokens, 100 by default."""
    account.owners += [{"id": str(80_000 + number)} for number in range(100)]
    first = client.crm.owners.owners_api.get_page()
    assert len(first.results) == 100
    rest = client.crm.owners.owners_api.get_page(after=first.paging._next.after)
    assert [owner.id for owner in rest.results] == ["80099"] and rest.paging is None


@pytest.mark.parametrize(
    ("moment", "offset", "millis"),
    [("2026-01-15", "+01:00", 3_600_000), ("2026-07-15", "+02:00", 7_200_000)],
)
def test_account_details_tell_time_zone_and_currency(
    account: Account, client: Any, moment: str, offset: str, millis: int
) -> None:
    """The offset is today's, so it moves with daylight saving."""
    account.clock = lambda: datetime.fromisoformat(moment).replace(tzinfo=UTC)
    details = client.api_request({"path": "/account-info/v3/details"}).json()
    assert details["portalId"] == 1234567
    assert (details["timeZone"], details["companyCurrency"]) == ("Europe/Berlin", "EUR")
    assert (details["utcOffset"], details["utcOffsetMilliseconds"]) == (offset, millis)


def test_usage_counts_the_day_s_calls_until_the_portal_s_midnight(
    account_folder: Path,
    serve: Callable[..., HubSpotSandbox],
    connect: Callable[[HubSpotSandbox], Any],
) -> None:
    """Calls count against the portal's own day, which ends at its local midnight."""
    now = datetime(2026, 11, 20, 22, 59, tzinfo=UTC)
    account = load_account(account_folder)
    account.clock = lambda: now
    client = connect(serve(account))
    path = "/account-info/v3/api-usage/daily/private-apps"
    client.crm.contacts.basic_api.get_page()
    usage = client.api_request({"path": path}).json()["results"][0]
    assert (usage["currentUsage"], usage["usageLimit"]) == (2, 625_000)
    assert usage["resetsAt"] == "2026-11-20T23:00:00.000Z"
    now = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    assert client.api_request({"path": path}).json()["results"][0]["currentUsage"] == 1


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_shapes_in_both_path_families_are_those_of_the_service(
    client: Any,
    example: Callable[[str], Any],
    same_shape: Callable[[Any, Any], None],
    version: str,
) -> None:
    """Keys and value types are those of recorded responses, slash at the end or not."""

    def ask(product: str, rest: str) -> Any:
        head = f"/crm/v3/{product}" if version == "v3" else f"/crm/{product}/{version}"
        return client.api_request({"path": head + rest}).json()

    properties = ask("properties", "/contacts")
    properties["results"].sort(key=lambda one: not one["options"])  # as theirs: one of a list first
    same_shape(properties, example("properties_contacts.response"))
    same_shape(ask("pipelines", "/deals/"), example("pipelines_deals.response"))
    owners = example("owners.response")
    owners["results"][0]["teams"] = []  # the account's files know of no teams
    same_shape(ask("owners", "/"), owners)
    info = f"/account-info/{version}"
    details = client.api_request({"path": f"{info}/details"}).json()
    account = example("account_details.response")
    account["additionalCurrencies"] = []  # nor of a second currency
    same_shape(details, account)
    usage = client.api_request({"path": f"{info}/api-usage/daily/private-apps"}).json()
    same_shape(usage, example("api_usage_daily.response"))
