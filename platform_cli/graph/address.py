"""
Where a task of a run is, and which tasks are its inputs (design 2): (run, step, path).

In: a FlowGraph, a step and a path such as `-3-0`; two readers of what already happened (a switch's choice, a foreach's
width). Out: the addresses of the step's inputs, which both sides compute alone.

Refuses to know the datastore: the caller reads, and hands in how. That a task exists is never taken as evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from platform_cli.errors import UsageError
from platform_cli.graph.values import FlowGraph, Step, StepKind

CODE_PARAMETER, ORIGIN_PARAMETER, EPOCH_PARAMETER = "platform-code", "platform-origin", "platform-epoch"
RESERVED_PARAMETERS = (CODE_PARAMETER, ORIGIN_PARAMETER, EPOCH_PARAMETER)
_PATH = re.compile(r"(-\d+)*")


@dataclass(frozen=True, order=True)
class Address:
    """One task of a run."""

    step: str
    path: str = ""

    @property
    def task_id(self) -> str:
        return task_id(self.path)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """
    What a task starts from.

    Attributes:
        tasks: the parents, in the order in which Metaflow hands them to a join; empty for the start step.
        split_index: which of the foreach's items this task is; None where its parent is no foreach.
    """

    tasks: tuple[Address, ...]
    split_index: int | None = None


Choice = Callable[[Address], str]
"""Reads the step that a switch's latest attempt chose."""
Width = Callable[[Address], int]
"""Reads how many items a foreach step fanned out to."""


def run_id(workflow: str) -> str:
    """Metaflow's run id of an Argo Workflow."""
    return f"argo-{workflow}"


def task_id(path: str) -> str:
    """Metaflow's task id at a path; it begins with a letter because Metaflow takes a bare number for its own."""
    return f"t{path}"


def check_path(path: str) -> str:
    """Return `path`; UsageError where it is not a list of indices such as `-3-0`."""
    if not _PATH.fullmatch(path):
        raise UsageError(f'path is "{path}"', wanted="indices such as -3-0, or nothing outside a foreach")
    return path


def inputs_of(graph: FlowGraph, address: Address, *, choice: Choice, width: Width) -> Inputs:
    """
    Find the tasks that a task starts from.

    Args:
        choice: called only for switches that decide between several possible parents.
        width: called only for the foreach that a join closes.
    """
    step = graph.step(address.step)
    path = check_path(address.path)
    if path.count("-") != len(step.inside):
        raise UsageError(f'path of step "{step.name}" is "{path}"', wanted=f"{len(step.inside)} indices")
    if not step.parents:
        return Inputs(tasks=())
    if step.joins:
        return Inputs(tasks=_joined(graph, step, path, choice=choice, width=width))
    if len(step.parents) == 1:
        parent = graph.step(step.parents[0])
        if parent.kind is StepKind.FOREACH:
            outer, _, index = path.rpartition("-")
            return Inputs(tasks=(Address(parent.name, outer),), split_index=int(index))
        return Inputs(tasks=(Address(parent.name, path),))
    return Inputs(tasks=(_followed(graph, _head(graph, step), step, path, choice),))


def _joined(graph: FlowGraph, step: Step, path: str, *, choice: Choice, width: Width) -> tuple[Address, ...]:
    split = graph.step(step.joins)
    if split.kind is StepKind.FOREACH:
        (body,) = split.children
        count = width(Address(split.name, path))
        return tuple(_followed(graph, body, step, f"{path}-{index}", choice) for index in range(count))
    return tuple(_followed(graph, branch, step, path, choice) for branch in split.children)


def _head(graph: FlowGraph, step: Step) -> str:
    """The step at which everything that can lead to `step` on its own path begins: a branch's first, or the start."""
    if not step.branch_of:
        return graph.start
    split = graph.step(step.branch_of[-1])
    return next(child for child in split.children if leads_to(graph, child, step.name))


def leads_to(graph: FlowGraph, first: str, last: str) -> bool:
    """Whether a run that comes to `first` can come to `last` later."""
    todo, seen = [first], set()
    while todo:
        name = todo.pop()
        if name == last:
            return True
        if name not in seen:
            seen.add(name)
            todo.extend(graph.step(name).children)
    return False


def ways_to(graph: FlowGraph, first: str, last: str) -> tuple[str, ...]:
    """The parents of `last` that a task which began at `first`, on the same path, can come from."""
    return tuple(name for name in graph.step(last).parents if leads_to(graph, first, name))


def _followed(graph: FlowGraph, first: str, last: str | Step, path: str, choice: Choice) -> Address:
    """Walk from `first` the way this run went, up to the step before `last`."""
    goal = last.name if isinstance(last, Step) else last
    ways = ways_to(graph, first, goal)
    if len(ways) == 1:
        return Address(ways[0], path)
    name = first
    while True:
        step = graph.step(name)
        following = _next(graph, step, goal, path, choice)
        if following == goal:
            return Address(name, path)
        name = following


def _next(graph: FlowGraph, step: Step, goal: str, path: str, choice: Choice) -> str:
    if step.joined_by:
        return step.joined_by
    if len(step.children) == 1:
        return step.children[0]
    address = Address(step.name, path)
    ways = [child for child in step.children if child == goal or leads_to(graph, child, goal)]
    if len(ways) == 1:
        return ways[0]
    return choice(address)
