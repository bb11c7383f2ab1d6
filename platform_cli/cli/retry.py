"""
`platform retry RUN`: run again, in the same run, what failed.

In: a run that failed, perhaps a step to do anew. Out: the same run, under way again.

It is what the button of Argo's page does. With --step more than what failed is done anew: the tasks of that step and
all that come after it; the run's epoch is raised, by which the step runner knows that a success of an earlier epoch is
not to be kept (design 2).
"""

from __future__ import annotations

from typing import Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, not_here, run_argument
from platform_cli.cli.output import current_settings, emit, json_option
from platform_cli.errors import NotAllowed, NotFound, did_you_mean
from platform_cli.graph.address import EPOCH_PARAMETER
from platform_cli.runs.values import Run, State


@click.command(
    help=f"""Run again, in the same run, what failed; the same as the button on Argo's page.

    {RUN_HELP}
    With --step that step is done anew although it succeeded, and everything after it. Another memory or other code
    needs another run: `platform resume`.
    """
)
@run_argument
@click.option("--step", metavar="STEP", help="Do this step anew, and all that comes after it.")
@json_option
def command(word: str, step: str | None, as_json: bool) -> None:
    from platform_cli.cli.remote import Remote

    settings = current_settings()
    remote = Remote(settings)
    not_here(remote, "retry")
    found = remote.find(find_run(word, remote))
    if not found.workflow or not remote.cluster.exists("Workflow", found.run.name):
        raise NotFound(
            f"the Workflow of run {found.run.name} is gone, and nothing is left to restart",
            fix=f"Take up what succeeded in a new run: platform resume {found.run.flow}/{found.run.metaflow_run_id}",
        )
    epoch = retry_run(remote, found.run, found.workflow, step or "")
    document = {"run": found.run.name, "flow": found.run.flow, "step": step, "epoch": epoch}
    emit(
        document,
        as_json,
        lambda _: f"run {found.run.name} is under way again.\n  platform status {found.run.name} --watch",
    )


def retry_run(remote: Any, run: Run, workflow: dict[str, Any], step: str) -> int:
    """
    Restart a run.

    Args:
        step: to be done anew although it succeeded; empty for what failed.
    Returns:
        The run's epoch from here on.
    Raises:
        NotAllowed: it is still under way, or nothing in it failed.
    """
    from platform_cli.runs.workflow import parameters_of, step_of, step_templates

    if not run.is_over:
        raise NotAllowed(f"run {run.name} is still under way", fix=f"Stop it first: platform stop {run.name}")
    epoch = int(parameters_of(workflow).get(EPOCH_PARAMETER) or 0)
    phase = (workflow.get("status") or {}).get("phase")
    if not step:
        if run.state is State.SUCCEEDED:
            raise NotAllowed(f"run {run.name} succeeded", fix="Do a step anew with --step, or submit with --again.")
        if phase == "Succeeded":
            raise NotAllowed(
                f"run {run.name} never came to its end, and no task of it failed",
                fix="Do the step anew that decided so, with --step.",
            )
        remote.argo.retry(run.name)
        return epoch
    template = next((each for each in step_templates(workflow) if step_of(each) == step), None)
    if template is None:
        raise NotFound(f'the run has no step "{step}"', fix=did_you_mean(step, [each.name for each in run.steps]))
    remote.argo.retry(
        run.name, restart_successful=True, node_selector=f"templateName={template['name']}",
        parameters={**parameters_of(workflow), EPOCH_PARAMETER: str(epoch + 1)},
    )  # fmt: skip
    return epoch + 1
