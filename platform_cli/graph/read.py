"""
A flow class -> FlowGraph.

In: a class made by Metaflow, whose graph Metaflow has parsed. Out: frozen values, with findings about what cannot run.

The structure (what a join closes, which foreach is around a step) is worked out here from the transitions alone:
Metaflow's own answer depends on which way through a switch it happened to walk last.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platform_cli.graph.decorators import StepReader, flow_extras
from platform_cli.graph.parameters import read_parameters
from platform_cli.graph.shapes import check_shapes, loops
from platform_cli.graph.source import Source
from platform_cli.graph.values import Finding, FlowGraph, Step, StepKind, Where

_KINDS = {
    "start": StepKind.LINEAR,
    "linear": StepKind.LINEAR,
    "split": StepKind.SPLIT,
    "foreach": StepKind.FOREACH,
    "split-switch": StepKind.SWITCH,
    "join": StepKind.JOIN,
    "end": StepKind.END,
}


class Places:
    """Lines of one flow class, its bases' included."""

    def __init__(self, flow: Any, file: Path, root: Path) -> None:
        from platform_cli.graph.load import shown_path

        self._file, self._root = file, root
        self._shown = shown_path
        self._sources: dict[Path, Source] = {}
        self._classes = [base.__name__ for base in flow.__mro__ if base.__name__ not in ("FlowSpec", "object")]

    @property
    def file(self) -> str:
        return self._shown(self._file, self._root)

    def _source(self, file: Path) -> Source:
        return self._sources.setdefault(file, Source(file))

    def flow(self) -> Where:
        return Where(file=self.file, line=self._source(self._file).class_line(self._classes[0]) or 1)

    def flow_decorator(self, name: str, index: int = 0) -> Where:
        found = [
            line
            for cls in self._classes
            for deco, line in self._source(self._file).flow_decorators(cls)
            if deco == name
        ]
        return Where(file=self.file, line=found[index]) if index < len(found) else self.flow()

    def parameter(self, attribute: str) -> Where:
        lines = (self._source(self._file).attribute_line(cls, attribute) for cls in self._classes)
        line = next((line for line in lines if line), 0)
        return Where(file=self.file, line=line) if line else self.flow()

    def step(self, node: Any) -> Where:
        return Where(file=self._shown(Path(node.source_file).resolve(), self._root), line=node.func_lineno)

    def step_decorator(self, node: Any, name: str, index: int = 0) -> Where:
        source = self._source(Path(node.source_file).resolve())
        found = [line for cls in self._classes for deco, line in source.step_decorators(cls, node.name) if deco == name]
        step = self.step(node)
        return Where(file=step.file, line=found[index]) if index < len(found) else step

    def artifacts(self, names: frozenset[str]) -> list[tuple[str, Where]]:
        source = self._source(self._file)
        return [
            (name, Where(file=self.file, line=line))
            for cls in self._classes
            for name, line in source.artifact_lines(cls, names)
        ]


def read_graph(flow: Any, *, file: Path, root: Path) -> FlowGraph:
    """
    Turn a flow class into values; what cannot run is in `findings`, for the caller to refuse.

    Args:
        flow: the class that Metaflow's `FlowSpec` was made into.
        file: where it is defined; `root`: what paths are shown relative to.
    """
    places = Places(flow, file.resolve(), root.resolve())
    findings: list[Finding] = []
    parameters, configs, flow = read_parameters(flow, places, findings)
    nodes = {node.name: node for node in flow._graph}
    findings += loops(nodes, places)
    if not findings:
        findings += check_shapes(flow._graph, nodes, places)
    shape = {} if findings else _shape(flow._graph, nodes)
    reader = StepReader(places, findings)
    steps = tuple(
        _step(nodes[name], reader, places, shape.get(name, {})) for name in (_order(flow._graph, nodes) or nodes)
    )
    return FlowGraph(
        name=flow.__name__,
        file=places.file,
        where=places.flow(),
        steps=steps,
        start=flow._graph.start_step or "",
        end=flow._graph.end_step or "",
        doc=flow._graph.doc or "",
        parameters=parameters,
        configs=configs,
        **flow_extras(flow, places, parameters, findings),
        findings=tuple(findings),
    )


def _step(node: Any, reader: StepReader, places: Places, shape: dict[str, Any]) -> Step:
    return Step(
        name=node.name,
        kind=_KINDS.get(node.type, StepKind.LINEAR),
        where=places.step(node),
        children=tuple(dict.fromkeys(node.out_funcs)),
        condition=node.condition or "",
        doc=node.doc or "",
        **shape,
        **reader.read(node),
    )


def _order(graph: Any, nodes: dict[str, Any]) -> list[str]:
    """Parents before children; between equals, the order in which the flow names them."""
    done: dict[str, None] = {}
    entered: set[str] = set()

    def visit(name: str) -> None:
        if name in entered or name not in nodes:
            return
        entered.add(name)
        for child in reversed(nodes[name].out_funcs):
            visit(child)
        done[name] = None

    visit(graph.start_step or "")
    return list(reversed(done))


def _shape(graph: Any, nodes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Walk every transition once with the stack of open splits; a join closes the innermost."""
    order = _order(graph, nodes)
    stacks: dict[str, tuple[str, ...]] = {graph.start_step: ()}
    parents: dict[str, list[str]] = {name: [] for name in nodes}
    joins: dict[str, str] = {}
    for name in order:
        node, stack = nodes[name], stacks[name]
        inner = (*stack, name) if node.type in ("split", "foreach") else stack
        for child in dict.fromkeys(node.out_funcs):
            parents[child].append(name)
            if nodes[child].type == "join":
                joins[child] = inner[-1]
                stacks[child] = inner[:-1]
            else:
                stacks[child] = inner
    joined_by = {split: join for join, split in joins.items()}
    return {
        name: {
            "parents": tuple(parents[name]),
            "joins": joins.get(name, ""),
            "joined_by": joined_by.get(name, ""),
            "branch_of": stacks[name],
            "inside": tuple(outer for outer in stacks[name] if nodes[outer].type == "foreach"),
        }
        for name in order
    }
