"""The sandbox's JSON has the keys of the recorded shapes in the shared examples."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
import requests

from connectors.sandbox.ga4_errors import Failure, failure
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings

EXAMPLES = Path(__file__).parents[4] / "shared" / "examples" / "ga4"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the shared examples are not here")

Post = Callable[[str, dict[str, Any]], dict[str, Any]]


def example(name: str) -> Any:
    """The content of a shared example."""
    return orjson.loads((EXAMPLES / name).read_bytes())


def shape(data: Any) -> Any:
    """Keys and types without values; a list is the shapes of its items, once each."""
    if isinstance(data, dict):
        return {key: shape(value) for key, value in sorted(data.items())}
    if isinstance(data, list):
        return sorted({repr(shape(item)) for item in data})
    return type(data).__name__


@pytest.fixture
def site(ga4_settings: Ga4Settings) -> pd.DataFrame:
    """Forty sessions of searchers who buy, on the first three days of November."""
    count = 40
    days = [f"2026-11-0{1 + index % 3}T12:00:00Z" for index in range(count)]
    return pd.DataFrame(
        {
            "started_at": days,
            "user_id": [f"u{index}" for index in range(count)],
            "new_user": "true",
            "engaged": "true",
            "duration_seconds": "12.5",
            "revenue": "10.5",
            "event:purchase": "1",
            "sessionDefaultChannelGroup": "Organic Search",
            "country": "Germany",
            "landingPage": [f"/{index % 4}" for index in range(count)],
            "customEvent:plan_tier": "pro",
        },
        dtype=str,
    )


@pytest.fixture
def shared(ga4_settings: Ga4Settings, site: pd.DataFrame, ga4_rest: Any) -> Any:
    """The site, served, with a function that posts JSON to it as Google's client would."""
    with Ga4Sandbox(ga4_settings, sessions=site) as sandbox:
        session = ga4_rest(sandbox).transport._session

        def post(verb: str, body: dict[str, Any]) -> dict[str, Any]:
            url = f"{sandbox.rest_url}/v1beta/properties/123456789"
            if verb == "metadata":
                answer: requests.Response = session.get(f"{url}/metadata")
            else:
                answer = session.post(f"{url}:{verb}", data=orjson.dumps(body))
            answer.raise_for_status()
            return dict(answer.json())

        yield sandbox, post


def test_a_report_has_the_shape_of_the_example(shared: Any) -> None:
    """Request and answer of runReport, with filters, totals and quota."""
    _, post = shared
    answer = post("runReport", example("run_report.request.json"))
    assert shape(answer) == shape(example("run_report.response.json"))


def test_a_report_without_dimensions(shared: Any) -> None:
    """No dimensionHeaders and no dimensionValues."""
    _, post = shared
    wanted = example("run_report_no_dimensions.response.json")
    metrics = [{"name": header["name"]} for header in wanted["metricHeaders"]]
    days = [{"startDate": "2026-11-01", "endDate": "2026-11-03"}]
    answer = post("runReport", {"metrics": metrics, "dateRanges": days})
    assert shape(answer) == shape(wanted)
    assert answer["metricHeaders"] == wanted["metricHeaders"]


def test_empty_reports(shared: Any) -> None:
    """Neither rows nor rowCount; the flag where rows were withheld."""
    _, post = shared
    body = {
        "dimensions": [{"name": "date"}],
        "metrics": [{"name": "sessions"}],
        "dateRanges": [{"startDate": "2020-01-01", "endDate": "2020-01-02"}],
    }
    assert post("runReport", body) == example("run_report_empty.response.json")
    body["dimensions"], body["metrics"] = [{"name": "userGender"}], [{"name": "activeUsers"}]
    assert post("runReport", body) == example("run_report_thresholded_empty.response.json")


def test_a_degraded_report(shared: Any) -> None:
    """Sampling, other row, truncation and a blocked metric together."""
    sandbox, post = shared
    for name in ("sampled", "other_row", "truncated"):
        sandbox.faults.switch_on(f"ga4.{name}")
    wanted = example("run_report_degraded.response.json")
    answer = post(
        "runReport",
        {
            "dimensions": wanted["dimensionHeaders"],
            "metrics": [{"name": header["name"]} for header in wanted["metricHeaders"]],
            "dateRanges": [{"startDate": "2026-11-01", "endDate": "2026-11-03"}],
        },
    )
    assert shape(answer) == shape(wanted)
    restriction = "schemaRestrictionResponse"
    assert answer["metadata"][restriction] == wanted["metadata"][restriction]


def test_two_date_ranges(shared: Any) -> None:
    """The dateRange column comes last, in totals too."""
    _, post = shared
    wanted = example("run_report_two_date_ranges.response.json")
    answer = post(
        "runReport",
        {
            "dimensions": [{"name": "sessionDefaultChannelGroup"}],
            "metrics": [{"name": "sessions"}],
            "dateRanges": [
                {"startDate": "2026-11-02", "endDate": "2026-11-03"},
                {"startDate": "2026-11-01", "endDate": "2026-11-01", "name": "prior"},
            ],
            "metricAggregations": ["TOTAL"],
        },
    )
    assert shape(answer) == shape(wanted)
    assert answer["dimensionHeaders"] == wanted["dimensionHeaders"]
    totals = [row["dimensionValues"] for row in answer["totals"]]
    assert totals == [row["dimensionValues"] for row in wanted["totals"]]


def test_a_batch(shared: Any) -> None:
    """Reports in a list, each with its own kind."""
    _, post = shared
    request = example("batch_run_reports.request.json")
    request["requests"][0]["dateRanges"] = request["requests"][1]["dateRanges"]
    answer = post("batchRunReports", request)
    assert shape(answer) == shape(example("batch_run_reports.response.json"))


def test_metadata_and_compatibility(shared: Any) -> None:
    """Each field of the example is there, with the same name, type and old names."""
    _, post = shared
    answer, wanted = post("metadata", {}), example("get_metadata.response.json")
    for kind in ("dimensions", "metrics"):
        found = {field["apiName"]: field for field in answer[kind]}
        for field in wanted[kind]:
            for key in ("type", "deprecatedApiNames", "blockedReasons", "customDefinition"):
                assert found[field["apiName"]].get(key) == field.get(key)
            assert set(field) <= set(found[field["apiName"]])
    verdicts = post("checkCompatibility", example("check_compatibility.request.json"))
    expected = example("check_compatibility.response.json")
    for kind, data in (("dimension", "dimensionMetadata"), ("metric", "metricMetadata")):
        named = {one[data]["apiName"]: one for one in verdicts[f"{kind}Compatibilities"]}
        for one in expected[f"{kind}Compatibilities"]:
            assert shape(named[one[data]["apiName"]]) == shape(one)


@pytest.mark.parametrize(
    "name",
    [
        Failure.TOKENS_PER_DAY,
        Failure.TOKENS_PER_PROJECT_PER_HOUR,
        Failure.CONCURRENT,
        Failure.THRESHOLDED,
        Failure.INVALID_TOKEN,
        Failure.API_DISABLED,
        Failure.INTERNAL,
        Failure.UNAVAILABLE,
    ],
)
def test_errors_are_those_of_the_examples(name: Failure) -> None:
    """Bodies of faults are, word for word, those that were recorded."""
    assert failure(name).body() == example(f"errors/{name.value}.json")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (
            "400_too_many_date_ranges",
            {"dateRanges": [{"startDate": "today", "endDate": "today"}] * 5},
        ),
        (
            "400_too_many_metrics",
            {
                "metrics": [
                    {"name": n}
                    for n in (
                        "sessions",
                        "engagedSessions",
                        "engagementRate",
                        "bounceRate",
                        "newUsers",
                        "keyEvents",
                        "totalUsers",
                        "activeUsers",
                        "eventCount",
                        "eventsPerSession",
                        "totalRevenue",
                    )
                ]
            },
        ),
        (
            "400_too_many_dimensions",
            {
                "dimensions": [
                    {"name": n}
                    for n in (
                        "date",
                        "year",
                        "month",
                        "yearMonth",
                        "dayOfWeek",
                        "country",
                        "city",
                        "region",
                        "browser",
                        "language",
                    )
                ]
            },
        ),
        ("400_unknown_field", {"metrics": [{"name": "pageViews"}]}),
        (
            "400_bad_enum",
            {"orderBys": [{"dimension": {"dimensionName": "date", "orderType": "NUMBER"}}]},
        ),
        ("400_incompatible", {"metrics": [{"name": "sessions"}, {"name": "itemViewEvents"}]}),
    ],
)
def test_refusals_are_those_of_the_examples(shared: Any, name: str, change: Any) -> None:
    """Bodies of refusals are, word for word, those that were recorded."""
    _, post = shared
    good = {
        "metrics": [{"name": "sessions"}],
        "dateRanges": [{"startDate": "today", "endDate": "today"}],
    }
    with pytest.raises(requests.HTTPError) as raised:
        post("runReport", good | change)
    assert raised.value.response.json() == example(f"errors/{name}.json")
