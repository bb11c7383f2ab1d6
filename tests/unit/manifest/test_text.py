"""Documents as text: the same for equal documents, and read back by Kubernetes as what was meant."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from platform_cli.manifest.text import file_name, from_text, to_text


def text(document: dict[str, Any]) -> str:
    return to_text(document, source="flows/x/flow.py")


def test_a_rendered_file_says_so_on_top_and_from_what():
    assert text({"kind": "A"}).splitlines() == [
        "# Rendered from flows/x/flow.py by `platform render`. Do not edit: change the flow, the settings or the lock.",
        "kind: A",
    ]


def test_keys_are_sorted_and_a_name_comes_first():
    written = text({"b": 1, "a": {"z": 1, "name": "x", "c": [2]}})
    assert [line.strip() for line in written.splitlines()[1:]] == ["a:", "name: x", "c:", "- 2", "z: 1", "b: 1"]


@pytest.mark.parametrize(
    "word", ["y", "n", "Y", "N", "on", "off", "yes", "NO", "true", "null", "~", "1e3", "0x1F", "1_000", "139e14865812"]
)
def test_words_that_yaml_would_take_for_something_else_are_quoted(word: str):
    written = text({word: word, "list": [word], "env": [{"name": word, "value": word}]})
    assert f": '{word}'" in written
    assert f"- '{word}'" in written
    assert f"{{name: '{word}', value: '{word}'}}" in written


def test_small_mappings_take_one_line_and_long_ones_do_not():
    assert "- {name: A, value: b}" in text({"env": [{"name": "A", "value": "b"}]})
    assert "value: " + "x" * 120 in text({"env": [{"name": "A", "value": "x" * 120}]}).splitlines()[3]


def test_the_order_in_which_a_document_was_built_does_not_show():
    assert text({"a": {"x": 1, "y": 2}, "b": 3}) == text({"b": 3, "a": {"y": 2, "x": 1}})


PLAIN = st.recursive(
    st.none().map(lambda _: "") | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=12), PLAIN, max_size=5))
def test_any_document_reads_back_equal(document: dict[str, Any]):
    assert (yaml.safe_load(text(document)) or {}) == document
    assert from_text(text(document)) == ([document] if document else [])


def test_an_object_lies_below_its_kind():
    assert file_name({"kind": "CronWorkflow", "metadata": {"name": "hello"}}) == "cronworkflow/hello.yaml"
