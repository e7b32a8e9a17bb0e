"""Which of the bound columns a table has, and of what type.

Belongs here: the verdict on each bound column and its wording. Does not belong here: where columns
and types come from (connectors.sql, connectors.files).
"""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from connectors.tabular.values import Inference, Offender
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.mirror import FieldType

TIMES: Final = frozenset({FieldType.INSTANT, FieldType.DAY})
"""The types that a binding can use as a time."""

_WORDS: Final = {
    FieldType.TEXT: "text",
    FieldType.NUMBER: "numbers",
    FieldType.INSTANT: "times",
    FieldType.DAY: "days",
    FieldType.FLAG: "flags",
}
_MOST_NAMED: Final = 12


@dataclass(frozen=True)
class BoundColumn:
    """A verdict: `type` is None when there is no such column; `error` says so, or why it can't be
    used as it is bound (a time that is no date, a sum of texts)."""

    type: FieldType | None
    error: str | None = None


def missing_column(field: str, what: str, columns: Collection[str]) -> BoundColumn:
    """The verdict on a column that `what` (`The table people.staff`) doesn't have."""
    return BoundColumn(None, f"{what} has no column {field}.{near_miss(field, columns)}")


def near_miss(name: str, known: Collection[str]) -> str:
    """What to say after an unknown name: which one was meant, or which there are."""
    lowered = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.75)
    if near:
        return f" Did you mean {' or '.join(lowered[one] for one in near)}?"
    if not known:
        return ""
    shown = sorted(known)[:_MOST_NAMED]
    more = ", …" if len(known) > _MOST_NAMED else ""
    return f" It has {', '.join(shown)}{more}."


def typed_column(field: str, kind: FieldType, need: RecordsNeed, what: str) -> BoundColumn:
    """The verdict on a column whose type is declared."""
    return _judged(field, kind, need, what, "")


def inferred_column(
    field: str, inference: Inference, need: RecordsNeed, what: str, advice: str = ""
) -> BoundColumn:
    """The verdict on a column judging by its values; one without any is what the binding wants.

    `advice` is added where the values don't suit the binding.
    """
    kind = inference.type()
    if kind is None:
        if field in need.time_fields:
            return BoundColumn(FieldType.INSTANT)
        return BoundColumn(FieldType.NUMBER if field in need.number_fields else FieldType.TEXT)
    wanted = FieldType.INSTANT if field in need.time_fields else FieldType.NUMBER
    offender = inference.offenders.get(wanted)
    return _judged(field, kind, need, what, _because(offender, wanted) + advice)


def _judged(field: str, kind: FieldType, need: RecordsNeed, what: str, because: str) -> BoundColumn:
    if field in need.time_fields and kind not in TIMES:
        return BoundColumn(
            kind, f"{what}: {field} is bound as a time, but it holds {_WORDS[kind]}.{because}"
        )
    if field in need.number_fields and kind is not FieldType.NUMBER:
        return BoundColumn(
            kind, f"{what}: {field} is bound as a number, but it holds {_WORDS[kind]}.{because}"
        )
    if kind is FieldType.NUMBER and field in need.exact_fields - need.number_fields:
        return BoundColumn(FieldType.TEXT)
    return BoundColumn(kind)


def _because(offender: Offender | None, wanted: FieldType) -> str:
    if offender is None:
        return ""
    form = "2026-01-31 or 2026-01-31T09:00:00Z" if wanted is FieldType.INSTANT else "1234.5"
    return f" The first other value is {offender}: write it as {form}."
