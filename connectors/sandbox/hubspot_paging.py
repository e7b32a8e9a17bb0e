"""Reading the query parameters that all lists share, and telling of the next page.

Belongs here: limit, after, flags, lists of names, `paging`. Does not belong here: search, whose
paging is in the body (hubspot_search_request).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any
from urllib.parse import urlencode

from connectors.sandbox.http_server import Request
from connectors.sandbox.hubspot_errors import invalid
from connectors.sandbox.hubspot_properties import is_whole


def page_size(request: Request, *, default: int, most: int) -> int:
    """The `limit` asked for; outside 1 to `most` it is refused, not clipped."""
    text = request.value("limit")
    if text is None:
        return default
    if not is_whole(text) or not 1 <= int(text) <= most:
        raise invalid(f"limit is {text!r}; it must be a whole number from 1 to {most}.")
    return int(text)


def values(request: Request, name: str) -> list[str]:
    """A list parameter, whether repeated (`a=1&a=2`) or separated by commas (`a=1,2`)."""
    return [part for value in request.values(name) for part in value.split(",") if part]


def flag(request: Request, name: str) -> bool:
    """A boolean parameter as clients write it: true, True, false, False; absent is False."""
    text = request.value(name)
    if text is None or text.lower() == "false":
        return False
    if text.lower() == "true":
        return True
    raise invalid(f"{name} is {text!r}; it must be true or false.")


def encode_after(kind: str, last: int) -> str:
    """An opaque token for the page that follows the item `last`."""
    return urlsafe_b64encode(f"{kind}:{last}".encode()).decode()


def decode_after(request: Request, kind: str) -> int:
    """The item after which the page starts, 0 for the first page."""
    token = request.value("after")
    return after_item(token, kind) if token else 0


def after_item(token: str, kind: str) -> int:
    """What a token made by `encode_after` for the same kind of list says."""
    try:
        text = urlsafe_b64decode(token.encode()).decode()
    except (Base64Error, UnicodeError, ValueError):
        text = ""
    its_kind, _, last = text.rpartition(":")
    if its_kind != kind or not is_whole(last):
        raise invalid(f"after is {token!r}, which no page of this list gave.")
    return int(last)


def next_page(request: Request, after: str) -> dict[str, Any]:
    """The `paging` part: the token and the address of the next page."""
    query = [(name, value) for name, value in request.query if name != "after"]
    host = request.headers.get("host", "127.0.0.1")
    link = f"http://{host}{request.path}?{urlencode([*query, ('after', after)])}"
    return {"next": {"after": after, "link": link}}
