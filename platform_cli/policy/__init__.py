"""
What an environment allows: one rule per module, each adds its part to the documents or says why not.

In: the documents of `template`, the FlowGraph and the Target. Out: complete documents, or every finding at once.

Rules look at nothing but their arguments: no clock, no network, no files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from platform_cli.graph.values import Finding, FlowGraph, refuse
from platform_cli.policy import (
    cleanup,
    deadlines,
    health,
    hooks,
    images,
    labels,
    literals,
    placement,
    queues,
    retries,
    secrets,
    security,
)
from platform_cli.template import Target, compile_flow

Document = dict[str, Any]
Rule = Callable[[Document, FlowGraph, Target], list[Finding]]

# In this order, because retries read the memory that placement wrote.
RULES: tuple[Rule, ...] = (
    literals.check,
    secrets.check,
    images.check,
    hooks.check,
    placement.place,
    queues.queue,
    retries.retry,
    deadlines.limit,
    cleanup.clean_up,
    security.restrict,
    health.watch,
    labels.label,
)


def render_flow(graph: FlowGraph, target: Target) -> list[Document]:
    """
    Compile a flow for an environment, and apply every rule.

    Raises:
        FlowRefused: with all findings of all rules.
    """
    documents = compile_flow(graph, target)
    refuse(judge(documents, graph, target))
    return documents


def judge(documents: list[Document], graph: FlowGraph, target: Target) -> list[Finding]:
    """Apply every rule to every document in place, and return what they found, ordered by file and line."""
    return sorted({finding for document in documents for rule in RULES for finding in rule(document, graph, target)})
