"""
Where the parts of a WorkflowTemplate are, for the rules that fill them.

In: a document. Out: its spec, its container templates with the steps that they execute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from platform_cli.graph.values import FlowGraph, Step
from platform_cli.template.steps import COMMAND


def is_template(document: dict[str, Any]) -> bool:
    return bool(document["kind"] == "WorkflowTemplate")


def containers(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Container templates: one per step, and those of the exit hooks."""
    if is_template(document):
        yield from (template for template in document["spec"]["templates"] if "container" in template)


def steps(document: dict[str, Any], graph: FlowGraph) -> Iterator[tuple[dict[str, Any], Step]]:
    """Container templates that execute a step, with the step."""
    for template in containers(document):
        if template["container"]["command"] == [COMMAND]:
            yield template, graph.step(template["container"]["args"][1])
