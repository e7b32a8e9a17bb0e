"""The sandbox's associations v4, read by the real client."""

from collections.abc import Callable
from typing import Any

import pytest
from hubspot.crm.associations.v4 import ApiException as AssociationsError
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest

from connectors.sandbox.account import Account


def _batch(client: Any, inputs: list[dict[str, str]]) -> Any:
    ask = BatchInputPublicFetchAssociationsBatchRequest(inputs=inputs)
    return client.crm.associations.v4.batch_api.get_page("contacts", "deals", ask)


def test_ties_of_one_record_run_both_ways_with_their_types(client: Any) -> None:
    """A file of pairs ties both directions; a label stands beside HubSpot's own type."""
    forth = client.crm.associations.v4.basic_api.get_page("contacts", "101", "deals").results
    assert [tie.to_object_id for tie in forth] == ["201"]
    types = [(one.category, one.type_id, one.label) for one in forth[0].association_types]
    assert types[0] == ("HUBSPOT_DEFINED", 4, None)
    assert types[1][0] == "USER_DEFINED" and types[1][2] == "Champion"
    back = client.crm.associations.v4.basic_api.get_page("deals", "201", "contacts").results
    assert [tie.to_object_id for tie in back] == ["101", "102"]
    assert back[1].association_types[0].type_id == 3


def test_ties_come_in_pages_of_500(account: Account, client: Any) -> None:
    """500 a page at most; a batch has paging only for a record with more."""
    for _ in range(501):
        deal = account.add("deals", {"pipeline": "default"})
        account.associate("contacts", 103, "deals", deal.id)
    api = client.crm.associations.v4.basic_api
    first = api.get_page("contacts", "103", "deals")
    assert len(first.results) == 500
    second = api.get_page("contacts", "103", "deals", after=first.paging._next.after)
    assert len(second.results) == 1 and second.paging is None
    assert not {t.to_object_id for t in first.results} & {t.to_object_id for t in second.results}
    with pytest.raises(AssociationsError) as caught:
        api.get_page("contacts", "103", "deals", limit=501)
    assert caught.value.status == 400

    answer = _batch(client, [{"id": "101"}, {"id": "103"}])
    short, long = answer.results
    assert short.paging is None and len(long.to) == 500
    rest = _batch(client, [{"id": "103", "after": long.paging._next.after}])
    assert len(rest.results[0].to) == 1


def test_records_without_ties_are_left_out_of_a_batch(account: Account, client: Any) -> None:
    """Neither a record without ties nor one tied only to an archived record has a result."""
    assert [one._from.id for one in _batch(client, [{"id": "101"}, {"id": "104"}]).results] == [
        "101"
    ]
    account.archive("deals", 201)
    assert _batch(client, [{"id": "101"}, {"id": "102"}]).results == []


def test_a_batch_takes_a_thousand_inputs(client: Any) -> None:
    """The batch cap is 1,000."""
    assert len(_batch(client, [{"id": "101"}] * 1000).results) == 1000
    with pytest.raises(AssociationsError) as caught:
        _batch(client, [{"id": "101"}] * 1001)
    assert caught.value.status == 400


def test_ties_of_a_record_that_is_not_there_are_a_404(client: Any) -> None:
    """An unknown id is told apart from a record without ties."""
    with pytest.raises(AssociationsError) as caught:
        client.crm.associations.v4.basic_api.get_page("contacts", "999", "deals")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("one", "batch"),
    [
        ("/crm/v4/objects", "/crm/v4/associations"),
        ("/crm/objects/2026-03", "/crm/associations/2026-03"),
        ("/crm/objects/2026-09", "/crm/associations/2026-09"),
    ],
)
def test_shapes_in_both_path_families_are_those_of_the_service(
    account: Account,
    client: Any,
    example: Callable[[str], Any],
    same_shape: Callable[[Any, Any], None],
    one: str,
    batch: str,
) -> None:
    """Keys and value types are those of recorded responses, in v4 and in the dated paths."""
    path = f"{one}/deals/201/associations/contacts?limit=1"
    page = client.api_request({"path": path}).json()
    same_shape(page, example("associations_v4_page.response"))
    read = client.api_request(
        {
            "path": f"{batch}/deals/contacts/batch/read",
            "method": "POST",
            "body": {"inputs": [{"id": "201"}]},
        }
    )
    same_shape(read.json(), example("associations_v4_batch_read.response"))
