"""Which tasks a task starts from, worked out from the graph and what a run did, never from what lies in a store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform_cli.errors import UsageError
from platform_cli.graph.address import Address, Inputs, inputs_of, task_id
from platform_cli.graph.values import FlowGraph
from tests.flowfiles import load
from tests.unit.graph.test_reading import SHAPE


def nobody_asks(address: Address) -> str:
    raise AssertionError(f"nothing had to be read of {address}")


def inputs(
    graph: FlowGraph,
    step: str,
    path: str = "",
    *,
    choice: Callable[[Address], str] = nobody_asks,
    widths: dict[Address, int] | None = None,
) -> list[tuple[str, str]]:
    found = inputs_of(graph, Address(step, path), choice=choice, width=(widths or {}).__getitem__)
    return [(task.step, task.path) for task in found.tasks]


def test_a_task_id_begins_with_a_letter_and_holds_the_path():
    assert (task_id(""), task_id("-3-0")) == ("t", "t-3-0")


def test_the_start_step_has_no_inputs(tmp_path: Path):
    assert inputs(load(tmp_path, SHAPE), "start") == []


def test_a_step_starts_from_its_parent_at_the_same_path(tmp_path: Path):
    assert inputs(load(tmp_path, SHAPE), "left") == [("start", "")]


def test_the_first_step_of_a_foreach_starts_from_the_path_without_its_last_index(tmp_path: Path):
    found = inputs_of(load(tmp_path, SHAPE), Address("item", "-7"), choice=nobody_asks, width=lambda _: 0)
    assert found == Inputs(tasks=(Address("right", ""),), split_index=7)


def test_inside_two_foreaches_only_the_last_index_is_dropped(tmp_path: Path):
    body = """
    @step
    def start(self):
        self.items = [1]
        self.next(self.outer, foreach="items")
    @step
    def outer(self):
        self.items = [1]
        self.next(self.inner, foreach="items")
    @step
    def inner(self):
        self.next(self.close)
    @step
    def close(self, inputs):
        self.next(self.done)
    @step
    def done(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
    """
    graph = load(tmp_path, body)
    found = inputs_of(graph, Address("inner", "-7-3"), choice=nobody_asks, width=lambda _: 0)
    assert found == Inputs(tasks=(Address("outer", "-7"),), split_index=3)
    assert inputs(graph, "close", "-7", widths={Address("outer", "-7"): 2}) == [("inner", "-7-0"), ("inner", "-7-1")]


def test_a_foreach_join_starts_from_every_item(tmp_path: Path):
    found = inputs(load(tmp_path, SHAPE), "join_items", widths={Address("right", ""): 3})
    assert found == [("item", "-0"), ("item", "-1"), ("item", "-2")]


def test_a_split_join_starts_from_the_end_of_every_branch(tmp_path: Path):
    assert inputs(load(tmp_path, SHAPE), "joined") == [("short", ""), ("join_items", "")]


@pytest.mark.parametrize(("chosen", "parent"), [("long", "long"), ("short", "left")])
def test_a_merge_starts_from_the_way_that_the_switch_took(chosen: str, parent: str, tmp_path: Path):
    found = inputs(load(tmp_path, SHAPE), "short", choice={Address("left", ""): chosen}.__getitem__)
    assert found == [(parent, "")]


NESTED = """
@step
def start(self):
    self.items = [1, 2]
    self.next(self.outer, foreach="items")
@step
def outer(self):
    self.size = "a"
    self.next({"a": self.inner, "b": self.cheap}, condition="size")
@step
def inner(self):
    self.fresh = "a"
    self.next({"a": self.merge, "b": self.refresh}, condition="fresh")
@step
def refresh(self):
    self.next(self.merge)
@step
def cheap(self):
    self.next(self.merge)
@step
def merge(self):
    self.next(self.join)
@step
def join(self, inputs):
    self.next(self.end)
@step
def end(self):
    pass
"""


@pytest.mark.parametrize(
    ("choices", "parent"),
    [
        ({"outer": "inner", "inner": "merge"}, "inner"),
        ({"outer": "inner", "inner": "refresh"}, "refresh"),
        ({"outer": "cheap"}, "cheap"),
    ],
    ids=["straight", "through-a-step", "other-case"],
)
def test_only_switches_on_the_way_are_asked_and_at_the_tasks_own_path(
    choices: dict[str, str], parent: str, tmp_path: Path
):
    def choice(address: Address) -> str:
        assert address.path == "-1"
        return choices[address.step]

    assert inputs(load(tmp_path, NESTED), "merge", "-1", choice=choice) == [(parent, "-1")]


def test_every_item_of_a_join_follows_its_own_way(tmp_path: Path):
    graph = load(tmp_path, NESTED)
    assert inputs(graph, "join", widths={Address("start", ""): 2}) == [("merge", "-0"), ("merge", "-1")]


@pytest.mark.parametrize("path", ["", "-1-2", "1", "-x", "--1"])
def test_a_path_that_does_not_fit_the_step_is_refused(path: str, tmp_path: Path):
    graph = load(tmp_path, SHAPE)
    with pytest.raises(UsageError, match=r'path .*is "'):
        inputs(graph, "item", path)
