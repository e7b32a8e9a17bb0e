"""Reading `plausible`: which numbers of a metric or a key result can be right.

Belongs here: its YAML shape. Does not belong here: goals (goal_reader) or what follows from a number
beyond the bounds (checks).
"""

from okr_sync.config.fields import Fields
from okr_sync.config.goal_reader import read_ends
from okr_sync.config.models import Bounds

_FORMS = "Write {at_least: 0}, {at_most: 60%} or {between: [5%, 60%]}."


def read_plausible(fields: Fields) -> Bounds | None:
    """The bounds, or None where there are none; what is wrong with them is a finding."""
    node = fields.mapping("plausible", "a mapping such as {between: [5%, 60%]}")
    if node is None:
        return None
    inner = Fields(node, "`plausible`", fields.findings)
    low, high = inner.number("at_least"), inner.number("at_most")
    has_both = inner.has("between")
    inner.finish()
    if not node.entries:
        fields.findings.error(node.position, "missing-key", "`plausible` is empty.", _FORMS)
        return None
    if has_both:
        if low is not None or high is not None:
            fields.findings.error(
                inner.position("between"),
                "bad-range",
                "`plausible` mixes `between` with another end.",
                _FORMS,
            )
            return None
        ends = read_ends(inner)
        return None if ends is None else Bounds(low=ends[0], high=ends[1])
    if low is not None and high is not None and low >= high:
        fields.findings.error(
            node.position,
            "bad-range",
            "Nothing lies within `plausible`: `at_least` is not below `at_most`.",
            "Swap them, or leave one out.",
        )
        return None
    return None if low is None and high is None else Bounds(low=low, high=high)
