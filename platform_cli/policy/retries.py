"""
Retry by cause.

In: a WorkflowTemplate with resources. Out: a retryStrategy on every container, and more memory after an OOM kill.

What would fail again is never retried (broken contract, missing parent, refused code, a seventh attempt). A node or a
server that went away is always retried. An OOM kill is retried while there is more memory to give. Anything else is
the author's `@retry`, plus one for `@catch`, whose fallback is an attempt of its own. All within Metaflow's six
attempts.
"""

from __future__ import annotations

from typing import Any

from platform_cli.errors import NEVER_RETRIED, ExitCode
from platform_cli.graph.values import Finding, FlowGraph, Retry, Step
from platform_cli.policy.parts import containers, steps
from platform_cli.template import Target
from platform_cli.units import Memory

# metaflow.metaflow_config.MAX_ATTEMPTS; an attempt after the sixth is one that Metaflow's readers cannot see.
MOST_RETRIES = 5
_PAUSE_SECONDS = 10
_LONGEST_PAUSE = "10m"
_OOM = "lastRetry.message contains 'OOMKilled'"
# No exit code (-1), SIGTERM or SIGKILL: the node was drained, evicted the pod, or is gone. And 5: a server of the
# platform gave no answer; whoever says so can be run again without doubling anything.
_LOST = (
    f"lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [-1, {int(ExitCode.UNREACHABLE)}, 143] || "
    f"asInt(lastRetry.exitCode) == 137 && !({_OOM})"
)


def retry(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Write the retry strategy of every container; `{{retries}}` exists only where there is one."""
    for template in containers(document):
        template["retryStrategy"] = _strategy(None, 0, 0)
    for template, step in steps(document, graph):
        sizes = memory_sizes(step.ask.memory, _ceiling(step, target))
        budget = (step.retry.times if step.retry else 0) + step.catches
        template["retryStrategy"] = _strategy(step.retry, budget, len(sizes) - 1)
        if len(sizes) > 1:
            template["podSpecPatch"] = _more_memory(sizes)
    return []


def memory_sizes(asked: Memory, ceiling: Memory) -> list[Memory]:
    """Doubled until the ceiling, one size per attempt, none twice."""
    sizes = [asked]
    while sizes[-1] < ceiling and len(sizes) <= MOST_RETRIES:
        sizes.append(min(sizes[-1] * 2, ceiling))
    return sizes


def _ceiling(step: Step, target: Target) -> Memory:
    """The queue's, and no more than the largest node of the kind that the step runs on."""
    ask, pools = step.ask, target.environment.pools
    named = [pool for pool in pools if ask.pool in (pool.name, pool.gpu_type)] if ask.pool else []
    chosen = named or [pool for pool in pools if bool(pool.gpus) == bool(ask.gpus)]
    fitting = sorted(pool.memory for pool in chosen if ask.memory <= pool.memory and ask.cpu <= pool.cpu)
    # Placement takes the smallest pool that fits; a retry is placed by the same selector.
    return min([target.queue.memory, *fitting[:1]])


def _strategy(asked: Retry | None, budget: int, growths: int) -> dict[str, Any]:
    again = [f"asInt(retries) < {budget}"] if budget else []
    if growths > budget:
        again.append(f"{_OOM} && asInt(retries) < {growths}")
    again.append(_LOST)
    never = ", ".join(str(int(code)) for code in sorted(NEVER_RETRIED))
    pause = asked.pause_seconds if asked else _PAUSE_SECONDS
    return {
        "backoff": {"cap": _LONGEST_PAUSE, "duration": f"{min(pause, 600)}s", "factor": "2"},
        "expression": f"!(asInt(lastRetry.exitCode) in [{never}]) && ({' || '.join(again)})",
        "limit": str(MOST_RETRIES),
        "retryPolicy": "Always",
    }


def _more_memory(sizes: list[Memory]) -> str:
    """
    The size of each attempt, written out: the doubling is visible, and no number passes through a float.

    Only an OOM kill (137) gets more; a step that failed for another reason starts with what it asked for.
    """
    choice = f"'{sizes[-1]}'"
    for number in range(len(sizes) - 2, 0, -1):
        choice = f"retries == '{number}' ? '{sizes[number]}' : {choice}"
    memory = f"{{{{=lastRetry.exitCode != '137' ? '{sizes[0]}' : {choice}}}}}"
    return (
        "containers:\n- name: main\n  resources:\n"
        f'    limits: {{memory: "{memory}"}}\n    requests: {{memory: "{memory}"}}\n'
    )
