"""Which datasets and fields a metric can name, by the kind of its source.

Belongs here: the names that HubSpot and GA4 give to things, as far as they are known without asking,
and what to say of a wrong one. Does not belong here: which aggregation suits which GA4 metric
(metrics.report_fields) or whether a property exists in an account (connectors).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from okr_sync.config.models import Family, Ga4Source, HubSpotSource, Source
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import advice, listed, not_supported, quoted

HUBSPOT_OBJECTS = ("contacts", "companies", "deals", "leads", "tickets")
GA4_DATASET = "report"

_CUSTOM_OBJECT = re.compile(r"p[0-9]{1,12}_[A-Za-z0-9_]{1,60}|[0-9]{1,3}-[0-9]{1,12}")
_EMAILS = frozenset(("emails", "marketing_emails", "email", "marketing_email", "email_statistics"))

_HUBSPOT_PROPERTY = re.compile(r"[a-z0-9_]{1,100}")
_GA4_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}(:[A-Za-z0-9_.-]{1,100})?")

# Stage properties from before 2024, which HubSpot no longer fills in every account, and their
# successors (knowledge.hubspot.com/properties/stage-calculated-properties).
_LEGACY_STAGE = (
    (re.compile(r"hs_date_entered_(.+)"), "hs_v2_date_entered_"),
    (re.compile(r"hs_date_exited_(.+)"), "hs_v2_date_exited_"),
    (re.compile(r"hs_lifecyclestage_(.+)_date"), "hs_v2_date_entered_"),
)


@dataclass(frozen=True)
class Dataset:
    """A dataset that a metric reads: `source.name`."""

    source: Source
    name: str

    @property
    def is_hubspot(self) -> bool:
        """Whether it holds HubSpot records; otherwise it is a GA4 report."""
        return isinstance(self.source, HubSpotSource)

    def check_field(self, field: str) -> str:
        """The field's name as written, or BadValue where the source can't have such a one."""
        return _check_property(field) if self.is_hubspot else _check_ga4_field(field)


def find_dataset(text: str, sources: Mapping[str, Source], broken: Collection[str]) -> Dataset:
    """The dataset that `text` names; BadValue, with the near miss, where there is none.

    `broken` names the sources that the project file defines wrongly.
    """
    source_name, dot, name = text.partition(".")
    if source_name in broken:
        raise BadValue(
            "invalid-source",
            f"The source `{source_name}` is not defined rightly.",
            "Mend it in okr_sync.yaml first.",
        )
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
    return _hubspot_dataset(source, name)


def _has(source: Source, name: str) -> bool:
    known = (GA4_DATASET,) if isinstance(source, Ga4Source) else HUBSPOT_OBJECTS
    return name in known


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
    if name in HUBSPOT_OBJECTS or _CUSTOM_OBJECT.fullmatch(name):
        return Dataset(source, name)
    if name in _EMAILS:
        raise not_supported(
            "Marketing e-mail datasets are", f"Use {listed(_named(source, HUBSPOT_OBJECTS))}."
        )
    known = listed(_named(source, HUBSPOT_OBJECTS))
    if not name:
        message, fix = f"`{source.name}` names a source without a dataset.", f"Write {known}."
    else:
        message = f"The HubSpot source `{source.name}` has no dataset {quoted(name)}."
        fix = advice(
            f"{source.name}.{name}",
            [f"{source.name}.{known_name}" for known_name in HUBSPOT_OBJECTS],
            f"Use {known}, or a custom object by its full name, such as `{source.name}.p123_cars`.",
        )
    raise BadValue("unknown-dataset", message, fix)


def _named(source: Source, names: Collection[str]) -> list[str]:
    return [f"`{source.name}.{name}`" for name in names]


def _check_property(name: str) -> str:
    for form, prefix in _LEGACY_STAGE:
        legacy = form.fullmatch(name)
        if legacy is not None:
            raise BadValue(
                "legacy-stage-property",
                f"{quoted(name)} is a legacy stage property, which HubSpot may leave empty.",
                f"Use `{prefix}{legacy[1]}`.",
            )
    if _HUBSPOT_PROPERTY.fullmatch(name):
        return name
    raise BadValue(
        "bad-property",
        f"{quoted(name)} can't be the name of a HubSpot property.",
        "Use the internal name (small letters, digits and underscores), not the label: HubSpot "
        "shows it in the settings of the property.",
    )


def _check_ga4_field(name: str) -> str:
    if _GA4_FIELD.fullmatch(name):
        return name
    raise BadValue(
        "bad-property",
        f"{quoted(name)} can't be the name of a GA4 dimension or metric.",
        "Use the API name, such as `sessions`, `sessionDefaultChannelGroup` or `customEvent:plan`.",
    )


def default_family(is_conversion: bool, dataset: Dataset) -> Family:
    """The family of a metric that doesn't name one."""
    if is_conversion:
        return Family.CONVERSION
    if not dataset.is_hubspot:
        return Family.ENGAGEMENT
    return Family.PIPELINE if dataset.name == "deals" else Family.FUNNEL
