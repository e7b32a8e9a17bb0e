"""A process that pulls contacts once and prints what came of it: run, and killed, by
test_hubspot_resume."""

import json
import sys
from datetime import datetime

from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import open_warehouse


def main() -> None:
    """Arguments: the warehouse's URL, the sandbox's, the instant, the fields."""
    url, endpoint, now, *fields = sys.argv[1:]
    environ = {"HUBSPOT_ACCESS_TOKEN": SANDBOX_TOKEN, "OKR_SYNC_HUBSPOT_ENDPOINT": endpoint}
    settings = ClientSettings(read_seconds=300)  # the test lets it wait
    connector = HubSpotConnector(HubSpotSource(name="hubspot"), environ, settings)
    warehouse = open_warehouse(url)
    need = RecordsNeed("hubspot", "contacts", frozenset(fields))
    result = connector.pull(need, warehouse, datetime.fromisoformat(now))
    print(json.dumps({"error": result.error, "rows": result.rows, "requests": result.requests}))


if __name__ == "__main__":
    main()
