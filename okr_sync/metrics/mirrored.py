"""What has been read of a dataset's records: its table, its associated tables, and what is lacking.

Belongs here: the tables that conditions and readings are built on, and the refusal of metrics whose
fields have not been read or are not what they are used as. Does not belong here: conditions
(filters), readings (record_readings), reading a source (connectors).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from okr_sync.config.models import Project, RecordMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.record_fields import (
    associated_fields,
    fields_of_metric,
    number_fields,
    time_fields,
)
from okr_sync.warehouse.association_store import associations_filled_at
from okr_sync.warehouse.mirror import FieldState, FieldType, fields_of, record_table


@dataclass(frozen=True)
class Mirrored:
    """A dataset as read: `states` by dataset, the associated ones included.

    `bad_fields` are those of which at least one record holds a value that could not be read.
    """

    source: Filterable
    states: Mapping[str, Mapping[str, FieldState]]
    bad_fields: frozenset[str]
    unread_associations: frozenset[str]

    def check(self, metric: RecordMetric, project: Project) -> None:
        """SourceError where a metric's fields have not been read, or are not what it takes them for."""
        for field in sorted(fields_of_metric(metric, project)):
            state = self.states[metric.dataset].get(field)
            if state is not None and state.error and _hurts(metric, field, state.type):
                raise SourceError(state.error)
            self._check_filled(metric.dataset, field)
        for related, fields in associated_fields(metric, project).items():
            dataset = f"{metric.source}.{related}"
            for field in sorted(fields):
                self._check_filled(dataset, field)
            if related in self.unread_associations:
                raise SourceError(
                    f"which {related} belong to {metric.dataset} has not yet been read. "
                    "Run `okr-sync sync`."
                )

    def _check_filled(self, dataset: str, field: str) -> None:
        state = self.states[dataset].get(field)
        if state is not None and state.type is None and state.error:
            raise SourceError(state.error)
        if state is None or state.filled_at is None:
            raise SourceError(
                f"{dataset} has not yet been read with the field {field}. Run `okr-sync sync`."
            )


def read_mirrored(
    connection: Connection, project: Project, dataset: str, metrics: Iterable[RecordMetric]
) -> Mirrored:
    """What has been read of a dataset, and of the objects whose associations metrics look through."""
    source_name, _, own_name = dataset.partition(".")
    related = {name for metric in metrics for name in associated_fields(metric, project)}
    zone = ZoneInfo(project.time_zone)
    states = {
        f"{source_name}.{name}": fields_of(connection, source_name, name)
        for name in (own_name, *sorted(related))
    }
    others = {name: _table(source_name, name, states, zone) for name in sorted(related)}
    source = _table(source_name, own_name, states, zone, others)
    return Mirrored(
        source,
        states,
        _bad_fields(connection, source) if source.types else frozenset(),
        frozenset(
            name
            for name in related
            if associations_filled_at(connection, source_name, own_name, name) is None
        ),
    )


def hidden_flags(connection: Connection, project: Project, metric: RecordMetric) -> frozenset[str]:
    """The flags that say why fields that a metric needs can't be had; mostly none."""
    needed = {metric.dataset: fields_of_metric(metric, project)}
    for related, fields in associated_fields(metric, project).items():
        needed[f"{metric.source}.{related}"] = frozenset(fields)
    flags: set[str] = set()
    for dataset, fields in needed.items():
        source, _, name = dataset.partition(".")
        states = fields_of(connection, source, name)
        flags.update(*(states[field].quality for field in fields & states.keys()))
    return frozenset(flags)


def _table(
    source: str,
    name: str,
    states: Mapping[str, Mapping[str, FieldState]],
    zone: ZoneInfo,
    related: Mapping[str, Filterable] | None = None,
) -> Filterable:
    dataset = f"{source}.{name}"
    types = {field: state.type for field, state in states[dataset].items() if state.type}
    return Filterable(record_table(source, name, types), types, zone, dataset, related or {})


def _bad_fields(connection: Connection, source: Filterable) -> frozenset[str]:
    bad = source.table.c.bad_fields
    found: set[str] = set()
    for (names,) in connection.execute(select(bad).where(bad.is_not(None)).distinct()):
        found.update(name for name in names.split(",") if name)
    return frozenset(found)


def _hurts(metric: RecordMetric, field: str, kind: FieldType | None) -> bool:
    """Whether what is wrong with a field is wrong for this metric.

    A text that another team's binding takes for a date can still be counted and compared by this one.
    """
    if kind is None:
        return True
    as_time = field in time_fields(metric) and kind not in (FieldType.INSTANT, FieldType.DAY)
    as_number = field in number_fields(metric) and kind is not FieldType.NUMBER
    return as_time or as_number
