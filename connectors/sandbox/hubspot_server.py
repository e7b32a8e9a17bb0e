"""A local HubSpot: the order in which a request is judged.

Belongs here: address length, token, limits, scopes, and where faults come in (api_facts B5). Does
not belong here: which path is what (hubspot_routes), the endpoints (hubspot_objects and others), what
a fault does (hubspot_faults).
"""

from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime
from types import TracebackType
from typing import Self
from uuid import uuid4

from connectors.sandbox.account import Account
from connectors.sandbox.faults import Faults
from connectors.sandbox.http_server import LoopbackServer, Request, Response, json_response
from connectors.sandbox.hubspot_errors import (
    HubSpotError,
    missing_scopes,
    no_credentials,
    not_found,
    rate_limited,
    refused_token,
    url_too_long,
)
from connectors.sandbox.hubspot_faults import HubSpotFaults
from connectors.sandbox.hubspot_limits import TIERS, RateLimiter
from connectors.sandbox.hubspot_objects import Conditions
from connectors.sandbox.hubspot_routes import Place, Routes
from okr_sync.errors import OkrSyncError

SANDBOX_TOKEN = "pat-na1-sandbox"
_LONGEST_URL = 8192
_BEARER = "bearer "


class HubSpotSandbox:
    """Serves an account as HubSpot would, on 127.0.0.1.

    `token` is the only one let in; assigning another is what rotating it does.
    `rate_limits=False` lets everything through. `faults` switches on what shall go wrong, for other
    servers too if they were given. `server.counts` tells what was answered.
    """

    def __init__(
        self,
        account: Account,
        token: str = SANDBOX_TOKEN,
        *,
        rate_limits: bool = True,
        faults: Faults | None = None,
        port: int = 0,
    ) -> None:
        if account.hubspot is None:
            raise OkrSyncError(
                f"{account.folder / 'account.yaml'} has no hubspot: part. "
                "Add portal_id, time_zone and currency under it."
            )
        self.account = account
        self.token = token
        self._settings = account.hubspot
        tier = TIERS[self._settings.tier]
        if self._settings.daily_limit is not None:
            tier = replace(tier, daily=self._settings.daily_limit)
        self.limiter = RateLimiter(
            tier, self._settings.time_zone, enforced=rate_limits, clock=account.clock
        )
        self.faults = faults or Faults(account.object_types())
        conditions = Conditions()
        self._faulty = HubSpotFaults(self.faults, account, conditions)
        self._routes = Routes(account, self._settings, self.limiter, conditions)
        self.server = LoopbackServer(self.answer, port)

    @property
    def url(self) -> str:
        """What OKR_SYNC_HUBSPOT_ENDPOINT must hold."""
        return self.server.url

    def start(self) -> None:
        """Begin to serve; OkrSyncError when the port can't be had."""
        self.server.start()

    def stop(self) -> None:
        """Stop serving."""
        self.server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def answer(self, request: Request) -> Response:
        """Judge a request in HubSpot's order and have the endpoint answer it."""
        place = self._routes.place(request)
        now = self.account.clock().astimezone(UTC)
        headers = {
            "X-HubSpot-Correlation-Id": str(uuid4()),
            "Date": format_datetime(now, usegmt=True),
        }
        response = self._faulty.refusal(place.kind, place.object_type, place.scopes)
        if response is None:
            try:
                odd = self._faulty.before(place.kind, place.object_type, request)
                response = self._judge(odd, place)
            except HubSpotError as error:
                response = json_response(error.status, error.payload)
                headers["X-HubSpot-Correlation-Id"] = error.payload["correlationId"]
            response = self._faulty.after(place.kind, place.object_type, request, response)
        if place.kind != "search" and response.status not in (401, 404, 414):
            headers.update(self.limiter.headers())
        return replace(response, headers={**response.headers, **headers}, route=place.route)

    def _judge(self, request: Request, place: Place) -> Response:
        if len(request.target) > _LONGEST_URL:
            raise url_too_long(len(request.target))
        authorization = request.headers.get("authorization", "")
        if not authorization.lower().startswith(_BEARER):
            raise no_credentials()
        if authorization[len(_BEARER) :].strip() != self.token:
            raise refused_token()
        refusal = self.limiter.admit(is_search=place.kind == "search")
        if refusal is not None:
            raise rate_limited(refusal, self._settings.portal_id)
        if place.match is None:
            raise not_found()
        granted = self._settings.scopes
        for needed in place.needs:
            if granted is not None and needed and granted.isdisjoint(needed):
                raise missing_scopes(needed)
        return place.match.handler(request, place.match.parameters)
