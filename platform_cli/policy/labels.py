"""
Say on everything whose it is.

In: a document. Out: labels on the object, on every run of it and on every pod: flow, queue, team, code, environment,
and on runs the day they are for; the flow's class, which a label may not be able to hold, is an annotation of runs.
"""

from __future__ import annotations

import re
from typing import Any

from platform_cli.graph.values import Finding, FlowGraph
from platform_cli.names import DAY, FLOW_CLASS, LABEL_PREFIX, flow_slug
from platform_cli.policy.parts import is_template
from platform_cli.template import Target

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LONGEST = 63
# Argo makes labels before it fills in what a CronWorkflow passes, so a scheduled run's parameter still is a tag; and a
# run whose label is invalid ends at once. The day of a time is its first ten characters; a label can hold no colon.
# Source: argo-workflows v4.0.2, workflow/controller/operator.go, updateWorkflowMetadata.
_PARAMETER = f"workflow.parameters.{DAY}"
_IS_DAY = "matches '^[0-9]{4}-[0-9]{2}-[0-9]{2}'"
_DAY = f"{_PARAMETER} {_IS_DAY} ? {_PARAMETER}[0:10] : (workflow.scheduledTime ?? '')[0:10]"


def label(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Write the labels; a value that a label cannot hold is shortened to what it can."""
    labels = {
        f"{LABEL_PREFIX}/{key}": value_of(text)
        for key, text in (
            ("flow", flow_slug(graph.name)),
            ("project", graph.project),
            ("queue", target.queue.name),
            ("team", target.environment.team),
            ("code", target.code_hash[:12]),
            ("environment", target.environment.name),
            ("channel", target.channel.name.replace("/", ".")),
        )
        if text
    }
    document["metadata"]["labels"] = labels
    if is_template(document):
        spec = document["spec"]
        spec["podMetadata"] = {"labels": dict(labels)}
        spec["workflowMetadata"] = {"annotations": {FLOW_CLASS: graph.name}, "labels": dict(labels)}
        if graph.parameter(DAY):
            spec["workflowMetadata"]["labelsFrom"] = {f"{LABEL_PREFIX}/as-of": {"expression": _DAY}}
    return []


def value_of(text: str) -> str:
    """Make a label's value of any text."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST].strip("-._")
