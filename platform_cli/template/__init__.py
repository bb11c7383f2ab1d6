"""
FlowGraph -> the documents that Argo executes: WorkflowTemplate, CronWorkflow, Sensor.

In: a FlowGraph and a Target (environment, queue, channel, code). Out: plain documents, equal for equal inputs.

The only user of hera, whose typed models refuse a misspelt field. What an environment allows is `policy`'s business.
"""

from platform_cli.template.compile import compile_flow
from platform_cli.template.environment import Environment, Pool, Queue, Target, parse_environment

__all__ = ["Environment", "Pool", "Queue", "Target", "compile_flow", "parse_environment"]
