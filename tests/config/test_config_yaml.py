"""YAML as this project reads it: positions, plain values, refusals in plain words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okr_sync.config.yaml_reader import (
    MAX_NESTING,
    MAX_VALUES,
    ListNode,
    MappingNode,
    ScalarNode,
    read_yaml,
)


def values(text: str) -> dict[str, str | bool | None]:
    """The scalar values of a mapping."""
    root, problems = read_yaml(text, "f.yaml")
    assert problems == []
    assert isinstance(root, MappingNode)
    return {
        name: entry.value.value
        for name, entry in root.entries.items()
        if isinstance(entry.value, ScalarNode)
    }


def test_only_null_and_booleans_mean_more_than_their_text() -> None:
    """`on`, `yes`, dates, clock times and numbers keep the text that was written."""
    text = (
        "on: source\na: yes\nb: 2018-01-01\nc: 12:30\nd: 010\ne: 1_000\nf: true\ng: False\n"
        "h: null\ni: ~\nj:\nk: 'true'\nl: \"null\"\nm: 0x1F\nn: no\n"
    )
    assert values(text) == {
        "on": "source", "a": "yes", "b": "2018-01-01", "c": "12:30", "d": "010", "e": "1_000",
        "f": True, "g": False, "h": None, "i": None, "j": None, "k": "true", "l": "null",
        "m": "0x1F", "n": "no",
    }  # fmt: skip


def test_positions_are_those_of_an_editor() -> None:
    """Lines and columns count from 1, columns in characters, also behind a BOM-less umlaut."""
    root, _ = read_yaml("ä: {key: ü, list: [1,\n  zwei]}\n", "x.yaml")
    assert isinstance(root, MappingNode)
    inner = root.entries["ä"].value
    assert isinstance(inner, MappingNode)
    assert str(inner.entries["list"].position) == "x.yaml:1:13"
    items = inner.entries["list"].value
    assert isinstance(items, ListNode)
    assert [str(item.position) for item in items.items] == ["x.yaml:1:20", "x.yaml:2:3"]


def test_duplicate_keys_are_kept_for_the_mapping_that_has_them() -> None:
    """The first stands, and the others are known with their places."""
    root, problems = read_yaml("a: 1\nb: 2\na: 3\n", "x.yaml")
    assert problems == []
    assert isinstance(root, MappingNode)
    assert [str(entry.position) for entry in root.duplicates] == ["x.yaml:3:1"]


@pytest.mark.parametrize(
    ("text", "place", "rule", "words"),
    [
        ("a: b: c\n", "1:5", "yaml-syntax", "second `:`"),
        ("a:\n\t- b\n", "2:1", "yaml-tab", "tab"),
        ("a: [1, 2\nb: 3\n", "2:2", "yaml-syntax", "bracket opened at 1:4"),
        ("a: 'x\n", "1:4", "yaml-syntax", "quote is never closed"),
        ("a: @x\n", "1:4", "yaml-syntax", "can't begin with `@`"),
        ("a: {b: 1\n", "2:1", "yaml-syntax", "isn't closed"),
        ("a:\n  - b\n c: d\n", "3:2", "yaml-syntax", "doesn't fit with the lines above"),
        ("a: &x 1\n", "1:4", "yaml-alias", "anchor"),
        ("a: *x\n", "1:4", "yaml-alias", "alias"),
        ("a: !!python/object x\n", "1:4", "yaml-tag", "tag"),
        ("<<: {a: 1}\n", "1:1", "yaml-merge-key", "merges"),
        ("a: 1\n---\nb: 2\n", "2:1", "yaml-several-documents", "second document"),
        ("? {a: 1}\n: 2\n", "1:3", "yaml-complex-key", "where a key should be"),
        ("a: 1\nb: \x07\n", "2:4", "yaml-control-character", "control character"),
        ('a: "\\0"\n', "1:4", "yaml-control-character", "control character"),
        ("[" * (MAX_NESTING + 1), f"1:{MAX_NESTING + 1}", "yaml-too-deep", "nested"),
    ],
)
def test_what_is_refused_is_told_with_its_place(
    text: str, place: str, rule: str, words: str
) -> None:
    """Each refusal names line, column and the reason in words for people, and what to do."""
    _, problems = read_yaml(text, "f.yaml")
    first = problems[0]
    assert (str(first.position), first.rule) == (f"f.yaml:{place}", rule)
    assert words in first.message
    assert first.fix


def test_the_deepest_nesting_allowed_is_read() -> None:
    """Twenty levels are fine."""
    _, problems = read_yaml("[" * MAX_NESTING + "]" * MAX_NESTING, "f.yaml")
    assert problems == []


def test_a_million_brackets_and_values_are_refused_early() -> None:
    """What would exhaust the stack or the memory ends at the limit."""
    assert read_yaml("[" * 1_000_000, "f.yaml")[1][0].rule == "yaml-too-deep"
    assert read_yaml(f"[{'a,' * (MAX_VALUES + 1)}]", "f.yaml")[1][0].rule == "yaml-too-big"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}'\"&*!|>#%@ ,\n\t?<0\\éx\x00"), max_size=60))
def test_no_text_crashes_the_reader(text: str) -> None:
    """Whatever is written, there are nodes, nothing, or problems."""
    root, problems = read_yaml(text, "f.yaml")
    assert root is None or problems is not None
