"""
FlowGraph -> plain documents.

In: a FlowGraph and a Target. Out: a list of documents without nulls, in a fixed order; the same for the same inputs.
"""

from __future__ import annotations

from typing import Any

from platform_cli.graph.values import FlowGraph
from platform_cli.template.cron import cron_workflow
from platform_cli.template.environment import Target
from platform_cli.template.sensor import sensor
from platform_cli.template.workflow import workflow_template

Document = dict[str, Any]


def compile_flow(graph: FlowGraph, target: Target) -> list[Document]:
    """
    Turn a flow into what Argo executes: always a WorkflowTemplate; a CronWorkflow and a Sensor where the flow asks.

    An ad hoc channel gets the template alone: nobody's working copy runs by itself.
    """
    documents = [_plain(workflow_template(graph, target))]
    if not target.channel.is_adhoc:
        if graph.schedule:
            documents.append(_plain(cron_workflow(graph, graph.schedule, target)))
        if graph.triggers:
            documents.append(sensor(graph, target))
    return documents


def _plain(model: Any) -> Document:
    document: Document = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document
