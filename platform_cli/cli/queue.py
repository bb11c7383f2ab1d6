"""
`platform queue`: who waits for what.

In: an environment. Out: its runs that are not over, by queue, each with what it waits for; and how full its quotas are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from platform_cli.cli.output import current_settings, emit, json_option, table

_NOT_OVER = "workflows.argoproj.io/completed!=true"


@click.command(help="Show the runs that are not over, by queue, and what each waits for.")
@json_option
def command(as_json: bool) -> None:
    from platform_cli.cli.find_run import not_here
    from platform_cli.cli.remote import Remote

    remote = Remote(current_settings())
    not_here(remote, "queue")
    waiting: dict[str, list[dict[str, Any]]] = {}
    for pod in remote.cluster.all_of("Pod", labels=f"{_NOT_OVER},workflows.argoproj.io/workflow"):
        if pod["status"].get("phase") == "Pending":
            run = pod["metadata"]["labels"].get("workflows.argoproj.io/workflow", "")
            waiting.setdefault(run, []).append(pod)
    open_ones = remote.cluster.all_of("Workflow", labels=_NOT_OVER)
    runs = [_line(each, waiting.get(each["metadata"]["name"], [])) for each in open_ones]
    runs.sort(key=lambda run: (run["queue"], run["state"] != "running", -run["seconds"]))
    quotas = [_quota(each) for each in remote.cluster.quotas()]
    emit({"environment": remote.settings.environment, "runs": runs, "quotas": quotas}, as_json, _in_words)


def _line(workflow: dict[str, Any], pods: list[dict[str, Any]]) -> dict[str, Any]:
    from platform_cli.runs.values import State
    from platform_cli.runs.workflow import read_workflow

    run = read_workflow(workflow, now=time.time())
    attempts = [attempt for step in run.steps for attempt in step.latest.values()]
    return {
        "queue": run.queue,
        "run": run.name,
        "flow": run.flow,
        "owner": run.owner,
        "state": run.state.value,
        "running": sum(attempt.state is State.RUNNING for attempt in attempts),
        "pending": sum(attempt.state is State.PENDING for attempt in attempts),
        "seconds": round(run.seconds, 1),
        "waits_for": reason_of(workflow, pods),
    }


def reason_of(workflow: dict[str, Any], pods: list[dict[str, Any]]) -> str:
    """
    What a run waits for, in plain words; empty where it waits for nothing.

    Args:
        pods: its pods that are pending.
    """
    from platform_cli.runs.words import in_words

    return next((in_words(text).text for text in _said(workflow.get("status") or {}, pods) if text), "")


def _said(status: dict[str, Any], pods: list[dict[str, Any]]) -> Iterator[str]:
    """What scheduler, kubelet and controller say, the nearest to the machine first."""
    for pod in pods:
        for condition in pod["status"].get("conditions") or []:
            if condition.get("reason") == "Unschedulable":
                yield condition.get("message", "")
        for container in pod["status"].get("containerStatuses") or []:
            wait = container.get("state", {}).get("waiting", {})
            if wait.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
                yield f"{wait['reason']}: {wait.get('message', '')}"
    for node in (status.get("nodes") or {}).values():
        if node.get("type") == "Pod" and node.get("phase") == "Pending":
            yield node.get("message", "")
    if status.get("phase") in (None, "", "Pending"):
        yield status.get("message", "")


def _quota(quota: dict[str, Any]) -> dict[str, Any]:
    status = quota.get("status") or {}
    used = status.get("used") or {}
    parts = [
        {"resource": key, "used": str(used.get(key, "0")), "hard": str(most)}
        for key, most in sorted((status.get("hard") or {}).items())
    ]
    return {"name": quota["metadata"]["name"], "resources": parts}


def _in_words(document: dict[str, Any]) -> str:
    from platform_cli.units import Duration

    lines = []
    if document["runs"]:
        rows = [
            [run["queue"], run["run"], run["owner"] or "-", run["state"], run["running"], run["pending"],
             str(Duration(run["seconds"])), run["waits_for"]]
            for run in document["runs"]
        ]  # fmt: skip
        lines.append(table(["QUEUE", "RUN", "OWNER", "STATE", "RUNNING", "PENDING", "FOR", "WAITS FOR"], rows))
    else:
        lines.append(f"Nothing runs and nothing waits in {document['environment']}.")
    for quota in document["quotas"]:
        used = ", ".join(f"{each['resource']} {each['used']} of {each['hard']}" for each in quota["resources"])
        lines.append(f"quota {quota['name']}: {used}")
    return "\n".join(lines)
