"""The demo's project, as package data: the YAML that `okr-sync demo` copies and runs.

Belongs here: the folder `project`. Does not belong here: the account that it measures
(connectors.sandbox.generate) or the command (okr_sync.commands.demo).
"""
