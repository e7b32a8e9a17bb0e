"""Reading `check_ins`: where check-ins are read from, and how often one is due.

Belongs here: the key in the project file and in a key result, and what a key result that takes
check-ins can't have. Does not belong here: check-ins themselves (sync.check_in_rows) or files of them
(connectors.files).
"""

from collections.abc import Sequence
from datetime import timedelta

from okr_sync.config.datasets import find_dataset
from okr_sync.config.fields import Fields
from okr_sync.config.findings import Draft, Findings
from okr_sync.config.models import AnyMetric, CheckIns, DatasetMetric, FilesSource, Goal
from okr_sync.config.problems import BadValue
from okr_sync.config.rules import place_of
from okr_sync.config.source_reader import Sources
from okr_sync.config.wording import quoted

CHECK_IN_COLUMNS = ("key_result", "day", "value", "confidence", "note", "author")
"""The columns of a file of check-ins; `note` may be left out."""

_LONGEST = timedelta(days=366)
_FORM = "a mapping such as {from: people.check_ins, every: 7d}"


def read_check_ins(fields: Fields, sources: Sources, findings: Findings) -> CheckIns:
    """What the project file says. What is wrong with it spoils only key results that take check-ins."""
    own = Findings()
    outer = Fields(fields.node, "okr_sync.yaml", own)
    found = CheckIns()
    if fields.has("check_ins"):
        node = outer.mapping("check_ins", _FORM)
        if node is not None:
            inner = Fields(node, "`check_ins`", own)
            dataset = inner.parsed("from", lambda text: _check_dataset(text, sources))
            every = _read_every(inner)
            inner.finish()
            found = CheckIns(dataset=dataset, every=every or found.every)
    sources.check_ins_problem = own.first_error
    findings.include(own)
    return found


def read_check_in_rhythm(
    fields: Fields, default: timedelta, *, is_manual: bool
) -> timedelta | None:
    """How often a key result wants a check-in; None for one that has a metric."""
    if not is_manual:
        if fields.has("check_ins"):
            fields.findings.error(
                fields.position("check_ins"),
                "check-ins-with-metric",
                "The key result has a metric, so its number isn't checked in.",
                "Remove one of the two. To set a number for some days use `okr-sync override`.",
            )
        return None
    node = fields.mapping("check_ins", "a mapping such as {every: 14d}")
    if node is None:
        return default
    inner = Fields(node, "`check_ins` of a key result", fields.findings)
    every = _read_every(inner, required=True)
    inner.finish()
    return every or default


def check_manual(fields: Fields, goal: Goal | None) -> None:
    """Report what only a metric can give to a key result."""
    if fields.has("over"):
        fields.findings.error(
            fields.position("over"),
            "check-ins-with-over",
            "Without a metric there is nothing to look at over days: a check-in says the number.",
            "Remove `over`, or name a `metric`.",
        )
    if goal is not None and goal.measured_baseline:
        fields.findings.error(
            fields.position("goal"),
            "check-ins-measured",
            "Without a metric there is nothing to measure the baseline with.",
            "Write the number it starts from, as in {from: 3, to: 8}.",
        )


def check_metrics_beside(
    metrics: Sequence[Draft[AnyMetric]], check_ins: CheckIns, findings: Findings
) -> None:
    """Reject metrics over the dataset that check-ins are read from."""
    for draft in metrics:
        if isinstance(draft.item, DatasetMetric) and draft.item.dataset == check_ins.dataset:
            draft.reject(
                findings.error(
                    place_of(draft.node, ("from",)),
                    "check-ins-dataset",
                    f"{quoted(draft.item.dataset)} holds check-ins, so a metric can't count its rows.",
                    "Leave `metric` out of the key results that the check-ins are for.",
                )
            )


def _read_every(fields: Fields, *, required: bool = False) -> timedelta | None:
    every = fields.duration("every", required=required, hint="Add it, as in `every: 14d`.")
    if every is not None and not timedelta(days=1) <= every <= _LONGEST:
        fields.findings.error(
            fields.position("every"),
            "bad-duration",
            "`every` is not between a day and a year.",
            "Write it as in `every: 7d`.",
        )
        return None
    return every


def _check_dataset(text: str, sources: Sources) -> str:
    dataset = find_dataset(text, sources.usable, sources.broken)
    if not isinstance(dataset.source, FilesSource):
        raise BadValue(
            "bad-check-ins",
            f"{quoted(text)} can't hold check-ins.",
            f"Name a dataset of a `files` source with the columns {', '.join(CHECK_IN_COLUMNS)}.",
        )
    return text
