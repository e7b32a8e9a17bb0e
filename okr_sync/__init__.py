"""okr-sync: automated current values and history for marketing key results.

Belongs here: nothing but the package's version. What a binding means lives in `config`,
`metrics`, `progress` and `warehouse`; the command is `cli`, Dagster's entry point `definitions`.
"""

__version__ = "0.1.0"
