"""Marketing e-mails with their counters: one record an e-mail.

Belongs here: reading the list with statistics, the fields that it gives, and the proof that all are
there. Does not belong here: CRM objects (pull), or what is made of counters (ratios are divided once,
over sums: HubSpot's own have different denominators).

Counters belong to the sending of an e-mail, so a late open changes those of an old one: all e-mails
are read each time, which is a few requests (marketing e-mails guide, api facts B6).
"""

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connectors.base import Progress
from connectors.hubspot.account import AccountDetails
from connectors.hubspot.paths import Paths
from connectors.hubspot.pull import PullReport
from connectors.hubspot.shapes import next_after
from connectors.hubspot.transport import Document, ShapeError, Transport
from connectors.tabular.columns import BoundColumn, typed_column
from connectors.tabular.mirroring import TextRow, record_of, replace_records, types_of
from connectors.tabular.values import text_of
from okr_sync.errors import IncompletePullError
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import DatasetState, FieldType, state_of

EMAILS: Final = "marketing_emails"

_COUNTERS: Final = (
    *("sent", "open", "delivered", "bounce", "unsubscribed", "click", "reply", "dropped"),
    *("selected", "spamreport", "suppressed", "hardbounced", "softbounced", "pending"),
    *("contactslost", "notsent"),
)
# Our name of a field → the list's.
_DETAILS: Final = {
    "published_at": ("publishedAt", FieldType.INSTANT),
    "name": ("name", FieldType.TEXT),
    "subject": ("subject", FieldType.TEXT),
    "campaign_id": ("primaryEmailCampaignId", FieldType.TEXT),
    "type": ("type", FieldType.TEXT),
    "state": ("state", FieldType.TEXT),
}
_PAGE: Final = 100
_READS: Final = 2
_NOTHING_NEW: Final = 3


def pull_emails(
    transport: Transport,
    paths: Paths,
    need: RecordsNeed,
    warehouse: Warehouse,
    account: AccountDetails,
    now: datetime,
    progress: Progress,
) -> PullReport:
    """Put all marketing e-mails in the place of those before. Raises SourceError and its kin."""
    columns = {field: _verdict(field, need) for field in sorted(need.fields)}
    types = types_of(columns)
    with warehouse.read() as connection:
        known = state_of(connection, need.source, need.dataset)
    emails, total = _read_all(transport, paths, need.source, progress)
    rows = replace_records(
        warehouse,
        need,
        columns,
        (record_of(one["id"], _row(one), types) for one in emails.values()),
        expected=lambda: total,
        known=known,
        state=DatasetState(now, now, account.portal_id, account.time_zone, account.currency),
        now=now,
        progress=progress,
    )
    return PullReport(rows, total, None, now)


def _verdict(field: str, need: RecordsNeed) -> BoundColumn:
    known = {**dict.fromkeys(_COUNTERS, FieldType.NUMBER)}
    known.update({name: kind for name, (_, kind) in _DETAILS.items()})
    if field not in known:
        near = difflib.get_close_matches(field, known, n=1, cutoff=0.7)
        hint = f"Did you mean {near[0]}?" if near else f"They have {', '.join(sorted(known))}."
        return BoundColumn(None, f"HubSpot's marketing e-mails have no field {field}. {hint}")
    return typed_column(field, known[field], need, "HubSpot's marketing e-mails")


def _read_all(
    transport: Transport, paths: Paths, source: str, progress: Progress
) -> tuple[dict[str, Document], int]:
    """All e-mails by id, as many as HubSpot counts."""
    emails: dict[str, Document] = {}
    total = 0
    # Again, because an e-mail that is made meanwhile moves the pages.
    for _ in range(_READS):
        emails, total = {}, 0
        after: str | None = None
        nothing_new = 0
        while True:
            query = [("limit", str(_PAGE)), ("includeStats", "true"), ("archived", "false")]
            page = transport.get(
                paths.marketing_emails(),
                query if after is None else [*query, ("after", after)],
                reading="marketing e-mails",
                check=_check_page,
            )
            before = len(emails)
            emails.update((one["id"], one) for one in page["results"])
            nothing_new = 0 if len(emails) > before else nothing_new + 1
            total = page["total"]
            progress(len(emails))
            after = next_after(page)
            if after is None:
                break
            if nothing_new > _NOTHING_NEW:
                raise IncompletePullError(
                    f"Source {source}: HubSpot's list of marketing e-mails leads round in a circle. "
                    "Nothing of this read was used; the next run tries again."
                )
        if len(emails) == total:
            return emails, total
    raise IncompletePullError(
        f"Source {source}: {len(emails):,} marketing e-mails could be read, but HubSpot counts "
        f"{total:,}. Nothing of this read was used; the next run tries again."
    )


def _row(email: Mapping[str, Any]) -> TextRow:
    row = {name: text_of(email.get(key)) for name, (key, _) in _DETAILS.items()}
    stats = email.get("stats")
    counters = stats.get("counters") if isinstance(stats, dict) else None
    # Without statistics a counter is unknown, which is not 0.
    for name in _COUNTERS:
        row[name] = text_of(counters.get(name)) if isinstance(counters, dict) else None
    return row


def _check_page(document: Document) -> None:
    results, total = document.get("results"), document.get("total")
    if not isinstance(results, list):
        raise ShapeError("it has no list of results.")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise ShapeError(f"its total is {total!r}.")
    for one in results:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not one["id"]:
            raise ShapeError("an e-mail has no id.")
        stats = one.get("stats")
        if stats is not None and not isinstance(stats, dict):
            raise ShapeError("the statistics of an e-mail are not a JSON object.")
    next_after(document)
