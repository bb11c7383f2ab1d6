"""
Pass the `restricted` pod standard.

In: a WorkflowTemplate. Out: the same, with every container as one non-root user without privileges, a read-only root,
and no service account token in the main container.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import Finding, FlowGraph
from platform_cli.policy.parts import containers, is_template
from platform_cli.template import Target

# The numeric USER of every image of the platform; numeric, because the kubelet cannot check a name for root.
USER = 10001
# The account that Argo's executor reports with; its token is a Secret that only the executor's container mounts.
EXECUTOR_ACCOUNT = "platform-executor"


def restrict(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Write the security contexts of pods and containers."""
    del graph, target
    if not is_template(document):
        return []
    document["spec"] |= {
        "automountServiceAccountToken": False,
        "executor": {"serviceAccountName": EXECUTOR_ACCOUNT},
        "securityContext": {
            "fsGroup": USER,
            "runAsGroup": USER,
            "runAsNonRoot": True,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    for template in containers(document):
        template["container"]["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
    return []
