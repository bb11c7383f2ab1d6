"""What a merge would change, in words that a reviewer reads, and nothing left out."""

import copy
from pathlib import Path
from typing import Any

import pytest

from platform_cli.manifest.diff import compare, words
from platform_cli.manifest.text import from_text
from platform_cli.manifest.tree import drift

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def golden(name: str) -> list[dict[str, Any]]:
    return from_text((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8"))


def step(documents: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(template for template in documents[0]["spec"]["templates"] if template["name"] == name)


def changed(name: str, change: Any) -> str:
    before, after = golden(name), golden(name)
    change(after)
    return words(compare(before, after))


def test_equal_documents_have_nothing_to_say():
    assert compare(golden("decorated"), golden("decorated")) == []


def test_memory_is_said_once_although_it_stands_twice():
    def change(documents: list[dict[str, Any]]) -> None:
        step(documents, "shadow")["container"]["resources"] = {
            "limits": {"memory": "16Gi"}, "requests": {"cpu": "1", "memory": "16Gi"},
        }  # fmt: skip

    assert changed("decorated", change) == "resources\n  step shadow: memory 4 -> 16 Gi"


def test_an_image_is_said_by_the_beginning_of_its_digest():
    def change(documents: list[dict[str, Any]]) -> None:
        step(documents, "fit")["container"]["image"] = "registry.example/platform/flow-gpu@sha256:" + "3" * 64

    flow = "registry.example/platform/flow-gpu@sha256:"
    assert changed("decorated", change) == f"image\n  step fit: image {flow}222222222222 -> {flow}333333333333"


def test_a_new_step_is_one_sentence():
    before = golden("linear")
    after = copy.deepcopy(before)
    spec = after[0]["spec"]
    spec["templates"].append({**copy.deepcopy(step(after, "end")), "name": "more"})
    spec["templates"][0]["dag"]["tasks"].append({"name": "more", "template": "more", "depends": "end.Succeeded"})
    assert words(compare(before, after)) == "graph\n  step more is new"
    assert words(compare(after, before)) == "graph\n  step more is gone"


def test_groups_come_in_the_order_of_a_review():
    def change(documents: list[dict[str, Any]]) -> None:
        documents[0]["spec"]["parallelism"] = 3
        documents[1]["spec"]["schedules"] = ["0 6 * * *"]
        documents[0]["metadata"]["labels"]["platform.dev/code"] = "new"
        step(documents, "start")["container"]["image"] = "flow:2"
        documents[0]["spec"]["arguments"]["parameters"][0]["value"] = "2026-01-01"

    found = changed("scheduled", change).splitlines()
    assert [line for line in found if not line.startswith(" ")] == ["image", "code", "schedule", "parameters", "policy"]
    assert '  schedule: schedules ["0 5 * * *"] -> ["0 6 * * *"]' in found
    assert "  parameter as_of: default none -> 2026-01-01" in found
    assert "  runs: parallelism 20 -> 3" in found


def test_a_whole_object_comes_or_goes():
    documents = golden("scheduled")
    assert words(compare(documents, documents[:1])) == "schedule\n  CronWorkflow scheduled-flow is gone"
    assert words(compare([], documents[:1])) == "graph\n  WorkflowTemplate scheduled-flow is new"


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]
    return [path]


@pytest.mark.parametrize("name", ["decorated", "triggered", "scheduled", "switch"])
def test_no_leaf_of_any_object_changes_in_silence(name: str):
    before = golden(name)
    paths = [path for path in leaves(before) if path[1:] not in (("kind",), ("metadata", "name"))]
    assert len(paths) > 100
    for path in paths:
        after = copy.deepcopy(before)
        place: Any = after
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "something else"
        assert compare(before, after), f"{path} changed in silence"


def test_a_tree_says_what_is_missing_stale_and_left_over():
    rendered = "# Rendered from x\n"
    found = drift(
        {"a.yaml": "1", "b.yaml": "2"}, {"b.yaml": "old", "c.yaml": rendered, "README.yaml": "mine"}, whole=True
    )
    assert found.lines() == ["missing: a.yaml", "stale: b.yaml", "left over: c.yaml"]


def test_part_of_a_tree_leaves_other_files_alone():
    assert not drift({"a.yaml": "1"}, {"a.yaml": "1", "c.yaml": "# Rendered from x\n"}, whole=False)
