"""The faults that the sandbox can produce, by name: one table for HubSpot and GA4.

Belongs here: names, what each does, what it takes, which requests it meets. Does not belong here:
switching (faults) or carrying out (hubspot_faults, ga4_faults, http_server). docs/sandbox.md is made
from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Value = int | float | str


class Stage(StrEnum):
    """When a fault comes into a request."""

    BEFORE = "before"  # the request or the account is changed, then it is answered
    REFUSE = "refuse"  # an error in place of an answer
    ALTER = "alter"  # the answer says something else
    AFTER = "after"  # something happens once the answer is made
    DELIVER = "deliver"  # the answer is right and doesn't arrive as it should


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    `name` is `api.what`, `requests` are the kinds of request that it meets unless told otherwise,
    `takes` its own parameters with their defaults (their types are in PARAMETERS), `needs` those of
    them that must be given, `transports` those on which it can be had.
    """

    name: str
    stage: Stage
    does: str
    requests: tuple[str, ...]
    takes: Mapping[str, Value | None] = field(default_factory=dict)
    transports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def api(self) -> str:
        """`hubspot` or `ga4`."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Parameter:
    """What a fault may be told: its type and what it means."""

    type: type[int] | type[float] | type[str]
    means: str


PARAMETERS: Final[Mapping[str, Parameter]] = {
    "by": Parameter(int, "how many"),
    "code": Parameter(str, "a currency's code"),
    "day": Parameter(str, "a day, YYYY-MM-DD"),
    "metric": Parameter(str, "a GA4 metric"),
    "property": Parameter(str, "a HubSpot property"),
    "record": Parameter(int, "a record's id; without it the first one that will do"),
    "retry_after": Parameter(int, "seconds in Retry-After; without it there is no such header"),
    "seconds": Parameter(float, "seconds"),
    "size": Parameter(int, "records or rows"),
    "type": Parameter(str, "a data truncation type"),
    "value": Parameter(str, "a property's value"),
}

HUBSPOT_REQUESTS: Final = (
    *("list", "archived", "search", "batch_read", "record", "properties", "pipelines", "owners"),
    *("associations", "emails", "account"),
)
GA4_REQUESTS: Final = ("RunReport", "BatchRunReports", "GetMetadata", "CheckCompatibility")

_PAGES = ("list", "archived", "search", "emails")
_LISTS = ("list", "archived", "emails")
_READING = ("list", "search")
_REPORTS = ("RunReport", "BatchRunReports")
_HUBSPOT_PATHS = ("v3 and v4", "dated")
_BOTH = ("gRPC", "REST")
_REST = ("REST",)


def _hubspot(
    name: str,
    stage: Stage,
    does: str,
    requests: tuple[str, ...] = HUBSPOT_REQUESTS,
    needs: tuple[str, ...] = (),
    **takes: Value | None,
) -> Fault:
    return Fault(f"hubspot.{name}", stage, does, requests, takes, _HUBSPOT_PATHS, needs)


def _ga4(
    name: str,
    stage: Stage,
    does: str,
    requests: tuple[str, ...] = GA4_REQUESTS,
    transports: tuple[str, ...] = _BOTH,
    needs: tuple[str, ...] = (),
    **takes: Value | None,
) -> Fault:
    return Fault(f"ga4.{name}", stage, does, requests, takes, transports, needs)


_HUBSPOT = (
    _hubspot("401", Stage.REFUSE, "401: the token has expired (`:1`) or is revoked (for good)"),
    _hubspot("403_scopes", Stage.REFUSE, "403 MISSING_SCOPES with the scope that is missing"),
    _hubspot("302", Stage.REFUSE, "302 to another address"),
    _hubspot("400", Stage.REFUSE, "400 VALIDATION_ERROR"),
    _hubspot("423", Stage.REFUSE, "423: locked", retry_after=None),
    _hubspot(
        "429_burst", Stage.REFUSE, "429 of the ten-second limit", retry_after=None
    ),
    _hubspot(
        "429_search", Stage.REFUSE, "429 of the search limit", ("search",), retry_after=None
    ),
    _hubspot("429_daily", Stage.REFUSE, "429 of the daily limit", retry_after=None),
    _hubspot("477", Stage.REFUSE, "477: the account moves to another centre", retry_after=7200),
    *(
        _hubspot(str(status), Stage.REFUSE, f"{status}, in HTML", retry_after=None)
        for status in (500, 502, 503, 504, 521)
    ),
    _hubspot("200_html", Stage.DELIVER, "200 with a web page"),
    _hubspot("200_cut_json", Stage.DELIVER, "200 with half of the JSON"),
    _hubspot("200_empty", Stage.DELIVER, "200 with nothing in it"),
    _hubspot("drop", Stage.DELIVER, "the connection is closed without an answer"),
    _hubspot("drop_midway", Stage.DELIVER, "the connection is closed half-way through the answer"),
    _hubspot("trickle", Stage.DELIVER, "one byte every `seconds`", seconds=1.0),
    _hubspot("hang", Stage.DELIVER, "no answer for `seconds`, then the connection is closed",
             seconds=600.0),
    _hubspot("slow", Stage.DELIVER, "the answer comes `seconds` later", seconds=1.0),
    _hubspot("short_page", Stage.BEFORE, "at most `size` records a page, whatever is asked for",
             _PAGES, size=1),
    _hubspot("search_cap", Stage.BEFORE, "a search pages through `size` results, not 10,000",
             ("search",), size=20),
    _hubspot("index_lag", Stage.BEFORE, "searches know nothing of the last `seconds`",
             ("search",), seconds=600.0),
    _hubspot("ids_as_text", Stage.BEFORE, "searches sort and compare ids as text", ("search",)),
    _hubspot("list_out_of_order", Stage.BEFORE, "lists give records in no order of ids",
             ("list", "archived")),
    _hubspot("empty_page", Stage.ALTER, "an empty page whose cursor goes on where it began", _PAGES),
    _hubspot("repeated_page", Stage.ALTER, "the page before, once more", _PAGES),
    _hubspot("reordered_page", Stage.ALTER, "a page from last to first", _PAGES),
    _hubspot("circle", Stage.ALTER, "a page's cursor leads to the beginning", _LISTS),
    _hubspot("lost_cursor", Stage.ALTER, "a page without the cursor to the next one", _PAGES),
    _hubspot("lost_rows", Stage.ALTER, "a page without its last `by` records; its cursor leads on",
             _PAGES, by=1),
    _hubspot("total_too_high", Stage.ALTER, "`total` is `by` too high", ("search", "emails"), by=7),
    _hubspot("total_too_low", Stage.ALTER, "`total` is `by` too low", ("search", "emails"), by=7),
    _hubspot("newer_than_window", Stage.ALTER, "records say that they were modified `seconds` later",
             ("search",), seconds=86_400.0),
    _hubspot("value_types", Stage.ALTER, "properties are numbers, booleans and lists, not texts",
             ("list", "search", "batch_read")),
    _hubspot("hidden_property", Stage.ALTER, "records lack a property that the list of properties has",
             ("list", "archived", "search", "batch_read", "record"), ("property",), property=None),
    _hubspot("id_types", Stage.ALTER, "ids are numbers, not texts",
             ("list", "archived", "search", "batch_read")),
    _hubspot("record_created", Stage.AFTER, "a record is created", _READING,
             property=None, value=None),
    _hubspot("record_updated", Stage.AFTER, "a record is modified", _READING,
             record=None, property=None, value=None),
    _hubspot("record_calculated", Stage.AFTER, "a property changes, the modified date doesn't",
             _READING, ("property", "value"), record=None, property=None, value=None),
    _hubspot("record_archived", Stage.AFTER, "a record is archived; its modified date stays",
             _READING, record=None),
    _hubspot("record_restored", Stage.AFTER, "a record comes back from the archive as it was",
             _READING, record=None),
    _hubspot("record_deleted", Stage.AFTER, "a record is deleted for good", _READING, record=None),
    _hubspot("record_merged", Stage.AFTER, "the last record is merged into another", _READING,
             record=None),
    _hubspot("records_touched", Stage.BEFORE, "all records are modified in one millisecond",
             _READING),
)  # fmt: skip

_GA4 = (
    _ga4("400_incompatible", Stage.REFUSE, "400: dimensions and metrics don't go together",
         _REPORTS),
    _ga4("401_invalid_token", Stage.REFUSE, "401: the credential is refused"),
    _ga4("403_permission", Stage.REFUSE, "403: the account may not read the property"),
    _ga4("403_api_disabled", Stage.REFUSE, "403: the API is switched off in the project"),
    _ga4("429_tokens_day", Stage.REFUSE, "429 of the property's tokens for the day"),
    _ga4("429_tokens_hour", Stage.REFUSE, "429 of the property's tokens for the hour"),
    _ga4("429_tokens_project_hour", Stage.REFUSE, "429 of the project's tokens for the hour"),
    _ga4("429_concurrent", Stage.REFUSE, "429 of the requests at once"),
    _ga4("429_thresholded", Stage.REFUSE, "429 of the potentially thresholded requests"),
    _ga4("429_server_errors", Stage.REFUSE, "429 after too many server errors"),
    _ga4("500_internal", Stage.REFUSE, "500, counted as a server error of the hour"),
    _ga4("503_unavailable", Stage.REFUSE, "503, counted as a server error of the hour"),
    _ga4("504_deadline", Stage.REFUSE, "504, counted as a server error of the hour"),
    _ga4("spent_tokens_day", Stage.BEFORE, "the day's tokens are used up until the day ends"),
    _ga4("spent_tokens_hour", Stage.BEFORE, "the hour's tokens are used up until the hour ends"),
    _ga4("spent_tokens_project_hour", Stage.BEFORE,
         "the project's tokens are used up until the hour ends"),
    _ga4("spent_thresholded", Stage.BEFORE,
         "the thresholded requests are used up until the hour ends"),
    _ga4("200_html", Stage.DELIVER, "200 with a web page", transports=_REST),
    _ga4("200_cut_json", Stage.DELIVER, "200 with half of the JSON", transports=_REST),
    _ga4("drop", Stage.DELIVER, "the connection is closed without an answer (gRPC: the call ends "
         "as it does then)"),
    _ga4("hang", Stage.DELIVER, "no answer for `seconds`", seconds=600.0),
    _ga4("trickle", Stage.DELIVER, "one byte every `seconds`", transports=_REST, seconds=1.0),
    _ga4("slow", Stage.DELIVER, "the answer comes `seconds` later", seconds=1.0),
    _ga4("sampled", Stage.ALTER, "the report is computed from half of the events", _REPORTS),
    _ga4("thresholded", Stage.ALTER, "rows of few users are held back", _REPORTS),
    _ga4("other_row", Stage.ALTER, "the smaller half of the rows is one row, `(other)`", _REPORTS),
    _ga4("truncated", Stage.ALTER, "part of the period is cut off", _REPORTS, type="PROPERTY"),
    _ga4("blocked_metric", Stage.ALTER, "a metric of revenue reads 0; only the property's list of "
         "metrics says so", (*_REPORTS, "GetMetadata"), needs=("metric",), metric=None),
    _ga4("schema_restriction", Stage.ALTER, "a metric of revenue reads 0, as the report says",
         _REPORTS, needs=("metric",), metric=None),
    _ga4("restated", Stage.ALTER, "each session of a day is counted `by` times", _REPORTS,
         needs=("day",), day=None, by=2),
    _ga4("short_page", Stage.ALTER, "at most `size` rows a page, whatever is asked for", _REPORTS,
         size=1),
    _ga4("empty_page", Stage.ALTER, "a page without rows; the row count stays", _REPORTS),
    _ga4("lost_rows", Stage.ALTER, "a page without its last `by` rows; the row count stays",
         _REPORTS, by=1),
    _ga4("repeated_row", Stage.ALTER, "a page's last row is its first once more", _REPORTS),
    _ga4("row_count_too_high", Stage.ALTER, "the row count is `by` too high", _REPORTS, by=7),
    _ga4("missing_report", Stage.AFTER, "a batch without its last report", ("BatchRunReports",)),
    _ga4("other_currency", Stage.ALTER, "amounts are in another currency, `by` times as many",
         _REPORTS, code="XTS", by=2),
    _ga4("value_types", Stage.ALTER, "figures are texts that are no numbers", _REPORTS),
)  # fmt: skip

FAULTS: Final[Mapping[str, Fault]] = {fault.name: fault for fault in (*_HUBSPOT, *_GA4)}
"""All faults, by name."""
