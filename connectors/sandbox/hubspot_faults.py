"""What the faults of HubSpot's do to requests, answers and the account.

Belongs here: carrying out the rows of the fault table that are called `hubspot.…`. Does not belong
here: which are on (faults), answering (hubspot_server), what happens to an account (hubspot_upheavals).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from connectors.sandbox.account import Account
from connectors.sandbox.fault_delivery import delivered
from connectors.sandbox.fault_table import Stage
from connectors.sandbox.faults import Faults, Switch
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_errors import (
    HubSpotError,
    invalid,
    locked,
    missing_scopes,
    moving,
    rate_limited,
    refused_token,
)
from connectors.sandbox.hubspot_limits import Refusal
from connectors.sandbox.hubspot_objects import Conditions
from connectors.sandbox.hubspot_paging import encode_after
from connectors.sandbox.hubspot_upheavals import upheave
from connectors.sandbox.records import iso_millis, modified_property

_API: Final = "hubspot"
_DEFAULT_PAGE: Final = 10
_LIMITS: Final = {
    "hubspot.429_burst": Refusal.BURST,
    "hubspot.429_search": Refusal.SEARCH,
    "hubspot.429_daily": Refusal.DAILY,
}
_BAD_GATEWAY: Final = b"<html><body><h1>The server had trouble</h1></body></html>"
_HTML: Final = {"Content-Type": "text/html"}

Document = dict[str, Any]


class HubSpotFaults:
    """Lets the faults that are switched on into each request of one served account.

    `kind` and `object_type` say what a request reads, as the fault table calls it.
    """

    def __init__(self, faults: Faults, account: Account, conditions: Conditions) -> None:
        self._faults = faults
        self._account = account
        self._conditions = conditions
        self._pages: dict[tuple[str, str], Document] = {}

    def refusal(self, kind: str, object_type: str, scopes: Sequence[str]) -> Response | None:
        """The error that comes in place of an answer; `scopes` are those that the request needs."""
        switch = self._faults.take_one(_API, Stage.REFUSE, kind, object_type)
        if switch is None:
            return None
        headers = {}
        if switch.values.get("retry_after") is not None:
            headers["Retry-After"] = switch.text("retry_after")
        status = switch.fault.name.removeprefix("hubspot.")
        if status == "302":
            return Response(302, b"", {"Location": "http://127.0.0.1:9/"})
        if status.startswith("5"):
            return Response(int(status), _BAD_GATEWAY, {**_HTML, **headers})
        error = self._error(switch.fault.name, scopes)
        return json_response(error.status, error.payload, headers)

    def before(self, kind: str, object_type: str, request: Request) -> Request:
        """The request as it is answered; sets the conditions for it. Raises HubSpotError."""
        conditions = self._conditions
        conditions.index_lag = timedelta(0)
        conditions.ids_as_text = False
        conditions.list_in_order = True
        cap: int | None = None
        for switch in self._faults.take(_API, Stage.BEFORE, kind, object_type):
            match switch.fault.name:
                case "hubspot.short_page":
                    request = _limited(request, kind, max(1, switch.number("size")))
                case "hubspot.search_cap":
                    cap = switch.number("size")
                case "hubspot.index_lag":
                    conditions.index_lag = timedelta(seconds=switch.seconds())
                case "hubspot.ids_as_text":
                    conditions.ids_as_text = True
                case "hubspot.list_out_of_order":
                    conditions.list_in_order = False
                case _:
                    upheave(switch, self._account, object_type)
        return request if cap is None else _capped(request, cap)

    def after(self, kind: str, object_type: str, request: Request, response: Response) -> Response:
        """The answer as it leaves, after what then happens to the account."""
        if response.status == 200:
            altering = self._faults.take(_API, Stage.ALTER, kind, object_type)
            keeps = self._faults.is_on("hubspot.repeated_page")
            document = orjson.loads(response.body) if altering or keeps else None
            if altering and isinstance(document, dict):
                page = document
                for switch in altering:
                    page = self._altered(switch, kind, object_type, request, page)
                response = replace(response, body=orjson.dumps(page))
            if keeps and isinstance(document, dict):
                self._pages[kind, object_type] = document  # it may have to come again
        for switch in self._faults.take(_API, Stage.AFTER, kind, object_type):
            upheave(switch, self._account, object_type)
        switched = self._faults.take_one(_API, Stage.DELIVER, kind, object_type)
        return response if switched is None else delivered(switched, response)

    def _altered(
        self, switch: Switch, kind: str, object_type: str, request: Request, page: Document
    ) -> Document:
        match switch.fault.name:
            case "hubspot.repeated_page":
                return self._pages.get((kind, object_type), page)
            case "hubspot.empty_page":
                return _emptied(page, kind, object_type, request)
            case "hubspot.circle":
                following = {"after": encode_after(_token(kind, object_type), 0)}
                return {**page, "paging": {"next": following}} if "paging" in page else page
            case "hubspot.newer_than_window":
                later = timedelta(seconds=switch.seconds())
                return _each(page, lambda record: _moved(record, object_type, later))
            case _:
                return _PAGE_CHANGES[switch.fault.name](switch, page)

    def _error(self, name: str, scopes: Sequence[str]) -> HubSpotError:
        portal_id = self._account.hubspot.portal_id if self._account.hubspot else 0
        if name in _LIMITS:
            return rate_limited(_LIMITS[name], portal_id)
        return {
            "hubspot.400": lambda: invalid("The sandbox was told to find this request invalid."),
            "hubspot.401": refused_token,
            "hubspot.403_scopes": lambda: missing_scopes(scopes),
            "hubspot.423": locked,
            "hubspot.477": moving,
        }[name]()


def _limited(request: Request, kind: str, size: int) -> Request:
    if kind == "search":
        body = _body(request)
        asked = body.get("limit", _DEFAULT_PAGE)
        if not isinstance(asked, int):
            return request
        return replace(request, body=orjson.dumps({**body, "limit": min(asked, size)}))
    given = request.value("limit") or str(_DEFAULT_PAGE)
    if not given.isdigit():
        return request
    query = [(name, value) for name, value in request.query if name != "limit"]
    return replace(request, query=[*query, ("limit", str(min(int(given), size)))])


def _capped(request: Request, cap: int) -> Request:
    body = _body(request)
    limit, after = body.get("limit", _DEFAULT_PAGE), body.get("after") or 0
    if not isinstance(limit, int) or not str(after).isdigit():
        return request
    limit = min(limit, cap)
    if int(after) + limit > cap:
        raise invalid(f"A search gives at most {cap:,} results.")
    return replace(request, body=orjson.dumps({**body, "limit": limit}))


def _body(request: Request) -> Document:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _emptied(page: Document, kind: str, object_type: str, request: Request) -> Document:
    """A page without records; its cursor leads to where it would have begun."""
    after = str(_body(request).get("after") or 0) if kind == "search" else request.value("after")
    following = {"after": after or encode_after(_token(kind, object_type), 0)}
    return {**page, "results": [], "paging": {"next": following}}


def _token(kind: str, object_type: str) -> str:
    return "email" if kind == "emails" else object_type


def _each(page: Document, change: Callable[[Document], Document]) -> Document:
    return {**page, "results": [change(record) for record in page["results"]]}


def _moved(record: Document, object_type: str, later: timedelta) -> Document:
    at = iso_millis(datetime.fromisoformat(record["updatedAt"]) + later)
    properties = dict(record["properties"])
    if modified_property(object_type) in properties:
        properties[modified_property(object_type)] = at
    return {**record, "updatedAt": at, "properties": properties}


def _typed(record: Document) -> Document:
    """Properties as a careless serializer writes them: 5, true, ["text"]."""
    properties = {}
    for name, value in record["properties"].items():
        if value in ("true", "false"):
            properties[name] = value == "true"
        elif isinstance(value, str) and value.isdigit():
            properties[name] = int(value)
        else:
            properties[name] = value if value is None else [value]
    return {**record, "properties": properties}


def _without(page: Document, name: str) -> Document:
    """A record or a page of them without a property, as if the token may not see it."""

    def without(record: Document) -> Document:
        kept = {key: value for key, value in record["properties"].items() if key != name}
        return {**record, "properties": kept}

    return _each(page, without) if "results" in page else without(page)


def _counted(page: Document, by: int) -> Document:
    return {**page, "total": max(0, page["total"] + by)}


_PAGE_CHANGES: Final[dict[str, Callable[[Switch, Document], Document]]] = {
    "hubspot.reordered_page": lambda switch, page: {**page, "results": page["results"][::-1]},
    "hubspot.lost_cursor": lambda switch, page: {
        name: part for name, part in page.items() if name != "paging"
    },
    "hubspot.lost_rows": lambda switch, page: {
        **page,
        "results": page["results"][: max(0, len(page["results"]) - switch.number("by"))],
    },
    "hubspot.total_too_high": lambda switch, page: _counted(page, switch.number("by")),
    "hubspot.total_too_low": lambda switch, page: _counted(page, -switch.number("by")),
    "hubspot.value_types": lambda switch, page: _each(page, _typed),
    "hubspot.hidden_property": lambda switch, page: _without(page, switch.text("property")),
    "hubspot.id_types": lambda switch, page: _each(
        page, lambda record: {**record, "id": int(record["id"])}
    ),
}
