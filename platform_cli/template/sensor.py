"""
`@trigger` and `@trigger_on_finish` -> the Argo Events Sensor that starts a flow's template.

In: a FlowGraph with triggers. Out: a plain document, through hera's models of Argo Events.

All triggers of a flow must have happened before it starts, as in Metaflow. The run is named after the event that
completed the set, so that an event which is delivered twice starts one run.
"""

from __future__ import annotations

import re
from typing import Any

from platform_cli.graph.values import FlowGraph, Trigger
from platform_cli.names import LABEL_PREFIX, flow_slug, template_name
from platform_cli.template.environment import Target
from platform_cli.template.workflow import API_VERSION

# The event sources of the platform's chart: a webhook for named events, and the ends of this namespace's runs.
EVENTS_SOURCE, EVENTS_NAME = "platform-events", "event"
RUNS_SOURCE, RUNS_NAME = "platform-runs", "finished"
SERVICE_ACCOUNT = "platform-sensor"


# A Sensor that cannot reach the API server tries the same event again. This and the Workflow to create are added after
# hera, whose models of them are the Go structs and not what they look like in YAML.
RETRY = {"steps": 5, "duration": "10s", "factor": 2}


def sensor(graph: FlowGraph, target: Target) -> dict[str, Any]:
    """Start the deployed template when every trigger's event has arrived."""
    from hera.events.models import Sensor

    name = template_name(graph.name, target.channel, target.code_hash)
    names = [_dependency_name(trigger, index) for index, trigger in enumerate(graph.triggers)]
    model = Sensor.model_validate(
        {
            "metadata": {"name": name, "namespace": target.environment.namespace},
            "spec": {
                "dependencies": [_dependency(t, n) for t, n in zip(graph.triggers, names, strict=True)],
                "template": {"serviceAccountName": SERVICE_ACCOUNT},
                "triggers": [{"template": {"name": name, "k8s": _start(graph, names)}}],
            },
        }
    )
    document: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    (trigger,) = document["spec"]["triggers"]
    trigger["retryStrategy"] = dict(RETRY)
    trigger["template"]["k8s"]["source"] = {"resource": _workflow(graph, target, name)}
    return {"apiVersion": API_VERSION, "kind": "Sensor", **document}


def _dependency_name(trigger: Trigger, index: int) -> str:
    return flow_slug(trigger.flow or trigger.event) or f"event-{index}"


def _dependency(trigger: Trigger, name: str) -> dict[str, Any]:
    if trigger.event:
        filters = [_equals("body.name", trigger.event)]
        return {"name": name, "eventSourceName": EVENTS_SOURCE, "eventName": EVENTS_NAME, "filters": {"data": filters}}
    label = _escaped(f"{LABEL_PREFIX}/flow")
    filters = [
        _equals(f"body.metadata.labels.{label}", flow_slug(trigger.flow)),
        _equals("body.status.phase", "Succeeded"),
    ]
    return {"name": name, "eventSourceName": RUNS_SOURCE, "eventName": RUNS_NAME, "filters": {"data": filters}}


def _equals(path: str, value: str) -> dict[str, Any]:
    return {"path": path, "type": "string", "comparator": "=", "value": [value]}


def _escaped(key: str) -> str:
    """One key inside a path of gjson, where dots separate and some characters match."""
    return re.sub(r"([.*?|#@!{}\[\]()=<>%\\])", r"\\\1", key)


def _filled(graph: FlowGraph) -> list[tuple[int, str, str]]:
    """(trigger, parameter, field of its payload), in the order of the created Workflow's arguments."""
    return [(index, *pair) for index, trigger in enumerate(graph.triggers) for pair in trigger.parameters]


def _workflow(graph: FlowGraph, target: Target, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"workflowTemplateRef": {"name": name}}
    arguments = [{"name": parameter, "value": _default(graph, parameter)} for _, parameter, _ in _filled(graph)]
    if arguments:
        spec["arguments"] = {"parameters": arguments}
    metadata = {"name": f"{name}-", "namespace": target.environment.namespace}
    return {"apiVersion": API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": spec}


def _start(graph: FlowGraph, dependencies: list[str]) -> dict[str, Any]:
    named = {
        "src": {"dependencyName": dependencies[-1], "contextKey": "id"},
        "dest": "metadata.name",
        "operation": "append",
    }
    fills = [
        {
            # `value` is what Argo Events takes when the payload has no such field.
            "src": {
                "dependencyName": dependencies[trigger],
                "dataKey": f"body.payload.{_escaped(field)}",
                "value": _default(graph, parameter),
            },
            "dest": f"spec.arguments.parameters.{index}.value",
        }
        for index, (trigger, parameter, field) in enumerate(_filled(graph))
    ]
    return {"operation": "create", "source": {}, "parameters": [named, *fills]}


def _default(graph: FlowGraph, name: str) -> str:
    parameter = graph.parameter(name)
    return (parameter.default if parameter else None) or ""
