"""Small turns of phrase that every part's messages share.

Belongs here: what makes counts and statuses read well. Does not belong here: numbers with units
(numbers) or the wording of findings (config.wording).
"""


def counted(number: int, what: str) -> str:
    """A number and the things that it counts: `1 key result`, `2,000 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def status_in_words(status: str) -> str:
    """A status as people say it: `severely lagging`."""
    return status.replace("_", " ")
