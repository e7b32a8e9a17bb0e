"""Reading what each kind of metric has of its own: aggregations, the halves of a ratio, times.

Belongs here: the keys `agg`, `field`, `time`, `ratio`, `conversion`, `duration` and what is right
within them. Does not belong here: what all metrics have in common (metric_reader).
"""

import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from okr_sync.config.dataset_fields import EMAIL_TIME
from okr_sync.config.datasets import Dataset
from okr_sync.config.fields import Fields
from okr_sync.config.models import Aggregation, Pool, Reduce
from okr_sync.config.money_reader import read_currency
from okr_sync.config.problems import BadValue
from okr_sync.config.source_reader import Sources
from okr_sync.config.where import Where
from okr_sync.config.where_reader import read_where
from okr_sync.config.wording import advice, listed, quoted
from okr_sync.metrics.report_fields import check_report_aggregation

_AGGREGATIONS = (
    "count", "sum", "average", "median", "min", "max", "count_distinct", "p90",
)  # fmt: skip
_PERCENTILE = re.compile(r"p[1-9][0-9]?")
_OF_ANYTHING = ("count_distinct",)
_OF_DURATIONS = tuple(name for name in _AGGREGATIONS if not name.startswith("count"))
_SYNONYMS = {
    "avg": "average", "mean": "average", "total": "sum", "distinct": "count_distinct",
    "unique": "count_distinct", "countd": "count_distinct", "p100": "max", "p0": "min",
    "minimum": "min", "maximum": "max", "number": "count",
}  # fmt: skip


def where_of(fields: Fields, dataset: Dataset | None) -> Where:
    """The conditions under `where`; none where the key is missing or wrong."""
    node = fields.value("where")
    if node is None:
        return Where()
    check = str if dataset is None else dataset.check_condition_field
    return read_where(node, check, fields.findings)


def _time_field(fields: Fields, key: str, dataset: Dataset | None, hint: str) -> str | None:
    check = str if dataset is None else dataset.check_time
    return fields.parsed(key, check, required=True, hint=hint)


def _time(fields: Fields, dataset: Dataset | None) -> str | None:
    if dataset is not None and dataset.is_report:
        if fields.has("time"):
            fields.findings.error(
                fields.position("time"),
                "report-time",
                "A GA4 report counts by its own day.",
                "Remove `time`.",
            )
        return None
    if dataset is None and not fields.has("time"):
        return None  # whether it needs one depends on the dataset, which is wrong already
    hint = "Name the date property that puts a record into the window, as in `time: createdate`."
    if dataset is not None and dataset.is_email:
        hint = f"Write `time: {EMAIL_TIME}`."
    return _time_field(fields, "time", dataset, hint)


def read_agg(fields: Fields, dataset: Dataset | None, sources: Sources) -> dict[str, Any]:
    """What an AggMetric has of its own."""
    aggregation = _read_aggregation(fields, dataset, Where())
    return {
        "aggregation": aggregation,
        "time": _time(fields, dataset),
        **read_currency(fields, aggregation, dataset, sources),
    }


def read_snapshot(fields: Fields, dataset: Dataset | None) -> dict[str, Any]:
    """What a SnapshotMetric has of its own."""
    if dataset is not None and dataset.is_report:
        fields.findings.error(
            fields.position("from"),
            "kind-needs-records",
            "A `snapshot` metric looks at records, and a GA4 report has none.",
            "Use an `agg` metric for a figure that GA4 reports.",
        )
        dataset = None
    node = fields.mapping(
        "snapshot", "a mapping such as {agg: count}", required=True, hint="Write {agg: count}."
    )
    special: dict[str, Any] = {"change": fields.flag("change") or False}
    if node is not None:
        inner = Fields(node, "`snapshot`", fields.findings, {
            key: BadValue(
                "unknown-key",
                f"`{key}` belongs beside `snapshot`.",
                "Write it one level up." if key != "time" else "Remove it: a level has no time.",
            )
            for key in ("from", "where", "change", "time")
        })  # fmt: skip
        special["aggregation"] = _read_aggregation(inner, dataset, Where())
        inner.finish()
    return special


def _read_aggregation(fields: Fields, dataset: Dataset | None, where: Where) -> Aggregation | None:
    agg = fields.parsed(
        "agg",
        lambda text: _check_aggregation(text, _AGGREGATIONS),
        required=True,
        hint=f"Use {listed(_AGGREGATIONS)}.",
    )
    if agg is None:
        fields.has("field")
        return None
    if dataset is not None and dataset.is_report:
        return _read_report_aggregation(fields, agg, dataset, where)
    if agg == "count":
        if fields.has("field"):
            fields.findings.error(
                fields.position("field"),
                "field-of-count",
                "`count` counts records and takes no field.",
                "Remove `field`; use `count_distinct` for different values, or "
                "`where: {…: {is_set: true}}` for records that have one.",
            )
        return Aggregation(agg=agg, where=where)
    check: Callable[[str], str] = str
    if dataset is not None:
        check = dataset.check_field if agg in _OF_ANYTHING else dataset.check_number
    hint = f"Name the property to take the {agg} of."
    field = fields.parsed("field", check, required=True, hint=hint)
    return Aggregation(agg=agg, field=field, where=where)


def _read_report_aggregation(
    fields: Fields, agg: str, dataset: Dataset, where: Where
) -> Aggregation:
    field = fields.parsed("field", dataset.check_field)
    complaint = check_report_aggregation(agg, field)
    if complaint is not None and (field is not None or not fields.has("field")):
        what, _, to_do = complaint.partition(": ")
        fields.findings.error(
            fields.position("field" if field else "agg"),
            "report-aggregation",
            f"{_capital(what)}.",
            f"{_capital(to_do)}.",
        )
    return Aggregation(agg=agg, field=field, where=where)


def _capital(text: str) -> str:
    return text if text.startswith("okr-sync") else text[:1].upper() + text[1:]


def _check_aggregation(text: str, allowed: Collection[str]) -> str:
    if text in allowed or _PERCENTILE.fullmatch(text):
        return text
    meant = _SYNONYMS.get(text.lower())
    words = listed([*allowed, "any other percentile from p1 to p99"])
    fix = f"Did you mean `{meant}`?" if meant else advice(text, allowed, f"Use {words}.")
    raise BadValue("unknown-aggregation", f"There is no aggregation {quoted(text)}.", fix)


def read_ratio(fields: Fields, dataset: Dataset | None) -> dict[str, Any]:
    """What a RatioMetric has of its own."""
    pool = Pool(fields.choice("pool", list(Pool)) or "sums")
    special: dict[str, Any] = {"time": _time(fields, dataset), "pool": pool}
    node = fields.mapping(
        "ratio",
        "a mapping with `numerator` and `denominator`",
        required=True,
        hint="Give it `numerator` and `denominator`.",
    )
    if node is None:
        return special
    halves = Fields(node, "`ratio`", fields.findings, {
        key: BadValue(
            "unknown-key",
            f"Both halves of a ratio share one `{key}`.",
            f"Write `{key}` beside `ratio`, not within it.",
        )
        for key in ("from", "time", "where", "of", "pool")
    })  # fmt: skip
    for key in ("numerator", "denominator"):
        half = halves.mapping(
            key,
            "a mapping such as {agg: count}",
            required=True,
            hint="Add it, as in {agg: count}.",
        )
        if half is None:
            continue
        inner = Fields(half, f"`{key}`", fields.findings, {
            shared: BadValue(
                "unknown-key",
                f"Numerator and denominator share one `{shared}`.",
                f"Write `{shared}` beside `ratio`, not within it.",
            )
            for shared in ("from", "time")
        })  # fmt: skip
        special[key] = _read_aggregation(inner, dataset, where_of(inner, dataset))
        inner.finish()
    halves.finish()
    _check_pool(fields, special, dataset)
    return special


def _check_pool(fields: Fields, special: dict[str, Any], dataset: Dataset | None) -> None:
    """A mean of each record's rate needs both numbers of the record, and nothing else."""
    written: list[Aggregation | None] = [special.get("numerator"), special.get("denominator")]
    halves = [half for half in written if half is not None]
    if special["pool"] is not Pool.MEAN or len(halves) < 2:
        return
    is_report = dataset is not None and dataset.is_report
    if is_report or any(half.agg != "sum" or half.where.tests for half in halves):
        fields.findings.error(
            fields.position("pool"),
            "pool-mean",
            "`pool: mean` is the mean of each record's own rate, so both halves must be `agg: sum` "
            "of a field of the record"
            + (", and a GA4 report has no records." if is_report else ", without `where`."),
            "Write conditions beside `ratio`, or remove the line: sums are divided by sums.",
        )


def read_times(fields: Fields, kind: str, dataset: Dataset | None) -> dict[str, Any]:
    """What a ConversionMetric or a DurationMetric has of its own, by `kind`."""
    if dataset is not None and (dataset.is_report or dataset.is_email):
        what = "a GA4 report has none" if dataset.is_report else "an e-mail has one time only"
        fields.findings.error(
            fields.position("of"),
            "kind-needs-records",
            f"A `{kind}` metric follows records, and {what}.",
            "Use a HubSpot object, a table or files, or an `agg` metric for a rate that GA4 reports."
            if dataset.is_report
            else "Use a `ratio` of two counters.",
        )
        dataset = None
    node = fields.mapping(
        kind, "a mapping with `from` and `to`", required=True, hint="Give it `from` and `to`."
    )
    if node is None:
        return {}
    times = Fields(node, f"`{kind}`", fields.findings)
    hint = "Name a date property, such as `hs_v2_date_entered_customer`."
    start = _time_field(times, "from", dataset, hint)
    end = _time_field(times, "to", dataset, hint)
    if start is not None and start == end:
        fields.findings.error(
            times.position("to"),
            "same-times",
            f"`from` and `to` of a {kind} are the same property.",
            "Name the property of the later step as `to`.",
        )
    special: dict[str, Any] = {"from_time": start, "to_time": end}
    if kind == "conversion":
        special["within"] = _within(times)
    else:
        agg = times.parsed("agg", lambda text: _check_aggregation(text, _OF_DURATIONS))
        special["agg"] = agg or "median"
        special["cohort"] = times.choice("cohort", ("arrival", "start")) or "arrival"
    times.finish()
    return special


def _within(times: Fields) -> timedelta | None:
    hint = "Say how long an entity has to convert, as in `within: 45d`."
    within = times.duration("within", required=True, hint=hint)
    if within is not None and within <= timedelta(0):
        times.findings.error(
            times.position("within"), "bad-duration", "`within` is no time at all.", hint
        )
        return None
    return within


def read_groups(
    fields: Fields, dataset: Dataset | None, aggregation: Aggregation | None
) -> dict[str, Any]:
    """`by` and `reduce`, which belong together; `aggregation` is that of the kinds with one."""
    by = fields.parsed("by", str if dataset is None else dataset.check_field)
    reduce = fields.choice("reduce", list(Reduce))
    if fields.has("by") != fields.has("reduce"):
        there, missing = ("by", "reduce") if fields.has("by") else ("reduce", "by")
        fields.findings.error(
            fields.position(there),
            "by-without-reduce",
            f"`{there}` is of no use without `{missing}`.",
            "Write both, as in `by: platform` and `reduce: min`: on each platform at least.",
        )
    if by is None or reduce is None:
        return {}
    if dataset is not None and dataset.is_report:
        fields.findings.error(
            fields.position("by"),
            "by-of-report",
            "`by` groups records, and a GA4 report has none.",
            "Define one metric for each value, with `where`, and join them in a `formula`.",
        )
    is_additive = aggregation is not None and aggregation.agg in ("count", "sum")
    if reduce == Reduce.SUM and not is_additive:
        fields.findings.error(
            fields.position("reduce"),
            "not-additive",
            "`reduce: sum` adds up groups, and only counts and sums of groups may be added.",
            "Use min, max or average; for the whole, remove `by` and `reduce`.",
        )
    return {"by": by, "reduce": Reduce(reduce)}
