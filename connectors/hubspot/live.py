"""What an account has of that which bindings name: properties, pipelines, and the scopes to read them.

Belongs here: read-only questions for `check --live`. Does not belong here: pulling (pull), verdicts on
properties (schema), or how findings are shown (commands).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.emails import EMAILS
from connectors.hubspot.paths import Paths
from connectors.hubspot.schema import BoundProperty, hidden, read_schema
from connectors.hubspot.shapes import check_records
from connectors.hubspot.transport import LOOK, Document, ShapeError
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed

_NAMES_AT_ONCE: Final = 50  # longer addresses are refused by some proxies


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
        self._connector = HubSpotConnector(source, environ, LOOK)
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
        names = [name for name, one in found.items() if one.type is not None]
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = names[start : start + _NAMES_AT_ONCE]
            query = [("limit", "1"), *(("properties", name) for name in some)]
            path = self._paths.records(need.dataset)
            page = transport.get(path, query, reading=need.dataset, check=check_records)
            for record in page["results"]:
                unseen = (name for name in some if name not in record["properties"])
                found |= {name: hidden(name, need.dataset) for name in unseen}
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
