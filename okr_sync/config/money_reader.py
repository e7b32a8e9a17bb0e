"""Reading `currency` of a metric: which currency its amounts are in, or are converted to.

Belongs here: the two forms of the key and what they need. Does not belong here: rates and conversion
(metrics), whether a goal is in the same currency (rules).
"""

from typing import Any

from okr_sync.config.datasets import Dataset
from okr_sync.config.fields import Fields
from okr_sync.config.identifiers import check_currency
from okr_sync.config.models import Aggregation
from okr_sync.config.problems import BadValue
from okr_sync.config.source_reader import Sources
from okr_sync.config.yaml_reader import MappingNode

_FORMS = "Write `currency: GBP`, or {field: deal_currency_code, to: GBP} to convert each record."


def read_currency(
    fields: Fields, aggregation: Aggregation | None, dataset: Dataset | None, sources: Sources
) -> dict[str, Any]:
    """`currency` and `currency_field` of an AggMetric."""
    node = fields.value("currency")
    if node is None:
        return {}
    if aggregation is not None and aggregation.agg.startswith("count"):
        fields.findings.error(
            node.position,
            "currency-of-count",
            f"`{aggregation.agg}` counts, and a count has no currency.",
            "Remove `currency`.",
        )
        return {}
    if not isinstance(node, MappingNode):
        return {"currency": fields.parsed("currency", check_currency, hint=_FORMS)}
    inner = Fields(node, "`currency`", fields.findings)
    check = str if dataset is None else dataset.check_field
    field = inner.parsed("field", check, required=True, hint=_FORMS)
    to = inner.parsed("to", check_currency, required=True, hint=_FORMS)
    inner.finish()
    if field is None or to is None:
        return {}
    refused = _refusal(aggregation, dataset, sources)
    if refused is not None:
        fields.findings.bad(node.position, refused)
    return {"currency": to, "currency_field": field}


def _refusal(
    aggregation: Aggregation | None, dataset: Dataset | None, sources: Sources
) -> BadValue | None:
    if dataset is not None and dataset.is_report:
        return BadValue(
            "currency-of-report",
            "GA4 reports are all in the property's currency, and have no records to convert.",
            "Write `currency: USD`, with the property's currency.",
        )
    if aggregation is not None and aggregation.agg != "sum":
        return BadValue(
            "currency-of-average",
            f"Only sums are converted at the day's rate, and this is `agg: {aggregation.agg}`.",
            "Use `agg: sum`; for an average divide it by a count in a `formula`.",
        )
    if sources.fx is None and not sources.fx_is_broken:
        return BadValue(
            "missing-fx",
            "The project names no exchange rates.",
            "Add `fx: source.dataset` to okr_sync.yaml: a dataset of a `files` or `sql` source with "
            "the fields date, from, to and rate.",
        )
    if sources.fx is None:
        return BadValue(
            "missing-fx", "The project's `fx` can't be used.", "Mend it in okr_sync.yaml first."
        )
    return None
