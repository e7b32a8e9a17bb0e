"""Fixtures of the HubSpot sandbox's tests: a small account, served, and the real client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from hubspot import HubSpot

from connectors.sandbox.account import Account
from connectors.sandbox.account_files import load_account
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN, HubSpotSandbox

ACCOUNT_YAML = "hubspot: {portal_id: 1234567, time_zone: Europe/Berlin, currency: EUR}\n"
CONTACTS = """\
hs_object_id,createdate,lastmodifieddate,lifecyclestage,hs_analytics_source,city,score,is_member,team_size,hs_v2_date_entered_lead
101,2026-01-05T09:00:00.000Z,2026-03-01T10:00:00.000Z,lead,PAID_SEARCH,Berlin,10,true,3092727991;3881228353,2026-01-06T00:00:00.000Z
102,2026-01-06T09:00:00.000Z,2026-03-02T10:00:00.000Z,customer,PAID_SOCIAL,berlin mitte,9.5,false,4,
103,2026-01-07T09:00:00.000Z,2026-03-03T10:00:00.000Z,lead,,Hamburg,,true,5,2026-01-08T00:00:00.000Z
104,2026-01-08T09:00:00.000Z,2026-03-04T10:00:00.000Z,,PAID_SEARCH,,100,,6,
"""
DEALS = """\
hs_object_id,createdate,hs_lastmodifieddate,closedate,dealstage,pipeline,amount
201,2026-02-01T00:00:00.000Z,2026-02-02T00:00:00.000Z,2026-03-01T00:00:00.000Z,closedwon,default,12500
202,2026-02-03T00:00:00.000Z,2026-02-04T00:00:00.000Z,,qualifiedtobuy,default,0.0
"""
PIPELINES = {
    "deals": [
        {
            "id": "default",
            "label": "Sales",
            "stages": [
                {
                    "id": "qualifiedtobuy",
                    "label": "Qualified",
                    "metadata": {"isClosed": "false", "probability": "0.4"},
                },
                {
                    "id": "closedwon",
                    "label": "Won",
                    "metadata": {"isClosed": "true", "probability": "1.0"},
                },
            ],
        }
    ]
}
# The counters are those of the recorded statistics, so that their ratios can be compared.
EMAILS = """\
id,name,published_at,campaign_id,sent,delivered,open,click,bounce,hardbounced,softbounced,unsubscribed,spamreport,contactslost,selected,notsent
11,First,2026-11-02T09:00:03Z,901,5153,5100,1655,203,53,21,32,9,1,31,5200,47
12,Second,2026-11-09T09:00:00Z,902,795,790,300,41,5,2,3,1,0,3,800,5
13,Draft,,903,0,0,0,0,0,0,0,0,0,0,0,0
"""
OWNERS = """\
id,email,type,first_name,last_name,user_id,created_at,updated_at,archived
70011,ola@example.com,PERSON,Ola,Owner,44,2024-02-01T09:00:00.000Z,2026-03-01T09:00:00.000Z,false
70012,gone@example.com,PERSON,Gone,Owner,45,2024-02-01T09:00:00.000Z,2026-03-01T09:00:00.000Z,true
"""

Serve = Callable[..., HubSpotSandbox]


@pytest.fixture
def account_folder(tmp_path: Path) -> Path:
    """A folder with a small HubSpot account in every kind of file."""
    folder = tmp_path / "account"
    (folder / "hubspot").mkdir(parents=True)
    (folder / "account.yaml").write_text(ACCOUNT_YAML)
    for name, text in {
        "contacts.csv": CONTACTS,
        "deals.csv": DEALS,
        "contact_to_deal.csv": "contact_id,deal_id,label\n101,201,Champion\n102,201,\n",
        "pipelines.json": orjson.dumps(PIPELINES).decode(),
        "properties.json": '{"contacts": {"team_size": {"type": "number"}}}',
        "marketing_emails.csv": EMAILS,
        "owners.csv": OWNERS,
    }.items():
        (folder / "hubspot" / name).write_text(text)
    return folder


@pytest.fixture
def account(account_folder: Path) -> Account:
    """The small account, loaded; a test changes it in process."""
    return load_account(account_folder)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a HubSpot for an account (without rate limits unless asked); stopped after the test."""
    with ExitStack() as running:

        def start(account: Account, *, rate_limits: bool = False) -> HubSpotSandbox:
            return running.enter_context(HubSpotSandbox(account, rate_limits=rate_limits))

        yield start


@pytest.fixture
def sandbox(account: Account, serve: Serve) -> HubSpotSandbox:
    """The small account, served without rate limits."""
    return serve(account)


@pytest.fixture
def connect() -> Callable[[HubSpotSandbox], Any]:
    """The real client for a served account; Any because the client has no types."""

    def client(sandbox: HubSpotSandbox) -> Any:
        return HubSpot(access_token=SANDBOX_TOKEN, host=sandbox.url, base_url=sandbox.url)

    return client


@pytest.fixture
def client(sandbox: HubSpotSandbox, connect: Callable[[HubSpotSandbox], Any]) -> Any:
    """The real client, pointed at the small account."""
    return connect(sandbox)


@pytest.fixture
def example() -> Callable[[str], Any]:
    """A recorded response by name, or skip where the recordings are not at hand."""
    folder = Path(__file__).parents[3].parent / "shared" / "examples" / "hubspot"

    def read(name: str) -> Any:
        file = folder / f"{name}.json"
        if not file.is_file():
            pytest.skip(f"the recorded response {name} is not beside this checkout")
        return orjson.loads(file.read_bytes())

    return read


@pytest.fixture
def same_shape() -> Callable[[Any, Any], None]:
    """Assert that two JSON values have the same keys all the way down.

    Where names or ids of the account are keys, those differ and only what is below them counts.
    """
    by_account = {"properties", "campaignAggregations"}

    def check(ours: Any, theirs: Any, path: str = "") -> None:
        if isinstance(theirs, dict):
            assert isinstance(ours, dict), path
            if path.rsplit(".", 1)[-1] in by_account:
                check(next(iter(ours.values())), next(iter(theirs.values())), path + ".*")
                return
            assert ours.keys() == theirs.keys(), path
            for key in theirs:
                check(ours[key], theirs[key], f"{path}.{key}")
        elif isinstance(theirs, list):
            assert isinstance(ours, list), path
            if theirs:
                assert ours, f"{path} is empty, and theirs is not"
                check(ours[0], theirs[0], path + "[]")
        elif theirs is not None and ours is not None:
            # JSON has one kind of number: 0 and 0.0 are alike.
            kinds = [float if type(one) is int else type(one) for one in (ours, theirs)]
            assert kinds[0] is kinds[1], path

    return check
