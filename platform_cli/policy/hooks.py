"""
Exit hooks run the code that the run itself ran.

In: a FlowGraph. Out: a finding where the hooks' code would be the image's and the steps' a working copy's.
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import Finding, FlowGraph
from platform_cli.policy.parts import is_template
from platform_cli.template import Target


def check(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Refuse exit hooks of a submitted working copy: only the step runner unpacks a package."""
    if not is_template(document) or not target.package:
        return []
    return [
        Finding(
            where=hook.where,
            rule="exit-hook",
            problem=f'@exit_hook("{hook.function}") works only from an image, and this is a submitted working copy',
            fix="Take the hook off for the trial; it works once the flow is merged.",
        )
        for hook in graph.exit_hooks
    ]
