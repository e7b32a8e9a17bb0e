"""Which handler answers which path.

Belongs here: matching a method and a path against templates such as /crm/v3/objects/{type}.
Does not belong here: sockets (http_server) or what the handlers answer.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.sandbox.http_server import Request, Response

Handler = Callable[[Request, Mapping[str, str]], Response]


@dataclass(frozen=True)
class Match:
    """A route that fits: its handler, the values in the path, and the name it is counted under."""

    handler: Handler
    parameters: Mapping[str, str]
    route: str


class Router:
    """Finds the handler for a request; templates added first win."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], str, Handler]] = []

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Route a method and a path template, whose `{name}` parts match up to the next slash.

        A trailing slash in the path is optional.
        """
        literals = re.split(r"\{(\w+)\}", template)
        pattern = "".join(
            f"(?P<{part}>[^/]+?)" if index % 2 else re.escape(part)
            for index, part in enumerate(literals)
        )
        self._routes.append((method, re.compile(pattern + "/?"), f"{method} {template}", handler))

    def match(self, method: str, path: str) -> Match | None:
        """The first route that fits, or None."""
        for its_method, pattern, route, handler in self._routes:
            if its_method == method and (found := pattern.fullmatch(path)):
                return Match(handler, found.groupdict(), route)
        return None
