"""The synthetic company: the same everywhere, loadable, and as dirty as a real one."""

import hashlib
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from connectors.sandbox.account_files import load_account
from connectors.sandbox.generate import LAST_DAY, write_demo_account

# Of all files, in order of their names. A change of the generator changes it on purpose only.
FINGERPRINT = "30042cd8646e32f47c3b6890ce8011d541a7d9b8b0a804179b2b36a3e49b3e03"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's account folder."""
    folder = tmp_path_factory.mktemp("account")
    write_demo_account(folder)
    return folder


def fingerprint(folder: Path) -> str:
    """One hash of every file's name and bytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def read(account: Path, name: str) -> pd.DataFrame:
    """A file of the account, all columns as text."""
    return pd.read_csv(account / name, dtype=str, keep_default_na=False)


def test_same_bytes_on_every_machine(account: Path) -> None:
    """The demo's numbers in the documentation hold for whoever runs it, on any Python version."""
    assert fingerprint(account) == FINGERPRINT


def test_another_seed_is_another_company(account: Path, tmp_path: Path) -> None:
    """The seed reaches every part of the account."""
    write_demo_account(tmp_path, seed=1)
    for name in ("hubspot/contacts.csv", "hubspot/deals.csv", "ga4/sessions.csv"):
        assert (tmp_path / name).read_bytes() != (account / name).read_bytes()


def test_the_sandbox_reads_it(account: Path) -> None:
    """The folder is in the sandbox's own format, complete."""
    loaded = load_account(account)
    assert loaded.hubspot is not None and loaded.has_ga4
    assert len(loaded.owners) == 6
    assert len(loaded.emails) == 60
    assert set(loaded.tables) == {"companies", "contacts", "deals"}


def test_nothing_happens_after_the_last_day(account: Path) -> None:
    """Every event lies before the end of the last day, New York time; only plans lie beyond it."""
    end = pd.Timestamp(LAST_DAY, tz="America/New_York") + pd.DateOffset(days=1)
    contacts, deals = read(account, "hubspot/contacts.csv"), read(account, "hubspot/deals.csv")
    times = [contacts[name] for name in contacts.columns if "date" in name]
    times += [deals["createdate"], deals["hs_lastmodifieddate"]]
    times += [deals["closedate"][deals["hs_is_closed"] == "true"]]
    times += [read(account, "ga4/sessions.csv")["started_at"]]
    for column in times:
        assert pd.to_datetime(column, utc=True, format="ISO8601").max() < end


def test_it_is_as_dirty_as_a_real_account(account: Path) -> None:
    """Stages out of order, missing amounts, missing rates, foreign currencies, two like labels."""
    contacts, deals = read(account, "hubspot/contacts.csv"), read(account, "hubspot/deals.csv")
    mql, sql = (
        pd.to_datetime(contacts[f"hs_v2_date_entered_{stage}"], utc=True, format="ISO8601")
        for stage in ("marketingqualifiedlead", "salesqualifiedlead")
    )
    assert (sql < mql).sum() >= 3
    assert (contacts["lead_score"] == "").sum() >= 10
    assert (deals["amount"] == "").sum() >= 3
    assert ((deals["amount"] != "") & (deals["amount_in_home_currency"] == "")).sum() >= 3
    assert set(deals["deal_currency_code"]) == {"USD", "EUR", "GBP"}
    text = (account / "hubspot/pipelines.json").read_text(encoding="utf-8")
    assert text.count('"Closed won"') == 2


def test_an_earlier_last_day_gives_a_whole_account(tmp_path: Path) -> None:
    """The span moves with its last day, across a leap day and another year."""
    write_demo_account(tmp_path, last_day=date(2024, 3, 1))
    assert load_account(tmp_path).hubspot is not None
