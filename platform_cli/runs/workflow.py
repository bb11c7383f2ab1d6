"""
A Workflow document -> Run, StepRun, Attempt.

In: a Workflow as Kubernetes or Argo's archive gives it, with its nodes. Out: the same Run that a local run becomes.

Argo's tree of DAGs, task groups, retries and gates is of no interest to anybody: a step's tasks are known by their
path, and every container is an attempt. Argo calls a run green whose `end` was omitted; here `end` alone decides.

Source: argo-workflows v4.0.2, pkg/apis/workflow/v1alpha1/workflow_types.go (NodeStatus, WorkflowStatus).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from platform_cli.graph.address import run_id, task_id
from platform_cli.names import FLOW_CLASS, LABEL_PREFIX
from platform_cli.runs.values import Attempt, Run, State, StepRun

Document = Mapping[str, Any]

_COMMAND = ["platform-step"]
_PHASES = {
    "": State.PENDING,
    "Pending": State.PENDING,
    "Running": State.RUNNING,
    "Succeeded": State.SUCCEEDED,
    "Failed": State.FAILED,
    "Error": State.FAILED,
    "Skipped": State.SKIPPED,
    "Omitted": State.SKIPPED,
}
_EXIT_CODE = re.compile(r"exit code (\d+)")


def read_workflow(document: Document, *, now: float) -> Run:
    """
    Read a run.

    Args:
        document: with `status.nodes`; without, as the archive lists runs, the steps stay empty.
        now: seconds since 1970.
    """
    metadata, status = document["metadata"], document.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    # A restart moves `startedAt`; what had begun before keeps its times.
    starts = (status.get("startedAt"), metadata.get("creationTimestamp"))
    began = min((seconds_of(text) for text in starts if text), default=now)
    over = status.get("phase") in ("Succeeded", "Failed", "Error")
    ended = seconds_of(status["finishedAt"]) if over and status.get("finishedAt") else now
    tree = _Tree(document, began)
    steps = tuple(tree.step(template, over) for template in step_templates(document))
    return Run(
        flow=annotations.get(FLOW_CLASS) or labels.get(f"{LABEL_PREFIX}/flow", ""),
        metaflow_run_id=run_id(metadata["name"]),
        state=_state(status.get("phase") or "", steps, bool(tree.nodes)),
        steps=steps,
        seconds=max(ended - began, 0.0),
        name=metadata["name"],
        began=began,
        said=status.get("message", ""),
        owner=labels.get(f"{LABEL_PREFIX}/owner", ""),
        queue=labels.get(f"{LABEL_PREFIX}/queue", ""),
    )


def templates_of(document: Document) -> list[dict[str, Any]]:
    """Every template of a run: those of the WorkflowTemplate as it was when the run began, or its own."""
    stored = (document.get("status") or {}).get("storedWorkflowTemplateSpec") or {}
    found: list[dict[str, Any]] = stored.get("templates") or document.get("spec", {}).get("templates") or []
    return found


def step_templates(document: Document) -> list[dict[str, Any]]:
    """The container templates that execute a step, in the flow's order; of a foreign Workflow, all containers."""
    containers = [each for each in templates_of(document) if "container" in each]
    return [each for each in containers if each["container"].get("command") == _COMMAND] or containers


def step_of(template: Document) -> str:
    """The step that a container template executes."""
    container = template["container"]
    name: str = container["args"][1] if container.get("command") == _COMMAND else template["name"]
    return name


def flow_file_of(document: Document) -> str:
    """The flow's file as its author knows it; empty for a foreign Workflow."""
    for template in step_templates(document):
        if template["container"].get("command") == _COMMAND:
            return str(template["container"]["args"][0]).removeprefix("/app/")
    return ""


def is_in_a_fan_out(document: Document, step: str) -> bool:
    """Whether a step stands inside a foreach, and so may have several tasks; it need not have begun."""
    spec = (document.get("status") or {}).get("storedWorkflowTemplateSpec") or document.get("spec") or {}
    entry: Document = next((each for each in templates_of(document) if each["name"] == spec.get("entrypoint")), {})
    outside = {task.get("template") for task in (entry.get("dag") or {}).get("tasks") or []}
    return not any(template["name"] in outside for template in step_templates(document) if step_of(template) == step)


def parameters_of(document: Document) -> dict[str, str]:
    """What the run was given, defaults included."""
    stored = (document.get("status") or {}).get("storedWorkflowTemplateSpec") or {}
    found: dict[str, str] = {}
    for spec in (stored, document.get("spec") or {}):
        for each in (spec.get("arguments") or {}).get("parameters") or []:
            if each.get("value") is not None:
                found[each["name"]] = str(each["value"])
    return found


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a time as Kubernetes writes it."""
    return datetime.datetime.fromisoformat(text).timestamp()


def exit_code_of(node: Document) -> int | None:
    """How a node's process ended, where anything says so."""
    text = (node.get("outputs") or {}).get("exitCode")
    if text is None:
        match = _EXIT_CODE.search(node.get("message") or "")
        text = match[1] if match else None
    return int(text) if text is not None and re.fullmatch(r"-?\d+", str(text)) else None


class _Tree:
    """The nodes of one run."""

    def __init__(self, document: Document, began: float) -> None:
        status = document.get("status") or {}
        self.nodes: dict[str, dict[str, Any]] = status.get("nodes") or {}
        self._name = document["metadata"]["name"]
        self._began = began

    def step(self, template: Document, over: bool) -> StepRun:
        """Everything that happened to one step, wherever in the tree."""
        attempts: list[Attempt] = []
        width, passed_by = 0, 0
        for node in self._of(template["name"]):
            if _PHASES.get(node.get("phase", "")) is State.SKIPPED:
                passed_by += 1
                continue
            width += 1
            attempts += self._over(self._attempts(node)) if over else self._attempts(node)
        attempts.sort(key=lambda attempt: (attempt.began, attempt.task_id, attempt.number))
        skipped = not attempts and (over or passed_by > 0)
        return StepRun(
            name=step_of(template), width=max(width, 0 if skipped else 1), attempts=tuple(attempts), skipped=skipped
        )

    @staticmethod
    def _over(attempts: Iterator[Attempt]) -> Iterator[Attempt]:
        """Of a run that is over nothing runs or waits, though a run that was stopped leaves nodes that say so."""
        for attempt in attempts:
            if attempt.state is State.RUNNING:
                yield replace(attempt, state=State.FAILED, ended=attempt.began)
            elif attempt.state is not State.PENDING or not attempt.number:
                yield replace(attempt, state=State.FAILED) if attempt.state is State.PENDING else attempt

    def _of(self, template: str) -> Iterator[dict[str, Any]]:
        """A template's tasks: nodes that stand for themselves, not for one try of another node."""
        for node in self.nodes.values():
            if node.get("templateName") == template and not (node.get("nodeFlag") or {}).get("retried"):
                yield node

    def _attempts(self, node: dict[str, Any]) -> Iterator[Attempt]:
        task = task_id(self._path(node))
        if node["type"] != "Retry":
            yield self._attempt(node, task, 0)
            return
        tries = [self.nodes[child] for child in node.get("children") or [] if child in self.nodes]
        tries = [each for each in tries if (each.get("nodeFlag") or {}).get("retried")]
        for number, each in enumerate(tries):
            yield self._attempt(each, task, number)
        waits = _PHASES.get(node.get("phase", "")) in (State.PENDING, State.RUNNING)
        if waits and (not tries or _PHASES.get(tries[-1].get("phase", "")) is State.FAILED):
            last = tries[-1].get("finishedAt") if tries else node.get("startedAt")
            yield Attempt(
                task_id=task, number=len(tries), state=State.PENDING, began=self._offset(last),
                said=node.get("message", ""), node=node["id"],
            )  # fmt: skip
        elif not tries:
            # It failed before there was a container.
            yield self._attempt(node, task, 0)

    def _attempt(self, node: dict[str, Any], task: str, number: int) -> Attempt:
        state = _PHASES.get(node.get("phase", ""), State.PENDING)
        is_over = state in (State.SUCCEEDED, State.FAILED)
        return Attempt(
            task_id=task,
            number=number,
            state=state,
            began=self._offset(node.get("startedAt")),
            ended=self._offset(node.get("finishedAt")) if is_over else None,
            said=node.get("message", ""),
            exit_code=exit_code_of(node) if is_over else None,
            node=node["id"],
            pod=pod_name(self._name, node) if node["type"] == "Pod" else "",
        )

    def _offset(self, text: str | None) -> float:
        return seconds_of(text) - self._began if text else 0.0

    def _path(self, node: dict[str, Any]) -> str:
        """What the node was given as `path`; of one that was never started, what its DAG was given."""
        seen: dict[str, Any] | None = node
        while seen:
            for each in (seen.get("inputs") or {}).get("parameters") or []:
                if each["name"] == "path" and each.get("value") is not None:
                    return str(each["value"])
            seen = self.nodes.get(seen.get("boundaryID", ""))
        return ""


def pod_name(run: str, node: Document) -> str:
    """
    The name of a node's pod.

    Source: argo-workflows v4.0.2, workflow/util/pod_name.go (GeneratePodName); FNV-1a, 32 bits.
    """
    if node["name"] == run:
        return run
    digest = 0x811C9DC5
    for byte in node["name"].encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    template = node.get("templateName") or (node.get("templateRef") or {}).get("template", "")
    return f"{f'{run}-{template}' if template else run}"[:_LONGEST_POD_PREFIX] + f"-{digest}"


# 253 characters of a name, less the hash's ten and the dash.
_LONGEST_POD_PREFIX = 242


def _state(phase: str, steps: tuple[StepRun, ...], has_nodes: bool) -> State:
    if phase in ("", "Pending"):
        return State.PENDING
    if phase == "Running":
        return State.RUNNING
    end = next((step for step in steps if step.name == "end"), None)
    if end is None or not has_nodes:
        # A foreign Workflow, or one whose nodes are not here: nothing says more than the phase.
        return State.SUCCEEDED if phase == "Succeeded" else State.FAILED
    return State.SUCCEEDED if end.state is State.SUCCEEDED else State.FAILED
