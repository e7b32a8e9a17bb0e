"""The records behind a number as rows with a link, for tables, CSV files and data frames.

Belongs here: the columns, the links into HubSpot and the CSV. Does not belong here: which records
count (inspect.contributions).
"""

import csv
import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import HubSpotSource, RecordMetric
from okr_sync.errors import OkrSyncError, UsageError
from okr_sync.inspect.contributions import Contribution, contributions, record_metrics
from okr_sync.inspect.explanation import Explanation, span_of
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import state_of

# Object type ids: developers.hubspot.com/docs/guides/crm/understanding-the-crm
_TYPE_IDS = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "leads": "0-136",
}
_PORTAL = "https://app.hubspot.com/contacts"


@dataclass(frozen=True)
class RecordRow:
    """A record behind a number: a contribution, and where to look at it; the columns of the CSV."""

    metric: str
    record_id: str
    at: Any
    counted: bool
    in_numerator: bool | None
    in_denominator: bool | None
    amount: Any
    denominator_amount: Any
    group: str | None
    left_out: str | None
    url: str | None


COLUMNS = tuple(field.name for field in dataclasses.fields(RecordRow))


def record_rows(warehouse: Warehouse, explanation: Explanation) -> list[RecordRow]:
    """Every record that counts or almost does, by metric and id.

    Raises UsageError for a number that isn't made of records.
    """
    definition, span = span_of(explanation)
    bundle = definition.bundle
    metrics = record_metrics(bundle, bundle.metrics[definition.key_result.metric])
    name = definition.key_result.key_result_id
    if definition.key_result.is_manual:
        raise UsageError(
            f"{name} is what people check in. `okr-sync checkin {name}` lists what they said."
        )
    if not metrics:
        raise UsageError(
            f"{name} is measured from reports or a query, which hold "
            "figures and no records to list."
        )
    with warehouse.read() as connection:
        return [
            row
            for metric in metrics
            for row in _with_links(
                contributions(connection, bundle, metric, span),
                _link_prefix(bundle, metric, _account(connection, metric)),
            )
        ]


def _account(connection: Any, metric: RecordMetric) -> str | None:
    state = state_of(connection, metric.source, metric.dataset_name)
    return None if state is None else state.account


def _link_prefix(bundle: Bundle, metric: RecordMetric, account: str | None) -> str | None:
    """The address of a HubSpot object's records up to the id; None where records have no page."""
    if not isinstance(bundle.project.sources[metric.source], HubSpotSource) or account is None:
        return None
    name = metric.dataset_name
    type_id = _TYPE_IDS.get(name) or (name if name.startswith("2-") else None)
    return None if type_id is None else f"{_PORTAL}/{account}/record/{type_id}"


def _with_links(found: Iterable[Contribution], prefix: str | None) -> Iterator[RecordRow]:
    for one in found:
        url = None if prefix is None else f"{prefix}/{one.record_id}"
        yield RecordRow(**dataclasses.asdict(one), url=url)


def write_csv(path: Path, rows: Iterable[RecordRow]) -> int:
    """Write the records to a file and say how many there were; OkrSyncError if it can't be written."""
    written = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row in rows:
                writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
                written += 1
    except OSError as error:
        raise OkrSyncError(f"{path} can't be written: {error.strerror}.") from error
    return written


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    text = str(value)
    # A spreadsheet would take such a text for a formula and run it.
    is_formula = isinstance(value, str) and text[:1] in "=+-@\t\r" and text != ""
    return f"'{text}" if is_formula else text
