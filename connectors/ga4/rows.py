"""From raw report messages to figures: columns, exact values, and proof that nothing is missing.

Belongs here: reading one page, putting pages together, days and windows with their values. Does not
belong here: asking for pages (reading), flags (quality) or what a missing row means (connector).

Messages are the raw protobuf ones (`type(r).pb(r)`): the wrapper classes cost twenty times more per
row (api facts C).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from connectors.ga4.quality import (
    OTHER_ROW,
    TOTAL_DIFFERS,
    is_amount,
    report_flags,
    restricted_metrics,
)
from connectors.ga4.requests import DayRange, Report
from okr_sync.errors import IncompletePullError
from okr_sync.metrics.report_fields import is_exactly_additive

_OTHER = "(other)"
_ROUNDING = Decimal(
    "0.000001"
)  # of money and fractions of key events, which GA4 cuts to six places
# Doubles as GA4 writes them; Decimal itself would also take 1_000 and the digits of any script.
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_LARGEST: Final = Decimal("9e12")  # what millionths in a BIGINT hold
_SURELY_FITS: Final = 12  # digits


@dataclass(frozen=True)
class Page:
    """The rows of one response, column by column, and what it says of the whole report."""

    labels: tuple[tuple[str, ...], ...]  # one tuple a dimension
    values: tuple[tuple[str, ...], ...]  # one tuple a metric
    rows: int
    row_count: int  # of the whole report, by GA4's count
    types: tuple[str, ...]  # one a metric, such as TYPE_INTEGER
    totals: tuple[str, ...]  # one a metric, of the whole report; empty where it wasn't asked for
    flags: frozenset[str]
    restricted: frozenset[str]
    time_zone: str
    currency: str


@dataclass(frozen=True)
class Answer:
    """A whole report: every page of it, as many rows as GA4 counted, and its figures.

    `days` (of a report by day) and `windows` (of one of totals) map metric → day or window → value;
    where GA4 sent no row there is no entry.
    """

    report: Report
    pages: tuple[Page, ...]
    days: Mapping[str, Mapping[date, Decimal | int]]
    windows: Mapping[str, Mapping[DayRange, Decimal]]
    differing: frozenset[str] = frozenset()
    """The metrics whose days don't add up to the total that GA4 gives."""

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return sum(page.rows for page in self.pages)

    @property
    def types(self) -> dict[str, str]:
        """Each metric's type, by name."""
        return dict(zip(self.report.metrics, self.pages[0].types, strict=True))

    @property
    def currency(self) -> str | None:
        """The currency that its amounts are in, if it has any and GA4 named one."""
        if not any(map(is_amount, self.types.values())):
            return None
        return next((page.currency for page in self.pages if page.currency), None)

    @property
    def flags(self) -> frozenset[str]:
        """The flags that hold for every figure."""
        flags = frozenset().union(*(page.flags for page in self.pages))
        if self.report.by_day and any(_OTHER in page.labels[0] for page in self.pages):
            # What stands on the "(other)" row is missing on some day, and nobody knows on which.
            return flags | {OTHER_ROW}
        return flags

    def flags_of(self, metric: str) -> tuple[str, ...]:
        """The sorted flags of one metric's figures."""
        return tuple(sorted(self.flags | ({TOTAL_DIFFERS} if metric in self.differing else set())))

    @property
    def restricted(self) -> frozenset[str]:
        """The metrics whose figures our user may not see."""
        return frozenset().union(*(page.restricted for page in self.pages))


def read_page(raw: Any, report: Report) -> Page:
    """The page that a raw RunReportResponse holds.

    Raises IncompletePullError if it isn't an answer to this report: other headers, ragged rows.
    """
    dimensions = tuple(header.name for header in raw.dimension_headers)
    metrics = tuple(header.name for header in raw.metric_headers)
    if dimensions != report.dimensions or metrics != report.metrics:
        raise IncompletePullError(
            "GA4 answered with other columns than it was asked for, so nothing of it was stored. "
            "The next run asks again.",
            f"asked {report.dimensions} {report.metrics}, got {dimensions} {metrics}",
        )
    if raw.row_count > report.most_rows:
        raise IncompletePullError(
            f"GA4 counts {raw.row_count} rows in a report that can't have more than "
            f"{report.most_rows}. Nothing of it was stored; the next run asks again."
        )
    labels = [row.dimension_values for row in raw.rows]
    cells = [row.metric_values for row in raw.rows]
    if {*map(len, labels)} - {len(dimensions)} or {*map(len, cells)} - {len(metrics)}:
        raise IncompletePullError(
            "GA4 sent rows with missing cells, so nothing of them was stored. The next run asks "
            "again."
        )
    return Page(
        labels=tuple(
            tuple([row[index].value for row in labels]) for index in range(len(dimensions))
        ),
        values=tuple(tuple([row[index].value for row in cells]) for index in range(len(metrics))),
        rows=len(labels),
        row_count=raw.row_count,
        types=tuple(_type_name(header) for header in raw.metric_headers),
        totals=tuple(cell.value for row in raw.totals[:1] for cell in row.metric_values),
        flags=report_flags(raw.metadata),
        restricted=restricted_metrics(raw.metadata),
        time_zone=raw.metadata.time_zone,
        currency=raw.metadata.currency_code,
    )


def assemble(report: Report, pages: Sequence[Page]) -> Answer:
    """The whole answer that these pages are; raises IncompletePullError unless they prove it.

    Every page must count the same rows in all, the rows read must be just as many, and each must be
    of another day or window among those that were asked for.
    """
    expected = pages[0].row_count
    read = sum(page.rows for page in pages)
    counts = sorted({page.row_count for page in pages})
    if len(counts) > 1:
        raise IncompletePullError(
            f"A GA4 report changed while its pages were read: it had {counts[0]} rows, then "
            f"{counts[-1]}. Nothing of it was stored; the next run asks again."
        )
    currencies = {
        page.currency for page in pages if page.currency and any(map(is_amount, page.types))
    }
    if len(currencies) > 1:
        raise IncompletePullError(
            "The property's currency changed while a GA4 report was read. Nothing of it was stored; "
            "the next run asks again."
        )
    if read != expected:
        raise IncompletePullError(
            f"GA4 counts {expected} rows in a report, but {read} could be read. Nothing of it was "
            "stored; the next run asks again."
        )
    days = _day_values(report, pages) if report.by_day else {}
    return Answer(
        report,
        tuple(pages),
        days=days,
        windows={} if report.by_day else _window_values(report, pages),
        differing=_differing(pages, days),
    )


def first_days(report: Report, pages: Sequence[Page]) -> Answer | None:
    """The answer for the days that these first pages of a report by day reach, or None for none.

    Rows were asked for in the order of their days, so all of the days before the last row's are there,
    unless they came in another one. A row that has no day could belong to any of them.
    """
    labels = [label for page in pages for label in page.labels[0]] if report.by_day else []
    if not labels or _OTHER in labels or labels != sorted(labels):
        return None
    days = DayRange(report.ranges[0].first, _day(labels[-1]))
    begun = replace(report, ranges=(days,))
    return Answer(begun, tuple(pages), _day_values(begun, pages), {})


def _differing(
    pages: Sequence[Page], days: Mapping[str, Mapping[date, Decimal | int]]
) -> frozenset[str]:
    """The metrics whose days don't add up to the total of a report that is exact in all else.

    Sessions and people are estimated for each row and for the total apart, so theirs may differ.
    """
    if any(page.flags or page.restricted for page in pages):
        return frozenset()
    found = set()
    for (metric, values), text in zip(days.items(), pages[0].totals, strict=False):
        total = exact_value(metric, text)
        room = max(abs(total) * _ROUNDING, _ROUNDING * len(values))
        if is_exactly_additive(metric) and abs(total - sum(values.values())) > room:
            found.add(metric)
    return frozenset(found)


def _day_values(report: Report, pages: Sequence[Page]) -> dict[str, dict[date, Decimal | int]]:
    days = report.ranges[0]
    keys = _days([label for page in pages for label in page.labels[0]])
    known = [key for key in keys if key is not None]
    if known and not days.first <= min(known) <= max(known) <= days.last:
        raise IncompletePullError(
            "GA4 answered with days that it wasn't asked for, so nothing of it was stored. The "
            "next run asks again.",
            f"{days.name}: {min(known)} to {max(known)}",
        )
    _refuse_repeated(known)
    columns = {
        metric: _exact_values(metric, _column(pages, index))
        for index, metric in enumerate(report.metrics)
    }
    return {
        metric: {key: value for key, value in zip(keys, values, strict=True) if key is not None}
        for metric, values in columns.items()
    }


def _window_values(report: Report, pages: Sequence[Page]) -> dict[str, dict[DayRange, Decimal]]:
    ranges = report.ranges
    if len(ranges) > 1:
        by_name = {days.name: days for days in ranges}
        labels = [label for page in pages for label in page.labels[0]]
        strange = sorted(set(labels) - by_name.keys())
        if strange:
            raise IncompletePullError(
                "GA4 answered with date ranges that it wasn't asked for, so nothing of it was "
                "stored. The next run asks again.",
                ", ".join(strange),
            )
        keys = [by_name[label] for label in labels]
    else:
        keys = [ranges[0]] * sum(page.rows for page in pages)
    _refuse_repeated(keys)
    return {
        metric: {
            key: exact_value(metric, text)
            for key, text in zip(keys, _column(pages, index), strict=True)
        }
        for index, metric in enumerate(report.metrics)
    }


def exact_value(metric: str, text: str) -> Decimal:
    """The number that a cell holds, digit for digit; IncompletePullError if it holds none, or one that
    is too large to be true."""
    value = Decimal(text) if _NUMBER.fullmatch(text) else Decimal("NaN")
    if value.is_nan() or abs(value) > _LARGEST:
        what = "no number" if value.is_nan() else "too large to be true"
        raise IncompletePullError(
            f"GA4 sent {text[:40]!r} as a figure of {metric}, which is {what}. Nothing of the "
            "report was stored; the next run asks again."
        )
    return value


def _exact_values(metric: str, texts: Sequence[str]) -> Sequence[Decimal | int]:
    """The numbers of a column. Most hold whole numbers, of which a long column is read at once."""
    together, lengths = "".join(texts), set(map(len, texts))
    if (
        together.isascii()
        and together.isdigit()
        and 0 < min(lengths) <= max(lengths) <= _SURELY_FITS
    ):
        return list(map(int, texts))
    return [exact_value(metric, text) for text in texts]


def _column(pages: Sequence[Page], index: int) -> list[str]:
    return [text for page in pages for text in page.values[index]]


def _days(labels: Sequence[str]) -> list[date | None]:
    """The days of rows; None for a row whose date reads "(other)", which belongs to no day.

    `Answer.flags` says that there is one.
    """
    return [None if label == _OTHER else _day(label) for label in labels]


def _day(label: str) -> date:
    try:
        if len(label) == 8 and label.isascii() and label.isdigit():
            return date.fromisoformat(label)
    except ValueError:
        pass  # such as the 31st of February
    raise IncompletePullError(
        f"GA4 sent {label[:40]!r} as a day. Nothing of the report was stored; the next run asks again."
    )


def _refuse_repeated(keys: Sequence[date | DayRange]) -> None:
    if len(set(keys)) != len(keys):
        raise IncompletePullError(
            "GA4 sent the same row twice, so another one is missing. Nothing of the report was "
            "stored; the next run asks again."
        )


def _type_name(header: Any) -> str:
    # The client package names the field type_; the enum tells an unknown number from a known one.
    values = header.DESCRIPTOR.fields_by_name["type_"].enum_type.values_by_number
    return str(values[header.type_].name) if header.type_ in values else ""
