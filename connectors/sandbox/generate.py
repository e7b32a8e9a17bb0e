"""The demo's account folder, written from a seed: a synthetic company in HubSpot and GA4.

Belongs here: which files the folder has and how records become their rows. Does not belong here:
what happens in the company (generate_crm, generate_web) or serving it (serve).
"""

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from connectors.sandbox.generate_clock import DAY, HOUR, ZONE, iso, start_of
from connectors.sandbox.generate_crm import Contact, Deal, make_contacts, make_deals
from connectors.sandbox.generate_draws import Choices, Draws
from connectors.sandbox.generate_web import KEY_EVENTS, SESSION_COLUMNS, make_sessions

SEED = 20261115
LAST_DAY = date(2026, 11, 15)
DAYS = 427  # a whole year behind every day of the last two months

STAGES = ("lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")

_ACCOUNT = f"""\
# A company that does not exist: every record in this folder was made from a seed.
hubspot:
  portal_id: 4400123
  time_zone: {ZONE.key}
  currency: USD
ga4:
  property: "400123456"
  time_zone: {ZONE.key}
  currency: USD
  key_events: [{", ".join(KEY_EVENTS)}]
"""


def write_demo_account(folder: Path, *, seed: int = SEED, last_day: date = LAST_DAY) -> None:
    """Write the account's files into `folder`, which is made if need be.

    The same seed and day give the same bytes on every platform and Python version. Nothing happens
    after the end of `last_day`, New York time, but for the days on which open deals are expected to
    close.
    """
    hubspot = folder / "hubspot"
    hubspot.mkdir(parents=True, exist_ok=True)
    (folder / "ga4").mkdir(exist_ok=True)
    first_day = last_day - timedelta(days=DAYS - 1)
    contacts = make_contacts(seed, first_day, last_day)
    deals = make_deals(seed, contacts, first_day, last_day)
    _write_text(folder / "account.yaml", _ACCOUNT)
    _write_text(hubspot / "pipelines.json", json.dumps(_PIPELINES, indent=2) + "\n")
    _write_csv(hubspot / "contacts.csv", _CONTACT_COLUMNS, map(_contact_row, contacts))
    _write_csv(hubspot / "deals.csv", _DEAL_COLUMNS, map(_deal_row, deals))
    links = [(str(c.contact_id), str(c.deal_id)) for c in contacts if c.deal_id is not None]
    _write_csv(hubspot / "contact_to_deal.csv", ("contact_id", "deal_id"), links)
    _write_csv(
        hubspot / "companies.csv", _COMPANY_COLUMNS, _company_rows(seed, first_day, last_day)
    )
    _write_csv(hubspot / "owners.csv", _OWNER_COLUMNS, _owner_rows())
    _write_csv(hubspot / "marketing_emails.csv", _EMAIL_COLUMNS, _email_rows(seed, first_day))
    _write_csv(folder / "ga4" / "sessions.csv", SESSION_COLUMNS, make_sessions(seed, last_day))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


_CONTACT_COLUMNS = (
    "hs_object_id",
    "createdate",
    "lastmodifieddate",
    "lifecyclestage",
    "hs_analytics_source",
    "company_segment",
    "country",
    "lead_score",
    *(f"hs_v2_date_entered_{stage}" for stage in STAGES),
)


def _contact_row(contact: Contact) -> tuple[str, ...]:
    reached = [stage for stage in STAGES if stage in contact.entered]
    return (
        str(contact.contact_id),
        iso(contact.created),
        iso(contact.modified),
        reached[-1] if reached else "subscriber",
        contact.source,
        contact.segment,
        contact.country,
        "" if contact.lead_score is None else str(contact.lead_score),
        *(iso(contact.entered.get(stage)) for stage in STAGES),
    )


_DEAL_COLUMNS = (
    "hs_object_id",
    "createdate",
    "closedate",
    "hs_lastmodifieddate",
    "pipeline",
    "dealstage",
    "hs_is_closed",
    "hs_is_closed_won",
    "amount",
    "amount_in_home_currency",
    "deal_currency_code",
    "hs_analytics_source",
    "company_segment",
)


def _deal_row(deal: Deal) -> tuple[str, ...]:
    return (
        str(deal.deal_id),
        iso(deal.created),
        iso(deal.closed),
        iso(deal.modified),
        deal.pipeline,
        deal.stage,
        _flag(deal.is_closed),
        _flag(deal.is_won),
        _money(deal.cents),
        _money(deal.home_cents),
        deal.currency,
        deal.source,
        deal.segment,
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _money(cents: int | None) -> str:
    return "" if cents is None else f"{cents // 100}.{cents % 100:02d}"


_COMPANY_COLUMNS = (
    "hs_object_id",
    "createdate",
    "hs_lastmodifieddate",
    "industry",
    "company_segment",
    "numberofemployees",
)
_INDUSTRIES = Choices(
    (
        ("COMPUTER_SOFTWARE", 34),
        ("FINANCIAL_SERVICES", 18),
        ("LOGISTICS_AND_SUPPLY_CHAIN", 16),
        ("HOSPITAL_HEALTH_CARE", 14),
        ("RETAIL", 18),
    )
)
_SIZES = Choices(
    (
        (("small_business", (5, 12, 30, 60, 99)), 52),
        (("mid_market", (100, 180, 300, 550, 999)), 33),
        (("enterprise", (1_000, 2_400, 6_000, 20_000)), 15),
    )
)


def _company_rows(seed: int, first_day: date, last_day: date) -> Iterable[tuple[str, ...]]:
    draws = Draws(seed, "companies")
    end = start_of(last_day) + DAY
    for number in range(300):
        created = start_of(first_day) + number * DAY + draws.below(DAY)
        segment, employees = draws.pick(_SIZES)
        yield (
            str(500_001 + number),
            iso(created),
            iso(created + draws.below(end - created)),
            draws.pick(_INDUSTRIES),
            segment,
            str(draws.along(employees)),
        )


_OWNER_COLUMNS = ("id", "email", "first_name", "last_name")


def _owner_rows() -> Iterable[tuple[str, ...]]:
    for number in range(6):
        yield (str(70_001 + number), f"owner-{number + 1}@example.com", "Owner", str(number + 1))


_EMAIL_COLUMNS = (
    "id",
    "name",
    "subject",
    "published_at",
    "selected",
    "notsent",
    "sent",
    "delivered",
    "open",
    "click",
    "unsubscribed",
    "bounce",
    "hardbounced",
    "softbounced",
    "spamreport",
)
_PROGRAMMES = Choices((("monthly digest", 3), ("product update", 2), ("webinar invitation", 2)))


def _email_rows(seed: int, first_day: date) -> Iterable[tuple[str, ...]]:
    draws = Draws(seed, "emails")
    for number in range(60):
        sent_at = start_of(first_day) + number * 7 * DAY + 10 * HOUR + draws.below(4 * HOUR)
        programme = draws.pick(_PROGRAMMES)
        selected = draws.between(2_400, 5_600)
        sent = selected - draws.below(selected // 50)
        hard, soft = draws.below(sent // 200), draws.below(sent // 120)
        delivered = sent - hard - soft
        opened = delivered * draws.between(240, 420) // 1000
        yield (
            str(800_001 + number),
            f"{programme} {number + 1}",
            f"Your {programme}, issue {number + 1}",
            iso(sent_at),
            str(selected),
            str(selected - sent),
            str(sent),
            str(delivered),
            str(opened),
            str(opened * draws.between(60, 160) // 1000),
            str(draws.below(delivered // 300)),
            str(hard + soft),
            str(hard),
            str(soft),
            str(draws.below(4)),
        )


def _stage(stage_id: str, label: str, probability: str) -> dict[str, object]:
    closed = "true" if probability in ("0.0", "1.0") else "false"
    metadata = {"isClosed": closed, "probability": probability}
    return {"id": stage_id, "label": label, "metadata": metadata}


_PIPELINES = {
    "deals": [
        {
            "id": "default",
            "label": "Direct sales",
            "stages": [
                _stage("appointmentscheduled", "Appointment scheduled", "0.2"),
                _stage("qualifiedtobuy", "Qualified to buy", "0.4"),
                _stage("presentationscheduled", "Presentation scheduled", "0.6"),
                _stage("decisionmakerboughtin", "Decision maker bought in", "0.8"),
                _stage("contractsent", "Contract sent", "0.9"),
                _stage("closedwon", "Closed won", "1.0"),
                _stage("closedlost", "Closed lost", "0.0"),
            ],
        },
        {
            # Its last stages have the same labels as the other pipeline's: only the ids tell.
            "id": "partner",
            "label": "Partner sales",
            "stages": [
                _stage("98100231", "Registered", "0.3"),
                _stage("98100232", "Evaluating", "0.5"),
                _stage("98100238", "Closed won", "1.0"),
                _stage("98100239", "Closed lost", "0.0"),
            ],
        },
    ]
}
