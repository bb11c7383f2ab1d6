"""
Leave nothing behind.

In: a WorkflowTemplate. Out: pods that succeeded go at once, runs go after the queue's time, logs are archived before.
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import Finding, FlowGraph
from platform_cli.policy.parts import is_template
from platform_cli.template import Target

_FAILED_STAY = 3  # times as long: somebody wants to look


def clean_up(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Write podGC, ttlStrategy and archiveLogs; pods of failed steps stay as long as their run."""
    del graph
    if is_template(document):
        keep = int(target.queue.keep.seconds)
        document["spec"]["archiveLogs"] = True
        document["spec"]["podGC"] = {"strategy": "OnPodSuccess", "deleteDelayDuration": "60s"}
        document["spec"]["ttlStrategy"] = {"secondsAfterSuccess": keep, "secondsAfterFailure": keep * _FAILED_STAY}
    return []
