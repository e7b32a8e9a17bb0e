"""A look at one HubSpot account: token, scopes of what is bound, requests left, clock.

Belongs here: the few requests that tell. Does not belong here: pulls (connector) or whether bound
properties fit (schema).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from connectors.health import Finding, Level, failed
from connectors.hubspot.account import read_account
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.emails import EMAILS
from connectors.hubspot.paths import Paths
from connectors.hubspot.shapes import check_properties, check_records
from connectors.hubspot.transport import LOOK, Document, Transport
from okr_sync.config.models import HubSpotSource
from okr_sync.errors import SourceError, TransientSourceError

_FEW_LEFT = 0.1
_SKEW_WARNING = timedelta(minutes=1)
_SKEW_FAILURE = timedelta(minutes=10)
_ONE = (("limit", "1"),)


def look(
    source: HubSpotSource, objects: Iterable[str], environ: Mapping[str, str]
) -> list[Finding]:
    """What works of an account and what doesn't; `objects` are those that bindings read.

    Makes two requests an object, and one more. Stops at the first failure that holds for all, and
    where the account does not answer.
    """
    connector = HubSpotConnector(source, environ, LOOK)
    try:
        transport = connector.transport()
        paths = Paths(source.api)
        account = read_account(transport, paths)
        found = [
            Finding(
                Level.OK,
                f"{source.name}: token",
                f"{source.token_env} is accepted by portal {account.portal_id}",
            )
        ]
        for name in sorted(objects):
            subject = f"{source.name}: scopes for {name}"
            try:
                _read_one(transport, paths, name)
                found.append(Finding(Level.OK, subject, "may be read"))
            except TransientSourceError as error:
                # Who does not answer now is not waited for once more.
                return [*found, failed(subject, error.user_text)]
            except SourceError as error:
                found.append(failed(subject, error.user_text))
        return [*found, *_quota(source, transport), *_clock(source, transport)]
    except SourceError as error:
        return [failed(f"{source.name}: token", error.user_text)]
    finally:
        connector.close()


def _read_one(transport: Transport, paths: Paths, name: str) -> None:
    """Read a record and the properties of an object, to see whether that is allowed."""
    if name == EMAILS:
        transport.get(
            paths.marketing_emails(), _ONE, reading="marketing e-mails", check=_any_answer
        )
    else:
        transport.get(paths.records(name), _ONE, reading=name, check=check_records)
        transport.get(paths.properties(name), (), reading=name, check=check_properties)


def _any_answer(document: Document) -> None:
    """An e-mail is not shaped as a record; that it may be read is all that is asked here."""


def _quota(source: HubSpotSource, transport: Transport) -> Iterator[Finding]:
    subject = f"{source.name}: requests left"
    daily, left = transport.quota.get("daily"), transport.quota.get("daily_remaining")
    if daily is None or left is None:
        yield Finding(Level.OK, subject, "HubSpot named no daily limit")
        return
    text = f"{left:,} of {daily:,} today"
    if left < daily * _FEW_LEFT:
        yield Finding(
            Level.WARNING,
            subject,
            text,
            "The limit is shared by all apps of the account. Sync less often until it resets at the "
            "portal's midnight, or find the app that uses it up.",
        )
    else:
        yield Finding(Level.OK, subject, text)


def _clock(source: HubSpotSource, transport: Transport) -> Iterator[Finding]:
    subject = "clock"
    there = transport.server_at
    if there is None:
        return
    skew = abs(datetime.now(UTC) - there)
    text = f"within {_SKEW_WARNING.seconds} s of HubSpot's"
    if skew > _SKEW_WARNING:
        level = Level.FAILED if skew > _SKEW_FAILURE else Level.WARNING
        text = f"{int(skew.total_seconds()):,} s away from HubSpot's"
        yield Finding(
            level,
            subject,
            text,
            "What `today` and `changed since` mean hangs on this machine's clock. Switch on NTP.",
        )
        return
    yield Finding(Level.OK, subject, text)
