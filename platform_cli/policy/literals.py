"""
Text of the flow must arrive in the pod as it was written.

In: a FlowGraph. Out: findings for text that Argo would change, that is too long, or that takes the platform's place.

Argo substitutes inside values: `{{workflow.name}}` arrives as a name and `{{=1+1}}` as 2, so `{{` is an injection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from platform_cli.graph.values import LONGEST_PARAMETERS, Finding, FlowGraph, Where
from platform_cli.policy.parts import is_template
from platform_cli.template import Target

_OURS = re.compile(r"(PLATFORM|METAFLOW|ARGO|KUBERNETES|AWS)_.*|PATH|HOME|PYTHONPATH|LD_.*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Refuse `{{`, parameters above 64 KiB, and variables that the platform sets itself."""
    del target
    if not is_template(document):
        return []
    findings = [
        Finding(
            where=where,
            rule="braces",
            problem=f"{what} contains {{{{, which Argo would replace",
            fix="Build the text inside the step.",
        )
        for what, text, where in _texts(graph)
        if "{{" in text
    ]
    # As Argo hands them over: the help texts travel with the values.
    as_handed_over = [{"name": p.name, "value": p.default or "", "description": p.help} for p in graph.parameters]
    length = len(json.dumps(as_handed_over).encode())
    if length > LONGEST_PARAMETERS.bytes:
        problem = f"the parameters are {length} bytes long, above {LONGEST_PARAMETERS}"
        fix = "Put long values into a file and use IncludeFile."
        findings.append(Finding(where=graph.where, rule="length", problem=problem, fix=fix))
    return findings + _variables(graph)


def _texts(graph: FlowGraph) -> Iterator[tuple[str, str, Where]]:
    for parameter in graph.parameters:
        yield f'the default of parameter "{parameter.name}"', parameter.default or "", parameter.where
        yield f'the help of parameter "{parameter.name}"', parameter.help, parameter.where
        yield f'the name of parameter "{parameter.name}"', parameter.name, parameter.where
    for step in graph.steps:
        for variable in step.variables:
            yield f'variable "{variable.name}" of step "{step.name}"', variable.value, variable.where
    for name, text in graph.configs:
        yield f'config "{name}"', text, graph.where
    yield "the flow's description", graph.doc, graph.where


def _variables(graph: FlowGraph) -> list[Finding]:
    found = []
    for step in graph.steps:
        for variable in step.variables:
            if _OURS.fullmatch(variable.name):
                problem = f'step "{step.name}" sets {variable.name}, which the platform sets itself'
                fix = "Rename it, or change the environment in platform.toml."
            elif not _VARIABLE.fullmatch(variable.name):
                problem, fix = f'step "{step.name}" sets "{variable.name}"', "Write letters, digits and underscores."
            else:
                continue
            found.append(Finding(where=variable.where, rule="variable", problem=problem, fix=fix))
    return found
