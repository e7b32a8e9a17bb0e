"""The paths of the sandbox's HubSpot in both families: what each reads and which scopes it needs.

Belongs here: which endpoint answers which path (api_facts B1, B3) and scopes. Does not belong here:
judging a request (hubspot_server) or the endpoints themselves (hubspot_objects and others).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.sandbox.account import Account, HubSpotSettings
from connectors.sandbox.http_server import Request
from connectors.sandbox.hubspot_associations import AssociationEndpoints
from connectors.sandbox.hubspot_emails import EmailEndpoints
from connectors.sandbox.hubspot_limits import RateLimiter
from connectors.sandbox.hubspot_objects import Conditions, ObjectEndpoints
from connectors.sandbox.hubspot_schema import Schema
from connectors.sandbox.hubspot_settings import SettingsEndpoints
from connectors.sandbox.routing import Handler, Match, Router

DATED_VERSIONS = ("2026-03", "2026-09")

# The scopes of which a caller needs one, from the object type in the path.
_Scopes = Callable[[str], tuple[str, ...]]


@dataclass(frozen=True)
class Place:
    """Where a request leads: the name it is counted under, and what it reads.

    `kind` is as the fault table calls it, empty for an unknown path. The caller needs one scope of
    each group in `needs`.
    """

    match: Match | None
    route: str
    kind: str = ""
    object_type: str = ""
    needs: tuple[tuple[str, ...], ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The first group of scopes."""
        return self.needs[0] if self.needs else ()


class Routes:
    """The routes of one account."""

    def __init__(
        self,
        account: Account,
        settings: HubSpotSettings,
        limiter: RateLimiter,
        conditions: Conditions,
    ) -> None:
        self._account = account
        self._router = Router()
        self._kinds: dict[str, str] = {}
        self._scopes: dict[str, _Scopes] = {}
        self._add_routes(settings, limiter, conditions)

    def place(self, request: Request) -> Place:
        """Where a request leads; a path in an unknown family leads nowhere."""
        match = self._router.match(request.method, request.path)
        if match is None:
            return Place(None, f"{request.method} (no such path)")
        named = [
            match.parameters[name]
            for name in ("objectType", "fromObjectType", "toObjectType")
            if name in match.parameters
        ]
        types = [self._account.object_type(name) or name for name in named] or [""]
        kind = self._kinds[match.route]
        if kind == "list" and (request.value("archived") or "").lower() == "true":
            kind = "archived"
        needs = tuple(self._scopes[match.route](object_type) for object_type in types)
        return Place(match, match.route, kind, types[0], needs)

    def _add_routes(
        self, settings: HubSpotSettings, limiter: RateLimiter, conditions: Conditions
    ) -> None:
        schema = Schema(self._account)
        objects = ObjectEndpoints(self._account, schema, conditions)
        ties = AssociationEndpoints(self._account)
        emails = EmailEndpoints(self._account)
        about = SettingsEndpoints(self._account, settings, schema, limiter)
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
            add("search", "POST", one + "/search", objects.search, _object_scopes)
            add("batch_read", "POST", one + "/batch/read", objects.batch_read, _object_scopes)
            add("list", "GET", one, objects.all, _object_scopes)
            add("record", "GET", one + "/{objectId}", objects.one, _object_scopes)
            names = crm % "properties" + "/{objectType}"
            add("properties", "GET", names, about.properties, _schema_scopes)
            add("properties", "GET", names + "/{propertyName}", about.one_property, _schema_scopes)
            pipelines = crm % "pipelines" + "/{objectType}"
            add("pipelines", "GET", pipelines, about.pipelines, _schema_scopes)
            add("pipelines", "GET", pipelines + "/{pipelineId}", about.one_pipeline, _schema_scopes)
            add(
                "pipelines", "GET", pipelines + "/{pipelineId}/stages", about.stages, _schema_scopes
            )
            add("owners", "GET", crm % "owners", about.owners, _owner_scopes)
            add("owners", "GET", crm % "owners" + "/{ownerId}", about.one_owner, _owner_scopes)
            add("emails", "GET", marketing, emails.all, _email_scopes)
            add("emails", "GET", marketing + "/statistics/list", emails.statistics, _email_scopes)
            add(
                "emails",
                "GET",
                marketing + "/statistics/histogram",
                emails.histogram,
                _email_scopes,
            )
            add("account", "GET", info + "/details", about.details, _no_scopes)
            add("account", "GET", info + "/api-usage/daily/private-apps", about.usage, _no_scopes)
        for version in ("v4", *DATED_VERSIONS):
            crm = f"/crm/{version}/%s" if version == "v4" else f"/crm/%s/{version}"
            tied = crm % "objects" + "/{objectType}/{objectId}/associations/{toObjectType}"
            add("associations", "GET", tied, ties.of_one, _object_scopes)
            batch = crm % "associations" + "/{fromObjectType}/{toObjectType}/batch/read"
            add("associations", "POST", batch, ties.batch_read, _object_scopes)

    def _add(
        self, kind: str, method: str, template: str, handler: Handler, scopes: _Scopes
    ) -> None:
        self._router.add(method, template, handler)
        self._kinds[f"{method} {template}"] = kind
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
