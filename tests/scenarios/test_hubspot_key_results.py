"""What key results show when HubSpot's data or HubSpot itself goes wrong: real runs, real clients.

The scenarios by number are those of connectors that lost data; those that no key result sees differ
are in test_hubspot_scenarios.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

from okr_sync.commands.check_live import live_problems
from okr_sync.config.loader import load_project

MakeFirm = Callable[..., Any]

API = pytest.mark.parametrize("api", ["v3", "2026-09"])
MQLS, PIPELINE, SCORE = "growth/mqls", "sales/open-pipeline", "growth/lead-score"


@API
def test_an_archived_deal_leaves_the_pipeline(firm: MakeFirm, api: str) -> None:
    """Scenario 5: an archived deal, whose modified date stays, is out of the pipeline in the next run."""
    made = firm(api)
    made.bind("sales", open_pipeline="open_pipeline")
    assert made.sync()
    assert made.row(PIPELINE).value == 260.5
    made.account.archive("deals", 12)
    assert made.sync()
    assert made.row(PIPELINE).value == 150


@API
def test_merged_records_count_once(firm: MakeFirm, api: str) -> None:
    """Scenario 6: contact 2 is merged into 1 and deal 13 into 11: one MQL, and one deal less."""
    made = firm(api)
    made.bind("growth", mqls="mqls")
    made.bind("sales", open_pipeline="open_pipeline")
    assert made.sync()
    assert (made.row(MQLS).value, made.row(PIPELINE).value) == (2, 260.5)
    made.account.merge("contacts", 1, 2)
    made.account.merge("deals", 11, 13)
    assert made.sync()
    assert (made.row(MQLS).value, made.row(PIPELINE).value) == (1, 210.5)


@API
def test_a_revoked_token_keeps_the_last_values(firm: MakeFirm, api: str) -> None:
    """Scenario 9: with a revoked token the error names its variable, and the last good values stay."""
    made = firm(api)
    made.bind("growth", mqls="mqls")
    assert made.sync()
    made.account.update("contacts", 3, {"hs_v2_date_entered_marketingqualifiedlead": "2026-03-05"})
    made.faults.switch_on("hubspot.401")
    assert not made.sync()
    row = made.row(MQLS)
    assert (row.value, row.freshness) == (2, "failed")
    assert "HUBSPOT_ACCESS_TOKEN" in (row.error or "")
    made.faults.switch_off()
    assert made.sync()
    row = made.row(MQLS)
    assert (row.value, row.freshness, row.error) == (3, "fresh", None)


@API
def test_a_missing_scope_fails_only_what_needs_it(firm: MakeFirm, api: str) -> None:
    """Scenario 10: without a scope its key results fail and name it, the others go on, no zero is
    written."""
    made = firm(api)
    made.bind("growth", mqls="mqls")
    made.bind("sales", open_pipeline="open_pipeline")
    made.faults.switch_on("hubspot.403_scopes", object="deals")
    assert not made.sync()
    assert (made.row(MQLS).value, made.row(MQLS).freshness) == (2, "fresh")
    row = made.row(PIPELINE)
    assert (row.value, row.freshness) == (None, "never")
    assert "crm.objects.deals.read" in (row.error or "")
    assert made.past(PIPELINE) == []


@API
def test_a_property_that_the_token_may_not_see_fails_only_what_needs_it(
    firm: MakeFirm, api: str
) -> None:
    """Partial access is a flag beside the last value, in `explain`, in Dagster's metadata and checks,
    and no 0; key results over other properties of the same contacts go on."""
    made = firm(api)
    with (made.project / "metrics.yaml").open("a", encoding="utf-8") as metrics:
        metrics.write("  twice: {formula: 2 * one, inputs: {one: lead_score}}\n")
    made.bind("growth", mqls="mqls", score="lead_score", twice="twice")
    assert made.sync()
    assert made.row("growth/score").value == 20
    made.faults.switch_on("hubspot.hidden_property", property="lead_score")
    result = made.run()
    assert not result.success
    assert (made.row(MQLS).value, made.row(MQLS).freshness) == (2, "fresh")
    for name, value in (("growth/score", 20), ("growth/twice", 40)):
        row = made.row(name)
        assert (row.value, row.freshness) == (value, "failed")
        assert "partial_access" in row.quality
        assert "lists the property lead_score of contacts" in (row.error or "")
        assert "partial_access: HubSpot doesn't show the token" in made.explained(name)
        assert len(made.past(name)) == 1
    (contacts,) = (
        one.event_specific_data.materialization.metadata
        for one in result.get_asset_materialization_events()
        if one.asset_key.path == ["hubspot", "contacts"]
    )
    assert contacts["quality"].value == "partial_access"
    failed = {
        one.asset_key.path[-1] for one in result.get_asset_check_evaluations() if not one.passed
    }
    assert failed >= {"contacts", "lead_score"}
    assert "mqls" not in failed
    made.faults.switch_off()
    assert made.sync()
    row = made.row("growth/score")
    assert (row.value, row.freshness, row.error) == (20, "fresh", None)
    assert "partial_access" not in row.quality


@API
def test_a_used_up_day_defers(firm: MakeFirm, api: str) -> None:
    """Scenario 11: a daily limit burns no tries; the last values stay until a later run."""
    made = firm(api)
    made.bind("growth", mqls="mqls")
    assert made.sync()
    hubspot = made.sandbox.hubspot
    before = hubspot.server.requests()
    made.faults.switch_on("hubspot.429_daily")
    assert not made.sync()
    assert hubspot.server.requests() - before == hubspot.server.requests(status=429) == 1
    row = made.row(MQLS)
    assert (row.value, row.freshness) == (2, "failed")
    assert "daily request limit" in (row.error or "")


@API
def test_values_that_are_no_numbers_are_flagged(firm: MakeFirm, api: str) -> None:
    """Scenario 13: two numbers in one, an empty text and a fraction of a second are never 0."""
    made = firm(
        api,
        contacts=(
            "hs_object_id,createdate,lastmodifieddate,lead_score,"
            "hs_v2_date_entered_marketingqualifiedlead\n"
            "1,2026-03-01T15:00:00Z,2026-03-01T15:00:00Z,10,2026-03-02T15:00:00Z\n"
            "2,2026-03-01T15:00:00Z,2026-03-01T15:00:00Z,3092727991;3881228353,1772550000.5\n"
            "3,2026-03-01T15:00:00Z,2026-03-01T15:00:00Z,,\n"
        ),
    )
    made.bind("growth", lead_score="lead_score", mqls="mqls")
    made.sync()
    score = made.row(SCORE)
    assert (score.value, score.sample_size, score.quality) == (10, 1, ("bad_value:1",))
    assert made.row(MQLS).value == 1
    assert any(flag.startswith("bad_time") for flag in made.row(MQLS).quality)


@API
def test_amounts_add_up_in_the_home_currency(firm: MakeFirm, api: str) -> None:
    """Scenario 14: dollars and euros add up in the home currency; a missing amount is counted."""
    made = firm(api)
    made.bind("sales", open_pipeline="open_pipeline")
    made.account.add(
        "deals",
        {
            "createdate": "2026-03-05T15:00:00.000Z",
            "hs_is_closed": "false",
            "amount": "70",
            "deal_currency_code": "EUR",
        },
    )
    assert made.sync()
    row = made.row(PIPELINE)
    assert (row.value, row.quality) == (260.5, ("missing_home_currency:1",))


@API
def test_stages_are_kept_apart_by_id(firm: MakeFirm, api: str) -> None:
    """Scenario 15: of two stages called `Won` only the one whose id is bound counts; the label is an
    error of `check --live` that lists both ids."""
    made = firm(api)
    made.bind("sales", won_deals="won_deals")
    assert made.sync()
    assert made.row("sales/won-deals").value == 2
    by_label = "{agg: count, from: hubspot.deals, time: createdate, where: {dealstage: Won}}"
    made.bind("sales", won_deals=by_label)
    (found,) = live_problems(load_project(made.project), os.environ)
    assert found.rule == "live-stage-label"
    assert "`111` (in Sales)" in str(found) and "`211` (in Partners)" in str(found)


@API
def test_late_opens_of_301_emails(firm: MakeFirm, api: str) -> None:
    """Scenario 16: all 301 marketing e-mails are read, and late opens of an old one are a revision."""
    rows = [f"{n},E-mail {n},2026-03-02T09:00:00Z,100,90,10" for n in range(1, 302)]
    made = firm(api, emails="\n".join(["id,name,published_at,sent,delivered,open", *rows]) + "\n")
    opens = "{agg: sum, field: open, from: hubspot.marketing_emails, time: published_at}"
    made.bind("mail", opens=opens)
    assert made.sync()
    assert made.row("mail/opens").value == 3_010
    made.account.update_email(7, {"open": 25})
    assert made.sync()
    assert made.row("mail/opens").value == 3_025
    assert [one.value for one in made.past("mail/opens")] == [3_010, 3_025]


@API
def test_a_legacy_stage_property_is_an_error(firm: MakeFirm, api: str) -> None:
    """Scenario 17: a stage property of the first generation names its successor; it is told when the
    files are read, it is never 0, and the other key results go on."""
    made = firm(api)
    made.bind("growth", mqls="mqls")
    legacy = "{agg: count, from: hubspot.contacts, time: hs_date_entered_marketingqualifiedlead}"
    made.bind("old", entered=legacy)
    bundle = load_project(made.project)
    assert "hs_v2_date_entered_marketingqualifiedlead" in str(bundle.problems)
    made.sync()
    assert made.row(MQLS).value == 2
    assert [row for row in made.past("old/entered") if row.value is not None] == []


@API
def test_a_total_that_says_more_keeps_the_last_value(firm: MakeFirm, api: str) -> None:
    """Scenario 18: more counted than can be read is no number; the error has both counts."""
    made = firm(api)
    made.bind("growth", mqls="mqls")
    assert made.sync()
    made.account.update("contacts", 3, {"hs_v2_date_entered_marketingqualifiedlead": "2026-03-05"})
    made.faults.switch_on("hubspot.total_too_high", by=7)
    assert not made.sync()
    row = made.row(MQLS)
    assert (row.value, row.freshness) == (2, "failed")
    assert "counts 8 and gave 1" in (row.error or "")
