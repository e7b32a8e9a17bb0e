"""What a portal is set up with: properties, pipelines, owners, account details and API usage.

Belongs here: these endpoints (api_facts B3). Does not belong here: inferring types
(hubspot_schema), records, e-mails.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.sandbox.account import Account, HubSpotSettings, PropertyOverride
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_errors import invalid, not_found
from connectors.sandbox.hubspot_limits import RateLimiter
from connectors.sandbox.hubspot_objects import resolve
from connectors.sandbox.hubspot_paging import (
    decode_after,
    encode_after,
    flag,
    next_page,
    page_size,
)
from connectors.sandbox.hubspot_properties import (
    LIFECYCLE_STAGES,
    TRAFFIC_SOURCES,
    PropertyType,
    is_whole,
    standard_properties,
)
from connectors.sandbox.hubspot_schema import Schema
from connectors.sandbox.records import UNKNOWN_TIME, iso_millis

_FIELD_TYPES = {
    PropertyType.STRING: "text",
    PropertyType.NUMBER: "number",
    PropertyType.DATETIME: "date",
    PropertyType.DATE: "date",
    PropertyType.BOOL: "booleancheckbox",
    PropertyType.ENUMERATION: "select",
}
_READ_ONLY = {"createdate", "hs_createdate", "hs_object_id", "lastmodifieddate"}
_PIPELINE_TIME = "1970-01-01T00:00:00Z"
_TOKEN = "owner"


class SettingsEndpoints:
    """Answers the paths that describe one account."""

    def __init__(
        self,
        account: Account,
        settings: HubSpotSettings,
        schema: Schema,
        limiter: RateLimiter,
    ) -> None:
        self._account = account
        self._settings = settings
        self._schema = schema
        self._limiter = limiter

    def properties(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """All properties of an object, unpaged. None is archived here."""
        object_type = resolve(self._account, parameters["objectType"])
        names = [] if flag(request, "archived") else sorted(self._schema.types(object_type))
        results = [self._property(object_type, name) for name in names]
        return json_response(200, {"results": results})

    def one_property(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """One property by name."""
        object_type = resolve(self._account, parameters["objectType"])
        name = parameters["propertyName"]
        if name not in self._schema.types(object_type):
            raise not_found(f'Property "{name}" does not exist')
        return json_response(200, self._property(object_type, name))

    def pipelines(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """All pipelines of an object with their stages, unpaged."""
        object_type = resolve(self._account, parameters["objectType"])
        return json_response(200, {"results": self._pipelines(object_type)})

    def one_pipeline(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """One pipeline by id."""
        return json_response(200, self._pipeline(parameters))

    def stages(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """The stages of one pipeline."""
        return json_response(200, {"results": self._pipeline(parameters)["stages"]})

    def owners(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """All owners by id, a page at a time; `email` picks one, `archived` the archived ones."""
        limit = page_size(request, default=100, most=500)
        after = decode_after(request, _TOKEN)
        archived, email = flag(request, "archived"), request.value("email")
        found = sorted(
            (
                row
                for row in self._account.owners
                if (row.get("archived") == "true") is archived
                and (email is None or row.get("email") == email)
            ),
            key=lambda row: int(row["id"]),
        )
        page = [row for row in found if int(row["id"]) > after][:limit]
        payload: dict[str, Any] = {"results": [_owner(row) for row in page]}
        if page and page[-1] is not found[-1]:
            payload["paging"] = next_page(request, encode_after(_TOKEN, int(page[-1]["id"])))
        return json_response(200, payload)

    def one_owner(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """One owner by id, or by user id with `idProperty=userId`."""
        given = request.value("idProperty") or "id"
        column = {"id": "id", "userId": "user_id"}.get(given)
        if column is None:
            raise invalid(f"idProperty is {given!r}; it must be id or userId.")
        archived = flag(request, "archived")
        for row in self._account.owners:
            is_archived = row.get("archived") == "true"
            if row.get(column) == parameters["ownerId"] and is_archived is archived:
                return json_response(200, _owner(row))
        raise not_found()

    def details(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """The portal's id, time zone and currency."""
        now = self._account.clock().astimezone(ZoneInfo(self._settings.time_zone))
        offset = now.utcoffset() or timedelta(0)
        return json_response(
            200,
            {
                "portalId": self._settings.portal_id,
                "accountType": "STANDARD",
                "timeZone": self._settings.time_zone,
                "companyCurrency": self._settings.currency,
                "additionalCurrencies": [],
                "utcOffset": now.isoformat()[-6:],
                "utcOffsetMilliseconds": int(offset.total_seconds() * 1000),
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            },
        )

    def usage(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """Today's calls against the day's limit; it starts again at the portal's midnight."""
        now = self._account.clock()
        zone = ZoneInfo(self._settings.time_zone)
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
        return json_response(
            200,
            {
                "results": [
                    {
                        "name": "private-apps-api-calls-daily",
                        "usageLimit": self._limiter.tier.daily,
                        "currentUsage": self._limiter.used_today,
                        "collectedAt": iso_millis(now),
                        "fetchStatus": "SUCCESS",
                        "resetsAt": iso_millis(midnight),
                    }
                ]
            },
        )

    def _property(self, object_type: str, name: str) -> dict[str, Any]:
        kind = self._schema.types(object_type)[name]
        override = self._account.overrides.get(object_type, {}).get(name, PropertyOverride())
        is_standard = name.startswith("hs_") or name in standard_properties(object_type)
        calculated = override.calculated or name.startswith("hs_v2_")
        is_fixed = calculated or name in _READ_ONLY or name.endswith("lastmodifieddate")
        return {
            "updatedAt": UNKNOWN_TIME,
            "createdAt": UNKNOWN_TIME,
            "name": name,
            "label": override.label or name.replace("_", " ").capitalize(),
            "type": kind,
            "fieldType": _FIELD_TYPES[kind],
            "description": "",
            "groupName": f"{object_type}information",
            "options": [
                {"label": label, "value": value, "displayOrder": order, "hidden": False}
                for order, (value, label) in enumerate(self._options(object_type, name, override))
            ],
            "displayOrder": -1,
            "calculated": calculated,
            "externalOptions": name == "hubspot_owner_id",
            "hasUniqueValue": False,
            "hidden": False,
            "hubspotDefined": is_standard,
            "modificationMetadata": {
                "archivable": not is_standard,
                "readOnlyDefinition": is_standard,
                "readOnlyOptions": False,
                "readOnlyValue": is_fixed,
            },
            "formField": not is_standard,
            "dataSensitivity": "non_sensitive",
        }

    def _options(
        self, object_type: str, name: str, override: PropertyOverride
    ) -> tuple[tuple[str, str], ...]:
        if override.options:
            return override.options
        pipelines = self._account.pipelines.get(object_type, [])
        if name in ("pipeline", "hs_pipeline"):
            return tuple((pipeline["id"], pipeline["label"]) for pipeline in pipelines)
        if name in ("dealstage", "hs_pipeline_stage"):
            return tuple(
                (stage["id"], stage["label"])
                for pipeline in pipelines
                for stage in pipeline.get("stages", [])
            )
        return {"lifecyclestage": LIFECYCLE_STAGES, "hs_analytics_source": TRAFFIC_SOURCES}.get(
            name, ()
        )

    def _pipelines(self, object_type: str) -> list[dict[str, Any]]:
        return [
            {
                "label": pipeline["label"],
                "displayOrder": order,
                "id": pipeline["id"],
                "stages": [
                    {
                        "label": stage["label"],
                        "displayOrder": place,
                        "metadata": stage.get("metadata", {}),
                        "id": stage["id"],
                        **_PIPELINE_TIMES,
                        "archived": False,
                        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                    }
                    for place, stage in enumerate(pipeline.get("stages", []))
                ],
                **_PIPELINE_TIMES,
                "archived": False,
            }
            for order, pipeline in enumerate(self._account.pipelines.get(object_type, []))
        ]

    def _pipeline(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        for pipeline in self._pipelines(resolve(self._account, parameters["objectType"])):
            if pipeline["id"] == parameters["pipelineId"]:
                return pipeline
        raise not_found()


_PIPELINE_TIMES = {"createdAt": _PIPELINE_TIME, "updatedAt": _PIPELINE_TIME}


def _owner(row: Mapping[str, str]) -> dict[str, Any]:
    user_id = int(row["user_id"]) if is_whole(row.get("user_id", "")) else None
    archived = row.get("archived") == "true"
    return {
        "id": row["id"],
        "email": row.get("email") or None,
        "type": row.get("type") or "PERSON",
        "firstName": row.get("first_name") or None,
        "lastName": row.get("last_name") or None,
        "userId": None if archived else user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": row.get("created_at") or UNKNOWN_TIME,
        "updatedAt": row.get("updated_at") or UNKNOWN_TIME,
        "archived": archived,
        "teams": [],
    }
