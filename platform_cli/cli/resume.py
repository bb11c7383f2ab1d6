"""
`platform resume RUN`: a new run that takes over what succeeded in another one.

In: a run, perhaps the step from which on everything is done anew. Out: a new run of its own name.

Each task that succeeded there, and does not come at or after that step, is cloned by the step runner (the parameter
`platform-origin`). The code is this working copy's where the run is one's own, else what the run itself had.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, not_here, run_argument
from platform_cli.cli.output import current_settings, emit, json_option
from platform_cli.errors import NotAllowed, NotFound, UsageError, did_you_mean
from platform_cli.graph.address import ORIGIN_PARAMETER

if TYPE_CHECKING:
    from platform_cli.cli.remote import Found, Remote


@click.command(
    help=f"""Begin a new run that takes over what succeeded in another one.

    {RUN_HELP}
    The new run has the parameters of the other one, and of your own runs the code as it is here now.
    """
)
@run_argument
@click.option("--from", "step", metavar="STEP", help="Do this step anew, and all that comes after it.")
@click.option("-p", "--parameter", "pairs", metavar="NAME=VALUE", multiple=True, help="Only with `--from start`.")
@click.option("--code", "file", metavar="FLOW", type=click.Path(path_type=Path), help="The flow's file in this copy.")
@click.option("--same-code", is_flag=True, help="The code that the other run had, whatever is here.")
@json_option
def command(
    word: str, step: str | None, pairs: tuple[str, ...], file: Path | None, same_code: bool, as_json: bool
) -> None:
    from platform_cli.cli.parameters import read_pairs
    from platform_cli.cli.remote import Remote

    if pairs and step != "start":
        raise UsageError("a resumed run keeps its parameters", fix="Begin it anew: --from start -p NAME=VALUE.")
    if file and same_code:
        raise UsageError("--code and --same-code contradict each other", wanted="one of them")
    settings = current_settings()
    remote = Remote(settings)
    not_here(remote, "resume")
    found = remote.find(find_run(word, remote))
    run = found.run
    if not run.is_over:
        raise NotAllowed(f"run {run.name} is still under way", fix=f"Stop it first: platform stop {run.name}")
    if step and not run.step(step):
        raise NotFound(f'the run has no step "{step}"', fix=did_you_mean(step, [each.name for each in run.steps]))
    origin = run.metaflow_run_id + (f"/{step}" if step else "")
    code = None if same_code else file or file_here(found, settings.owner)
    begin = _with_code_here if code else _with_its_own_code
    name, state = begin(remote, found, origin, read_pairs(pairs), code or Path())
    document = {"run": name, "state": state, "origin": origin, "flow": run.flow, "code": str(code) if code else None}
    emit(document, as_json, _in_words)


def file_here(found: Found, owner: str) -> Path | None:
    """The flow's file in this working copy, where the run is one's own; None where it is not here."""
    from platform_cli.runs.workflow import flow_file_of
    from platform_cli.settings import find_file

    name = flow_file_of(found.workflow) if found.workflow and found.run.owner == owner else ""
    settings_file = find_file(Path.cwd())
    file = (settings_file.parent if settings_file else Path.cwd()) / name
    return file if name and file.is_file() else None


def _with_code_here(
    remote: Remote, found: Found, origin: str, given: dict[str, str], file: Path
) -> tuple[str, str]:  # fmt: skip
    from platform_cli.cli.submission import Order, submit

    order = Order(file=file, given={**_parameters(found), **given}, queue=found.run.queue or "adhoc", origin=origin)
    submission = submit(order, remote.settings)
    return submission.run, submission.state


def _with_its_own_code(
    remote: Remote, found: Found, origin: str, given: dict[str, str], _file: Path
) -> tuple[str, str]:  # fmt: skip
    """From the template that the run came from: the deployed one as it is now, or an ad hoc one that is still there."""
    from platform_cli.errors import AlreadyExists
    from platform_cli.names import DAY, LABEL_PREFIX, Channel, run_name

    workflow, cluster = found.workflow, remote.cluster
    template = (workflow.get("spec") or {}).get("workflowTemplateRef", {}).get("name", "")
    if not template or not cluster.exists("WorkflowTemplate", template):
        raise NotFound(
            f'the template "{template}" of run {found.run.name} is gone', wanted="a template to begin a run of",
            fix="Name the flow's file in this working copy with --code.",
        )  # fmt: skip
    labels = {key: value for key, value in workflow["metadata"]["labels"].items() if key.startswith(LABEL_PREFIX)}
    channel = Channel(labels.get(f"{LABEL_PREFIX}/channel", "production").replace("adhoc.", "adhoc/"))
    values = {**_parameters(found), **given, ORIGIN_PARAMETER: origin}
    told = {key: value for key, value in values.items() if key != DAY}
    name = run_name(found.run.flow, channel, values.get(DAY, ""), told, labels.get(f"{LABEL_PREFIX}/code", ""))
    document = {
        "apiVersion": workflow["apiVersion"],
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": cluster.namespace,
            "labels": {**labels, f"{LABEL_PREFIX}/owner": remote.settings.owner},
            "annotations": {
                key: value for key, value in workflow["metadata"].get("annotations", {}).items()
                if key.startswith(LABEL_PREFIX)
            },
        },
        "spec": {
            "workflowTemplateRef": {"name": template},
            "arguments": {"parameters": [{"name": key, "value": value} for key, value in sorted(values.items())]},
        },
    }  # fmt: skip
    try:
        cluster.create_workflow(document)
    except AlreadyExists:
        from platform_cli.cli.submission import state_of

        return name, state_of(remote.workflow(name))
    return name, "created"


def _parameters(found: Found) -> dict[str, str]:
    """What the other run was given, less what is the platform's own."""
    from platform_cli.graph.address import RESERVED_PARAMETERS
    from platform_cli.runs.workflow import parameters_of

    given = parameters_of(found.workflow) if found.workflow else {}
    return {name: value for name, value in given.items() if name not in RESERVED_PARAMETERS}


def _in_words(document: dict[str, Any]) -> str:
    run, state = document["run"], document["state"]
    code = f" with the code of {document['code']}" if document["code"] else ""
    said = (
        f"takes over what succeeded in {document['origin']}{code}"
        if state == "created"
        else f"is there already ({state})"
    )
    return f"run {run} {said}.\n  platform status {run} --watch"
