"""What is in the mirror when HubSpot's data or HubSpot itself goes wrong: the real client, the sandbox.

The scenarios by number are those of connectors that lost data. What key results show of them is in
test_hubspot_key_results; every mix of them is drawn in tests/faults.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from connectors.errors import RetryPolicy
from connectors.sandbox.hubspot_server import HubSpotSandbox

MakePortal = Callable[..., Any]

API = pytest.mark.parametrize("api", ["v3", "2026-09"])
_CUSTOMER = {"lifecyclestage": "customer"}


def _stages(portal: Any) -> set[str]:
    return {row["f_lifecyclestage"] for row in portal.mirror().values()}


def test_25_000_changes(portal: MakePortal) -> None:
    """Scenario 1: 25,000 changed contacts are read past the cap of 10,000 with at most 130 searches."""
    made = portal(25_000)
    assert made.pull().rows == 25_000
    began = made.now()
    for number in range(1, 25_001):
        at = began + timedelta(milliseconds=number)
        made.account.update("contacts", number, _CUSTOMER, at=at)
    made.wait(minutes=1)
    before = made.requests("/search")
    result = made.pull()
    assert (result.error, result.rows, result.rows_expected) == (None, 25_000, 25_000)
    assert made.requests("/search") - before <= 130
    assert _stages(made) == {"customer"}


@API
def test_12_000_changes_in_one_millisecond(portal: MakePortal, api: str) -> None:
    """Scenario 2: more records than a search can page through share one modified millisecond; all are
    read and it ends."""
    made = portal(12_000, api)
    assert made.pull().rows == 12_000
    at = made.now()
    for number in range(1, 12_001):
        made.account.update("contacts", number, _CUSTOMER, at=at)
    before = made.requests("/search")
    assert made.pull().rows == 12_000
    assert made.requests("/search") - before <= 130
    assert _stages(made) == {"customer"}


@API
def test_a_change_that_search_shows_late(portal: MakePortal, api: str) -> None:
    """Scenario 3: a change that is in the index ten minutes after its modified time is in a later run."""
    made = portal(10, api)
    made.faults.switch_on("hubspot.index_lag", seconds=600)
    made.pull()
    made.account.update("contacts", 3, _CUSTOMER)
    made.account.add("contacts", {"hs_object_id": "11", **_CUSTOMER})
    made.wait(minutes=5)
    assert made.pull().error is None
    made.wait(minutes=6)
    result = made.pull()
    assert (result.error, result.rows, result.rows_expected) == (None, 11, 11)
    mirror = made.mirror()
    assert mirror["3"]["f_lifecyclestage"] == mirror["11"]["f_lifecyclestage"] == "customer"


@API
def test_a_record_newer_than_the_window(portal: MakePortal, api: str) -> None:
    """Scenario 4: a record that search shows newer than the window's end is not taken for that window,
    and the cursor does not move past the end."""
    made = portal(300, api)
    made.pull()
    made.account.update("contacts", 9, _CUSTOMER)
    made.faults.switch_on("hubspot.newer_than_window", seconds=86_400)
    result = made.pull()
    assert result.error is None
    assert result.cursor_to < made.now() + timedelta(minutes=1)
    made.faults.switch_off()
    made.pull()
    assert made.mirror()["9"]["f_lifecyclestage"] == "customer"


@API
def test_a_calculated_property(portal: MakePortal, api: str) -> None:
    """Scenario 7: a value that changes without the modified date is there after a day at most."""
    made = portal(300, api)
    made.pull()
    made.account.update("contacts", 2, _CUSTOMER, touch=False)
    made.wait(hours=25)
    assert made.pull().error is None
    assert made.mirror()["2"]["f_lifecyclestage"] == "customer"


@API
def test_900_properties(portal: MakePortal, api: str) -> None:
    """Scenario 8: of 900 custom properties only the bound ones are asked for, and they come whole."""
    custom = {f"custom_{number:03}": f"no. {number}" for number in range(900)}
    made = portal(api=api, records={"contacts": [{"hs_object_id": "1", **custom}]})
    asked: set[str] = set()

    class Watched(HubSpotSandbox):
        def answer(self, request: Any) -> Any:
            asked.update(request.values("properties"))
            if request.body:
                asked.update(orjson.loads(request.body)["properties"])
            return super().answer(request)

    with Watched(made.account, rate_limits=False) as made.sandbox:
        assert made.pull("custom_899").error is None
        assert made.mirror()["1"]["f_custom_899"] == "no. 899"
        made.account.update("contacts", 1, {"custom_899": "new"})
        assert made.pull("custom_899").error is None
        made.restart()
    assert asked <= {"custom_899", "hs_object_id", "lastmodifieddate"}
    assert made.mirror()["1"]["f_custom_899"] == "new"


@API
def test_a_token_that_expires_at_request_500(portal: MakePortal, api: str) -> None:
    """Scenario 9: one refusal of the token in the middle costs one request, and the sync completes."""
    made = portal(600, api)
    made.faults.switch_on("hubspot.short_page", size=1)
    made.faults.switch_on("hubspot.401", times=1, after=499)
    result = made.pull()
    assert (result.error, result.rows, result.rows_expected) == (None, 600, 600)
    assert made.sandbox.server.requests(status=401) == 1


@API
def test_a_token_that_was_rotated(portal: MakePortal, api: str) -> None:
    """Scenario 9: a token that is replaced in the environment in the middle is taken up."""
    made = portal(450, api)
    made.faults.switch_on("hubspot.short_page", size=50)
    made.pull()
    made.sandbox.token = made.environ["HUBSPOT_ACCESS_TOKEN"] = "pat-na1-rotated"
    made.wait(hours=25)
    result = made.pull()
    assert (result.error, result.rows) == (None, 450)
    assert made.sandbox.server.requests(status=401) == 1


@API
@pytest.mark.parametrize("fault", ["hubspot.429_burst", "hubspot.429_search", "hubspot.423"])
@pytest.mark.parametrize("retry_after", [None, 7])
def test_a_passing_limit_is_waited_for(
    portal: MakePortal, api: str, fault: str, retry_after: int | None
) -> None:
    """Scenario 11: a limit that passes is waited for, as long as Retry-After says where it does."""
    made = portal(250, api)
    more = {} if retry_after is None else {"retry_after": retry_after}
    on = "search" if fault == "hubspot.429_search" else "list"
    made.faults.switch_on(fault, times=2, after=1 if on == "list" else 0, on=on, **more)
    result = made.pull()
    assert (result.error, result.rows) == (None, 250)
    assert made.faults.switched() == []
    assert sum(made.slept) >= 2 * (retry_after or 0)
    assert 0 < max(made.slept) < 60


@API
@pytest.mark.parametrize("fault", ["hubspot.429_daily", "hubspot.477"])
def test_a_long_limit_is_left_to_a_later_run(portal: MakePortal, api: str, fault: str) -> None:
    """Scenario 11: a limit of the day or longer burns no tries and nobody sleeps for it."""
    made = portal(250, api)
    made.faults.switch_on(fault, on="list")
    result = made.pull()
    assert (result.is_complete, result.is_transient) == (False, True)
    assert made.sandbox.server.requests(status=429) + made.sandbox.server.requests(status=477) == 1
    assert sum(made.slept) < 60


_BROKEN = ("hubspot.200_html", "hubspot.200_cut_json", "hubspot.200_empty")


@API
@pytest.mark.parametrize("fault", _BROKEN)
def test_a_broken_answer_is_asked_for_again(portal: MakePortal, api: str, fault: str) -> None:
    """Scenario 12: a 200 that is a web page, cut or empty is tried again and never an empty page."""
    made = portal(450, api)
    for kind in ("list", "search"):
        made.faults.switch_on(fault, times=1, after=1, on=kind)
    result = made.pull()
    assert (result.error, result.rows, result.rows_expected) == (None, 450, 450)
    made.account.update("contacts", 5, _CUSTOMER)
    made.faults.switch_on(fault, times=1, on="search")
    assert made.pull().error is None
    assert made.mirror()["5"]["f_lifecyclestage"] == "customer"


@API
@pytest.mark.parametrize("fault", _BROKEN)
def test_answers_that_stay_broken_publish_nothing(portal: MakePortal, api: str, fault: str) -> None:
    """Scenario 12: after a bounded number of tries there is an error, and the mirror stays."""
    made = portal(450, api)
    made.pull()
    made.account.update("contacts", 5, _CUSTOMER)
    made.faults.switch_on(fault, on="search")
    before = made.requests("/search")
    result = made.pull()
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "HubSpot" in result.error
    assert made.requests("/search") - before <= 10
    assert (len(made.mirror()), _stages(made)) == (450, {"lead"})


@API
def test_a_total_that_says_more(portal: MakePortal, api: str) -> None:
    """Scenario 18: `total` counts more than could be read: refused with both numbers, nothing moves."""
    made = portal(450, api)
    made.pull()
    made.account.update("contacts", 1, _CUSTOMER)
    made.faults.switch_on("hubspot.total_too_high", by=7)
    result = made.pull()
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "counts 7 and gave 0" in result.error
    assert _stages(made) == {"lead"}
    made.faults.switch_off()
    assert made.pull().error is None
    assert made.mirror()["1"]["f_lifecyclestage"] == "customer"


@API
@pytest.mark.parametrize("fault", ["hubspot.drop", "hubspot.drop_midway"])
def test_a_dropped_connection(portal: MakePortal, api: str, fault: str) -> None:
    """Scenario 19: a connection that is dropped costs a try, and no record."""
    made = portal(450, api)
    made.faults.switch_on(fault, times=2, after=1, on="list")
    result = made.pull()
    assert (result.error, result.rows, result.rows_expected) == (None, 450, 450)


@API
@pytest.mark.parametrize(("fault", "seconds"), [("hubspot.trickle", 0.05), ("hubspot.hang", 30.0)])
def test_an_answer_that_does_not_come(
    portal: MakePortal, api: str, fault: str, seconds: float
) -> None:
    """Scenario 19: no answer, or a byte now and then, holds a run up for a bounded time; what was read
    before is not read again."""
    made = portal(450, api)
    made.faults.switch_on(fault, seconds=seconds, after=2, on="list")
    retry = RetryPolicy(tries=2)
    began = time.monotonic()
    result = made.pull(retry=retry, read_seconds=1.5, answer_seconds=1.5)
    assert time.monotonic() - began < 30
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "did not answer within" in result.error
    made.faults.switch_off()
    before = made.lists()
    made.restart()
    made.wait(minutes=5)
    result = made.pull()
    assert (result.error, result.rows, result.rows_expected) == (None, 450, 450)
    # Five pages in all, two of which were read before.
    assert made.lists() - before <= 3


@API
def test_rows_that_a_page_leaves_out(portal: MakePortal, api: str) -> None:
    """Beyond the list: a page that passes records over in silence is no smaller account."""
    made = portal(450, api)
    made.faults.switch_on("hubspot.lost_rows", by=3, times=1, after=1, on="list")
    result = made.pull()
    assert (result.error, result.rows, result.rows_expected) == (None, 450, 450)
    made.faults.switch_on("hubspot.lost_rows", by=3, on="list")
    made.wait(hours=25)
    result = made.pull()
    assert len(made.mirror()) == 450
    assert result.is_complete or "450" in result.error


@API
@pytest.mark.parametrize(
    "fault",
    [
        *("hubspot.empty_page", "hubspot.repeated_page", "hubspot.reordered_page"),
        *("hubspot.short_page", "hubspot.list_out_of_order", "hubspot.ids_as_text"),
    ],
)
def test_odd_pages_lose_nothing(portal: MakePortal, api: str, fault: str) -> None:
    """Beyond the list: pages that are empty, repeated, reordered or short, and ids in any order."""
    made = portal(450, api)
    stays = fault in ("hubspot.short_page", "hubspot.list_out_of_order", "hubspot.ids_as_text")
    more = {"size": 70} if fault == "hubspot.short_page" else {}

    def pull() -> None:
        """All the data; where a page came wrong, or a refusal that says why, and then all the data."""
        made.faults.switch_on(fault, times=None if stays else 2, after=1, **more)
        result = made.pull()
        made.faults.switch_off()
        assert result.is_complete or (not stays and "HubSpot" in result.error)
        result = result if result.is_complete else made.pull()
        assert (result.error, result.rows, result.rows_expected) == (None, 450, 450)

    pull()
    for number in range(1, 451):
        made.account.update("contacts", number, _CUSTOMER)
    pull()
    assert (len(made.mirror()), _stages(made)) == (450, {"customer"})


@API
def test_lists_in_a_circle_end(portal: MakePortal, api: str) -> None:
    """Beyond the list: a cursor that leads back to the beginning is refused, not followed for ever."""
    made = portal(450, api)
    made.faults.switch_on("hubspot.circle")
    result = made.pull()
    assert "circle" in result.error


@API
@pytest.mark.parametrize("fault", ["hubspot.value_types", "hubspot.id_types"])
def test_values_of_other_types(portal: MakePortal, api: str, fault: str) -> None:
    """Beyond the list: numbers, booleans and lists in place of texts are never a crash or a loss."""
    made = portal(150, api)
    made.faults.switch_on(fault)
    result = made.pull()
    assert result.is_complete is (fault == "hubspot.value_types")
    assert result.is_complete or "form that its documentation does not describe" in result.error
    made.faults.switch_off()
    assert (made.pull().error, len(made.mirror())) == (None, 150)
