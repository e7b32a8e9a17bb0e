"""Dagster assets of okr-sync: source datasets, metrics by family, key results by team.

Belongs here: one module per Dagster concept or family. Does not belong here: what a binding means
(okr_sync), how an API is read (connectors), or the entry point (okr_sync.definitions).
"""
