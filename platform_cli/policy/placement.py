"""
Choose the node pool for each step, and write down what it asks for.

In: a WorkflowTemplate and the pools of one environment. Out: the same with requests, limits, selectors and tolerations,
or the findings that explain why not.

The smallest pool that fits is taken: a step that asks for little must not keep a large node alive. Selectors and
tolerations are only those of the chosen pool, so that no step can stray onto a GPU node.
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import Ask, Finding, FlowGraph, Step
from platform_cli.policy.parts import containers, steps
from platform_cli.template import Pool, Target
from platform_cli.units import Cpu, Memory

GPU = "nvidia.com/gpu"
_HOOK_CPU, _HOOK_MEMORY = Cpu(250), Memory.mebibytes(512)


def place(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Give every container its resources, and every step its pool."""
    findings = []
    for template in containers(document):
        template["container"]["resources"] = _resources(_HOOK_CPU, _HOOK_MEMORY)
    for template, step in steps(document, graph):
        template["container"]["resources"] = _asked(step.ask)
        if step.ask.shared_memory:
            _share_memory(template, step.ask.shared_memory)
        pool, finding = _choose(step, target)
        if finding:
            findings.append(finding)
        if pool and pool.shares > 1:
            part = Cpu(max(step.ask.cpu.millicores // pool.shares, 1))
            template["container"]["resources"]["requests"]["cpu"] = str(part)
        if pool and pool.selector:
            template["nodeSelector"] = dict(pool.selector)
        if pool and pool.tolerations:
            template["tolerations"] = [_toleration(*toleration) for toleration in pool.tolerations]
    return findings


def _resources(cpu: Cpu, memory: Memory) -> dict[str, Any]:
    # No limit of CPU: it throttles a step on an idle node. Memory's limit is its request: what is not requested
    # belongs to another pod.
    return {"limits": {"memory": str(memory)}, "requests": {"cpu": str(cpu), "memory": str(memory)}}


def _asked(ask: Ask) -> dict[str, Any]:
    resources = _resources(ask.cpu, ask.memory)
    if ask.disk:
        for part in resources.values():
            part["ephemeral-storage"] = str(ask.disk)
    if ask.gpus:
        resources["limits"][GPU] = str(ask.gpus)
    return resources


def _share_memory(template: dict[str, Any], size: Memory) -> None:
    template["volumes"] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}]
    template["container"]["volumeMounts"].append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108


def _toleration(key: str, value: str, effect: str) -> dict[str, str]:
    toleration = {"key": key, "operator": "Equal" if value else "Exists", "value": value, "effect": effect}
    return {name: text for name, text in toleration.items() if text}


def _choose(step: Step, target: Target) -> tuple[Pool | None, Finding | None]:
    """The smallest pool that fits; an environment without pools has one kind of node, and nothing to choose."""
    ask, pools = step.ask, target.environment.pools
    if not pools:
        return None, None
    if ask.pool:
        pools = tuple(pool for pool in pools if ask.pool in (pool.name, pool.gpu_type))
        if not pools:
            known = ", ".join(pool.name for pool in target.environment.pools)
            problem = (
                f'step "{step.name}" asks for the pool "{ask.pool}", which {target.environment.name} does not have'
            )
            return None, _finding(step, problem, f"Pools: {known}.")
    else:
        pools = tuple(pool for pool in pools if bool(pool.gpus) == bool(ask.gpus))
    fitting = [pool for pool in pools if ask.cpu <= pool.cpu and ask.memory <= pool.memory and ask.gpus <= pool.gpus]
    if fitting:
        return min(fitting, key=lambda pool: (pool.gpus, pool.memory, pool.cpu, pool.name)), None
    return None, _finding(
        step, f'step "{step.name}" asks for {_words(ask)}; {_largest(pools, bool(ask.gpus))}', _fix(ask)
    )


def _finding(step: Step, problem: str, fix: str) -> Finding:
    return Finding(where=step.ask.where, rule="placement", problem=problem, fix=fix)


def _words(ask: Ask) -> str:
    gpus = f", {ask.gpus} GPU{'s' if ask.gpus > 1 else ''}" if ask.gpus else ""
    return f"{ask.cpu} cores, {ask.memory}{gpus}"


def _largest(pools: tuple[Pool, ...], with_gpus: bool) -> str:
    if not pools:
        return f"there is no pool {'with' if with_gpus else 'without'} GPUs"
    offers = (
        f'pool "{pool.name}" has {pool.cpu} cores, {pool.memory}' + (f", {pool.gpus} GPUs" if pool.gpus else "")
        for pool in pools
    )
    return ", ".join(offers) + " per node"


def _fix(ask: Ask) -> str:
    return "Ask for less with @resources, or fan out with foreach" + (
        "." if ask.pool else ", or name another pool with @kubernetes(compute_pool=...)."
    )
