"""Makes the data that lives outside HubSpot and GA4: social, surveys, operations, finance, people.

Belongs here: files that other tools export, and exchange rates. Does not belong here: the sandbox
account (make_account.py).
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from seeded import AUTUMN, SPRING, Draws, write

Row = dict[str, object]

# --- exchange rates ------------------------------------------------------------------------------

_PAIRS = {("GBP", "USD"): 13_240, ("EUR", "USD"): 11_450, ("EUR", "GBP"): 8_650}


def rates() -> dict[tuple[date, str, str], int]:
    """Ten-thousandths by day and pair, on weekdays only: on Saturdays nobody fixes a rate."""
    draws = Draws("rates")
    found = {}
    level = dict(_PAIRS)
    for number in range((date(2026, 10, 31) - date(2026, 2, 20)).days):
        day = date(2026, 2, 20) + timedelta(days=number)
        for pair in _PAIRS:
            level[pair] += draws.between(-40, 40)
            if day.weekday() < 5:
                found[(day, *pair)] = level[pair]
    return found


_RATES = rates()


def dollars(cents: int, currency: str, day: date) -> int:
    """An amount in the account's home currency, as the CRM worked it out when the deal was made."""
    if currency == "USD":
        return cents
    if currency == "JPY":
        return cents // 157
    while (day, currency, "USD") not in _RATES:
        day -= timedelta(days=1)
    return cents * _RATES[day, currency, "USD"] // 10_000


def rate_rows() -> Iterator[Row]:
    """The rates as a table."""
    for (day, source, target), rate in _RATES.items():
        yield {"date": day, "from": source, "to": target, "rate": f"{rate / 10_000:.4f}"}


# --- social --------------------------------------------------------------------------------------

PLATFORMS = {"linkedin": (25, 49), "instagram": (30, 60), "youtube": (14, 58), "tiktok": (-20, 95)}
NEW_PRODUCTS = ("beacon", "orbit", "relay")


def follower_rows() -> Iterator[Row]:
    """A row a day and platform: followers won less followers lost, which can be below nothing."""
    draws = Draws("followers")
    for number in range((date(2026, 10, 12) - SPRING).days):
        for platform, (low, high) in PLATFORMS.items():
            yield {
                "day": SPRING + timedelta(days=number),
                "platform": platform,
                "net_new": draws.between(low, high),
            }


def post_rows(platform: str) -> Iterator[Row]:
    """A platform's posts. One counted nothing, one lost its count of impressions."""
    draws = Draws(f"posts {platform}")
    for number in range(90):
        seen = draws.along(900, 6_000, 15_000, 90_000)
        engaged = seen * draws.between(25, 95 if seen < 15_000 else 70) // 1_000
        product = ""
        if platform != "linkedin" and number % 3 == 0:
            product = NEW_PRODUCTS[number // 3 % 3]
            seen = draws.between(70_000, 160_000)
            engaged = draws.between(3_600, 8_400)
        elif number % 7 == 5:
            product = "classic"
        impressions: int | None = seen
        if number in (31, 62):
            impressions, engaged = 0, 0  # taken down within the hour
        if number == 71:
            impressions = None  # the export had lost it
        yield {
            "post": f"{platform}-{number + 1}",
            "published_on": draws.day(date(2026, 6, 1), date(2026, 10, 12)),
            "platform": platform,
            "product": product,
            "new_product": product in NEW_PRODUCTS,
            "impressions": impressions,
            "engagements": engaged,
        }


def audience_rows() -> Iterator[Row]:
    """Who was reached where, once a day and channel; the same people are reached again elsewhere."""
    draws = Draws("audience")
    for _ in range(5_200):
        yield {
            "day": draws.day(date(2026, 6, 15), date(2026, 10, 5)),
            "channel": draws.pick({"linkedin": 30, "newsletter": 30, "webinar": 15, "podcast": 25}),
            "person": f"p{draws.along(1, 700, 2_400, 6_000)}",
        }


# --- surveys -------------------------------------------------------------------------------------


def review_rows(month: int) -> Iterator[Row]:
    """A month's reviews; a few have text only and no stars."""
    draws = Draws(f"reviews {month}")
    stars = {"5": 44 + 3 * (month - 6), "4": 30, "3": 12, "2": 6, "1": 16 - 2 * (month - 6), "": 2}
    for number in range(110):
        yield {
            "review": f"r{month}-{number + 1}",
            "reviewed_on": date(2026, month, draws.between(1, 30)),
            "site": draws.pick({"north": 50, "south": 30, "app": 20}),
            "stars": draws.pick(stars),
        }


def nps_rows() -> Iterator[Row]:
    """Answers to the NPS question; some answer twice, some leave the number empty."""
    draws = Draws("nps")
    scores = dict(zip("0123456789", (2, 1, 2, 3, 3, 6, 8, 15, 18, 22), strict=True)) | {"10": 17}
    for number in range(620):
        yield {
            "response": f"n{number + 1}",
            "answered_at": draws.moment(date(2026, 6, 10), date(2026, 10, 8)),
            "respondent": f"c{draws.between(1, 900)}",
            "score": None if draws.chance(3) else draws.pick(scores),
        }


# --- operations and finance ----------------------------------------------------------------------


def deliverable_rows() -> Iterator[Row]:
    """What the agencies owed and whether it came in time; what never came was not in time."""
    draws = Draws("deliverables")
    for number in range(180):
        due = draws.day(date(2026, 6, 1), date(2026, 10, 20))
        came = due + timedelta(days=draws.along(-6, -3, 0, 0, 5)) if draws.chance(95) else None
        yield {
            "deliverable": f"d{number + 1}",
            "agency": draws.pick({"agency-a": 55, "agency-b": 45}),
            "due_on": due,
            "delivered_on": came,
            "on_time": came is not None and came <= due,
        }


def content_rows() -> Iterator[Row]:
    """What was published: case studies, e-books and articles by segment."""
    draws = Draws("content")
    for number in range(120):
        yield {
            "content": f"k{number + 1}",
            "kind": draws.pick({"case_study": 30, "ebook": 20, "article": 50}),
            "segment": draws.pick({"enterprise": 55, "mid_market": 45}),
            "published_on": draws.day(date(2026, 5, 1), date(2026, 10, 12)),
        }


def spend_rows() -> Iterator[Row]:
    """Marketing and sales spend by day, in the currency of the invoice."""
    draws = Draws("spend")
    for _ in range(150):
        yield {
            "day": draws.day(date(2026, 6, 1), date(2026, 10, 12)),
            "kind": draws.pick({"media": 50, "agency": 20, "salaries": 30}),
            "amount": draws.between(50_000, 480_000) / 100,
            "currency": draws.pick({"USD": 60, "EUR": 20, "GBP": 20}),
        }


# --- people: the tables of a database ------------------------------------------------------------


def employee_rows() -> Iterator[Row]:
    """Who works where since when."""
    draws = Draws("employees")
    for number in range(60):
        started = draws.day(date(2023, 1, 9), date(2026, 10, 5))
        left = draws.day(SPRING, AUTUMN) if draws.chance(15) else None
        yield {
            "employee_id": number + 1,
            "team": draws.pick({"marketing": 70, "sales": 30}),
            "started_on": started,
            "left_on": left if left and left > started else None,
        }


def certificate_rows() -> Iterator[Row]:
    """Training certificates, which run out after a year; some people have two."""
    draws = Draws("certificates")
    for _ in range(70):
        earned = draws.day(date(2025, 6, 1), date(2026, 10, 12))
        yield {
            "employee_id": draws.between(1, 60),
            "course": draws.pick({"analytics": 60, "privacy": 40}),
            "earned_on": earned,
            "expires_on": earned + timedelta(days=365),
        }


def process_rows() -> Iterator[Row]:
    """The list of recurring processes, and since when each runs by itself."""
    draws = Draws("processes")
    for number in range(64):
        automated = draws.day(date(2025, 10, 1), date(2026, 11, 15)) if draws.chance(75) else None
        yield {"process_id": number + 1, "name": f"process {number + 1}", "automated_on": automated}


def subscription_rows() -> Iterator[Row]:
    """Paying accounts: since when, until when, and what they pay in a month."""
    draws = Draws("subscriptions")
    for number in range(420):
        started = draws.day(date(2025, 9, 1), date(2026, 10, 20))
        ended = draws.day(started, date(2027, 3, 1)) if draws.chance(30) else None
        yield {
            "account_id": number + 1,
            "started_on": started,
            "ended_on": ended if ended and ended < date(2026, 11, 1) else None,
            "monthly_usd": 10 * draws.along(9, 25, 60, 140),
        }


# --- all of it -----------------------------------------------------------------------------------


def write_files(folder: Path) -> None:
    """Write the files of social/, surveys/, operations/, finance/ and the database."""
    write(folder / "finance" / "fx_rates.csv", rate_rows())
    lines = [json.dumps({**row, "day": str(row["day"])}) + "\n" for row in spend_rows()]
    spend = folder / "finance" / "spend.jsonl"
    spend.write_text("".join(lines), encoding="utf-8", newline="\n")
    write(folder / "social" / "followers.csv", follower_rows())
    write(folder / "social" / "audience.csv", audience_rows())
    for platform in PLATFORMS:
        write(folder / "social" / f"posts-{platform}.csv", post_rows(platform))
    for month in range(6, 11):
        write(folder / "surveys" / f"reviews-2026-{month:02d}.csv", review_rows(month))
    write(folder / "surveys" / "nps.csv", nps_rows())
    write(folder / "operations" / "agency_deliverables.csv", deliverable_rows())
    write(folder / "operations" / "content.csv", content_rows())
    people = folder / "account" / "databases" / "PEOPLE_DATABASE_URL"
    write(people / "employees.csv", employee_rows())
    write(people / "certificates.csv", certificate_rows())
    write(people / "processes.csv", process_rows())
    write(people / "subscriptions.csv", subscription_rows())
