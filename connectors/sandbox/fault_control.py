"""The sandbox's control endpoint: faults switched on and off over HTTP while it serves.

Belongs here: paths and bodies of the endpoint. Does not belong here: the switchboard (faults) or
sockets (http_server).

    GET /faults            what there is, and what is on
    POST /faults           {"name": "hubspot.401", "times": 1, "after": 499, …}: switch one on
    DELETE /faults         switch all off
    DELETE /faults/NAME    switch one off
"""

from http import HTTPStatus
from typing import Any

import orjson

from connectors.sandbox.fault_table import FAULTS
from connectors.sandbox.faults import Faults, described
from connectors.sandbox.http_server import Request, Response, json_response
from okr_sync.errors import UsageError

_JSON = "application/json"


class FaultControl:
    """The `App` of an http_server for one switchboard."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __call__(self, request: Request) -> Response:
        """Answer one request; what can't be done is a 400 that says why."""
        parts = request.path.strip("/").split("/")
        if parts[0] != "faults" or len(parts) > 2:
            return _refused(HTTPStatus.NOT_FOUND, "There is only /faults and /faults/NAME.")
        try:
            match request.method, parts[1:]:
                case "GET", []:
                    return json_response(HTTPStatus.OK, self._told())
                case "POST", []:
                    switch = self._faults.switch_on(**_arguments(request))
                    return json_response(HTTPStatus.CREATED, switch.described())
                case "DELETE", names:
                    self._faults.switch_off(*names)
                    return json_response(HTTPStatus.OK, self._told())
        except UsageError as error:
            return _refused(HTTPStatus.BAD_REQUEST, error.user_text)
        return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "Use GET, POST or DELETE.")

    def _told(self) -> dict[str, Any]:
        return {
            "on": self._faults.switched(),
            "faults": [described(fault) for fault in FAULTS.values()],
        }


def _arguments(request: Request) -> dict[str, Any]:
    # A web page can't send this type without being asked first, so no page switches anything on.
    if not request.headers.get("content-type", "").startswith(_JSON):
        raise UsageError(f"The body must be JSON, with Content-Type: {_JSON}.")
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"The body is no JSON: {error}.") from None
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        raise UsageError('The body must be an object with the "name" of a fault.')
    for key, value in body.items():
        if not isinstance(value, str | int | float | None):
            raise UsageError(f"{key} must be a text or a number.")
    return {key: value for key, value in body.items() if value is not None}


def _refused(status: HTTPStatus, message: str) -> Response:
    return json_response(status, {"error": message})
