"""Prepared pages of contacts over HTTP, so that no sandbox's own work is in the way of a measurement.

Belongs here: the answers that a first sync needs, made beforehand and sent as they are. Does not
belong here: what is measured (hubspot). It checks nothing: behaviour is tested against the sandbox.

A page is made once for a hundred contacts and sent again and again with other ids: of each id the
last five digits are the contact's place among 100,000, the four before are put in when it is sent.
"""

import json
import re
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from random import Random
from typing import Any, Final

PAGE: Final = 100
PREPARED: Final = 1_000
FIELDS: Final = (
    *("lifecyclestage", "hs_analytics_source", "hs_lead_status", "country", "plan", "industry"),
    *("hubspot_owner_id", "first_campaign", "hs_marketable", "signed_on"),
    *("num_associated_deals", "hs_analytics_num_visits", "total_revenue", "score", "days_to_close"),
    *("createdate", "hs_v2_date_entered_lead", "hs_v2_date_entered_marketingqualifiedlead"),
    *("hs_v2_date_entered_salesqualifiedlead", "first_conversion_date"),
)
_TYPES: Final = {
    "hs_marketable": "bool",
    "signed_on": "date",
    **dict.fromkeys(FIELDS[10:15], "number"),
    **dict.fromkeys(FIELDS[15:], "datetime"),
}
_BLOCK: Final = b"#BLK"
_FIRST_ID: Final = 1_000 * 100_000
_DESTINATION: Final = re.compile(rb"(GET|POST) ([^? ]+)(?:\?(?:[^ ]*&)?after=(\d+)|)")


def serve(count: int, ready: Connection) -> None:
    """Serve an account of `count` contacts on a free port, which is sent to `ready`, for ever.

    Serve in a process of its own. `count` is a multiple of a page.
    """
    pages = [_page(number) for number in range(min(PREPARED, count // PAGE))]
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    ready.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection, count, pages), daemon=True).start()


def list_query(after: int) -> str:
    """The address of the page of contacts after so many."""
    return f"/crm/v3/objects/contacts?limit={PAGE}&after={after}"


def _converse(connection: socket.socket, count: int, pages: list[bytes]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting:
            part = connection.recv(1 << 16)
            if not part:
                return
            waiting += part
        head, _, waiting = waiting.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        length = int(found[1]) if found else 0
        while len(waiting) < length:
            waiting += connection.recv(1 << 16)
        body, waiting = waiting[:length], waiting[length:]
        answer = _answer(head, body, count, pages)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\n"
            b"X-HubSpot-RateLimit-Max: 1000000\r\nX-HubSpot-RateLimit-Remaining: 1000000\r\n"
            b"X-HubSpot-RateLimit-Interval-Milliseconds: 10000\r\n"
            b"X-HubSpot-RateLimit-Daily: 1000000\r\nX-HubSpot-RateLimit-Daily-Remaining: 999999\r\n"
            b"Content-Length: %d\r\n\r\n" % len(answer)
        )
        connection.sendall(answer)


def _answer(head: bytes, body: bytes, count: int, pages: list[bytes]) -> bytes:
    asked = _DESTINATION.match(head)
    path = asked[2] if asked else b""
    if path.endswith(b"/details"):
        return b'{"portalId": 1, "timeZone": "UTC", "companyCurrency": "EUR"}'
    if b"/properties/" in path:
        known = [{"name": name, "type": _TYPES.get(name, "string")} for name in FIELDS]
        return json.dumps({"results": known}).encode()
    if path.endswith(b"/search"):
        return json.dumps(_found(json.loads(body), count, pages)).encode()
    after = int(asked[3] or 0) if asked else 0
    number = after // PAGE
    page = _numbered(pages[number % PREPARED], number // PREPARED)
    following = after + PAGE
    if following >= count:
        return page
    return page[:-1] + b', "paging": {"next": {"after": "%d"}}}' % following


def _found(search: dict[str, Any], count: int, pages: list[bytes]) -> dict[str, Any]:
    """The searches of a first sync and of one in which nothing changed: all of them, newest first;
    those from an id on or between two; and changes, of which there are none."""
    groups = search.get("filterGroups")
    if groups is None:
        some = [one for number in range(3) for one in _records(number, pages)]
        records = sorted(some, key=lambda one: str(one["updatedAt"]), reverse=True)
        return {"total": count, "results": records[: search["limit"]]}
    (condition,) = groups[0]["filters"]
    if condition["propertyName"] != "hs_object_id":
        return {"total": 0, "results": []}
    place = max(0, int(condition["value"]) - _FIRST_ID)
    end = min(count, int(condition.get("highValue", _FIRST_ID + count)) - _FIRST_ID + 1)
    numbers = range(place // PAGE, min(place // PAGE + 3, count // PAGE))
    records = [one for number in numbers for one in _records(number, pages)]
    asked = min(search["limit"], end - place)
    return {"total": end - place, "results": records[place % PAGE :][:asked]}


def _records(number: int, pages: list[bytes]) -> list[dict[str, Any]]:
    page = _numbered(pages[number % PREPARED], number // PREPARED)
    records: list[dict[str, Any]] = json.loads(page)["results"]
    return records


def _numbered(page: bytes, block: int) -> bytes:
    return page.replace(_BLOCK, b"%04d" % (block + 1_000))


def _page(number: int) -> bytes:
    draw = Random(number)
    records = [_record(number * PAGE + place, draw) for place in range(PAGE)]
    return json.dumps({"results": records}).encode()


def _record(place: int, draw: Random) -> dict[str, Any]:
    times = _times(draw)
    created, updated = next(times), next(times)
    properties: dict[str, str | None] = {
        "hs_object_id": f"{_BLOCK.decode()}{place:05d}",
        "lastmodifieddate": updated,
        "createdate": created,
        "lifecyclestage": draw.choice(("lead", "marketingqualifiedlead", "customer", "2947113")),
        "hs_analytics_source": draw.choice(("PAID_SEARCH", "ORGANIC_SEARCH", "DIRECT_TRAFFIC")),
        "hs_lead_status": draw.choice(("NEW", "OPEN", "IN_PROGRESS", None)),
        "country": draw.choice(("Germany", "United States", "Côte d'Ivoire", "Japan", None)),
        "plan": draw.choice(("free", "team", "enterprise")),
        "industry": draw.choice(("Software", "Retail", "Manufacturing", None)),
        "hubspot_owner_id": str(draw.randrange(10**8, 10**8 + 200)),
        "first_campaign": f"{draw.randrange(10**9):x} Autumn campaign",
        "hs_marketable": draw.choice(("true", "false")),
        "signed_on": times.__next__()[:10],
        "num_associated_deals": draw.choice((None, "1", "2", "3")),
        "hs_analytics_num_visits": str(draw.randrange(400)),
        "total_revenue": f"{draw.randrange(10**7) / 100}" if draw.random() < 0.5 else None,
        "score": str(draw.randrange(100)),
        "days_to_close": str(draw.randrange(300)) if draw.random() < 0.3 else None,
        "hs_v2_date_entered_lead": next(times),
        "hs_v2_date_entered_marketingqualifiedlead": next(times) if draw.random() < 0.5 else None,
        "hs_v2_date_entered_salesqualifiedlead": next(times) if draw.random() < 0.2 else None,
        "first_conversion_date": next(times) if draw.random() < 0.6 else None,
    }
    return {
        "id": f"{_BLOCK.decode()}{place:05d}",
        "properties": properties,
        "createdAt": created,
        "updatedAt": updated,
        "archived": False,
    }


def _times(draw: Random) -> Iterator[str]:
    while True:
        yield (
            f"2026-{draw.randrange(1, 11):02d}-{draw.randrange(1, 29):02d}T"
            f"{draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}."
            f"{draw.randrange(1000):03d}Z"
        )
