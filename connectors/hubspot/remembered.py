"""What changes seldom and is asked for once in a while: the account's details and its properties.

Belongs here: keeping both between runs, and when they are asked for again. Does not belong here: what
they say (account, schema). Two requests a dataset would be as many again as a run needs in which
nothing has changed.

A token belongs to one account for ever, so a note that was made with the same token is of the same
account. A property that is deleted shows at once, because records then lack it (record_rows); another
type shows when the note is old.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

from connectors.hubspot.account import AccountDetails, read_account
from connectors.hubspot.paths import Paths
from connectors.hubspot.schema import (
    BoundProperty,
    Definitions,
    read_definitions,
    verdicts,
)
from connectors.hubspot.transport import Transport
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.source_memory import recall, remember

LIVES: Final = timedelta(hours=6)
"""How long a note is believed."""

_ACCOUNT: Final = "account"
_DEFINITIONS: Final = "definitions"
_WHOLE_SOURCE: Final = ""


def account_of(
    transport: Transport, paths: Paths, warehouse: Warehouse, source: str, now: datetime
) -> AccountDetails:
    """The account's details, asked for if nobody has with this token in the last hours."""
    with warehouse.read() as connection:
        noted = recall(connection, source, _WHOLE_SOURCE, _ACCOUNT, now, LIVES)
    if noted is not None and noted["token"] == transport.fingerprint:
        return AccountDetails(**noted["details"])
    details = read_account(transport, paths)
    note = {"token": transport.fingerprint, "details": asdict(details)}
    with warehouse.write() as connection:
        remember(connection, source, _WHOLE_SOURCE, _ACCOUNT, note, now)
    return details


def schema_of(
    transport: Transport,
    paths: Paths,
    warehouse: Warehouse,
    need: RecordsNeed,
    now: datetime,
    *,
    anew: bool,
) -> dict[str, BoundProperty]:
    """A verdict on every bound property, by what an earlier run has read where that will do.

    HubSpot is asked `anew` on request, and always while a bound property does not exist.
    """
    with warehouse.read() as connection:
        noted = recall(connection, need.source, need.dataset, _DEFINITIONS, now, LIVES)
    if not anew and noted is not None and noted["token"] == transport.fingerprint:
        defined: Definitions = noted["defined"]
        if need.fields <= defined.keys():
            return verdicts(need, defined)
    defined = read_definitions(transport, paths, need.dataset)
    bound = {name: defined[name] for name in sorted(need.fields & defined.keys())}
    note = {"token": transport.fingerprint, "defined": bound}
    with warehouse.write() as connection:
        remember(connection, need.source, need.dataset, _DEFINITIONS, note, now)
    return verdicts(need, defined)
