"""Reading the GA4 part of an account folder: what is taken, and the words for what is not."""

from pathlib import Path

import pandas as pd
import pytest
from google.analytics.data_v1beta.types import DateRange, Metric, RunReportRequest

from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings, build_table
from okr_sync.errors import OkrSyncError, UsageError

ACCOUNT = "ga4: {property: 77, time_zone: America/New_York, currency: USD, key_events: [sign_up]}\n"
HEADER = "started_at,user_id,new_user,engaged,duration_seconds,revenue,event:purchase"
GOOD = "2026-11-01T12:00:00Z,u1,true,true,1.5,,"


def folder_of(path: Path, account: str = ACCOUNT, sessions: str = f"{HEADER}\n{GOOD}\n") -> Path:
    """An account folder with these two files."""
    (path / "ga4").mkdir()
    (path / "account.yaml").write_text(account, encoding="utf-8")
    (path / "ga4" / "sessions.csv").write_text(sessions, encoding="utf-8")
    return path


def test_a_folder_is_served(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Property, currency, time zone and key events come from account.yaml."""
    with Ga4Sandbox(folder_of(tmp_path)) as sandbox:
        answer = request.getfixturevalue("ga4_grpc")(sandbox).run_report(
            RunReportRequest(
                property="properties/77",
                date_ranges=[DateRange(start_date="2026-11-01", end_date="2026-11-01")],
                metrics=[Metric(name="sessions"), Metric(name="sessionKeyEventRate:sign_up")],
            )
        )
    assert [value.value for value in answer.rows[0].metric_values] == ["1", "0"]
    assert answer.metadata.currency_code == "USD"
    assert answer.metadata.time_zone == "America/New_York"


def test_a_file_without_sessions_is_an_empty_property(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A header alone is enough; every report of it is empty."""
    with Ga4Sandbox(folder_of(tmp_path, sessions=f"{HEADER}\n")) as sandbox:
        answer = request.getfixturevalue("ga4_grpc")(sandbox).run_report(
            RunReportRequest(
                property="properties/77",
                date_ranges=[DateRange(start_date="2026-11-01", end_date="2026-11-01")],
                metrics=[Metric(name="sessions"), Metric(name="active28DayUsers")],
            )
        )
    assert answer.row_count == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2026-11-01T12:00:00,u1,true,true,1,,", "sessions.csv:3: started_at must be an ISO time"),
        ("yesterday,u1,true,true,1,,", "sessions.csv:3: started_at must be an ISO time"),
        ("2026-11-01T12:00:00Z,,true,true,1,,", "sessions.csv:3: user_id must not be empty"),
        ("2026-11-01T12:00:00Z,u1,1,true,1,,", "sessions.csv:3: new_user must be true or false"),
        ("2026-11-01T12:00:00Z,u1,true,yes,1,,", "sessions.csv:3: engaged must be true or false"),
        ("2026-11-01T12:00:00Z,u1,true,true,-1,,", "duration_seconds must not be less than zero"),
        ("2026-11-01T12:00:00Z,u1,true,true,,,", "duration_seconds must be a number"),
        (
            "2026-11-01T12:00:00Z,u1,true,true,1,1.0000001,1",
            "revenue must be a number with at most",
        ),
        ("2026-11-01T12:00:00Z,u1,true,true,1,,-1", "event:purchase must be a whole number"),
        ("2026-11-01T12:00:00Z,u1,true,true,1,9,0", "sessions.csv:3: a session with revenue needs"),
        ("a,b,c,d,e,f,g,h,i", "can't be read as CSV"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, line: str, words: str) -> None:
    """The message has the file's line, the column and the rule."""
    with pytest.raises(UsageError) as raised:
        Ga4Sandbox(folder_of(tmp_path, sessions=f"{HEADER}\n{GOOD}\n{line}\n"))
    assert words in raised.value.user_text


def test_a_column_that_is_not_known_is_refused(ga4_settings: Ga4Settings) -> None:
    """A misspelt dimension would else be (not set) for ever."""
    rows = pd.DataFrame(columns=[*HEADER.split(","), "sessionsource"], dtype=str)
    with pytest.raises(UsageError, match="column 'sessionsource' is not one"):
        build_table(rows, ga4_settings, "sessions.csv")
    with pytest.raises(UsageError, match="has no column 'engaged'"):
        build_table(rows.drop(columns="engaged"), ga4_settings, "sessions.csv")


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("hubspot: {}\n", "has no ga4: part"),
        ("ga4: [\n", "can't be read as YAML"),
        (ACCOUNT.replace("77", "G-77"), "ga4.property must be the property's number"),
        (ACCOUNT.replace("America/New_York", "Eastern"), "'Eastern' is not an IANA time zone"),
        (ACCOUNT.replace("USD", "dollars"), "ga4.currency must be a code"),
        (ACCOUNT.replace("[sign_up]", "sign_up"), "ga4.key_events must be a list"),
        (ACCOUNT.replace("currency", "money"), "ga4 has no setting 'money'"),
        (ACCOUNT.replace("}", ", tier: free}"), "ga4.tier must be one of standard, 360"),
    ],
)
def test_account_settings_are_checked(tmp_path: Path, account: str, words: str) -> None:
    """Each setting has a message of its own."""
    with pytest.raises(UsageError) as raised:
        Ga4Sandbox(folder_of(tmp_path, account=account))
    assert words in raised.value.user_text


def test_missing_files(tmp_path: Path) -> None:
    """A folder without the files is named in the message."""
    with pytest.raises(UsageError, match=r"account\.yaml does not exist"):
        Ga4Sandbox(tmp_path)
    (tmp_path / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    with pytest.raises(UsageError, match=r"sessions\.csv does not exist"):
        Ga4Sandbox(tmp_path)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_port_in_use(ga4: Ga4Sandbox, ga4_settings: Ga4Settings, transport: str) -> None:
    """The second server on a port says so, and leaves nothing running."""
    taken = int((ga4.grpc_address if transport == "grpc" else ga4.rest_url).rsplit(":", 1)[1])
    second = (
        Ga4Sandbox(ga4_settings, grpc_port=taken)
        if transport == "grpc"
        else Ga4Sandbox(ga4_settings, rest_port=taken)
    )
    with pytest.raises(OkrSyncError, match=f"Port {taken} of 127.0.0.1 can't be used"):
        second.start()
