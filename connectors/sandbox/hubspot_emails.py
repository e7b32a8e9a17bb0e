"""Marketing e-mails and their statistics.

Belongs here: the e-mail list, statistics by e-mail and by interval, counters and the ratios with
their mixed denominators (api_facts B6). Does not belong here: reading marketing_emails.csv
(account_files).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.sandbox.account import Account, MarketingEmail
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_errors import invalid
from connectors.sandbox.hubspot_paging import (
    decode_after,
    encode_after,
    flag,
    next_page,
    page_size,
    values,
)
from connectors.sandbox.hubspot_properties import is_whole
from connectors.sandbox.records import UNKNOWN_TIME, iso_millis

COUNTERS = (
    *("sent", "open", "delivered", "bounce", "unsubscribed", "click", "reply", "dropped"),
    *("selected", "spamreport", "suppressed", "hardbounced", "softbounced", "pending"),
    *("contactslost", "notsent"),
)
# Ratio → (numerator, denominator); open and click are shares of what was delivered, clickthrough
# of what was opened, bounces of what was sent (B6). All are 0 to 100.
_RATIOS = {
    "clickratio": ("click", "delivered"),
    "clickthroughratio": ("click", "open"),
    "deliveredratio": ("delivered", "sent"),
    "openratio": ("open", "delivered"),
    "replyratio": ("reply", "delivered"),
    "unsubscribedratio": ("unsubscribed", "delivered"),
    "spamreportratio": ("spamreport", "delivered"),
    "bounceratio": ("bounce", "sent"),
    "hardbounceratio": ("hardbounced", "sent"),
    "softbounceratio": ("softbounced", "sent"),
    "contactslostratio": ("contactslost", "sent"),
    "pendingratio": ("pending", "selected"),
    "notsentratio": ("notsent", "selected"),
}
_INTERVALS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_TOKEN = "email"


class EmailEndpoints:
    """Answers /marketing/…/emails of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def all(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """All e-mails by id, a page at a time; `includeStats` adds the statistics of each."""
        limit = page_size(request, default=10, most=100)
        after = decode_after(request, _TOKEN)
        archived, with_stats = flag(request, "archived"), flag(request, "includeStats")
        with self._account.lock:
            emails = [
                email
                for _, email in sorted(self._account.emails.items())
                if (email.texts.get("archived") == "true") is archived
            ]
            page = [email for email in emails if email.id > after][:limit]
            results = [self._described(email, with_stats=with_stats) for email in page]
        payload: dict[str, Any] = {"total": len(emails), "results": results}
        if page and page[-1].id != emails[-1].id:
            payload["paging"] = next_page(request, encode_after(_TOKEN, page[-1].id))
        return json_response(200, payload)

    def statistics(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """Counters of the e-mails sent in [startTimestamp, endTimestamp), summed and by e-mail."""
        with self._account.lock:
            emails = self._sent(request)
            payload = {
                "aggregate": _statistics(email.counters for email in emails),
                "campaignAggregations": {
                    email.texts.get("campaign_id") or str(email.id): _statistics([email.counters])
                    for email in emails
                },
                "emails": [email.id for email in emails],
            }
        return json_response(200, payload)

    def histogram(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """The same by interval of the send time, in UTC; an interval without a send is left out."""
        interval = request.value("interval") or ""
        if interval not in _INTERVALS:
            raise invalid(f"interval is {interval!r}; it must be one of {', '.join(_INTERVALS)}.")
        with self._account.lock:
            by_start: dict[datetime, list[Mapping[str, int]]] = {}
            for email in self._sent(request):
                if email.published_at is not None:
                    start = interval_start(email.published_at, interval)
                    by_start.setdefault(start, []).append(email.counters)
        results = [
            {
                "interval": {
                    "start": _seconds(start),
                    "end": _seconds(interval_end(start, interval)),
                },
                "aggregations": _statistics(counters),
            }
            for start, counters in sorted(by_start.items())
        ]
        return json_response(200, {"total": len(results), "results": results})

    def _sent(self, request: Request) -> list[MarketingEmail]:
        start, end = _timestamp(request, "startTimestamp"), _timestamp(request, "endTimestamp")
        if start > end:
            raise invalid("startTimestamp lies after endTimestamp.")
        wanted = values(request, "emailIds")
        if any(not is_whole(text) for text in wanted):
            raise invalid("emailIds must be whole numbers.")
        ids = {int(text) for text in wanted}
        return [
            email
            for _, email in sorted(self._account.emails.items())
            if email.published_at is not None
            and start <= email.published_at < end
            and (not ids or email.id in ids)
        ]

    def _described(self, email: MarketingEmail, *, with_stats: bool) -> dict[str, Any]:
        texts = email.texts
        published = iso_millis(email.published_at) if email.published_at else None
        created = texts.get("created_at") or published or UNKNOWN_TIME
        is_published = (
            email.published_at is not None and email.published_at <= self._account.clock()
        )
        described: dict[str, Any] = {
            "id": str(email.id),
            "name": texts.get("name") or f"E-mail {email.id}",
            "subject": texts.get("subject", ""),
            "type": texts.get("type") or "BATCH_EMAIL",
            "state": texts.get("state") or ("PUBLISHED" if is_published else "DRAFT"),
            "isPublished": is_published,
            "isTransactional": False,
            "isAb": False,
            "archived": texts.get("archived") == "true",
            "campaign": texts.get("campaign") or None,
            "campaignName": texts.get("campaign_name") or None,
            "primaryEmailCampaignId": texts.get("campaign_id") or str(email.id),
            "createdAt": created,
            "updatedAt": texts.get("updated_at") or published or created,
            "publishDate": published,
            "publishedAt": published,
        }
        if with_stats:
            described["stats"] = _statistics([email.counters])
        return described


def interval_start(moment: datetime, interval: str) -> datetime:
    """The start in UTC of the interval that holds a moment; a week starts on Sunday."""
    moment = moment.astimezone(UTC).replace(microsecond=0)
    if interval == "SECOND":
        return moment
    moment = moment.replace(second=0)
    if interval == "MINUTE":
        return moment
    moment = moment.replace(minute=0)
    if interval == "HOUR":
        return moment
    day = moment.replace(hour=0)
    if interval == "DAY":
        return day
    if interval == "WEEK":
        return day - timedelta(days=day.isoweekday() % 7)
    first = day.replace(day=1)
    if interval == "MONTH":
        return first
    if interval == "QUARTER":
        return first.replace(month=1 + (first.month - 1) // 3 * 3)
    return first.replace(month=1)


def interval_end(start: datetime, interval: str) -> datetime:
    """The start of the interval after the one that starts at `start`."""
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}.get(interval)
    if months is not None:
        index = start.year * 12 + start.month - 1 + months
        return start.replace(year=index // 12, month=index % 12 + 1)
    return (
        start
        + {
            "SECOND": timedelta(seconds=1),
            "MINUTE": timedelta(minutes=1),
            "HOUR": timedelta(hours=1),
            "DAY": timedelta(days=1),
            "WEEK": timedelta(days=7),
        }[interval]
    )


def _statistics(parts: Iterable[Mapping[str, int]]) -> dict[str, Any]:
    counters = dict.fromkeys(COUNTERS, 0)
    for part in parts:
        for name in COUNTERS:
            counters[name] += part.get(name, 0)
    return {
        "counters": counters,
        # The account's file doesn't say on which device a mail was read.
        "deviceBreakdown": {
            f"{event}_device_type": {"computer": 0, "mobile": 0, "unknown": counters[event]}
            for event in ("open", "click")
        },
        "qualifierStats": {},
        "ratios": {
            name: round(100 * counters[part] / counters[whole], 3) if counters[whole] else 0.0
            for name, (part, whole) in _RATIOS.items()
        },
    }


def _timestamp(request: Request, name: str) -> datetime:
    text = request.value(name) or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{name} is {text!r}; it must be an ISO 8601 time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
