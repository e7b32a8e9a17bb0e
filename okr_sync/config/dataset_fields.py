"""Which names the fields of a dataset can have, and what is known of their types without asking.

Belongs here: the forms of names in HubSpot, GA4, tables and files, and what to say of a wrong one.
Does not belong here: which datasets there are (datasets), whether a field exists in an account
(connectors).
"""

import re
from typing import Final

from okr_sync.config.problems import BadValue
from okr_sync.config.wording import advice, listed, quoted

HUBSPOT_OBJECTS = ("contacts", "companies", "deals", "leads", "tickets", "feedback_submissions")
CUSTOM_OBJECT = re.compile(r"p[0-9]{1,12}_[A-Za-z0-9_]{1,60}|[0-9]{1,3}-[0-9]{1,12}")

EMAIL_TIME: Final = "published_at"
EMAIL_COUNTERS: Final = (
    *("sent", "open", "delivered", "bounce", "unsubscribed", "click", "reply", "dropped"),
    *("selected", "spamreport", "suppressed", "hardbounced", "softbounced", "pending"),
    *("contactslost", "notsent"),
)
"""The counters of a marketing e-mail (api facts, B6)."""
EMAIL_TEXTS: Final = ("name", "subject", "campaign_id", "type", "state")
# HubSpot's ratios of e-mails, which have different denominators and must not be averaged.
_EMAIL_RATIOS: Final = {
    "openratio": ("open", "delivered"),
    "clickratio": ("click", "delivered"),
    "clickthroughratio": ("click", "open"),
    "deliveredratio": ("delivered", "sent"),
    "replyratio": ("reply", "delivered"),
    "unsubscribedratio": ("unsubscribed", "delivered"),
    "spamreportratio": ("spamreport", "delivered"),
    "bounceratio": ("bounce", "sent"),
    "hardbounceratio": ("hardbounced", "sent"),
    "softbounceratio": ("softbounced", "sent"),
    "contactslostratio": ("contactslost", "sent"),
    "pendingratio": ("pending", "selected"),
    "notsentratio": ("notsent", "selected"),
}
_EMAIL_SYNONYMS: Final = {
    "opens": "open", "opened": "open", "clicks": "click", "clicked": "click", "bounces": "bounce",
    "bounced": "bounce", "unsubscribe": "unsubscribed", "unsubscribes": "unsubscribed",
    "replies": "reply", "campaign": "campaign_id", "publishedat": EMAIL_TIME,
    "send_date": EMAIL_TIME, "sent_at": EMAIL_TIME, "publishdate": EMAIL_TIME,
}  # fmt: skip

_HUBSPOT_PROPERTY = re.compile(r"[a-z0-9_]{1,100}")
_GA4_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}(:[A-Za-z0-9_.-]{1,100})?")
# A table's or a file's column may be named as people do, but nothing invisible.
_COLUMN = re.compile(r"[^\x00-\x1f\x7f`]{1,100}")

# Stage properties from before 2024, which HubSpot no longer fills in every account, and their
# successors (knowledge.hubspot.com/properties/stage-calculated-properties).
_LEGACY_STAGE = (
    (re.compile(r"hs_date_entered_(.+)"), "hs_v2_date_entered_"),
    (re.compile(r"hs_date_exited_(.+)"), "hs_v2_date_exited_"),
    (re.compile(r"hs_lifecyclestage_(.+)_date"), "hs_v2_date_entered_"),
)


def check_property(name: str) -> str:
    """The internal name of a HubSpot property as written, or BadValue."""
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


def check_associated_property(name: str, own: str) -> str:
    """`contacts.hs_analytics_source` as written in a `where` on the object `own`, or BadValue."""
    other, _, property_name = name.partition(".")
    if other == own:
        raise BadValue(
            "bad-association",
            f"{quoted(name)} looks through an association from {own} to themselves.",
            f"Write `{property_name}` for a property of the record itself.",
        )
    if other not in HUBSPOT_OBJECTS and not CUSTOM_OBJECT.fullmatch(other):
        others = [one for one in HUBSPOT_OBJECTS if one != own]
        raise BadValue(
            "bad-association",
            f"There is no HubSpot object {quoted(other)} to look through to.",
            advice(other, others, f"Use {listed(others)}, as in `contacts.hs_analytics_source`."),
        )
    check_property(property_name)
    return name


def check_email_field(name: str) -> str:
    """A field of `marketing_emails` as written, or BadValue."""
    known = (EMAIL_TIME, *EMAIL_TEXTS, *EMAIL_COUNTERS)
    if name in known:
        return name
    plain = name.lower()
    if plain in _EMAIL_RATIOS:
        over, under = _EMAIL_RATIOS[plain]
        raise BadValue(
            "email-ratio",
            f"{quoted(name)} is a ratio of one e-mail, and ratios can't be added or averaged.",
            f"Write ratio: {{numerator: {{agg: sum, field: {over}}}, denominator: {{agg: sum, "
            f"field: {under}}}}}.",
        )
    meant = _EMAIL_SYNONYMS.get(plain)
    fix = f"Did you mean `{meant}`?" if meant else advice(name, known, f"Use {listed(known)}.")
    raise BadValue("unknown-field", f"Marketing e-mails have no field {quoted(name)}.", fix)


def check_ga4_field(name: str) -> str:
    """A GA4 dimension or metric as written, or BadValue."""
    if _GA4_FIELD.fullmatch(name):
        return name
    raise BadValue(
        "bad-property",
        f"{quoted(name)} can't be the name of a GA4 dimension or metric.",
        "Use the API name, such as `sessions`, `sessionDefaultChannelGroup` or `customEvent:plan`.",
    )


def check_column(name: str) -> str:
    """The name of a table's or a file's column as written, or BadValue."""
    if _COLUMN.fullmatch(name):
        return name
    raise BadValue(
        "bad-column",
        f"{quoted(name)} can't be the name of a column.",
        "Use the column's name as the table or the file's first line has it, at most 100 characters.",
    )
