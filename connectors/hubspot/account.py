"""Whose data it is: portal, time zone and currency of the account behind a token.

Belongs here: the account's details. Does not belong here: what follows from another account
(records_pull).
"""

from dataclasses import dataclass

from connectors.hubspot.paths import Paths
from connectors.hubspot.shapes import check_account
from connectors.hubspot.transport import Transport


@dataclass(frozen=True)
class AccountDetails:
    """The account's own words: portal id, IANA time zone and home currency where it names them."""

    portal_id: str
    time_zone: str | None
    currency: str | None


def read_account(transport: Transport, paths: Paths) -> AccountDetails:
    """Ask for the details of the account; one request. Raises SourceError."""
    details = transport.get(paths.account(), (), reading="the account", check=check_account)
    return AccountDetails(
        str(details["portalId"]),
        _text(details.get("timeZone")),
        _text(details.get("companyCurrency")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
