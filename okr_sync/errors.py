"""The errors of okr-sync: what went wrong, told twice.

Belongs here: the exception classes that cross module borders. Each carries `user_text` (what
the user does next) and `detail` (what a developer wants to know; never a secret). Does not belong
here: which HTTP status means what (connectors.errors) or config findings (config.problems).
"""


class OkrSyncError(Exception):
    """Something failed in a way that the user can act on.

    `user_text` says what happened and what to do next, in whole sentences. `detail` is for logs.
    """

    def __init__(self, user_text: str, detail: str = "") -> None:
        super().__init__(user_text)
        self.user_text = user_text
        self.detail = detail


class UsageError(OkrSyncError):
    """The command was called in a way that can't be carried out (exit status 2)."""


class ConfigError(OkrSyncError):
    """The project's files can't be used as they are."""


class SourceError(OkrSyncError):
    """A source refused or broke in a way that trying again won't mend (401, 403, wrong field)."""


class InvalidRequestError(SourceError):
    """A source found a request wrong as it is (400, 404, 410), such as a page that it no longer has."""


class TransientSourceError(SourceError):
    """A source failed in a way that a later run may not meet again (429, 5xx, time-out)."""


class DeferredSourceError(TransientSourceError):
    """A source failed in a way that only time mends: trying again in the same run wastes its quota."""


class IncompletePullError(TransientSourceError):
    """A pull couldn't prove that it had read everything, so nothing of it is published."""


class WarehouseError(OkrSyncError):
    """The warehouse can't be reached, written or understood."""


class NoWarehouseError(WarehouseError):
    """There is no warehouse at the address yet: no file, or no tables."""


class LeaseLostError(WarehouseError):
    """A run may not write any more: it was silent for too long, or it is over."""
