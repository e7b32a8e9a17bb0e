"""A local HubSpot: the order in which a request is judged, and the routes of both path families.

Belongs here: address length, token, limits, scopes, and which endpoint answers which path
(api_facts B1, B3, B5). Does not belong here: the endpoints themselves (hubspot_objects and others).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self
from uuid import uuid4

from connectors.sandbox.account import Account
from connectors.sandbox.http_server import LoopbackServer, Request, Response, json_response
from connectors.sandbox.hubspot_associations import AssociationEndpoints
from connectors.sandbox.hubspot_emails import EmailEndpoints
from connectors.sandbox.hubspot_errors import (
    HubSpotError,
    missing_scopes,
    no_credentials,
    not_found,
    rate_limited,
    refused_token,
    url_too_long,
)
from connectors.sandbox.hubspot_limits import TIERS, RateLimiter
from connectors.sandbox.hubspot_objects import ObjectEndpoints
from connectors.sandbox.hubspot_schema import Schema
from connectors.sandbox.hubspot_settings import SettingsEndpoints
from connectors.sandbox.routing import Handler, Match, Router
from okr_sync.errors import OkrSyncError

SANDBOX_TOKEN = "pat-na1-sandbox"
DATED_VERSIONS = ("2026-03", "2026-09")
_LONGEST_URL = 8192
_BEARER = "bearer "

# The scopes of which a caller needs one, from the object type in the path.
_Scopes = Callable[[str], tuple[str, ...]]


class HubSpotSandbox:
    """Serves an account as HubSpot would, on 127.0.0.1.

    `token` is the only one let in; assign another, or None, to revoke it at run time.
    `rate_limits=False` lets everything through. `server.counts` tells what was answered.
    """

    def __init__(
        self,
        account: Account,
        token: str | None = SANDBOX_TOKEN,
        *,
        rate_limits: bool = True,
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
        self._router = Router()
        self._scopes: dict[str, _Scopes] = {}
        self._add_routes()
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
        match = self._router.match(request.method, request.path)
        is_search = request.path.rstrip("/").endswith("/search")
        headers = {"X-HubSpot-Correlation-Id": str(uuid4())}
        try:
            response = self._judge(request, match, is_search=is_search)
        except HubSpotError as error:
            response = json_response(error.status, error.payload)
            headers["X-HubSpot-Correlation-Id"] = error.payload["correlationId"]
        if not is_search and response.status not in (401, 404, 414):
            headers.update(self.limiter.headers())
        route = match.route if match else f"{request.method} (no such path)"
        return replace(response, headers={**response.headers, **headers}, route=route)

    def _judge(self, request: Request, match: Match | None, *, is_search: bool) -> Response:
        if len(request.target) > _LONGEST_URL:
            raise url_too_long(len(request.target))
        authorization = request.headers.get("authorization", "")
        if not authorization.lower().startswith(_BEARER):
            raise no_credentials()
        if self.token is None or authorization[len(_BEARER) :].strip() != self.token:
            raise refused_token()
        refusal = self.limiter.admit(is_search=is_search)
        if refusal is not None:
            raise rate_limited(refusal, self._settings.portal_id)
        if match is None:
            raise not_found()
        self._check_scopes(match)
        return match.handler(request, match.parameters)

    def _check_scopes(self, match: Match) -> None:
        granted = self._settings.scopes
        if granted is None:
            return
        named = [
            match.parameters[name]
            for name in ("objectType", "fromObjectType", "toObjectType")
            if name in match.parameters
        ]
        for object_type in named or [""]:
            needed = self._scopes[match.route](self.account.object_type(object_type) or object_type)
            if needed and granted.isdisjoint(needed):
                raise missing_scopes(needed)

    def _add_routes(self) -> None:
        schema = Schema(self.account)
        objects = ObjectEndpoints(self.account, schema)
        ties = AssociationEndpoints(self.account)
        emails = EmailEndpoints(self.account)
        settings = SettingsEndpoints(self.account, self._settings, schema, self.limiter)
        add = self._add
        for version in ("v3", *DATED_VERSIONS):
            # The date sits after the product, v3 before it.
            crm, marketing, info = (
                (f"/crm/{version}/%s", f"/marketing/{version}/emails", f"/account-info/{version}")
                if version == "v3"
                else (
                    f"/crm/%s/{version}",
                    f"/marketing/emails/{version}",
                    f"/account-info/{version}",
                )
            )
            one = crm % "objects" + "/{objectType}"
            add("POST", one + "/search", objects.search, _object_scopes)
            add("POST", one + "/batch/read", objects.batch_read, _object_scopes)
            add("GET", one, objects.all, _object_scopes)
            add("GET", one + "/{objectId}", objects.one, _object_scopes)
            names = crm % "properties" + "/{objectType}"
            add("GET", names, settings.properties, _schema_scopes)
            add("GET", names + "/{propertyName}", settings.one_property, _schema_scopes)
            pipelines = crm % "pipelines" + "/{objectType}"
            add("GET", pipelines, settings.pipelines, _schema_scopes)
            add("GET", pipelines + "/{pipelineId}", settings.one_pipeline, _schema_scopes)
            add("GET", pipelines + "/{pipelineId}/stages", settings.stages, _schema_scopes)
            add("GET", crm % "owners", settings.owners, _owner_scopes)
            add("GET", crm % "owners" + "/{ownerId}", settings.one_owner, _owner_scopes)
            add("GET", marketing, emails.all, _email_scopes)
            add("GET", marketing + "/statistics/list", emails.statistics, _email_scopes)
            add("GET", marketing + "/statistics/histogram", emails.histogram, _email_scopes)
            add("GET", info + "/details", settings.details, _no_scopes)
            add("GET", info + "/api-usage/daily/private-apps", settings.usage, _no_scopes)
        for version in ("v4", *DATED_VERSIONS):
            crm = f"/crm/{version}/%s" if version == "v4" else f"/crm/%s/{version}"
            tied = crm % "objects" + "/{objectType}/{objectId}/associations/{toObjectType}"
            add("GET", tied, ties.of_one, _object_scopes)
            batch = crm % "associations" + "/{fromObjectType}/{toObjectType}/batch/read"
            add("POST", batch, ties.batch_read, _object_scopes)

    def _add(self, method: str, template: str, handler: Handler, scopes: _Scopes) -> None:
        self._router.add(method, template, handler)
        self._scopes[f"{method} {template}"] = scopes


_WITHOUT_OWN_SCOPE = {"tickets": "tickets", "products": "e-commerce"}
_WITH_OWN_SCOPE: Sequence[str] = (
    *("contacts", "companies", "deals", "leads", "line_items", "feedback_submissions"),
)


def _object_scopes(object_type: str) -> tuple[str, ...]:
    """Reading records, e.g. crm.objects.contacts.read."""
    if not object_type:
        return ()
    if object_type in _WITHOUT_OWN_SCOPE:
        return (_WITHOUT_OWN_SCOPE[object_type],)
    name = object_type if object_type in _WITH_OWN_SCOPE else "custom"
    return (f"crm.objects.{name}.read",)


def _schema_scopes(object_type: str) -> tuple[str, ...]:
    """Reading properties or pipelines: the schema's scope or that of the records will do."""
    if not object_type:
        return ()
    if object_type in _WITHOUT_OWN_SCOPE:
        return (_WITHOUT_OWN_SCOPE[object_type],)
    name = object_type if object_type in _WITH_OWN_SCOPE else "custom"
    return (f"crm.objects.{name}.read", f"crm.schemas.{name}.read")


def _owner_scopes(object_type: str) -> tuple[str, ...]:
    return ("crm.objects.owners.read",)


def _email_scopes(object_type: str) -> tuple[str, ...]:
    return ("marketing-email", "content")


def _no_scopes(object_type: str) -> tuple[str, ...]:
    return ()
