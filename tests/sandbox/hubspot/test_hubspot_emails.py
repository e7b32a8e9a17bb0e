"""The sandbox's marketing e-mails and their statistics, read by the real client."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hubspot.marketing.emails import ApiException as EmailsError

from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_emails import interval_end, interval_start

NOVEMBER = {
    "start_timestamp": "2026-11-01T00:00:00.000Z",
    "end_timestamp": "2026-12-01T00:00:00.000Z",
}


def test_counters_are_summed_and_ratios_pooled_with_their_own_denominators(client: Any) -> None:
    """Open and click are shares of delivered, clickthrough of open, bounce of sent; 0 to 100."""
    statistics = client.marketing.emails.statistics_api.get_emails_list(**NOVEMBER)
    assert statistics.emails == [11, 12]
    counters, ratios = statistics.aggregate.counters, statistics.aggregate.ratios
    assert (counters["sent"], counters["delivered"], counters["open"]) == (5948, 5890, 1955)
    assert ratios["openratio"] == round(100 * 1955 / 5890, 3)
    assert ratios["clickratio"] == round(100 * 244 / 5890, 3)
    assert ratios["clickthroughratio"] == round(100 * 244 / 1955, 3)
    assert ratios["deliveredratio"] == round(100 * 5890 / 5948, 3)
    assert ratios["bounceratio"] == round(100 * 58 / 5948, 3)
    assert ratios["notsentratio"] == round(100 * 52 / 6000, 3)
    assert set(statistics.campaign_aggregations) == {"901", "902"}


def test_figures_agree_with_the_recorded_ones(client: Any, example: Callable[[str], Any]) -> None:
    """The same counters give the ratios of the recorded response, to its three decimals."""
    recorded = example("marketing_email_statistics_list.response")
    ours = client.marketing.emails.statistics_api.get_emails_list(**NOVEMBER)
    assert ours.aggregate.ratios == recorded["aggregate"]["ratios"]


def test_figures_belong_to_the_send_time_so_late_opens_change_an_old_e_mail(
    account: Account, client: Any
) -> None:
    """A later open is counted on the day of sending, in the same half-open interval."""
    window = {"start_timestamp": "2026-11-02T09:00:03Z", "end_timestamp": "2026-11-09T09:00:00Z"}
    api = client.marketing.emails.statistics_api
    assert api.get_emails_list(**window).aggregate.counters["open"] == 1655
    account.update_email(11, {"open": 1700})
    again = api.get_emails_list(**window)
    assert again.emails == [11] and again.aggregate.counters["open"] == 1700


def test_e_mails_can_be_picked_by_id(client: Any) -> None:
    """`emailIds` narrows; ids that weren't sent in the interval add nothing."""
    api = client.marketing.emails.statistics_api
    assert api.get_emails_list(**NOVEMBER, email_ids=[12, 13, 99]).emails == [12]


def test_a_histogram_puts_each_e_mail_into_the_interval_it_was_sent_in(client: Any) -> None:
    """Intervals are calendar ones in UTC; one without a send is left out."""
    api = client.marketing.emails.statistics_api
    weeks = api.get_histogram(**NOVEMBER, interval="WEEK").results
    starts = [week.interval.start.astimezone(UTC).date().isoformat() for week in weeks]
    assert starts == ["2026-11-01", "2026-11-08"]
    assert [week.aggregations.counters["sent"] for week in weeks] == [5153, 795]
    months = api.get_histogram(**NOVEMBER, interval="MONTH").results
    assert [month.aggregations.counters["sent"] for month in months] == [5948]


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("SECOND", "2024-02-29T23:59:58", "2024-02-29T23:59:59"),
        ("MINUTE", "2024-02-29T23:59:00", "2024-03-01T00:00:00"),
        ("HOUR", "2024-02-29T23:00:00", "2024-03-01T00:00:00"),
        ("DAY", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("WEEK", "2024-02-25T00:00:00", "2024-03-03T00:00:00"),
        ("MONTH", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("QUARTER", "2024-01-01T00:00:00", "2024-04-01T00:00:00"),
        ("YEAR", "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
    ],
)
def test_intervals_are_calendar_intervals(interval: str, start: str, end: str) -> None:
    """Every interval's bounds around the last second but one of a leap day."""
    begins = interval_start(datetime(2024, 2, 29, 23, 59, 58, 7, tzinfo=UTC), interval)
    assert begins == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert interval_end(begins, interval) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_the_list_of_e_mails_pages_and_can_hold_statistics(client: Any) -> None:
    """Sent ones and drafts are listed by id; statistics come on request."""
    api = client.marketing.emails.marketing_emails_api
    first = api.get_page(limit=2, include_stats=True)
    assert first.total == 3 and [email.id for email in first.results] == ["11", "12"]
    assert first.results[0].stats.counters["open"] == 1655
    last = api.get_page(limit=2, after=first.paging._next.after)
    assert [email.id for email in last.results] == ["13"] and last.paging is None
    assert last.results[0].stats is None and last.results[0].is_published is False


@pytest.mark.parametrize(
    "query",
    [
        "",
        "startTimestamp=2026-11-01T00:00:00Z",
        "startTimestamp=yesterday&endTimestamp=2026-11-01T00:00:00Z",
        "startTimestamp=2026-11-02T00:00:00Z&endTimestamp=2026-11-01T00:00:00Z",
        "startTimestamp=2026-11-01T00:00:00Z&endTimestamp=2026-12-01T00:00:00Z&emailIds=x",
    ],
)
def test_statistics_need_a_valid_interval(client: Any, query: str) -> None:
    """Missing, unreadable or reversed timestamps are a 400."""
    answer = client.api_request({"path": f"/marketing/v3/emails/statistics/list?{query}"})
    assert answer.status_code == 400


def test_a_histogram_needs_an_interval_that_exists(client: Any) -> None:
    """An unknown interval is a 400."""
    with pytest.raises(EmailsError) as caught:
        client.marketing.emails.statistics_api.get_histogram(**NOVEMBER, interval="FORTNIGHT")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "family", ["/marketing/v3/emails", "/marketing/emails/2026-03", "/marketing/emails/2026-09"]
)
def test_shapes_in_both_path_families_are_those_of_the_service(
    client: Any,
    example: Callable[[str], Any],
    same_shape: Callable[[Any, Any], None],
    family: str,
) -> None:
    """Keys and value types are those of recorded responses, with or without a trailing slash."""
    window = "startTimestamp=2026-11-01T00:00:00Z&endTimestamp=2026-12-01T00:00:00Z"

    def ask(path: str) -> Any:
        return client.api_request({"path": family + path}).json()

    same_shape(
        ask(f"/statistics/list?{window}"), example("marketing_email_statistics_list.response")
    )
    same_shape(
        ask(f"/statistics/histogram?{window}&interval=WEEK"),
        example("marketing_email_statistics_histogram.response"),
    )
    listed = ask("/?includeStats=True&limit=100")
    same_shape(listed, example("marketing_emails_list_with_stats.response"))
    assert listed == ask("?includeStats=true&limit=100")
