"""Whose account a token opens: several apps of one, and a token that is changed to another's."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account
from connectors.sandbox.http_server import Request, Response
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse, open_warehouse

MakeAccount = Callable[..., Account]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]

_NEED = RecordsNeed("hubspot", "contacts", frozenset({"plan"}))


def _contact(record_id: int, plan: str) -> dict[str, str]:
    return {
        "hs_object_id": str(record_id),
        "createdate": "2026-10-01T08:00:00.000Z",
        "plan": plan,
    }


class TwoApps(HubSpotSandbox):
    """A sandbox that lets a second app in."""

    def answer(self, request: Request) -> Response:
        """The answer to either app."""
        headers = {**request.headers, "authorization": f"Bearer {self.token}"}
        return super().answer(replace(request, headers=headers))


def test_two_apps_of_one_account_provoke_no_refusal(
    hs_account: MakeAccount, tmp_path: Path
) -> None:
    """Two sources with a token each, read at once: their searches have one limit, that of the account."""
    account = hs_account({"contacts": [_contact(n, "pro") for n in range(1, 51)]})
    errors: list[str | None] = []

    def pull(token: str, warehouse: Warehouse, url: str) -> None:
        environ = {"HUBSPOT_ACCESS_TOKEN": token, "OKR_SYNC_HUBSPOT_ENDPOINT": url}
        connector = HubSpotConnector(HubSpotSource(name="hubspot"), environ, ClientSettings())
        for _ in range(3):
            errors.append(connector.pull(_NEED, warehouse, datetime.now(UTC)).error)
        connector.close()

    with TwoApps(account) as sandbox, ExitStack() as opened:
        apps = []
        for token in ("pat-one", "pat-two"):
            warehouse = open_warehouse(f"sqlite:///{tmp_path / token}.sqlite")
            opened.callback(warehouse.close)
            apps.append(threading.Thread(target=pull, args=(token, warehouse, sandbox.url)))
        for app in apps:
            app.start()
        for app in apps:
            app.join()
        assert errors == [None] * 6
        assert sandbox.server.requests(status=429) == 0


def test_a_token_of_another_account_in_the_middle_of_a_read(
    hs_account: MakeAccount,
    sqlite_warehouse: Warehouse,
    hs_quick: ClientSettings,
    hs_mirror: Mirror,
) -> None:
    """What one portal has given is not mixed with what another gives: nothing is used, both are named,
    and the next read is of the other one."""
    first = hs_account({"contacts": [_contact(n, "a") for n in range(1, 1_001)]}, portal_id=1)
    second = hs_account({"contacts": [_contact(n, "b") for n in range(500, 1_501)]}, portal_id=2)
    environ = {"HUBSPOT_ACCESS_TOKEN": "pat-first"}
    other = HubSpotSandbox(second, "pat-second", rate_limits=False)

    class Front(HubSpotSandbox):
        asked = 0

        def answer(self, request: Request) -> Response:
            """Each token's own account; in the middle of the first one's list the token is changed."""
            self.asked += 1
            if self.asked == 8:
                self.token, environ["HUBSPOT_ACCESS_TOKEN"] = "revoked", "pat-second"
            is_second = request.headers["authorization"].endswith("pat-second")
            return other.answer(request) if is_second else super().answer(request)

    with Front(first, "pat-first", rate_limits=False) as front:
        environ["OKR_SYNC_HUBSPOT_ENDPOINT"] = front.url
        connector = HubSpotConnector(HubSpotSource(name="hubspot"), environ, hs_quick)
        result = connector.pull(_NEED, sqlite_warehouse, datetime.now(UTC))
        assert "from portal 1 to portal 2" in (result.error or "")
        result = connector.pull(_NEED, sqlite_warehouse, datetime.now(UTC))
        assert (result.error, result.rows) == (None, 1_001)
        connector.close()
    assert {row["f_plan"] for row in hs_mirror(sqlite_warehouse, "contacts").values()} == {"b"}
