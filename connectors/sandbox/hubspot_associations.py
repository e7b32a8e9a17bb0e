"""Ties between records over HTTP: of one record, and of many (associations v4).

Belongs here: these two endpoints and their paging (api_facts B3). Does not belong here: the ties
themselves (account).
"""

from collections.abc import Mapping
from typing import Any

from connectors.sandbox.account import Account
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_errors import invalid, not_found
from connectors.sandbox.hubspot_objects import read_ids, resolve
from connectors.sandbox.hubspot_paging import (
    after_item,
    decode_after,
    encode_after,
    next_page,
    page_size,
)
from connectors.sandbox.hubspot_properties import is_whole
from connectors.sandbox.hubspot_search_request import read_object
from connectors.sandbox.records import iso_millis

_PAGE = 500
_LARGEST_BATCH = 1000


class AssociationEndpoints:
    """Answers the association paths of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def of_one(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """What one record is tied to, by id, up to 500 a page."""
        from_type = resolve(self._account, parameters["objectType"])
        to_type = resolve(self._account, parameters["toObjectType"])
        limit = page_size(request, default=_PAGE, most=_PAGE)
        kind = _token_kind(from_type, parameters["objectId"], to_type)
        after = decode_after(request, kind)
        text = parameters["objectId"]
        record = self._account.record(from_type, int(text)) if is_whole(text) else None
        if record is None or record.archived_at is not None:
            raise not_found()
        results, last = self._page(from_type, record.id, to_type, after, limit)
        payload: dict[str, Any] = {"results": results}
        if last is not None:
            payload["paging"] = next_page(request, encode_after(kind, last))
        return json_response(200, payload)

    def batch_read(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """What up to 1,000 records are tied to; records without ties are left out.

        Each input may have an `after`, which the `paging` of its result gave.
        """
        from_type = resolve(self._account, parameters["fromObjectType"])
        to_type = resolve(self._account, parameters["toObjectType"])
        content = read_object(request.body)
        ids = read_ids(content, _LARGEST_BATCH)
        started = self._account.clock()
        results = []
        for text, given in zip(ids, content["inputs"], strict=True):
            if not is_whole(text):
                raise invalid(f"The id {text!r} is not a whole number.")
            kind = _token_kind(from_type, text, to_type)
            token = given.get("after")
            after = after_item(token, kind) if isinstance(token, str) and token else 0
            ties, last = self._page(from_type, int(text), to_type, after, _PAGE)
            if ties:
                result: dict[str, Any] = {"from": {"id": text}, "to": ties}
                if last is not None:
                    result["paging"] = {"next": {"after": encode_after(kind, last)}}
                results.append(result)
        return json_response(
            200,
            {
                "status": "COMPLETE",
                "results": results,
                "startedAt": iso_millis(started),
                "completedAt": iso_millis(self._account.clock()),
            },
        )

    def _page(
        self, from_type: str, from_id: int, to_type: str, after: int, limit: int
    ) -> tuple[list[dict[str, Any]], int | None]:
        """A page of ties, and the id that it ends with if more follow."""
        with self._account.lock:
            record = self._account.record(from_type, from_id)
            if record is None or record.archived_at is not None:
                return [], None
            ties = self._account.associated(from_type, record.id, to_type)
        by_id: dict[int, list[dict[str, Any]]] = {}
        for tie in ties:
            if tie.to_id > after:
                by_id.setdefault(tie.to_id, []).append(
                    {"category": tie.category, "typeId": tie.type_id, "label": tie.label}
                )
        chosen = list(by_id)[:limit]
        page = [{"toObjectId": str(to_id), "associationTypes": by_id[to_id]} for to_id in chosen]
        return page, chosen[-1] if len(by_id) > limit else None


def _token_kind(from_type: str, from_id: str, to_type: str) -> str:
    return f"{from_type}/{from_id}/{to_type}"
