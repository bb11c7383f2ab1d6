"""
Put a run into its queue: how important it is, how many at once, how much a step may ask for.

In: a WorkflowTemplate and the Target's queue. Out: priority class, parallelism, semaphore; findings above the ceiling.

Any combination of CPU and memory up to the ceiling is fine: there is no table of sizes.
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import Finding, FlowGraph, Step
from platform_cli.policy.parts import is_template, steps
from platform_cli.template import Queue, Target


def queue(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Write the queue's rules into the spec, and refuse what asks for more than the queue has."""
    if not is_template(document):
        return []
    spec, chosen = document["spec"], target.queue
    if chosen.priority_class:
        spec["podPriorityClassName"] = chosen.priority_class
    if chosen.parallelism:
        spec["parallelism"] = chosen.parallelism
    if chosen.semaphore:
        name, _, key = chosen.semaphore.partition("/")
        spec["synchronization"] = {"semaphores": [{"configMapKeyRef": {"name": name, "key": key or chosen.name}}]}
    return [finding for _, step in steps(document, graph) for finding in _above(step, chosen)]


def _above(step: Step, chosen: Queue) -> list[Finding]:
    asked = (
        (step.ask.cpu > chosen.cpu, f"{step.ask.cpu} cores", f"{chosen.cpu}"),
        (step.ask.memory > chosen.memory, f"{step.ask.memory} of memory", f"{chosen.memory}"),
        (step.ask.gpus > chosen.gpus, f"{step.ask.gpus} GPU{'s' if step.ask.gpus > 1 else ''}", f"{chosen.gpus}"),
    )
    return [
        Finding(
            where=step.ask.where,
            rule="queue",
            problem=f'step "{step.name}" asks for {got}; queue "{chosen.name}" gives {ceiling}',
            fix="Ask for less, or fan out with foreach: what outgrows the ceiling becomes shards.",
        )
        for too_much, got, ceiling in asked
        if too_much
    ]
