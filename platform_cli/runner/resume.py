"""
Which tasks of an earlier run are taken over instead of being run again.

In: `--origin=argo-<run>[/<step>]`. Out: the task to clone, or None. A task is taken over when it succeeded there, does
not come at or after the chosen step, and all its inputs were taken over too: otherwise it would rest on other data.
"""

from __future__ import annotations

from platform_cli.graph import FlowGraph
from platform_cli.graph.address import Address, Inputs, leads_to
from platform_cli.runner.records import Datastore, Records

# In a claim: the task that this attempt is a copy of.
CLONED = "cloned"


def find_original(origin: str, graph: FlowGraph, here: Records, address: Address, inputs: Inputs) -> str | None:
    """
    Find the task of the origin run that this one is to be a copy of.

    Args:
        here: the records of the new run.
        inputs: of the task in the new run.
    Returns:
        `<run>/<step>/<task>` for Metaflow, or None where the step has to be run.
    """
    run, _, chosen = origin.partition("/")
    if not run or (chosen and leads_to(graph, chosen, address.step)):
        return None
    if Records(here.datastore, run).success(address) is None:
        return None
    for parent in inputs.tasks:
        attempt = here.success(parent)
        if attempt is None or here.claim(parent, attempt).get(CLONED) is None:
            return None
    return f"{run}/{address.step}/{address.task_id}"


def clone_parameters(datastore: Datastore, flow: str, origin: str, run: str, metadata: object) -> None:
    """Take the parameters of the origin run over; its results were made with them."""
    from metaflow.clone_util import clone_task_helper

    clone_task_helper(flow, origin, run, "_parameters", "params", "params", datastore.tasks, metadata)
