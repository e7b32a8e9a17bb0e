"""The GA4 sandbox over REST: paths, credentials, and answers as JSON.

Belongs here: from an HTTP request to a method of the service and back. Does not belong here: sockets
(http_server), what a JSON body may hold (ga4_json), answers (ga4_service).
"""

import re

from connectors.sandbox.fault_delivery import delivered
from connectors.sandbox.ga4_auth import SandboxServiceAccount
from connectors.sandbox.ga4_errors import Ga4ApiError, unknown_json_name
from connectors.sandbox.ga4_json import parse_request
from connectors.sandbox.ga4_service import Ga4Service
from connectors.sandbox.ga4_wire import METHODS, Method
from connectors.sandbox.http_server import Request, Response, json_response

_POST_PATH = re.compile(r"/v1beta/(properties/[^/:]+):(\w+)")
_METADATA_PATH = re.compile(r"/v1beta/(properties/[^/]+/metadata)")
_VERBS = {
    "runReport": "RunReport",
    "batchRunReports": "BatchRunReports",
    "checkCompatibility": "CheckCompatibility",
}
_QUERY_NAMES = {"$alt", "alt", "prettyPrint", "$prettyPrint", "quotaUser", "$.xgafv"}
_HTML_404 = (
    b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n"
    b"<p><b>404.</b> <ins>That's an error.</ins>\n"
    b"<p>The requested URL was not found on this server.\n"
)
_HTML = {"Content-Type": "text/html; charset=UTF-8"}


class RestFront:
    """The `App` of an http_server for one service."""

    def __init__(self, service: Ga4Service, account: SandboxServiceAccount) -> None:
        self._service = service
        self._account = account

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.method == "POST" and (found := _POST_PATH.fullmatch(request.path)):
            method = METHODS.get(_VERBS.get(found[2], ""))
            field = "property"
        elif request.method == "GET" and (found := _METADATA_PATH.fullmatch(request.path)):
            method = METHODS["GetMetadata"]
            field = "name"
        else:
            found = method = None
        if found is None or method is None:
            # An unknown path or a wrong verb is an HTML 404, never a 405 (API facts A2).
            return Response(404, _HTML_404, _HTML, "unknown")
        try:
            return self._answer(method, field, found[1], request)
        except Ga4ApiError as error:
            return json_response(error.http_code, error.body(), route=method.name)

    def _answer(self, method: Method, field: str, name: str, request: Request) -> Response:
        with self._service.call(method.name, "REST") as switch:
            self._account.check(request.headers, method.name)
            for key, _ in request.query:
                if key not in _QUERY_NAMES:
                    raise unknown_json_name(key, "")
            message = parse_request(method.request, request.body)
            setattr(message, field, name)
            answer = method.answer(self._service, message)
            response = json_response(200, method.as_json(answer), route=method.name)
        return response if switch is None else delivered(switch, response)
