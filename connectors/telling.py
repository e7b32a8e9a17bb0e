"""Sending messages to people through Apprise: Slack, Teams, e-mail, webhooks and many more.

Belongs here: the addresses of a channel, which are in the environment only, and one attempt to reach
each. Does not belong here: what is told (okr_sync.briefing) or what is remembered of it
(okr_sync.warehouse.messages).

Addresses hold secrets: no text of this module names more than the variable and the kind of service.
Forms of addresses: https://appriseit.com/services/
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.messages import Message, record_attempt, take_due

AT_A_TIME = 20
"""How many messages one round sends: a sensor has a minute."""

_TALKATIVE = tuple(
    logging.getLogger(name)
    for name in ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib")
)
"""Loggers whose lines name addresses."""

_quiet_lock = threading.Lock()


def send_due(warehouse: Warehouse, environ: Mapping[str, str], now: datetime) -> list[str]:
    """Send what is due; gives a sentence for each message that could not be sent, without secrets.

    Such a message stays queued and is tried again later. Addresses that have it are not told twice.
    """
    problems = []
    for message in take_due(warehouse, now, AT_A_TIME):
        reached, error = _send(message, environ)
        record_attempt(warehouse, message, reached, error, now)
        if error is not None:
            problems.append(f"{message.title}: {error}")
    return problems


def _send(message: Message, environ: Mapping[str, str]) -> tuple[set[str], str | None]:
    """Try each address that doesn't have the message yet."""
    addresses = environ.get(message.channel, "").split()
    if not addresses:
        return set(), (
            f"The environment variable {message.channel} is not set. Put the channel's addresses "
            "into it, such as mailto://… or slack://…, with spaces between them."
        )
    reached = set(message.reached)
    failed: list[str] = []
    with _quiet():
        for number, address in enumerate(addresses):
            if str(number) not in reached:
                failure = _reach(message, address)
                if failure is None:
                    reached.add(str(number))
                else:
                    failed.append(f"{failure} (address {number + 1} of {message.channel})")
    return reached, " ".join(failed) or None


def _reach(message: Message, address: str) -> str | None:
    """Send to one address; why it didn't arrive, or None."""
    import apprise  # takes a second to import, which only those who tell people should pay

    service = apprise.Apprise()
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,20}(?=://)", address)
    if scheme is None or not service.add(address):
        return "It is no address that can be used: see https://appriseit.com/services/."
    formats = service[0].notify_format
    preferred = formats[0] if isinstance(formats, tuple | list) else formats
    html = message.html if preferred == apprise.NotifyFormat.HTML else None
    done = service.notify(
        title=message.title,
        body=html or message.body,
        body_format=apprise.NotifyFormat.HTML if html else apprise.NotifyFormat.TEXT,
    )
    return None if done else f"The receiver of {scheme[0]}:// is down or refuses the message."


@contextmanager
def _quiet() -> Iterator[None]:
    """Let nobody log an address.

    One thread at a time: the first to end would let the loggers talk while another still sends.
    """
    with _quiet_lock:
        before = [logger.disabled for logger in _TALKATIVE]
        try:
            for logger in _TALKATIVE:
                logger.disabled = True
            yield
        finally:
            for logger, was in zip(_TALKATIVE, before, strict=True):
                logger.disabled = was
