"""The HubSpot connector: from a need for records to an up-to-date mirror and a report.

Belongs here: the token, one connection for all pulls, and what a failure becomes. Does not belong
here: the course of a pull (pull) or requests (transport, records).
"""

import time
from collections.abc import Collection, Mapping
from datetime import datetime

from connectors.base import Progress, PullResult, unwatched
from connectors.endpoints import resolve_endpoint
from connectors.hubspot.account import AccountDetails, read_account
from connectors.hubspot.associations import AssociationReader
from connectors.hubspot.emails import EMAILS, pull_emails
from connectors.hubspot.paths import Paths
from connectors.hubspot.pull import DatasetPull, PullReport
from connectors.hubspot.record_rows import LackingPropertiesError
from connectors.hubspot.records import RecordReader
from connectors.hubspot.remembered import account_of, schema_of
from connectors.hubspot.schema import hidden
from connectors.hubspot.transport import ClientSettings, Transport
from okr_sync.config.models import HubSpotSource
from okr_sync.errors import (
    DeferredSourceError,
    IncompletePullError,
    SourceError,
    TransientSourceError,
)
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse


class HubSpotConnector:
    """Reads CRM objects of one account into the warehouse's mirrors.

    `environ` holds the token and, where set, the endpoint. Nothing is connected before the first
    pull; `close` gives the connection back.
    """

    def __init__(
        self,
        source: HubSpotSource,
        environ: Mapping[str, str],
        settings: ClientSettings | None = None,
    ) -> None:
        self._source = source
        self._environ = environ
        self._settings = settings or ClientSettings()
        self._paths = Paths(source.api)
        self._transport: Transport | None = None
        self._account: AccountDetails | None = None

    def pull(
        self,
        need: RecordsNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress = unwatched,
    ) -> PullResult:
        """Bring the mirror of one object up to date, as of `now`, with the fields that are needed.

        The object is any that HubSpot has (contacts, tickets, p123_cars, 2-345), with associations if
        they are needed, or `marketing_emails`.
        `rows` is how many records the mirror then holds and `rows_expected` how many HubSpot counts.
        A failure of HubSpot's, or a read that could not be proven complete, comes back in `error`
        and leaves the mirror as it was.
        """
        started = time.monotonic()
        requests_before = self._transport.requests if self._transport else 0
        error: SourceError | None = None
        report: PullReport | None = None
        try:
            report = self._pulled(need, warehouse, now, progress)
        except SourceError as failure:
            error = failure
        transport = self._transport
        return PullResult(
            source=need.source,
            dataset=need.dataset,
            requests=transport.requests - requests_before if transport else 0,
            rows=report.rows if report else 0,
            rows_expected=report.rows_expected if report else None,
            is_complete=report is not None,
            seconds=time.monotonic() - started,
            cursor_from=report.cursor_from if report else None,
            cursor_to=report.cursor_to if report else None,
            quota=transport.quota_now() if transport else {},
            quality=report.quality if report else (),
            error=error.user_text if error else None,
            is_transient=isinstance(error, TransientSourceError),
            is_deferred=isinstance(error, DeferredSourceError),
        )

    def close(self) -> None:
        """Give back the connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _pulled(
        self, need: RecordsNeed, warehouse: Warehouse, now: datetime, progress: Progress
    ) -> PullReport:
        transport = self.transport()
        if self._account is None:
            self._account = account_of(transport, self._paths, warehouse, need.source, now)
            transport.belongs_to(self._account.portal_id, self._confirm_account)
        if need.dataset == EMAILS:
            return pull_emails(
                transport, self._paths, need, warehouse, self._account, now, progress
            )
        try:
            return self._pulled_records(need, warehouse, now, progress)
        except LackingPropertiesError as lacking:
            # It may be gone, which an earlier run's note of the schema can't know; or a page was wrong.
            lacked = set(lacking.names)
        try:
            return self._pulled_records(need, warehouse, now, progress, anew=True)
        except LackingPropertiesError as lacking:
            lacked.intersection_update(lacking.names)
            if not lacked:
                raise _comes_and_goes(need, lacking) from lacking
        try:
            return self._pulled_records(need, warehouse, now, progress, unseen=lacked)
        except LackingPropertiesError as lacking:
            raise _comes_and_goes(need, lacking) from lacking

    def _confirm_account(self) -> None:
        """Refuse a token that was changed in the middle of a read to one of another account."""
        assert self._account is not None
        before, self._account = self._account, None
        there = read_account(self.transport(), self._paths)
        if there.portal_id != before.portal_id:
            raise TransientSourceError(
                f"Source {self._source.name}: the token in {self._source.token_env} was changed while "
                f"it was read, from portal {before.portal_id} to portal {there.portal_id}. Nothing of "
                "this read was used; the next run reads the other portal."
            )
        self._account = before

    def _pulled_records(
        self,
        need: RecordsNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress,
        *,
        anew: bool = False,
        unseen: Collection[str] = (),
    ) -> PullReport:
        transport, account = self.transport(), self._account
        assert account is not None
        bound = schema_of(transport, self._paths, warehouse, need, now, anew=anew)
        bound |= {name: hidden(name, need.dataset) for name in unseen}
        types = {name: one.type for name, one in bound.items() if one.type is not None}
        pull = DatasetPull(
            transport,
            RecordReader(transport, self._paths, need.source, need.dataset, types),
            warehouse,
            need.source,
            need.dataset,
            account,
            bound,
            now,
            AssociationReader(transport, self._paths, need.source, need.dataset),
            need.associations,
        )
        return pull.run(progress)

    def transport(self) -> Transport:
        """The connection, opened on first use. Raises SourceError without a usable token."""
        if self._transport is None:
            name, variable = self._source.name, self._source.token_env
            self._token()  # a missing token is told before a wrong endpoint
            endpoint = resolve_endpoint("hubspot", self._source.endpoint, self._environ)
            self._transport = Transport(name, endpoint, self._token, variable, self._settings)
        return self._transport

    def _token(self) -> str:
        """The token as the environment holds it now. Raises SourceError if it can't be one."""
        name, variable = self._source.name, self._source.token_env
        token = self._environ.get(variable, "").strip()
        if not token:
            raise SourceError(
                f"Source {name}: the environment variable {variable} is not set. Put the access "
                "token of a HubSpot private app (or a service key) into it."
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise SourceError(
                f"Source {name}: the token in {variable} has characters that no HubSpot token "
                "has. Copy it again."
            )
        return token


def _comes_and_goes(need: RecordsNeed, lacking: LackingPropertiesError) -> IncompletePullError:
    return IncompletePullError(
        f"Source {need.source}: HubSpot leaves properties out of {need.dataset} now and then, this time "
        f"{', '.join(lacking.names)}. Nothing of this read was used; the next run tries again."
    )
