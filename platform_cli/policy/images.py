"""
Run what was built, not what a tag says today.

In: a WorkflowTemplate. Out: findings for images that the environment does not have or whose digest the lock lacks.
"""

from __future__ import annotations

import re
from typing import Any

from platform_cli.errors import did_you_mean
from platform_cli.graph.values import Finding, FlowGraph
from platform_cli.policy.parts import steps
from platform_cli.template import Target
from platform_cli.template.steps import DEFAULT_IMAGE, GPU_IMAGE

_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def check(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Refuse unknown images everywhere, and images without a digest outside a laptop."""
    findings = []
    environment = target.environment
    for template, step in steps(document, graph):
        name = step.ask.image or (GPU_IMAGE if step.ask.gpus else DEFAULT_IMAGE)
        reference = template["container"]["image"]
        # One finding for the image that most steps share, not one per step.
        where = step.ask.where if step.ask.image else graph.where
        if not environment.image(name):
            problem = f'the image "{name}" is needed, which {environment.name} does not have'
            fix = did_you_mean(name, [key for key, _ in environment.images]) or "Add it to the environment's images."
        elif environment.requires_digest and not _DIGEST.fullmatch(reference):
            problem = f'the image "{name}" is {reference}, without a digest'
            fix = f'Write "{name}" with its digest into images.{environment.name}.lock.'
        else:
            continue
        findings.append(Finding(where=where, rule="image", problem=problem, fix=fix))
    return findings
