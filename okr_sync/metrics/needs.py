"""What the bindings need from the sources: the contract between the plan and the connectors.

Belongs here: plain descriptions of pulls, in the field's terms (object, property, metric, filter,
day). Does not belong here: how needs follow from bindings (plan) or become requests (connectors).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from okr_sync.config.models import KeyResult
from okr_sync.config.where import Where


@dataclass(frozen=True)
class RecordsNeed:
    """The fields of one CRM object, table or set of files that any binding reads, and no others."""

    source: str
    dataset: str
    fields: frozenset[str]
    time_fields: frozenset[str] = frozenset()
    """The fields that bindings use as times: a connector refuses them if they are not dates."""
    number_fields: frozenset[str] = frozenset()
    """The fields that bindings add up or average: refused if they are not numbers."""
    associations: frozenset[str] = frozenset()
    """The objects (`contacts`) whose associations with these records conditions look through."""
    exact_fields: frozenset[str] = frozenset()
    """Numbers that are wanted with all their digits (rates): kept as texts, not cut to millionths."""


@dataclass(frozen=True)
class SeriesNeed:
    """Day by day figures of additive metrics under one filter, for days first_day..last_day."""

    where: Where
    metrics: frozenset[str]
    first_day: date
    last_day: date
    """Inclusive, in the property's time zone."""


@dataclass(frozen=True)
class ExactWindowNeed:
    """Figures that can't be added over days, asked for at the exact window [first, last] days."""

    where: Where
    metrics: frozenset[str]
    first_day: date
    last_day: date
    """Inclusive, in the property's time zone."""


@dataclass(frozen=True)
class ReportsNeed:
    """Everything that bindings read from one GA4 property."""

    source: str
    dataset: str
    series: tuple[SeriesNeed, ...]
    exact_windows: tuple[ExactWindowNeed, ...]


@dataclass(frozen=True)
class QueryNeed:
    """One statement of a `sql` metric, for one as-of day and window (its end is the day after)."""

    metric: str
    text: str
    as_of: date
    window_start: date
    window_end: date


@dataclass(frozen=True)
class QueriesNeed:
    """The statements to run on one `sql` source; their results are kept under `dataset`."""

    source: str
    queries: tuple[QueryNeed, ...]
    dataset: str = "queries"


@dataclass(frozen=True)
class CheckInsNeed:
    """The check-ins in the files of a dataset, for all key results that take check-ins.

    `others` are the ids of those that don't; days are those of `zone`.
    """

    source: str
    dataset: str
    key_results: Mapping[str, KeyResult]
    others: frozenset[str]
    zone: ZoneInfo


Need = RecordsNeed | ReportsNeed | QueriesNeed | CheckInsNeed
