"""Checks as Dagster shows them: which each asset has, and what a run found.

Belongs here: specs and results of asset checks. Does not belong here: what is checked (okr_sync.checks)
or keeping it in the warehouse (okr_sync.warehouse.check_results).

Dagster's own `blocking` stops whole steps, and few steps do everything: one source's failure would stop
everybody. So what blocks is decided for each key result, in the core, which then has no new number and
stays as it was; its step ends red. Only `in_bounds` is also marked as blocking for Dagster, so that
assets downstream of a key result don't go on with a number that was refused.
"""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from okr_sync.checks.results import MEANINGS, CheckName, CheckResult, CheckSeverity
from okr_sync.warehouse.check_results import checks_now
from okr_sync.warehouse.connect import Warehouse

DATASET_CHECKS = (
    CheckName.COMPLETE,
    CheckName.FRESH,
    CheckName.RECONCILED,
    CheckName.SCHEMA_UNCHANGED,
    CheckName.QUOTA_LEFT,
)
METRIC_CHECKS = (CheckName.MEASURED, CheckName.NO_DOUBTS)
KEY_RESULT_CHECKS = (CheckName.IN_BOUNDS, CheckName.NOT_RESTATED, CheckName.NOT_EMPTY)

_SEVERITIES = {
    CheckSeverity.ERROR: dg.AssetCheckSeverity.ERROR,
    CheckSeverity.WARNING: dg.AssetCheckSeverity.WARN,
}


def check_specs(key: dg.AssetKey, checks: Iterable[CheckName]) -> list[dg.AssetCheckSpec]:
    """The checks of an asset."""
    return [
        dg.AssetCheckSpec(
            check.value,
            asset=key,
            description=MEANINGS[check],
            blocking=check is CheckName.IN_BOUNDS,
        )
        for check in checks
    ]


def check_results(
    context: dg.AssetExecutionContext, key: dg.AssetKey, results: Iterable[CheckResult]
) -> Iterator[dg.AssetCheckResult]:
    """What was found of an asset, as far as the run is asked for its checks."""
    asked_for = context.selected_asset_check_keys
    for one in results:
        if dg.AssetCheckKey(key, one.check.value) not in asked_for:
            continue
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=one.check.value,
            passed=one.passed,
            severity=_SEVERITIES[one.severity],
            description=one.message,
            metadata={"blocks_publishing": one.is_blocking},
        )


def recorded_results(
    context: dg.AssetExecutionContext, warehouse: Warehouse, names: Mapping[dg.AssetKey, str]
) -> Iterator[dg.AssetCheckResult]:
    """What holds of checks that were asked for without their assets: nothing is read or measured anew.

    `names` are the subjects' names by asset key.
    """
    alone = [
        check
        for check in context.selected_asset_check_keys
        if check.asset_key in names and check.asset_key not in context.selected_asset_keys
    ]
    if not alone:
        return
    subjects = {names[check.asset_key] for check in alone}
    known = {
        (one.result.subject, one.result.check.value): one.result
        for one in checks_now(warehouse, subjects=subjects)
    }
    for check in sorted(alone, key=str):
        found = known.get((names[check.asset_key], check.name))
        if found is not None:
            yield from check_results(context, check.asset_key, [found])
        else:
            yield dg.AssetCheckResult(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description="Nothing has been checked yet. Materialize the asset first.",
            )
