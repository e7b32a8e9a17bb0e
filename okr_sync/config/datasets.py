"""Which datasets a metric can name, by the kind of its source.

Belongs here: the names of datasets, as far as they are known without asking, and what to say of a
wrong one. Does not belong here: fields (dataset_fields), which aggregation suits which GA4 metric
(metrics.report_fields) or what exists in an account (connectors).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from okr_sync.config.dataset_fields import (
    CUSTOM_OBJECT,
    EMAIL_COUNTERS,
    EMAIL_TIME,
    HUBSPOT_OBJECTS,
    check_associated_property,
    check_column,
    check_email_field,
    check_ga4_field,
    check_property,
)
from okr_sync.config.models import (
    Family,
    FilesDataset,
    FilesSource,
    Ga4Source,
    HubSpotSource,
    Source,
    SqlSource,
)
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import advice, listed, near_miss, quoted

GA4_DATASET = "report"
EMAILS = "marketing_emails"
QUERIES = "queries"
"""The name under which the results of a source's `sql` metrics are kept."""

_EMAIL_SLIPS = frozenset(("emails", "email", "marketing_email", "email_statistics"))
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62})?")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_ENDINGS = (".csv", ".parquet", ".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class Dataset:
    """A dataset that a metric reads: `source.name`."""

    source: Source
    name: str

    @property
    def is_report(self) -> bool:
        """Whether it is a GA4 report; otherwise it holds records."""
        return isinstance(self.source, Ga4Source)

    @property
    def is_email(self) -> bool:
        """Whether its records are marketing e-mails with their counters."""
        return isinstance(self.source, HubSpotSource) and self.name == EMAILS

    @property
    def record(self) -> str:
        """What one of its records is called."""
        return "e-mail" if self.is_email else "record"

    def check_field(self, field: str) -> str:
        """The field's name as written, or BadValue where the source can't have such a one."""
        if self.is_email:
            return check_email_field(field)
        if isinstance(self.source, HubSpotSource):
            return check_property(field)
        return check_ga4_field(field) if self.is_report else check_column(field)

    def check_condition_field(self, field: str) -> str:
        """The same for `where`, which may look through associations: `contacts.lifecyclestage`."""
        is_object = isinstance(self.source, HubSpotSource) and not self.is_email
        if is_object and "." in field:
            return check_associated_property(field, self.name)
        return self.check_field(field)

    def check_time(self, field: str) -> str:
        """The name of a field that holds a day or an instant as written, or BadValue."""
        self.check_field(field)
        declared = self._declared(field)
        if self.is_email and field != EMAIL_TIME:
            raise BadValue(
                "not-a-time", f"{quoted(field)} is not a time.", f"Use `time: {EMAIL_TIME}`."
            )
        if declared not in (None, "day", "instant"):
            raise BadValue(
                "not-a-time",
                f"{quoted(field)} is declared as {declared}, which is not a time.",
                "Name a column of the type day or instant, or declare it as one.",
            )
        return field

    def check_number(self, field: str) -> str:
        """The name of a field that can be added up as written, or BadValue."""
        self.check_field(field)
        declared = self._declared(field)
        if self.is_email and field not in EMAIL_COUNTERS:
            raise BadValue(
                "not-a-number",
                f"{quoted(field)} of an e-mail is not a number.",
                f"Use one of the counters {listed(EMAIL_COUNTERS)}.",
            )
        if declared not in (None, "number"):
            raise BadValue(
                "not-a-number",
                f"{quoted(field)} is declared as {declared}, which is not a number.",
                "Name a column of the type number, or use `agg: count_distinct`.",
            )
        return field

    def _declared(self, field: str) -> str | None:
        dataset = self.declaration
        return None if dataset is None else dataset.columns.get(field)

    @property
    def declaration(self) -> FilesDataset | None:
        """What the project file says of a dataset of files, where it says something."""
        source = self.source
        return source.datasets.get(self.name) if isinstance(source, FilesSource) else None


def find_dataset(text: str, sources: Mapping[str, Source], broken: Collection[str]) -> Dataset:
    """The dataset that `text` names; BadValue, with the near miss, where there is none.

    `broken` names the sources that the project file defines wrongly.
    """
    source_name, dot, name = text.partition(".")
    if source_name in broken:
        raise broken_source(source_name)
    source = sources.get(source_name)
    if source is None:
        of_objects = [key for key, value in sources.items() if _has(value, source_name)]
        if not dot and of_objects:
            fix = f"Write the source before it: `{of_objects[0]}.{source_name}`."
        elif not sources:
            fix = "Define it under `sources:` in okr_sync.yaml."
        else:
            names = listed(f"`{key}`" for key in sources)
            fix = advice(source_name, sources, f"okr_sync.yaml defines {names}.")
        raise BadValue("unknown-source", f"There is no source {quoted(source_name)}.", fix)
    if isinstance(source, Ga4Source):
        return _ga4_dataset(source, name)
    if isinstance(source, HubSpotSource):
        return _hubspot_dataset(source, name)
    return _sql_dataset(source, name) if isinstance(source, SqlSource) else _files(source, name)


def broken_source(name: str) -> BadValue:
    """What to say of a source that the project file defines wrongly."""
    return BadValue(
        "invalid-source",
        f"The source `{name}` is not defined rightly.",
        "Mend it in okr_sync.yaml first.",
    )


def _has(source: Source, name: str) -> bool:
    if isinstance(source, FilesSource):
        return name in source.datasets
    if isinstance(source, HubSpotSource):
        return name in (*HUBSPOT_OBJECTS, EMAILS)
    return isinstance(source, Ga4Source) and name == GA4_DATASET


def _ga4_dataset(source: Ga4Source, name: str) -> Dataset:
    if name == GA4_DATASET:
        return Dataset(source, name)
    raise BadValue(
        "unknown-dataset",
        f"The GA4 source `{source.name}` has no dataset {quoted(name)}."
        if name
        else f"`{source.name}` names a source without a dataset.",
        f"Write `{source.name}.{GA4_DATASET}`.",
    )


def _hubspot_dataset(source: HubSpotSource, name: str) -> Dataset:
    if name in (*HUBSPOT_OBJECTS, EMAILS) or CUSTOM_OBJECT.fullmatch(name):
        return Dataset(source, name)
    names = [f"`{source.name}.{known}`" for known in (*HUBSPOT_OBJECTS, EMAILS)]
    if not name:
        message, fix = (
            f"`{source.name}` names a source without a dataset.",
            f"Write {listed(names)}.",
        )
    else:
        message = f"The HubSpot source `{source.name}` has no dataset {quoted(name)}."
        meant = EMAILS if name in _EMAIL_SLIPS else near_miss(name, (*HUBSPOT_OBJECTS, EMAILS))
        custom = f"or a custom object by its full name, such as `{source.name}.p123_cars`."
        fix = (
            f"Did you mean `{source.name}.{meant}`?" if meant else f"Use {listed(names)}, {custom}"
        )
    raise BadValue("unknown-dataset", message, fix)


def _sql_dataset(source: SqlSource, name: str) -> Dataset:
    if name == QUERIES:
        raise BadValue(
            "unknown-dataset",
            f"`{source.name}.{QUERIES}` is where the results of `sql` metrics are kept.",
            "Read a table of that name through a view with another name.",
        )
    if _TABLE.fullmatch(name):
        return Dataset(source, name)
    raise BadValue(
        "unknown-dataset",
        f"{quoted(name)} can't be the name of a table."
        if name
        else f"`{source.name}` names a source without a table.",
        f"Name a table or a view, as in `{source.name}.employees` or `{source.name}.hr.employees`.",
    )


def _files(source: FilesSource, name: str) -> Dataset:
    if name in source.datasets:
        return Dataset(source, name)
    stem = next((name.removesuffix(end) for end in _ENDINGS if name.endswith(end)), None)
    if stem is not None and _FILE.fullmatch(stem):
        raise BadValue(
            "unknown-dataset",
            f"{quoted(name)} is a file's name with its ending.",
            f"Write `{source.name}.{stem}`.",
        )
    if _FILE.fullmatch(name):
        return Dataset(source, name)
    raise BadValue(
        "unknown-dataset",
        f"{quoted(name)} can't be a dataset of files."
        if name
        else f"`{source.name}` names a source without a dataset.",
        f"Write the file's name without its ending, as in `{source.name}.nps`, or declare a pattern "
        "under `datasets` of the source.",
    )


def default_family(is_conversion: bool, dataset: Dataset) -> Family:
    """The family of a metric that doesn't name one."""
    if is_conversion:
        return Family.CONVERSION
    if not isinstance(dataset.source, HubSpotSource) or dataset.is_email:
        return Family.ENGAGEMENT
    return Family.PIPELINE if dataset.name == "deals" else Family.FUNNEL
