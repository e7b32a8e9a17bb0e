"""Where a project's metrics are written, for findings that come after loading.

Belongs here: the way from a metric's name back to its place in the files. Does not belong here:
reading definitions (readers).
"""

from collections.abc import Iterator

from okr_sync.config.bundle import Bundle
from okr_sync.config.identifiers import in_place_name
from okr_sync.config.models import Position
from okr_sync.config.yaml_reader import ListNode, MappingNode, Node, ScalarNode, read_yaml


def metric_nodes(bundle: Bundle) -> dict[str, Node]:
    """What was written for each metric of the bundle, by name, also for those written in place."""
    found: dict[str, Node] = {}
    for file, text in bundle.files.items():
        root = read_yaml(text, file)[0] if file.endswith(".yaml") else None
        metrics = _under(root, "metrics")
        if isinstance(metrics, MappingNode):
            for entry in metrics.entries.values():
                found |= _with_inputs(entry.name, entry.value)
        team = _under(root, "team")
        for objective in _items(_under(root, "objectives")):
            for key_result in _items(_under(objective, "key_results")):
                own = _under(key_result, "id")
                metric = _under(key_result, "metric")
                if not isinstance(team, ScalarNode) or not isinstance(own, ScalarNode):
                    continue
                if isinstance(metric, MappingNode):
                    name = f"{team.text.strip()}/{own.text.strip()}"
                    found |= _with_inputs(in_place_name(name), metric)
    return {name: node for name, node in found.items() if name in bundle.metrics}


def position_within(node: Node, word: str) -> Position:
    """Where the word stands as a key or a value; the whole's place if it doesn't."""
    for position, text in _words(node):
        if text == word:
            return position
    return node.position


def _with_inputs(name: str, node: Node) -> dict[str, Node]:
    found = {name: node}
    inputs = _under(node, "inputs")
    if isinstance(inputs, MappingNode):
        for entry in inputs.entries.values():
            if isinstance(entry.value, MappingNode):
                found |= _with_inputs(f"{name}__{entry.name}", entry.value)
    return found


def _under(node: Node | None, key: str) -> Node | None:
    entry = node.entries.get(key) if isinstance(node, MappingNode) else None
    return None if entry is None else entry.value


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, ListNode) else ()


def _words(node: Node) -> Iterator[tuple[Position, str]]:
    if isinstance(node, ScalarNode):
        yield node.position, node.text.strip()
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _words(item)
    else:
        for entry in node.entries.values():
            yield entry.position, entry.name
            yield from _words(entry.value)
