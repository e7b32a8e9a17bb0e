"""Who is at the keyboard.

Belongs here: the name that stands beside what a person says. Does not belong here: what is said
(override, checkin).
"""

import getpass

from okr_sync.errors import UsageError


def user_name() -> str:
    """The user's name by the operating system; UsageError where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise UsageError("This machine doesn't say who you are. Add --author NAME.") from error
