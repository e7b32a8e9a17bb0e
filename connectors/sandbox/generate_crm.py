"""The demo company's HubSpot records: contacts that move through the funnel, and their deals.

Belongs here: how leads arrive, qualify and buy in the synthetic company, with the dirt that real
accounts have. Does not belong here: files (generate) or the web site's visits (generate_web).
Nobody in it exists: records have ids, no names and no addresses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from connectors.sandbox.generate_clock import (
    DAY,
    HOUR,
    MINUTE,
    busy_days,
    days_between,
    moment_in,
    start_of,
)
from connectors.sandbox.generate_draws import Choices, Draws

CONTACTS = 6_000
SALES_SOURCED_DEALS = 430

# Source, MQL per mille of leads, SQL per mille of MQLs; weight.
_SOURCES = Choices(
    (
        (("ORGANIC_SEARCH", 520, 205), 290),
        (("PAID_SEARCH", 560, 175), 210),
        (("DIRECT_TRAFFIC", 480, 190), 150),
        (("EMAIL_MARKETING", 610, 230), 90),
        (("REFERRALS", 560, 250), 80),
        (("PAID_SOCIAL", 400, 105), 70),
        (("SOCIAL_MEDIA", 380, 110), 50),
        (("OFFLINE", 620, 260), 40),
        (("AI_REFERRALS", 590, 240), 20),
    )
)
_SEGMENTS = Choices((("small_business", 52), ("mid_market", 33), ("enterprise", 15)))
_COUNTRIES = Choices((("US", 62), ("CA", 11), ("GB", 10), ("DE", 9), ("FR", 5), ("NL", 3)))

# Evenly spaced quantiles, in milliseconds: most are quick and a few are very slow.
_TO_MQL = (0, 10 * MINUTE, HOUR, DAY, 4 * DAY, 12 * DAY, 45 * DAY)
_TO_SQL = (HOUR, DAY, 3 * DAY, 6 * DAY, 10 * DAY, 16 * DAY, 24 * DAY, 48 * DAY)
_TO_OPPORTUNITY = (4 * HOUR, 2 * DAY, 5 * DAY, 9 * DAY, 15 * DAY, 34 * DAY)
_TO_WON = (6 * DAY, 15 * DAY, 24 * DAY, 33 * DAY, 46 * DAY, 68 * DAY, 110 * DAY)
_TO_LOST = (3 * DAY, 16 * DAY, 30 * DAY, 48 * DAY, 70 * DAY, 130 * DAY)

# In cents, by segment.
_AMOUNTS = {
    "small_business": (150_000, 280_000, 420_000, 640_000, 1_200_000),
    "mid_market": (700_000, 1_200_000, 1_800_000, 2_700_000, 4_500_000),
    "enterprise": (2_400_000, 3_900_000, 5_600_000, 8_500_000, 16_000_000),
}


@dataclass
class Contact:
    """A contact; times are epoch milliseconds, None for a stage it has not entered."""

    contact_id: int
    created: int
    source: str
    segment: str
    country: str
    lead_score: int | None
    entered: dict[str, int] = field(default_factory=dict)
    modified: int = 0
    deal_id: int | None = None


@dataclass
class Deal:
    """A deal; `home_cents` is None where HubSpot has no exchange rate, `cents` where nobody has
    filled in the amount. `closed` is the expected day while the deal is open."""

    deal_id: int
    pipeline: str
    stage: str
    created: int
    closed: int
    modified: int
    currency: str
    cents: int | None
    home_cents: int | None
    source: str
    segment: str
    is_closed: bool
    is_won: bool


# Rates to the home currency, in millionths: whole numbers keep the file the same everywhere.
_CURRENCIES = Choices(((("USD", 1_000_000), 84), (("EUR", 1_085_000), 13), (("GBP", 1_290_000), 3)))
_OPEN_STAGES = {
    "default": (
        "appointmentscheduled",
        "qualifiedtobuy",
        "presentationscheduled",
        "decisionmakerboughtin",
        "contractsent",
    ),
    "partner": ("98100231", "98100232"),
}
_CLOSED_STAGES = {"default": ("closedwon", "closedlost"), "partner": ("98100238", "98100239")}


def make_contacts(seed: int, first_day: date, last_day: date) -> list[Contact]:
    """Contacts by day of creation, with the funnel stages that they entered by the last day."""
    draws = Draws(seed, "contacts")
    weighted = busy_days(days_between(first_day, last_day), growth_percent=45)
    days = sorted(draws.pick(weighted) for _ in range(CONTACTS))
    return [_contact(100_001 + i, day, last_day, draws) for i, day in enumerate(days)]


def _contact(contact_id: int, day: date, last_day: date, draws: Draws) -> Contact:
    end = start_of(last_day) + DAY
    source, mql_rate, sql_rate = draws.pick(_SOURCES)
    segment = draws.pick(_SEGMENTS)
    score = None if draws.chance(25) else min(100, draws.between(5, 70) + draws.between(0, 30))
    contact = Contact(
        contact_id, moment_in(day, draws), source, segment, draws.pick(_COUNTRIES), score
    )
    at = contact.created + draws.below(20 * MINUTE)
    if draws.chance(960):
        _enter(contact, "lead", at, end)
        at += draws.along(_TO_MQL)
        # Better-scored leads qualify more often, and qualification gets better over the months.
        better = 0 if score is None else (score - 50) * 3
        if draws.chance(mql_rate + better):
            _enter(contact, "marketingqualifiedlead", at, end)
            months_in = max(0, (at - start_of(date(last_day.year, 1, 1))) // (30 * DAY))
            at += draws.along(_TO_SQL)
            if draws.chance(sql_rate + 9 * months_in):
                _enter(contact, "salesqualifiedlead", at, end)
                at += draws.along(_TO_OPPORTUNITY)
                if draws.chance(620 if segment == "enterprise" else 560):
                    _enter(contact, "opportunity", at, end)
    _soil(contact, end, draws)
    last_event = max([contact.created, *contact.entered.values()])
    contact.modified = min(end - 1, last_event + draws.below(3 * DAY))
    return contact


def _enter(contact: Contact, stage: str, at: int, end: int) -> None:
    if at < end:  # what lies beyond the account's last day has not happened yet
        contact.entered[stage] = at


def _soil(contact: Contact, end: int, draws: Draws) -> None:
    """What real accounts look like: people who qualified again, and imports that set stages late."""
    mql = contact.entered.get("marketingqualifiedlead")
    sql = contact.entered.get("salesqualifiedlead")
    if mql is None or sql is None:
        return
    if draws.chance(12):  # recycled to marketing: the MQL date is of the second time
        contact.entered["marketingqualifiedlead"] = min(end - 1, sql + draws.between(DAY, 30 * DAY))
    elif draws.chance(5):  # sales accepted the lead before marketing's form was imported
        contact.entered["salesqualifiedlead"] = max(contact.created, mql - draws.below(2 * DAY))


def make_deals(
    seed: int, contacts: Sequence[Contact], first_day: date, last_day: date
) -> list[Deal]:
    """A deal for every contact that became an opportunity, and those that sales found itself.

    A won deal makes its contact a customer. Contacts are changed in place: their deal and customer
    date.
    """
    draws = Draws(seed, "deals")
    end = start_of(last_day) + DAY
    starts: list[tuple[int, Contact | None]] = [
        (contact.entered["opportunity"] + draws.below(30 * MINUTE), contact)
        for contact in contacts
        if "opportunity" in contact.entered
    ]
    weighted = busy_days(days_between(first_day, last_day), growth_percent=20)
    for _ in range(SALES_SOURCED_DEALS):
        starts.append((moment_in(draws.pick(weighted), draws), None))
    starts.sort(key=lambda start: (start[0], 0 if start[1] is None else start[1].contact_id))
    deals = []
    for index, (created, contact) in enumerate(starts):
        deal = _deal(900_001 + index, min(created, end - 1), contact, end, draws)
        deals.append(deal)
        if contact is not None:
            contact.deal_id = deal.deal_id
            if deal.is_won:
                contact.entered["customer"] = min(end - 1, deal.closed + draws.below(2 * HOUR))
            contact.modified = max(contact.modified, deal.created, *contact.entered.values())
    return deals


def _deal(deal_id: int, created: int, contact: Contact | None, end: int, draws: Draws) -> Deal:
    segment = draws.pick(_SEGMENTS) if contact is None else contact.segment
    source = "OFFLINE" if contact is None else contact.source
    pipeline = "partner" if contact is None and draws.chance(300) else "default"
    won = draws.chance(330 if contact is None else 290)
    closes = created + draws.along(_TO_WON if won else _TO_LOST)
    is_closed = closes < end and not draws.chance(40)  # some go on past the day they should close
    won = won and is_closed
    if is_closed:
        stage = _CLOSED_STAGES[pipeline][0 if won else 1]
        modified = min(end - 1, closes + draws.below(DAY))
    else:
        stages = _OPEN_STAGES[pipeline]
        stage = stages[draws.below(len(stages))]
        modified = created + draws.below(end - created)
        closes = max(closes, end + draws.below(20 * DAY))
    currency, rate = draws.pick(_CURRENCIES)
    dollars = draws.along(_AMOUNTS[segment])
    whole_units = dollars * 1_000_000 // rate // 100 * 100
    cents: int | None = whole_units
    home: int | None = (whole_units * rate + 500_000) // 1_000_000
    if draws.chance(12):
        cents, home = None, None
    elif currency != "USD" and draws.chance(90):
        home = None
    return Deal(
        deal_id,
        pipeline,
        stage,
        created,
        closes,
        modified,
        currency,
        cents,
        home,
        source,
        segment,
        is_closed,
        won,
    )
