"""
End what hangs.

In: a WorkflowTemplate. Out: a deadline on the run and on every container.

A step with `@timeout` ends itself in time and leaves a record; Kubernetes comes five minutes later for a step that
cannot (time for the image and for the step's last words).
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import Finding, FlowGraph
from platform_cli.policy.parts import containers, is_template, steps
from platform_cli.template import Target

_AFTER_TIMEOUT_SECONDS = 300


def limit(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Write activeDeadlineSeconds: the queue's, or a step's own `@timeout` where it is the sooner."""
    if not is_template(document):
        return []
    findings = []
    longest = int(target.queue.step_deadline.seconds)
    document["spec"]["activeDeadlineSeconds"] = int(target.queue.deadline.seconds)
    for template in containers(document):
        template["activeDeadlineSeconds"] = longest
    for template, step in steps(document, graph):
        if step.timeout_seconds > longest:
            problem = (
                f'step "{step.name}" may take {step.timeout_seconds} s; queue "{target.queue.name}" gives {longest} s'
            )
            fix = "Shorten @timeout, or fan out with foreach."
            findings.append(Finding(where=step.where, rule="deadline", problem=problem, fix=fix))
        if step.timeout_seconds:
            template["activeDeadlineSeconds"] = min(longest, step.timeout_seconds + _AFTER_TIMEOUT_SECONDS)
    return findings
