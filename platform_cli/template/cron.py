"""
`@schedule` -> the CronWorkflow that starts a flow's template.

In: a FlowGraph with a schedule. Out: a hera model.
"""

from __future__ import annotations

from hera.workflows.models import (
    Arguments,
    CronWorkflow,
    CronWorkflowSpec,
    ObjectMeta,
    Parameter,
    WorkflowSpec,
    WorkflowTemplateRef,
)

from platform_cli.graph.values import FlowGraph, Schedule
from platform_cli.names import DAY, template_name
from platform_cli.template.environment import Target
from platform_cli.template.workflow import API_VERSION

# An hour: a controller that was down at five still starts the five o'clock run at half past, not in the evening.
_STARTING_DEADLINE_SECONDS = 3600
_HISTORY = 3


def cron_workflow(graph: FlowGraph, schedule: Schedule, target: Target) -> CronWorkflow:
    """Start the deployed template at the schedule's times, one run at a time, for the day it was scheduled for."""
    name = template_name(graph.name, target.channel, target.code_hash)
    day = [Parameter(name=DAY, value="{{workflow.scheduledTime}}")] if graph.parameter(DAY) else None
    return CronWorkflow(
        api_version=API_VERSION,
        kind="CronWorkflow",
        metadata=ObjectMeta(name=name, namespace=target.environment.namespace),
        spec=CronWorkflowSpec(
            schedules=[schedule.cron],
            timezone=schedule.timezone,
            concurrency_policy="Forbid",
            starting_deadline_seconds=_STARTING_DEADLINE_SECONDS,
            successful_jobs_history_limit=_HISTORY,
            failed_jobs_history_limit=_HISTORY,
            workflow_spec=WorkflowSpec(
                arguments=Arguments(parameters=day) if day else None,
                workflow_template_ref=WorkflowTemplateRef(name=name),
            ),
        ),
    )
