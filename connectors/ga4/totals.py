"""Figures of exact windows, from the reports that hold them: which are 0 and which are no value.

Belongs here: what a missing row means, and rates over nothing. Does not belong here: reading rows
(rows) or storing figures (report_store).
"""

from collections.abc import Collection, Iterable
from decimal import Decimal

from connectors.ga4.quality import is_amount
from connectors.ga4.requests import DayRange
from connectors.ga4.rows import Answer
from okr_sync.metrics.needs import ExactWindowNeed
from okr_sync.metrics.report_fields import Additivity, additivity, basis
from okr_sync.warehouse.report_store import WindowFigure


def window_figures(
    needs: Iterable[ExactWindowNeed],
    answered: Iterable[Answer],
    refused: Collection[tuple[str, str]],
) -> dict[str, list[WindowFigure]]:
    """Series → the figures that were needed, and those of what rates are taken over.

    A (series, metric) that is `refused` has none: what GA4 says of it is no figure.
    """
    answers: dict[tuple[str, str, DayRange], Answer] = {}
    for answer in answered:
        if not answer.report.by_day:
            for metric in answer.report.metrics:
                for days in answer.report.ranges:
                    answers[answer.report.where.key(), metric, days] = answer

    figures: dict[str, list[WindowFigure]] = {}
    for need in needs:
        series, days = need.where.key(), DayRange(need.first_day, need.last_day)
        for metric in sorted({*need.metrics, *filter(None, map(basis, need.metrics))}):
            found = answers.get((series, metric, days))
            if found is None or (series, metric) in refused:
                continue
            over = basis(metric)
            whole = answers.get((series, over, days)) if over else None
            if over and whole is None and (series, over) not in refused:
                continue  # not read yet: a rate of 0 and a rate over nothing can't be told apart
            size = whole.windows[over].get(days, Decimal(0)) if over and whole else None
            flags = found.flags_of(metric)
            figures.setdefault(series, []).append(
                WindowFigure(
                    metric, days.first, days.last, _window_value(metric, days, found, size), flags
                )
            )
    return figures


def _window_value(
    metric: str, days: DayRange, answer: Answer, size: Decimal | None
) -> Decimal | None:
    """A metric's figure of a window, where GA4 leaves out rows that hold only zeros.

    A rate over nothing is no value. `size` is what a rate is taken over, where that is known;
    without it a missing row is 0 for what counts or adds up and no value for anything else.
    """
    if size is not None and size == 0:
        return None
    value = answer.windows[metric].get(days)
    if value is not None:
        return value
    counts = additivity(metric) in (Additivity.SUM, Additivity.DISTINCT)
    metric_type = answer.types[metric]
    whole_number = metric_type == "TYPE_INTEGER" or is_amount(metric_type)
    return Decimal(0) if size is not None or counts or whole_number else None
