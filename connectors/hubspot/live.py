"""What an account has of that which bindings name: properties, pipelines, and the scopes to read them.

Belongs here: read-only questions for `check --live`. Does not belong here: pulling (pull), verdicts on
properties (schema), or how findings are shown (commands).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.emails import EMAILS
from connectors.hubspot.paths import Paths
from connectors.hubspot.record_rows import LackingPropertiesError
from connectors.hubspot.records import RecordReader
from connectors.hubspot.schema import BoundProperty, hidden, read_schema
from connectors.hubspot.shapes import check_records
from connectors.hubspot.transport import LOOK, Document, ShapeError
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed

_ONE_RECORD: Final = replace(LOOK, list_page=1)


@dataclass(frozen=True)
class Named:
    """A pipeline or a stage: the id that properties hold, and the label that people see."""

    id: str
    label: str


@dataclass(frozen=True)
class Pipeline:
    """A pipeline of an object and its stages."""

    name: Named
    stages: tuple[Named, ...]


class HubSpotProbe:
    """Asks one account, over one connection. Every method raises SourceError."""

    def __init__(self, source: HubSpotSource, environ: Mapping[str, str]) -> None:
        self._connector = HubSpotConnector(source, environ, _ONE_RECORD)
        self._paths = Paths(source.api)

    def check_reading(self, dataset: str) -> None:
        """Read one record, without its values, to see that the token may."""
        transport = self._connector.transport()
        if dataset == EMAILS:
            path = self._paths.marketing_emails()
            transport.get(path, (("limit", "1"),), reading=dataset, check=_check_list)
            return
        # Without `properties` HubSpot would send names and addresses.
        one = (("limit", "1"), ("properties", "hs_object_id"))
        transport.get(self._paths.records(dataset), one, reading=dataset, check=check_records)

    def verdicts(self, need: RecordsNeed) -> dict[str, BoundProperty]:
        """A verdict on every field of the need: by the properties that there are, and by those that a
        record shows."""
        transport = self._connector.transport()
        found = read_schema(transport, self._paths, need)
        types = {name: one.type for name, one in found.items() if one.type is not None}
        reader = RecordReader(transport, self._paths, need.source, need.dataset, types)
        try:
            reader.rows.rows(next(reader.pages()).records)
        except LackingPropertiesError as lacking:
            found |= {name: hidden(name, need.dataset) for name in lacking.names}
        return found

    def pipelines(self, dataset: str) -> tuple[Pipeline, ...]:
        """The pipelines of an object; none where it has no such thing."""
        document = self._connector.transport().get(
            self._paths.pipelines(dataset),
            (),
            reading=f"pipelines of {dataset}",
            check=_check_pipelines,
        )
        return tuple(
            Pipeline(
                Named(one["id"], one["label"]),
                tuple(Named(stage["id"], stage["label"]) for stage in one["stages"]),
            )
            for one in document["results"]
        )

    def close(self) -> None:
        """Give back the connection."""
        self._connector.close()


def _check_list(document: Document) -> None:
    if not isinstance(document.get("results"), list):
        raise ShapeError("it has no list of results.")


def _check_pipelines(document: Document) -> None:
    _check_list(document)
    for one in document["results"]:
        stages = one.get("stages") if isinstance(one, dict) else None
        if not isinstance(stages, list):
            raise ShapeError("a pipeline has no stages.")
        for named in (one, *stages):
            parts = named if isinstance(named, dict) else {}
            if not all(isinstance(parts.get(key), str) for key in ("id", "label")):
                raise ShapeError("a pipeline or a stage has no id or no label.")
