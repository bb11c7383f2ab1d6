"""
Let Prometheus know how runs end.

In: a WorkflowTemplate. Out: `spec.metrics`, one entry per signal that Argo's controller emits for us.
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import Finding, FlowGraph
from platform_cli.names import flow_slug
from platform_cli.policy.parts import is_template
from platform_cli.signals import RUN_SIGNALS, Kind, Signal
from platform_cli.template import Target

_VALUES = {"platform_run_finished_total": "1", "platform_run_duration_seconds": "{{workflow.duration}}"}


def watch(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Count finished runs by how they ended, and say how long the latest took."""
    if is_template(document):
        known = {"flow": flow_slug(graph.name), "queue": target.queue.name, "status": "{{workflow.status}}"}
        document["spec"]["metrics"] = {"prometheus": [_metric(signal, known) for signal in RUN_SIGNALS]}
    return []


def _metric(signal: Signal, known: dict[str, str]) -> dict[str, Any]:
    value = {"value": _VALUES[signal.name]}
    kind = {"counter": value} if signal.kind is Kind.COUNTER else {"gauge": {**value, "realtime": False}}
    labels = [{"key": label, "value": known[label]} for label in signal.labels]
    return {"name": signal.name, "help": signal.meaning, "labels": labels, **kind}
