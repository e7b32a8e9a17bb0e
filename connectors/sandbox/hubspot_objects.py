"""Records over HTTP: list, one by id, batch read and search.

Belongs here: what a record looks like in a response and these four endpoints (api_facts B3).
Does not belong here: which records match a search (hubspot_index), ties between records
(hubspot_associations).
"""

import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from connectors.sandbox.account import Account, singular
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_errors import invalid, not_found
from connectors.sandbox.hubspot_index import SearchIndex
from connectors.sandbox.hubspot_paging import (
    decode_after,
    encode_after,
    flag,
    next_page,
    page_size,
    values,
)
from connectors.sandbox.hubspot_properties import (
    PropertyType,
    constant_properties,
    default_properties,
    is_whole,
)
from connectors.sandbox.hubspot_schema import Schema
from connectors.sandbox.hubspot_search_request import read_object, read_search, text_list
from connectors.sandbox.records import Record, iso_millis

_LARGEST_PAGE = 100
_LARGEST_PAGE_WITH_HISTORY = 50
_LARGEST_BATCH = 100


class Conditions(threading.local):
    """What is odd about the request that the current thread answers (hubspot_faults sets it)."""

    index_lag = timedelta(0)
    ids_as_text = False
    list_in_order = True


class ObjectEndpoints:
    """Answers /crm/…/objects/{objectType} of one account."""

    def __init__(self, account: Account, schema: Schema, conditions: Conditions) -> None:
        self._account = account
        self._conditions = conditions
        self._schema = schema
        self._index = SearchIndex(account)

    def all(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """All records by id, a page at a time; only live ones, or only archived ones."""
        object_type = resolve(self._account, parameters["objectType"])
        history = values(request, "propertiesWithHistory")
        most = _LARGEST_PAGE_WITH_HISTORY if history else _LARGEST_PAGE
        limit = page_size(request, default=10, most=most)
        after = decode_after(request, object_type)
        asked = self._asked(object_type, values(request, "properties"), history)
        tied = [resolve(self._account, name) for name in values(request, "associations")]
        with self._account.lock:
            page, more = self._account.table(object_type).page(
                after,
                limit,
                flag(request, "archived"),
                in_order=self._conditions.list_in_order,
            )
            results = [self._with_ties(object_type, one, asked, history, tied) for one in page]
        payload: dict[str, Any] = {"results": results}
        if more:
            payload["paging"] = next_page(request, encode_after(object_type, page[-1].id))
        return json_response(200, payload)

    def one(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """One record by id; archived ones only when asked for. A merged id gives the kept one."""
        object_type = resolve(self._account, parameters["objectType"])
        history = values(request, "propertiesWithHistory")
        asked = self._asked(object_type, values(request, "properties"), history)
        tied = [resolve(self._account, name) for name in values(request, "associations")]
        with self._account.lock:
            record = self._find(
                object_type, parameters["objectId"], archived=flag(request, "archived")
            )
            if record is None:
                raise not_found()
            payload = self._with_ties(object_type, record, asked, history, tied)
        return json_response(200, payload)

    def batch_read(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """Records by ids, at most 100 (50 with history); 207 with `errors` if some are missing."""
        object_type = resolve(self._account, parameters["objectType"])
        content = read_object(request.body)
        history = text_list(content, "propertiesWithHistory")
        ids = read_ids(content, _LARGEST_PAGE_WITH_HISTORY if history else _LARGEST_BATCH)
        id_property = content.get("idProperty")
        if id_property not in (None, "hs_object_id"):
            raise invalid(f"idProperty {id_property!r} is not a unique property.")
        asked = self._asked(object_type, text_list(content, "properties"), history)
        archived = flag(request, "archived")
        started = self._account.clock()
        found: dict[int, Record] = {}
        missing = []
        with self._account.lock:
            for text in dict.fromkeys(ids):
                record = self._find(object_type, text, archived=archived)
                if record is None:
                    missing.append(text)
                else:
                    found[record.id] = record
        payload: dict[str, Any] = {
            "status": "COMPLETE",
            "results": [_described(found[key], asked, history) for key in sorted(found)],
        }
        if missing:
            payload["numErrors"] = 1
            payload["errors"] = [
                {
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "message": f"Could not get some {singular(object_type).upper()} objects, they "
                    "may be deleted or not exist. Check that ids are valid.",
                    "context": {"ids": missing},
                }
            ]
        payload["startedAt"] = iso_millis(started)
        payload["completedAt"] = iso_millis(self._account.clock())
        return json_response(207 if missing else 200, payload)

    def search(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """Live records that match, as the index knows them; the page by offset, 10,000 at most."""
        object_type = resolve(self._account, parameters["objectType"])
        types = self._schema.types(object_type)
        if self._conditions.ids_as_text:
            types = {**types, "hs_object_id": PropertyType.STRING}
        search = read_search(request.body, types)
        asked = self._asked(object_type, search.properties, ())
        total, page = self._index.find(object_type, search, types, self._conditions.index_lag)
        payload: dict[str, Any] = {
            "total": total,
            "results": [_described(record, asked, ()) for record in page],
        }
        end = search.offset + len(page)
        if page and end < total:
            payload["paging"] = {"next": {"after": str(end)}}
        return json_response(200, payload)

    def _asked(
        self, object_type: str, names: Iterable[str], history: Iterable[str]
    ) -> tuple[str, ...]:
        """The properties of a response: those asked for that exist, or the default ones."""
        wanted = {*names, *history}
        if not wanted:
            return tuple(sorted(default_properties(object_type)))
        types = self._schema.types(object_type)
        known = {name for name in wanted if name in types}
        return tuple(sorted({*known, *constant_properties(object_type)}))

    def _find(self, object_type: str, text: str, *, archived: bool) -> Record | None:
        if not is_whole(text):
            return None
        record = self._account.record(object_type, int(text))
        if record is None or (record.archived_at is not None) is not archived:
            return None
        return record

    def _with_ties(
        self,
        object_type: str,
        record: Record,
        asked: tuple[str, ...],
        history: Iterable[str],
        tied: Iterable[str],
    ) -> dict[str, Any]:
        described = _described(record, asked, history)
        ties = {}
        for other in tied:
            found = self._account.associated(object_type, record.id, other)
            if found:
                kind = f"{singular(object_type)}_to_{singular(other)}"
                ids = dict.fromkeys(tie.to_id for tie in found)
                ties[other] = {"results": [{"id": str(to_id), "type": kind} for to_id in ids]}
        if ties:
            described["associations"] = ties
        return described


def resolve(account: Account, name: str) -> str:
    """The object type that a request names; HubSpotError 400 if there is none."""
    object_type = account.object_type(name)
    if object_type is None:
        raise invalid(f"Unable to infer object type from: {name}")
    return object_type


def read_ids(content: Mapping[str, Any], most: int) -> list[str]:
    """The ids of a batch request's `inputs`; HubSpotError 400 if there are none or too many."""
    inputs = content.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise invalid("inputs must be a list of {id}.")
    if len(inputs) > most:
        raise invalid(f"There are {len(inputs)} inputs; at most {most} are allowed.")
    ids = [one.get("id") if isinstance(one, dict) else None for one in inputs]
    if not all(isinstance(text, str) for text in ids):
        raise invalid("Each of the inputs must have an id, which is a string.")
    return [text for text in ids if isinstance(text, str)]


def _described(record: Record, asked: tuple[str, ...], history: Iterable[str]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": str(record.id),
        "properties": {name: record.properties.get(name) for name in asked},
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
        "archived": record.archived_at is not None,
    }
    if record.archived_at is not None:
        described["archivedAt"] = record.archived_at
    if history:
        described["propertiesWithHistory"] = {
            name: [
                {
                    "value": version.value,
                    "timestamp": version.timestamp,
                    "sourceType": "INTEGRATION",
                    "sourceId": "sandbox",
                }
                for version in record.versions(name)
            ]
            for name in history
            if name in asked
        }
    return described
