"""The demo company's web site: one row a session, in the format of ga4_sessions.

Belongs here: who visits the synthetic site, from where and what they do there. Does not belong here:
the format itself (ga4_sessions), files (generate) or the CRM (generate_crm).
"""

from collections.abc import Iterator
from datetime import date, timedelta

from connectors.sandbox.generate_clock import busy_days, days_between, iso, moment_in
from connectors.sandbox.generate_draws import Choices, Draws

SESSIONS = 34_000
DAYS = 200
KEY_EVENTS = ("generate_lead", "webinar_signup")

SESSION_COLUMNS = (
    "started_at",
    "user_id",
    "new_user",
    "engaged",
    "duration_seconds",
    "sessionDefaultChannelGroup",
    "sessionSource",
    "sessionMedium",
    "sessionCampaignName",
    "landingPage",
    "country",
    "deviceCategory",
    "event:session_start",
    "event:page_view",
    "event:form_start",
    "event:generate_lead",
    "event:webinar_signup",
)

# Channel group, source, medium, campaign; weight, engaged per mille, leads per mille of engaged.
_CHANNELS = Choices(
    (
        (("Organic Search", "google", "organic", "(organic)", 640, 42), 330),
        (("Direct", "(direct)", "(none)", "(direct)", 560, 38), 205),
        (("Paid Search", "google", "cpc", "brand", 700, 85), 90),
        (("Paid Search", "google", "cpc", "competitors", 520, 48), 100),
        (("Email", "newsletter", "email", "monthly-digest", 690, 60), 75),
        (("Referral", "partners.example.com", "referral", "(referral)", 610, 70), 75),
        (("Paid Social", "linkedin", "paid_social", "ebook-2026", 390, 35), 65),
        (("Organic Social", "linkedin", "social", "(not set)", 470, 20), 40),
        (("AI Assistant", "chatgpt.com", "referral", "(referral)", 660, 55), 20),
    )
)
_LANDING_PAGES = Choices(
    (
        ("/", 34),
        ("/pricing", 17),
        ("/product/forecasting", 14),
        ("/blog/pipeline-reviews", 13),
        ("/resources/benchmark-report", 11),
        ("/webinars", 7),
        ("/partners", 4),
    )
)
_COUNTRIES = Choices(
    (
        ("United States", 61),
        ("Canada", 11),
        ("United Kingdom", 10),
        ("Germany", 9),
        ("France", 6),
        ("Netherlands", 3),
    )
)
_DEVICES = Choices((("desktop", 68), ("mobile", 29), ("tablet", 3)))

# Evenly spaced quantiles, in tenths of a second.
_ENGAGED_TENTHS = (100, 240, 480, 900, 1_600, 2_900, 6_000, 18_000)
_BOUNCED_TENTHS = (0, 10, 30, 60, 99)


def make_sessions(seed: int, last_day: date) -> Iterator[tuple[str, ...]]:
    """Rows of sessions.csv by time of day within each day, columns as in SESSION_COLUMNS."""
    draws = Draws(seed, "sessions")
    weighted = busy_days(
        days_between(last_day - timedelta(days=DAYS - 1), last_day), growth_percent=30
    )
    days = sorted(draws.pick(weighted) for _ in range(SESSIONS))
    users = 0
    for day in days:
        is_new = users < 50 or draws.chance(610)
        if is_new:
            users += 1
            user = users
        else:  # people who come back were mostly here not long ago
            user = users - draws.below(min(users, 4_000))
        yield _session(iso(moment_in(day, draws)), f"u{user:06d}", is_new, draws)


def _session(started_at: str, user_id: str, is_new: bool, draws: Draws) -> tuple[str, ...]:
    channel, source, medium, campaign, engaged_rate, lead_rate = draws.pick(_CHANNELS)
    page = draws.pick(_LANDING_PAGES)
    device = draws.pick(_DEVICES)
    engaged = draws.chance(engaged_rate - (90 if device == "mobile" else 0))
    tenths = draws.along(_ENGAGED_TENTHS if engaged else _BOUNCED_TENTHS)
    views = draws.between(2, 7) if engaged else 1
    at_pricing = 2 if page == "/pricing" else 1
    leads = int(engaged and draws.chance(lead_rate * at_pricing))
    forms = int(leads or (engaged and draws.chance(90)))
    sign_ups = int(engaged and page == "/webinars" and draws.chance(160))
    return (
        started_at,
        user_id,
        "true" if is_new else "false",
        "true" if engaged else "false",
        f"{tenths // 10}.{tenths % 10}",
        channel,
        source,
        medium,
        campaign,
        page,
        draws.pick(_COUNTRIES),
        device,
        "1",
        str(views),
        str(forms),
        str(leads),
        str(sign_ups),
    )
