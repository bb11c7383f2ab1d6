"""
Shapes of a graph that cannot run: Metaflow's own checks, and what design 2 leaves out, each with file and line.

In: Metaflow's graph. Out: findings.

Loops are looked for before Metaflow's checks run, because those walk every way through the graph and allow one loop.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from platform_cli.graph.values import Finding, Where

if TYPE_CHECKING:
    from platform_cli.graph.read import Places


def loops(nodes: dict[str, Any], places: Places) -> list[Finding]:
    """Find every transition that leads back, which only a switch can make end."""
    findings = []
    state: dict[str, str] = {}

    def visit(name: str) -> None:
        state[name] = "open"
        node = nodes[name]
        for child in dict.fromkeys(node.out_funcs):
            if state.get(child) == "open":
                findings.append(
                    Finding(
                        where=Where(file=places.step(node).file, line=node.tail_next_lineno),
                        rule="loop",
                        problem=f'step "{name}" leads back to "{child}", and loops are not supported',
                        fix="Repeat inside one step, or fan out with foreach over the repetitions.",
                    )
                )
            elif child in nodes and child not in state:
                visit(child)
        state[name] = "done"

    for name in nodes:
        if name not in state:
            visit(name)
    return findings


def check_shapes(graph: Any, nodes: dict[str, Any], places: Places) -> list[Finding]:
    """Report what Metaflow's checker refuses, and gang-scheduled steps."""
    findings = [_parallel(node, places) for node in nodes.values() if node.parallel_foreach or node.parallel_step]
    if findings:
        return findings
    from metaflow.lint import LintWarn, linter

    try:
        linter.run_checks(graph)
    except LintWarn as error:
        where = places.flow()
        if error.line_no:
            file = next((places.step(n).file for n in nodes.values() if n.source_file == error.source_file), where.file)
            where = Where(file=file, line=error.line_no)
        return [Finding(where=where, rule="metaflow", problem=_plain(str(error.message)))]
    names = frozenset(nodes)
    return [
        Finding(
            where=where,
            rule="artifact-name",
            problem=f'an artifact is named "{name}", like a step, which breaks the run when it is saved',
            fix="Rename the artifact or the step.",
        )
        for name, where in places.artifacts(names)
    ]


def _parallel(node: Any, places: Places) -> Finding:
    return Finding(
        where=places.step_decorator(node, "parallel"),
        rule="parallel",
        problem=f'step "{node.name}" is part of a gang (@parallel, num_parallel), which is not supported',
        fix="Fan out with foreach: every item is a task of its own.",
    )


def _plain(message: str) -> str:
    """Metaflow marks names with stars and ends its sentences; a finding does neither."""
    return re.sub(r"\*([\w>. -]+?)\*", r'"\1"', " ".join(message.split())).rstrip(".")
