"""Faults of delivery, which are the same for every service over HTTP.

Belongs here: an answer that is right and doesn't arrive as it should. Does not belong here: sockets
(http_server carries it out) or what was answered.
"""

from dataclasses import replace

from connectors.sandbox.faults import Switch
from connectors.sandbox.http_server import Manner, Response

_PAGE = b"<!DOCTYPE html>\n<html><title>Sign in</title><p>Please sign in.</html>\n"


def delivered(switch: Switch, response: Response) -> Response:
    """The response as this fault lets it arrive."""
    match switch.fault.name.partition(".")[2]:
        case "200_html":
            headers = {"Content-Type": "text/html; charset=UTF-8"}
            return Response(200, _PAGE, headers, response.route)
        case "200_cut_json":
            return replace(response, body=response.body[: len(response.body) // 2])
        case "200_empty":
            return replace(response, body=b"")
        case "drop":
            return replace(response, manner=Manner.DROPPED)
        case "drop_midway":
            return replace(response, manner=Manner.CUT)
        case "trickle":
            return replace(response, manner=Manner.TRICKLING, seconds=switch.seconds())
        case "hang":
            return replace(response, manner=Manner.HELD, seconds=switch.seconds())
        case "slow":
            return replace(response, seconds=switch.seconds())
    raise ValueError(f"{switch.fault.name} is no fault of delivery")
