"""The sessions that the GA4 sandbox reports on: the format of `ga4/sessions.csv` and its reading.

Belongs here: what a row of sessions.csv means, how it is checked, and the columns that it becomes.
Does not belong here: what can be asked (ga4_schema), how reports are computed (ga4_report).

The format
----------
`<account>/ga4/sessions.csv` is UTF-8 CSV with a header line and one row for each session, in any
order. Columns:

===================  =========  ====================================================================
column               needed     meaning
===================  =========  ====================================================================
`started_at`         yes        when the session began, ISO 8601 with `Z` or an offset
                                (`2026-11-01T04:30:00Z`). The session counts on the day that this is
                                in the property's time zone.
`user_id`            yes        the user's pseudonymous id, not empty
`new_user`           yes        `true` when it is the user's first session, else `false`
`engaged`            yes        `true` for an engaged session, else `false`. GA4 calls a session
                                engaged that lasts over 10 s, has a key event or two page views.
`duration_seconds`   yes        0 or more, up to three decimals; serves as the session's duration and
                                as the user's engagement time
`revenue`            no         decimal in the property's currency, up to six decimals, empty for
                                none. Only a session with `event:purchase` of 1 or more has revenue.
`event:<name>`       no         how often the event happened in the session, a whole number, empty
                                for 0. `event:page_view` makes screenPageViews, `event:purchase`
                                makes transactions. Nothing is added by itself: write
                                `event:session_start` when reports should have it.
a GA4 dimension      no         the session's value of that dimension, named as in the API; empty is
                                reported as `(not set)`. The names are those of SESSION_COLUMNS in
                                ga4_schema (sessionDefaultChannelGroup, sessionSource, sessionMedium,
                                sessionCampaignName, landingPage, country, deviceCategory, hostName,
                                ...) and any `customEvent:<name>` or `customUser:<name>`.
===================  =========  ====================================================================

`newVsReturning` and `sessionSourceMedium` follow from `new_user` and from sessionSource and
sessionMedium, so they are not columns. A column with any other name is refused.

An example::

    started_at,user_id,new_user,engaged,duration_seconds,revenue,event:page_view,event:purchase,country
    2026-11-01T04:30:00Z,u1,true,true,63.5,49.90,4,1,Germany
    2026-11-01T09:00:00Z,u2,false,false,3,,1,,Austria

Which events are key events, and the property's id, time zone and currency, come from the `ga4:` part
of account.yaml::

    ga4:
      property: "123456789"
      time_zone: Europe/Berlin
      currency: EUR
      tier: standard                           # or 360: the quota table
      key_events: [generate_lead, purchase]    # the default
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from connectors.sandbox.ga4_schema import NOT_SET, SESSION_COLUMNS, is_custom_dimension
from okr_sync.errors import UsageError

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

REQUIRED_COLUMNS = ("started_at", "user_id", "new_user", "engaged", "duration_seconds")
DEFAULT_KEY_EVENTS = ("generate_lead", "purchase")
EVENT_PREFIX = "event:"
TIERS = ("standard", "360")


@dataclass(frozen=True)
class Ga4Settings:
    """The `ga4:` part of account.yaml: which property is served, where its days begin, its quotas."""

    property: str
    time_zone: str
    currency: str
    tier: str = "standard"
    key_events: tuple[str, ...] = DEFAULT_KEY_EVENTS

    @classmethod
    def from_mapping(cls, part: Mapping[str, object]) -> "Ga4Settings":
        """Read the mapping as YAML gives it; raises UsageError naming the key that is wrong."""
        known = {"property", "time_zone", "currency", "tier", "key_events"}
        for name in part:
            if name not in known:
                raise UsageError(
                    f"account.yaml: ga4 has no setting {name!r}; it has {', '.join(sorted(known))}."
                )
        number = str(part.get("property", ""))
        if not number.isdigit():
            raise UsageError("account.yaml: ga4.property must be the property's number.")
        zone = str(part.get("time_zone", ""))
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"account.yaml: ga4.time_zone {zone!r} is not an IANA time zone such as "
                "Europe/Berlin."
            ) from None
        currency = str(part.get("currency", ""))
        if len(currency) != 3 or not currency.isalpha() or not currency.isupper():
            raise UsageError("account.yaml: ga4.currency must be a code such as USD.")
        tier = str(part.get("tier", "standard")).lower()
        if tier not in TIERS:
            raise UsageError(f"account.yaml: ga4.tier must be one of {', '.join(TIERS)}.")
        key_events = part.get("key_events", list(DEFAULT_KEY_EVENTS))
        if not isinstance(key_events, list) or not all(isinstance(n, str) for n in key_events):
            raise UsageError("account.yaml: ga4.key_events must be a list of event names.")
        return cls(number, zone, currency, tier, tuple(key_events))


@dataclass(frozen=True)
class Coded:
    """A column of text as whole numbers: row i has the text `values[codes[i]]`."""

    codes: IntArray
    values: tuple[str, ...]


@dataclass(frozen=True)
class SessionTable:
    """Every session of the property, one array element each, ordered by local day.

    `day` counts days since 1970-01-01 in the property's time zone; `duration_ms` milliseconds;
    `revenue_micros` millionths of the currency, so that sums are exact.
    """

    day: IntArray
    user: IntArray
    new_user: BoolArray
    engaged: BoolArray
    duration_ms: IntArray
    revenue_micros: IntArray
    dimensions: Mapping[str, Coded]
    events: Mapping[str, IntArray]
    key_events: frozenset[str]
    user_count: int
    source: pd.DataFrame = field(repr=False)
    """The rows as text, as they were read."""

    def __len__(self) -> int:
        return len(self.day)

    @cached_property
    def event_names(self) -> tuple[str, ...]:
        """The events that have a column, in the file's order."""
        return tuple(self.events)

    @cached_property
    def event_total(self) -> IntArray:
        """Events of every name in each session."""
        return self._total(self.event_names)

    @cached_property
    def key_event_total(self) -> IntArray:
        """Key events in each session."""
        return self._total(tuple(n for n in self.event_names if n in self.key_events))

    @cached_property
    def event_rows(self) -> tuple[IntArray, IntArray, IntArray]:
        """(session, event, count) for every event that happened in a session, by session.

        `event` indexes `event_names`.
        """
        if not self.events:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        counts = np.stack([self.events[name] for name in self.event_names], axis=1)
        session, event = np.nonzero(counts)
        return session, event, counts[session, event]

    def _total(self, names: tuple[str, ...]) -> IntArray:
        total = np.zeros(len(self), dtype=np.int64)
        for name in names:
            total = total + self.events[name]
        return total


def read_sessions(path: Path) -> pd.DataFrame:
    """Read sessions.csv as text, unchecked; raises UsageError when it can't be read as CSV."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist; the GA4 sandbox needs it.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read as CSV: {error}") from error


def build_table(rows: pd.DataFrame, settings: Ga4Settings, name: str) -> SessionTable:
    """Check the rows of `read_sessions` and turn them into arrays.

    `name` names the file in messages. Raises UsageError with the file's line and the column.
    """
    _check_columns(rows, name)
    day = _local_days(rows["started_at"], settings.time_zone, name)
    order = np.argsort(day, kind="stable")
    rows_by_day = rows.iloc[order].reset_index(drop=True)
    if (rows["user_id"] == "").any():
        _refuse(rows["user_id"] == "", rows["user_id"], name, "must not be empty")
    user, users = pd.factorize(rows_by_day["user_id"])
    new_user = _flags(rows["new_user"], name)[order]
    events = {
        str(column).removeprefix(EVENT_PREFIX): _counts(rows[column], name)[order]
        for column in rows.columns
        if str(column).startswith(EVENT_PREFIX)
    }
    if "revenue" in rows.columns:
        revenue = _scaled(rows["revenue"], 6, name, may_be_empty=True)[order]
    else:
        revenue = np.zeros(len(rows), dtype=np.int64)
    bought = events.get("purchase", np.zeros(len(rows), dtype=np.int64)) > 0
    stray = (revenue != 0) & ~bought
    if stray.any():
        line = int(order[int(np.argmax(stray))]) + 2
        raise UsageError(
            f"{name}:{line}: a session with revenue needs event:purchase of 1 or more."
        )
    dimensions = {
        str(column): _coded(rows_by_day[column])
        for column in rows.columns
        if str(column) in SESSION_COLUMNS or is_custom_dimension(str(column))
    }
    dimensions["newVsReturning"] = Coded(new_user.astype(np.int64), ("returning", "new"))
    if "sessionSource" in dimensions and "sessionMedium" in dimensions:
        joined = rows_by_day["sessionSource"].replace("", NOT_SET)
        joined = joined + " / " + rows_by_day["sessionMedium"].replace("", NOT_SET)
        dimensions["sessionSourceMedium"] = _coded(joined)
    duration = _scaled(rows["duration_seconds"], 3, name, may_be_empty=False)
    if (duration < 0).any():
        _refuse(
            pd.Series(duration < 0), rows["duration_seconds"], name, "must not be less than zero"
        )
    return SessionTable(
        day=day[order],
        user=user.astype(np.int64),
        new_user=new_user,
        engaged=_flags(rows["engaged"], name)[order],
        duration_ms=duration[order],
        revenue_micros=revenue,
        dimensions=dimensions,
        events=events,
        key_events=frozenset(settings.key_events),
        user_count=len(users),
        source=rows,
    )


def _check_columns(rows: pd.DataFrame, name: str) -> None:
    for needed in REQUIRED_COLUMNS:
        if needed not in rows.columns:
            raise UsageError(f"{name} has no column {needed!r}.")
    for column in map(str, rows.columns):
        if not (
            column in REQUIRED_COLUMNS
            or column == "revenue"
            or column in SESSION_COLUMNS
            or is_custom_dimension(column)
            or (column.startswith(EVENT_PREFIX) and len(column) > len(EVENT_PREFIX))
        ):
            raise UsageError(
                f"{name}: column {column!r} is not one that the GA4 sandbox knows; it takes "
                "dimension names of the API, event:<name>, customEvent:<name> and customUser:<name>."
            )


def _local_days(started: "pd.Series[str]", zone: str, name: str) -> IntArray:
    has_zone = started.str.contains(r"(?:[zZ]|[+-]\d{2}:?\d{2})$", regex=True)
    moments = pd.to_datetime(started.where(has_zone), utc=True, format="ISO8601", errors="coerce")
    if moments.isna().any():
        _refuse(
            moments.isna(),
            started,
            name,
            "must be an ISO time with an offset (2026-11-01T04:30:00Z)",
        )
    local = moments.dt.tz_convert(zone).dt.tz_localize(None)
    days: IntArray = local.to_numpy(dtype="datetime64[D]").astype(np.int64)
    return days


def _flags(column: "pd.Series[str]", name: str) -> BoolArray:
    def read(text: str) -> int | None:
        return {"true": 1, "false": 0}.get(text.lower())

    return _read_column(column, read, name, "must be true or false").astype(np.bool_)


def _counts(column: "pd.Series[str]", name: str) -> IntArray:
    def read(text: str) -> int | None:
        if not text:
            return 0
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None

    return _read_column(column, read, name, "must be a whole number of 0 or more")


def _scaled(column: "pd.Series[str]", decimals: int, name: str, *, may_be_empty: bool) -> IntArray:
    """Decimal text as whole numbers of 10 to the minus `decimals`, exactly."""
    pattern = re.compile(rf"-?[0-9]{{1,10}}(?:\.[0-9]{{1,{decimals}}})?")

    def read(text: str) -> int | None:
        if not text and may_be_empty:
            return 0
        return int(Decimal(text).scaleb(decimals)) if pattern.fullmatch(text) else None

    return _read_column(column, read, name, f"must be a number with at most {decimals} decimals")


def _read_column(
    column: "pd.Series[str]", read: Callable[[str], int | None], name: str, rule: str
) -> IntArray:
    """Each cell as a whole number; a text is read once, however often it comes."""
    codes, texts = pd.factorize(column)
    numbers = [read(str(text)) for text in texts]
    if None in numbers:
        bad = np.array([number is None for number in numbers], dtype=np.bool_)
        _refuse(pd.Series(bad[codes]), column, name, rule)
    return np.array(numbers, dtype=np.int64)[codes]


def _coded(column: "pd.Series[str]") -> Coded:
    codes, values = pd.factorize(column.replace("", NOT_SET))
    return Coded(codes.astype(np.int64), tuple(str(value) for value in values))


def _refuse(wrong: "pd.Series[bool]", column: "pd.Series[str]", name: str, rule: str) -> None:
    row = int(np.argmax(np.asarray(wrong)))
    raise UsageError(f"{name}:{row + 2}: {column.name} {rule}, not {column.iloc[row]!r}.")
