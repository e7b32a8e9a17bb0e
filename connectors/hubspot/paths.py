"""The paths of HubSpot's API, in both families: `v3` and the dated ones such as `2026-03`.

Belongs here: every path that the connector uses. Does not belong here: requests (transport).
In the dated family the date stands after the product (`/crm/objects/2026-03/contacts`).
"""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Paths:
    """The paths of one family; `api` is `v3` or a date."""

    api: str

    def records(self, object_type: str) -> str:
        """The list of records: GET, up to 100 a page."""
        return self._crm("objects", object_type)

    def search(self, object_type: str) -> str:
        """The search: POST, up to 200 a page, at most 10,000 results a query."""
        return f"{self.records(object_type)}/search"

    def batch_read(self, object_type: str) -> str:
        """Records by id: POST, up to 100 ids."""
        return f"{self.records(object_type)}/batch/read"

    def properties(self, object_type: str) -> str:
        """The definitions of all properties: GET, one page."""
        return self._crm("properties", object_type)

    def pipelines(self, object_type: str) -> str:
        """The pipelines of an object with their stages: GET, one page."""
        return self._crm("pipelines", object_type)

    def associations(self, object_type: str, to_object_type: str) -> str:
        """The associations of records by id: POST, up to 1,000 ids; v4 is the family beside v3."""
        ends = f"{quote(object_type, safe='')}/{quote(to_object_type, safe='')}"
        if self._is_dated:
            return f"/crm/associations/{self.api}/{ends}/batch/read"
        return f"/crm/v4/associations/{ends}/batch/read"

    def marketing_emails(self) -> str:
        """The marketing e-mails: GET, with statistics when asked for."""
        if self._is_dated:
            return f"/marketing/emails/{self.api}"
        return f"/marketing/{self.api}/emails"

    def account(self) -> str:
        """The account's details: GET."""
        return f"/account-info/{self.api}/details"

    def _crm(self, product: str, object_type: str) -> str:
        kind = quote(object_type, safe="")
        if self._is_dated:
            return f"/crm/{product}/{self.api}/{kind}"
        return f"/crm/{self.api}/{product}/{kind}"

    @property
    def _is_dated(self) -> bool:
        return not self.api.startswith("v")
