"""Small turns of phrase that every part's messages share.

Belongs here: what makes counts read well. Does not belong here: numbers with units
(commands.numbers) or the wording of findings (config.wording).
"""


def counted(number: int, what: str) -> str:
    """A number and the things that it counts: `1 key result`, `2,000 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
