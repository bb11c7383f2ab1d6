"""
A flow file -> FlowGraph, frozen values that need no Metaflow; and the addresses of a run's tasks (design 2).

In: the path of a flow file, or the flow class of a process that has it already.
Out: FlowGraph, or every reason why the flow cannot run, each with its file and line.

The only reader of Metaflow's graph. Knows no cluster, no environment and no settings.
"""

from platform_cli.graph.load import load_graph
from platform_cli.graph.read import read_graph
from platform_cli.graph.values import Finding, FlowGraph, Step, StepKind, Where

__all__ = ["Finding", "FlowGraph", "Step", "StepKind", "Where", "load_graph", "read_graph"]
