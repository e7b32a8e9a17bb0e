"""Makes all data of this example from a seed: a company that doesn't exist, and nobody in it.

    python make_account.py [FOLDER]

Belongs here: what the sandbox serves as HubSpot and GA4, with the dirt that real accounts have. Does
not belong here: files of other origin (make_files.py), bindings (metrics/, okrs/), the
database's tables (account/databases/PEOPLE_DATABASE_URL/schema.sql). Times are in UTC; the company's days are London's.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from make_files import dollars, write_files
from seeded import AUTUMN, LAST, SPRING, SUMMER, Draws, at_time, money, write

ACCOUNT = """\
# A company that does not exist: every record in this folder was made by make_account.py.
hubspot: {portal_id: 4400777, time_zone: Europe/London, currency: USD}
ga4:
  property: "440077701"
  time_zone: Europe/London
  currency: USD
  key_events: [generate_lead]
"""

SOURCES = {
    "ORGANIC_SEARCH": 30, "PAID_SEARCH": 20, "DIRECT_TRAFFIC": 15, "REFERRALS": 10,
    "PAID_SOCIAL": 9, "SOCIAL_MEDIA": 8, "EMAIL_MARKETING": 1, "OFFLINE": 7,
}  # fmt: skip
SEGMENTS = {"small_business": 45, "mid_market": 32, "enterprise": 23}
ROLES = {"": 50, "USER": 20, "CHAMPION": 17, "DECISION_MAKER": 13}

Row = dict[str, object]


def contact_rows() -> Iterator[Row]:
    """Leads and their way through the stages; some stages are out of order, some scores missing."""
    draws = Draws("contacts")
    for number in range(2_900):
        is_old = number < 1_100
        begin, end = (date(2026, 3, 1), SUMMER) if is_old else (SUMMER, date(2026, 10, 12))
        created = draws.moment(begin, end)
        segment = draws.pick(SEGMENTS)
        page = draws.pick({"/blog/": 38, "/case-studies/": 22, "/pricing": 18, "/": 22})
        others = {"": 55, "ebook": 30, "webinar": 15}
        asset = "case_study" if page == "/case-studies/" else draws.pick(others)
        intent = draws.along(2, 30, 60, 78, 99)
        mql = sql = opportunity = customer = None
        if draws.chance(84 if asset == "case_study" else 60):
            mql = draws.after(created, 0, 1, 3, 9)
        if mql is not None and draws.chance(31 if segment == "enterprise" else 34):
            sql = draws.after(mql, 1, 5, 12, 44)
        if sql is not None and draws.chance(58):
            opportunity = draws.after(sql, 0, 2, 6, 25)
        if opportunity is not None and draws.chance(35):
            customer = draws.after(opportunity, 4, 20, 60)
        if mql is not None and sql is not None and draws.chance(2):
            mql, sql = sql, mql  # dirt: sales had accepted it before marketing qualified it
        if opportunity is not None and draws.chance(2):
            created = opportunity + timedelta(days=2)  # dirt: imported again after the fact
        score = draws.between(52, 88) + (10 if asset else 0)
        yield {
            "hs_object_id": 10_001 + number,
            "createdate": created,
            "hs_analytics_source": draws.pick(SOURCES),
            "company_segment": segment,
            "first_page": f"{page}page-{draws.between(1, 60)}" if page.count("/") == 2 else page,
            "content_asset": asset,
            "lead_score": None if draws.chance(3) else score,
            "intent_score": intent,
            "buying_role": draws.pick(ROLES),
            "marketing_touches": draws.along(0, 1, 3, 12),
            "demo_requested_at": (
                draws.after(created, 0, 1, 6, 20) if draws.chance(30 + intent // 2) else None
            ),
            "hs_v2_date_entered_marketingqualifiedlead": mql,
            "hs_v2_date_entered_salesqualifiedlead": sql,
            "hs_v2_date_entered_opportunity": opportunity,
            "hs_v2_date_entered_customer": customer,
        }


CURRENCIES = {"USD": 58, "EUR": 20, "GBP": 21, "JPY": 1}


def deal_rows() -> Iterator[Row]:
    """Deals in several currencies, some without an amount or without one in dollars."""
    draws = Draws("deals")
    for number in range(560):
        is_old = number < 230
        begin, end = (date(2026, 3, 1), SUMMER) if is_old else (SUMMER, date(2026, 10, 12))
        created = draws.moment(begin, end)
        segment = draws.pick({"small_business": 35, "mid_market": 37, "enterprise": 28})
        size = {"small_business": 4, "mid_market": 10, "enterprise": 24}[segment]
        currency = draws.pick(CURRENCIES)
        amount = None if draws.chance(3) else size * draws.along(40_000, 90_000, 130_000, 300_000)
        if amount is not None and currency == "JPY":
            amount *= 100
        home = None if amount is None else dollars(amount, currency, created.date())
        closing = created + timedelta(days=draws.along(6, 18, 30, 55, 110), hours=7)
        closed, won = closing <= LAST, draws.chance(31)
        yield {
            "hs_object_id": 50_001 + number,
            "createdate": created,
            "closedate": closing,  # of an open deal: when it is hoped to close
            "pipeline": "default",
            "dealstage": ("closedwon" if won else "closedlost") if closed else "qualifiedtobuy",
            "hs_is_closed": closed,
            "hs_is_closed_won": closed and won,
            "amount": money(amount),
            "amount_in_home_currency": None if draws.chance(2) else money(home),
            "deal_currency_code": currency,
            "hs_analytics_source": draws.pick({**SOURCES, "OFFLINE": 48}),
            "company_segment": segment,
        }


def deal_links(contacts: Sequence[Row], deals: Sequence[Row]) -> Iterator[Row]:
    """Which contacts belong to which deal: none for some, up to three for others, some to several."""
    draws = Draws("links")
    sources = [contact["hs_analytics_source"] for contact in contacts]
    by_mail = sources.index("EMAIL_MARKETING")
    for deal in deals:
        count = int(draws.pick({"0": 6, "1": 54, "2": 28, "3": 12}))
        chosen = {draws.between(0, len(contacts) - 1) for _ in range(count)}
        if deal["deal_currency_code"] == "JPY":
            chosen.add(by_mail)  # dirt: a currency without a rate, where currencies are converted
        for index in sorted(chosen):
            yield {
                "contact_id": contacts[index]["hs_object_id"],
                "deal_id": deal["hs_object_id"],
            }


def company_rows() -> Iterator[Row]:
    """Companies, of which 118 are on this quarter's list of target accounts and 110 on the last."""
    draws = Draws("companies")
    for number in range(320):
        is_target = number < 118
        listed = SUMMER if is_target else SPRING if number < 228 else None
        engaged = draws.moment(SUMMER, date(2026, 10, 20)) if draws.chance(52) else None
        if is_target and draws.chance(4):
            engaged = draws.moment(SPRING, SUMMER)  # dirt: engaged before it was on the list
        yield {
            "hs_object_id": 70_001 + number,
            "createdate": draws.moment(date(2026, 1, 5), SPRING),
            "target_listed_on": listed,
            "first_engaged_at": engaged,
        }


def ticket_rows() -> Iterator[Row]:
    """Requests to approve a creative; some wait still, one was closed before it was opened."""
    draws = Draws("tickets")
    for number in range(260):
        created = draws.moment(date(2026, 6, 1), date(2026, 10, 12))
        approved = draws.after(created, 0, 2, 4, 7, 19) if draws.chance(93) else None
        if number == 100:
            approved = created - timedelta(hours=5)
        yield {
            "hs_object_id": 80_001 + number,
            "createdate": created,
            "hs_pipeline": "creative" if draws.chance(80) else "web",
            "hs_pipeline_stage": "approved" if approved else "waiting",
            "approved_at": approved,
        }


def feedback_rows() -> Iterator[Row]:
    """Answers to HubSpot's own surveys."""
    draws = Draws("feedback")
    for number in range(640):
        yield {
            "hs_object_id": 90_001 + number,
            "hs_createdate": draws.moment(date(2026, 6, 1), date(2026, 10, 12)),
            "hs_survey_type": draws.pick({"CSAT": 60, "CES": 40}),
            "hs_value": draws.between(1, 7),
        }


def campaign_rows() -> Iterator[Row]:
    """Campaigns as a custom object: planned, executed or cancelled."""
    draws = Draws("campaigns")
    for number in range(48):
        status = draws.pick({"executed": 70, "planned": 18, "cancelled": 12})
        day = draws.day(date(2026, 6, 1), date(2026, 10, 20))
        yield {
            "hs_object_id": 95_001 + number,
            "hs_createdate": draws.moment(SPRING, SUMMER),
            "campaign_status": status,
            "executed_on": day if status == "executed" else None,
            "channel": draws.pick({"email": 40, "paid": 35, "event": 25}),
        }


def email_rows() -> Iterator[Row]:
    """Marketing e-mails of very different sizes, so that pooled and mean rates differ; one draft."""
    draws = Draws("emails")
    for number in range(40):
        sent = draws.along(300, 1_800, 4_000, 22_000)
        bounced = draws.between(0, sent // 60)
        delivered = sent - bounced
        opened = delivered * draws.between(190, 360 if sent > 4_000 else 480) // 1_000
        day = date(2026, 5, 4) + timedelta(days=4 * number)
        is_draft = number == 39
        yield {
            "id": 97_001 + number,
            "name": f"newsletter {number + 1}",
            "published_at": None if is_draft else at_time(day, draws.between(0, 86_399)),
            "sent": 0 if is_draft else sent,
            "delivered": 0 if is_draft else delivered,
            "bounce": 0 if is_draft else bounced,
            "open": 0 if is_draft else opened,
            "click": 0 if is_draft else opened * draws.between(60, 170) // 1_000,
        }


CHANNELS = {
    "Organic Search": 44, "Paid Search": 20, "Paid Social": 10, "Direct": 16, "Email": 10,
}  # fmt: skip


def session_rows() -> Iterator[Row]:
    """Visits of the site; summer has more of them than spring, and paid visits ask more often."""
    draws = Draws("sessions")
    for number in range(6_000):
        is_spring = number < 2_500
        begin, end = (SPRING, SUMMER) if is_spring else (SUMMER, AUTUMN)
        channel = draws.pick(CHANNELS)
        is_paid = channel.startswith("Paid")
        leads = draws.chance((5 if is_spring else 6) if is_paid else 3)
        page = draws.pick({"/blog/": 42, "/": 30, "/pricing": 16, "/customers": 12})
        user = draws.between(1, 4_200)
        yield {
            "started_at": draws.moment(begin, end),
            "user_id": f"u{user}",
            "new_user": draws.chance(60),
            "engaged": leads or draws.chance(52),
            "duration_seconds": draws.along(2, 20, 70, 400),
            "event:page_view": draws.along(1, 2, 7),
            "event:generate_lead": draws.between(1, 2) if leads else None,
            "sessionDefaultChannelGroup": channel,
            "landingPage": f"{page}post-{draws.between(1, 60)}" if page == "/blog/" else page,
        }


PIPELINES: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "deals": [("default", "Sales", ("qualifiedtobuy", "closedwon", "closedlost"))],
    "tickets": [
        ("creative", "Creative approvals", ("waiting", "approved")),
        ("web", "Web requests", ("waiting", "approved")),
    ],
}


def pipelines_json() -> str:
    """The pipelines as HubSpot tells them."""
    described = {
        name: [
            {
                "id": pipeline,
                "label": label,
                "stages": [{"id": stage, "label": stage} for stage in stages],
            }
            for pipeline, label, stages in pipelines
        ]
        for name, pipelines in PIPELINES.items()
    }
    return json.dumps(described, indent=2) + "\n"


def write_account(folder: Path) -> None:
    """Write account.yaml, hubspot/ and ga4/ into a folder."""
    contacts, deals = list(contact_rows()), list(deal_rows())
    hubspot = folder / "hubspot"
    write(hubspot / "contacts.csv", contacts)
    write(hubspot / "deals.csv", deals)
    write(hubspot / "contact_to_deal.csv", deal_links(contacts, deals))
    write(hubspot / "companies.csv", company_rows())
    write(hubspot / "tickets.csv", ticket_rows())
    write(hubspot / "feedback_submissions.csv", feedback_rows())
    write(hubspot / "p4400777_campaigns.csv", campaign_rows())
    write(hubspot / "marketing_emails.csv", email_rows())
    write(folder / "ga4" / "sessions.csv", session_rows())
    (hubspot / "pipelines.json").write_text(pipelines_json(), encoding="utf-8", newline="\n")
    (folder / "account.yaml").write_text(ACCOUNT, encoding="utf-8", newline="\n")


def main() -> None:
    """Write everything into the folder that is named, by default this file's."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    write_account(folder / "account")
    write_files(folder)


if __name__ == "__main__":
    main()
