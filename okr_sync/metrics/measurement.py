"""What evaluating a metric gives: the number, the parts it was made of, and its quality.

Belongs here: the plain result types that evaluation, progress and publish share. Does not belong
here: how they are computed (evaluate) or stored (warehouse).
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from okr_sync.metrics.windows import Window


@dataclass(frozen=True)
class Measurement:
    """One metric over one window: exact decimals, `None` where there is no value.

    `sample_size` counts the records (or report rows) that the value rests on. `quality` holds
    flags such as `negative_duration:1`, sorted, without `provisional` (which depends on the clock).
    """

    value: Decimal | None
    numerator: Decimal | None = None
    denominator: Decimal | None = None
    sample_size: int | None = None
    quality: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class MetricObservation:
    """A measurement of the named metric as of the end of a local day, over `window`."""

    metric: str
    as_of: date
    window: Window
    measurement: Measurement
