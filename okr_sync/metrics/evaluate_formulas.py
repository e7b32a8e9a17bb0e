"""Metrics of the kind `formula`: arithmetic over other metrics' measurements.

Belongs here: what a formula makes of its inputs' values, samples and flags. Does not belong here:
the grammar (formula), in which order metrics are evaluated (evaluate).
"""

from collections.abc import Mapping
from decimal import Decimal

from okr_sync.config.models import FormulaMetric
from okr_sync.metrics.formula import Formula
from okr_sync.metrics.measurement import Measurement


def evaluate_formula(
    metric: FormulaMetric, formula: Formula, inputs: Mapping[str, Measurement]
) -> Measurement:
    """The measurement of a formula from those of its inputs, by the names it uses.

    An input without a value, or a division by zero, makes no value (`missing_input:<name>`,
    `division_by_zero`), unless `empty: zero` asks for 0. The sample is the smallest of the inputs'.
    """
    flags = {flag for measurement in inputs.values() for flag in measurement.quality}
    values = {name: each.value for name, each in inputs.items() if each.value is not None}
    missing = [name for name in formula.names if name not in values]
    flags |= {f"missing_input:{name}" for name in missing}
    value = None if missing else formula.evaluate(values)
    if value is None:
        if not missing:
            flags.add("division_by_zero")
        if metric.empty == "zero":
            value = Decimal(0)
    samples = [each.sample_size for each in inputs.values() if each.sample_size is not None]
    return Measurement(value, sample_size=min(samples, default=None), quality=tuple(sorted(flags)))
