"""What the bindings need from the sources: the contract between the plan and the connectors.

Belongs here: plain descriptions of pulls, in the field's terms (object, property, metric, filter,
day). Does not belong here: how needs follow from bindings (plan) or become requests (connectors).
"""

from dataclasses import dataclass
from datetime import date

from okr_sync.config.where import Where


@dataclass(frozen=True)
class RecordsNeed:
    """The properties of one CRM object that any binding reads, and no others."""

    source: str
    dataset: str
    fields: frozenset[str]
    time_fields: frozenset[str] = frozenset()
    """The fields that bindings use as times: a connector refuses them if they are not dates."""
    number_fields: frozenset[str] = frozenset()
    """The fields that bindings add up or average: refused if they are not numbers."""


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


Need = RecordsNeed | ReportsNeed
