"""A sync in which nothing has changed: its seconds after imports, by the clock and of a processor.

Belongs here: a project of a hundred key results over HubSpot and GA4, synced until there is nothing
new, then once more. Does not belong here: first syncs and other datasets (hubspot,
ga4_report), or the cost of the imports (start).
"""

import csv
import io
import os
import random
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.harness import Bench, Comparison, Usage, at_most, in_child, row

_CONTACTS = 5_000
_DEALS = 1_000
_SESSIONS = 5_000
_TEAMS = 10
_CHANNELS = ("Organic Search", "Paid Search", "Email", "Direct", "Referral")
_SOURCES = ("ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "DIRECT_TRAFFIC", "REFERRALS")


@dataclass(frozen=True)
class Idle:
    """A project that was synced until nothing was new, and the environment it is synced with."""

    project: Path
    environ: dict[str, str]


def idle(bench: Bench) -> Idle:
    """A hundred key results of ten teams, with a number for each of the last eight days."""
    from connectors.sandbox.serve import Sandbox

    folder = bench.folder / "idle"
    today = datetime.now(UTC).date()
    _write_account(folder / "account", today)
    _write_project(folder / "project", today)
    sandbox = bench.closing.enter_context(Sandbox(folder / "account", rate_limits=False))
    environ = sandbox.environment() | {"OKR_SYNC_STATE": str(folder / "state")}
    found = Idle(folder / "project", environ)
    in_child(synced, found, ((today - timedelta(days=7), today - timedelta(days=1)),))
    return found


def synced(idle: Idle, backfills: Sequence[tuple[date, date] | None]) -> Usage:
    """What the last of these syncs has used; those before it have imported all that it needs."""
    os.environ.update(idle.environ)
    os.environ.pop("DAGSTER_HOME", None)
    from okr_sync.cli import main

    for backfill in backfills:
        words = ["sync", "--project", str(idle.project)]
        if backfill is not None:
            words += ["--backfill", "..".join(map(str, backfill))]
        started, before = time.perf_counter(), time.process_time()
        with redirect_stdout(io.StringIO()) as said:
            status = main(words, standalone_mode=False)
        wall, cpu = time.perf_counter() - started, time.process_time() - before
        if status:
            raise RuntimeError(f"the sync failed:\n{said.getvalue()}")
    return Usage(cpu, wall, 0.0)


@row("sync: nothing changed, 100 key results", at_most(1), of="seconds after imports ÷ 1 s")
def seconds(bench: Bench) -> dict[str, Comparison]:
    """The whole command in process, without DAGSTER_HOME, on SQLite; the second of two in a process."""
    prepared = bench.once(idle)
    limit = Usage(1.0, 1.0, 1.0)
    found = bench.usages(lambda: in_child(synced, prepared, (None, None))[1], lambda: limit)
    return {label: found[label] for label in ("CPU", "wall")}


# --- the account and the project ------------------------------------------------------------------


def _write_account(folder: Path, today: date) -> None:
    (folder / "hubspot").mkdir(parents=True)
    (folder / "ga4").mkdir()
    (folder / "account.yaml").write_text(
        "hubspot: {portal_id: 4711, time_zone: Etc/UTC, currency: USD}\n"
        'ga4: {property: "123456789", time_zone: Etc/UTC, currency: USD}\n',
        encoding="utf-8",
    )
    draw = random.Random(4)
    at = [f"{today - timedelta(days=draw.randrange(1, 60))}T10:00:00Z" for _ in range(_CONTACTS)]
    _write_csv(
        folder / "hubspot" / "contacts.csv",
        ("hs_object_id", "createdate", "lastmodifieddate", "hs_analytics_source"),
        ((n + 1, at[n], at[n], draw.choice(_SOURCES)) for n in range(_CONTACTS)),
    )
    _write_csv(
        folder / "hubspot" / "deals.csv",
        ("hs_object_id", "createdate", "hs_lastmodifieddate", "amount", "dealname"),
        ((n + 1, at[n], at[n], draw.randrange(100, 9_000), f"d{n}") for n in range(_DEALS)),
    )
    _write_csv(
        folder / "ga4" / "sessions.csv",
        (
            "started_at",
            "user_id",
            "new_user",
            "engaged",
            "duration_seconds",
            "sessionDefaultChannelGroup",
        ),
        (
            (at[n], f"u{n % 900}", "false", "true", 30, draw.choice(_CHANNELS))
            for n in range(_SESSIONS)
        ),
    )


def _write_csv(path: Path, columns: tuple[str, ...], rows: object) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)  # type: ignore[arg-type]


def _write_project(folder: Path, today: date) -> None:
    (folder / "okrs").mkdir(parents=True)
    (folder / "okr_sync.yaml").write_text(
        "version: 1\ntime_zone: Etc/UTC\ncurrency: USD\n"
        'sources:\n  hubspot: {kind: hubspot}\n  web: {kind: ga4, property: "123456789"}\n',
        encoding="utf-8",
    )
    metrics = ["metrics:"]
    for n, (channel, source) in enumerate(zip(_CHANNELS, _SOURCES, strict=True)):
        leads, deals = f"{{hs_analytics_source: {source}}}", f"{{amount: {{gte: {1000 * n}}}}}"
        web = f"from: web.report, where: {{sessionDefaultChannelGroup: {channel}}}"
        crm = "time: createdate, where"
        metrics += [
            f"  leads_{n}: {{agg: count, from: hubspot.contacts, {crm}: {leads}}}",
            f"  deals_{n}: {{agg: count, from: hubspot.deals, {crm}: {deals}}}",
            f"  sessions_{n}: {{agg: sum, field: sessions, {web}}}",
            f"  visitors_{n}: {{agg: count_distinct, field: totalUsers, {web}}}",
        ]
    (folder / "metrics.yaml").write_text("\n".join(metrics) + "\n", encoding="utf-8")
    kinds = ("leads", "deals", "sessions", "visitors")
    for team in range(_TEAMS):
        lines = [
            f"team: team-{team}",
            f"cycle: {{start: {today - timedelta(days=60)}, end: {today + timedelta(days=30)}}}",
            "objectives:",
            "  - id: grow",
            "    title: Grow",
            "    key_results:",
        ]
        for n in range(100 // _TEAMS):
            metric = f"{kinds[n % 4]}_{(team + n) % len(_CHANNELS)}"
            lines.append(
                f"      - {{id: kr-{n}, title: Reach {1000 + n}, metric: {metric}, "
                f"over: {{last: {20 + n}d}}, goal: {{at_least: {1000 + n}}}}}"
            )
        (folder / "okrs" / f"team-{team}.yaml").write_text(
            "\n".join(lines) + "\n", encoding="utf-8"
        )
