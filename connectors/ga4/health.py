"""A look at one GA4 property: credentials, access, tokens left.

Belongs here: the two requests that tell. Does not belong here: pulls (connector) or whether bound
metrics exist.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from connectors.ga4.calls import Ga4Calls
from connectors.ga4.client import credential_name
from connectors.ga4.requests import DayRange, Report
from connectors.health import LOOK_RETRIES, LOOK_SECONDS, Finding, Level, failed
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import Where
from okr_sync.errors import SourceError

_FEW_LEFT = {"tokens_per_day": 2_000, "tokens_per_hour": 400, "tokens_per_project_per_hour": 140}
"""A hundredth of what a standard property has; a run takes some tens of tokens."""


def look(source: Ga4Source, environ: Mapping[str, str]) -> list[Finding]:
    """What works of a property and what doesn't, by asking for yesterday's sessions."""
    calls = Ga4Calls(source, environ, LOOK_RETRIES, timeout_seconds=LOOK_SECONDS)
    subject = f"{source.name}: access"
    try:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        days = DayRange(yesterday, yesterday)
        report = Report(Where(), ("sessions",), (days,), by_day=False)
        calls.run_reports([report], f"property {source.property}")
    except SourceError as error:
        return [failed(subject, error.user_text)]
    finally:
        calls.close()
    text = f"property {source.property} answers to {credential_name(source)}"
    return [Finding(Level.OK, subject, text), *_quota(source, calls.quota)]


def _quota(source: Ga4Source, quota: Mapping[str, int]) -> Iterator[Finding]:
    subject = f"{source.name}: tokens left"
    if not quota:
        yield Finding(Level.OK, subject, "GA4 named no quota")
        return
    text = ", ".join(f"{left:,} {name.replace('_', ' ')}" for name, left in sorted(quota.items()))
    if any(quota.get(name, least) < least for name, least in _FEW_LEFT.items()):
        yield Finding(
            Level.WARNING,
            subject,
            text,
            "Sync less often, or find what else reads the property: its tokens are shared by all.",
        )
    else:
        yield Finding(Level.OK, subject, text)
