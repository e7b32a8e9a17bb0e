"""A project of 1,000 key results on the demo's data: loading it into Dagster, and a run.

Belongs here: making such a project of the demo's, both rows. Does not belong here: a large company's
records (large_mirror).
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness import Bench, Comparison, at_most, in_child, row, run_command
from benchmarks.start import demo

_BIN = Path(sys.executable).parent
_TEAMS, _EACH = 10, 100
_OVERS: tuple[Any, ...] = (
    "cycle",
    {"last": "60d"},
    {"to_date": "month"},
    {"last": "90d"},
    {"to_date": "quarter"},
)


def many(bench: Bench) -> Path:
    """The demo's project with 10 teams of 100 key results each, over five kinds of windows."""
    source = bench.once(demo) / "project"
    folder = bench.folder / "many"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".okr_sync"))
    key_results = [
        key_result
        for path in sorted((folder / "okrs").rglob("*.yaml"))
        for objective in yaml.safe_load(path.read_text(encoding="utf-8"))["objectives"]
        for key_result in objective["key_results"]
        if isinstance(key_result.get("metric"), str)
    ]
    shutil.rmtree(folder / "okrs")
    (folder / "okrs").mkdir()
    for team in range(_TEAMS):
        chosen = []
        for number in range(_EACH):
            one = key_results[number % len(key_results)]
            kept = {name: one[name] for name in ("metric", "goal", "unit") if name in one}
            over = _OVERS[(number // len(key_results)) % len(_OVERS)]
            own = {"id": f"kr-{number:03}", "title": f"Reach {number} of team {team}", **kept}
            chosen.append(own | ({"over": one["over"]} if "over" in one else {"over": over}))
        okrs = {
            "team": f"team-{team:02}",
            "cycle": "2026-Q4",
            "objectives": [{"id": "all", "title": "Reach them all", "key_results": chosen}],
        }
        # JSON is YAML, and writes no anchors for what comes twice.
        text = json.dumps(okrs, indent=2)
        (folder / "okrs" / f"team-{team:02}.yaml").write_text(text, encoding="utf-8")
    return folder


def _load(folder: str) -> float:
    """Build the definitions and resolve the repository as Dagster does; CPU seconds."""
    import dagster  # noqa: F401  (what importing Dagster costs is not ours)

    import okr_sync.definitions as ours

    start = time.process_time()
    definitions = ours.build_definitions(Path(folder))
    definitions.get_repository_def().load_all_definitions()
    return time.process_time() - start


@row(
    "dagster: load 1,000 key results",
    at_most(1),
    of="loading beyond importing Dagster ÷ 5 s",
)
def load(bench: Bench) -> Comparison:
    """Ten teams of a hundred; CPU seconds."""
    project = str(bench.once(many))
    return bench.pairs(lambda: in_child(_load, project)[1], lambda: 5.0)


@row(
    "dagster: run 1,000 key results",
    at_most(1),
    of="okr-sync sync of the demo's data, sandbox and imports included ÷ 60 s",
)
def run(bench: Bench) -> Comparison:
    """The first run, with everything to pull and to publish; CPU seconds."""
    account, project = bench.once(demo) / "account", bench.once(many)

    def sync() -> float:
        shutil.rmtree(project / ".okr_sync", ignore_errors=True)
        okr_sync = _BIN / "okr-sync"
        sync_words = (okr_sync, "sync", "--as-of", "2026-11-15", "--project", project)
        return run_command([okr_sync, "sandbox", account, "--", *sync_words]).cpu_seconds

    return bench.pairs(sync, lambda: 60.0)
