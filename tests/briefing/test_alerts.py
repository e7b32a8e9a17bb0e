"""Who is told that something broke or was mended: once each, the right people, nothing lost."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from okr_sync.briefing.alerts import channels_of, queue_alerts, queue_failed_run
from okr_sync.briefing.facts import brief
from okr_sync.config.models import Tell
from okr_sync.warehouse.messages import Message, queue, record_attempt, take_due, waiting

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
TELL = Tell(url_env="ALL", teams={"web": "WEB"}, owners={"ana": "ANA", "ben": "BEN"})
ERROR = "HubSpot says 403: add the scope crm.objects.deals.read."


def alerts(story: Any, at: datetime = NOW, tell: Tell = TELL) -> list[Message]:
    """What a look at the warehouse queues."""
    return queue_alerts(story.warehouse, brief(story.warehouse, story.bundle, at), tell, at)


def told(messages: list[Message]) -> list[tuple[str, str, str]]:
    """Kind, subject and channel."""
    return [(one.kind, one.subject, one.channel) for one in messages]


@pytest.mark.parametrize(
    ("team", "owners", "channels"),
    [
        ("web", ("ana",), ("ANA",)),
        ("web", ("ana", "ben", "ana"), ("ANA", "BEN")),
        ("web", ("cid",), ("WEB",)),
        ("pr", (), ("ALL",)),
    ],
)
def test_whom_a_key_result_concerns(
    team: str, owners: tuple[str, ...], channels: tuple[str, ...]
) -> None:
    """Its owners', else its team's, else the general channel."""
    assert channels_of(TELL, team, owners) == channels
    assert channels_of(Tell(owners={"x": "X"}), team, owners) == ()


def test_a_broken_key_result_is_told_once_and_once_more_when_it_is_mended(story: Any) -> None:
    """Not each hour, not again for another error; with title, remedy and what still stands."""
    story.tell("web/deals", [(NOW.date(), "40")], title="Win 100 deals", owner="ana, ben")
    assert alerts(story) == []
    story.tell("web/deals", title="Win 100 deals", owner="ana, ben", error=ERROR)
    first = alerts(story)
    assert told(first) == [("broken", "web/deals", "ANA"), ("broken", "web/deals", "BEN")]
    for text in ("Win 100 deals (web/deals)", ERROR, "The last good value stands: 40"):
        assert text in first[0].body
    for hour in range(1, 4):
        story.tell("web/deals", title="Win 100 deals", owner="ana, ben", error=f"Another {hour}.")
        assert alerts(story, NOW + timedelta(hours=hour)) == []
    later = NOW + timedelta(hours=4)
    story.tell("web/deals", [(NOW.date(), "41")], title="Win 100 deals", owner="ana, ben", at=later)
    mended = alerts(story, later)
    assert told(mended) == [("mended", "web/deals", "ANA"), ("mended", "web/deals", "BEN")]
    assert "It is 41 as of 2026-11-23, on track." in mended[0].body
    assert alerts(story, later) == []
    story.tell("web/deals", title="Win 100 deals", owner="ana, ben", error=ERROR, at=later)
    assert len(alerts(story, later + timedelta(minutes=1))) == 2


def test_stale_and_quarantined_key_results_are_broken_too_and_past_cycles_are_not(
    story: Any,
) -> None:
    """A number that the schedule forgot, a binding that can't run; last quarter's concerns nobody."""
    story.tell("pr/reach", [(NOW.date(), "9")], at=NOW - timedelta(days=1))
    story.tell("pr/old", error=ERROR, cycle_start=date(2026, 7, 1),
               cycle_end=date(2026, 9, 30))  # fmt: skip
    story.write(
        "okrs/q.yaml",
        "team: web\ncycle: 2026-Q4\nobjectives:\n  - id: o\n    title: O\n    key_results:\n"
        "      - {id: broken, title: Broken one, goal: {from: 1, to: 1}}\n",
    )
    found = {one.subject: one for one in alerts(story)}
    assert found.keys() == {"pr/reach", "web/broken"}
    assert "see whether the schedule runs" in found["pr/reach"].body
    assert found["web/broken"].channel == "WEB" and "okrs/q.yaml:7" in found["web/broken"].body


def test_a_run_that_breaks_is_told_once_until_a_run_ends(story: Any) -> None:
    """Every hour the same failure, one message; then one that all is well."""
    assert len(queue_failed_run(story.warehouse, TELL, "The disk is full.", "r1", NOW)) == 1
    hour = NOW + timedelta(hours=1)
    assert queue_failed_run(story.warehouse, TELL, "The disk is full.", "r2", hour) == []
    story.tell("web/deals", [(NOW.date(), "40")], at=hour)
    assert told(alerts(story, hour)) == [("mended", "sync", "ALL")]
    assert alerts(story, hour) == []


def test_a_message_is_taken_once_and_lost_never(story: Any) -> None:
    """Two senders don't both send it; a sender that dies leaves it to the next; failures wait longer."""
    story.tell("web/deals", error=ERROR)
    (one,) = alerts(story)
    assert [each.message_id for each in take_due(story.warehouse, NOW, 9)] == [one.message_id]
    assert take_due(story.warehouse, NOW + timedelta(minutes=9), 9) == []
    after = NOW + timedelta(minutes=11)
    (again,) = take_due(story.warehouse, after, 9)
    record_attempt(story.warehouse, again, (), "down", after)
    assert take_due(story.warehouse, after + timedelta(seconds=50), 9) == []
    (third,) = take_due(story.warehouse, after + timedelta(seconds=70), 9)
    assert (third.attempts, third.error) == (1, "down")
    record_attempt(story.warehouse, third, ("0",), None, after)
    assert waiting(story.warehouse) == []
    assert take_due(story.warehouse, after + timedelta(days=9), 9) == []


def test_nothing_is_queued_when_the_decision_fails(story: Any) -> None:
    """Queueing is one transaction."""

    def fails(_: Any) -> Any:
        raise LookupError

    with pytest.raises(LookupError):
        queue(story.warehouse, fails, NOW)
    assert waiting(story.warehouse) == []
