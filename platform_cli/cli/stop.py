"""
`platform stop RUN`: end a run before its time.

In: a run. Out: the run is told to stop; with --now even its exit hooks do not run.
"""

from __future__ import annotations

from typing import Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, not_here, run_argument
from platform_cli.cli.output import current_settings, emit, json_option
from platform_cli.names import STOPPED_BY


@click.command(
    help=f"""Stop a run: its steps get SIGTERM and time to write down what they have, then its exit hooks run.

    {RUN_HELP}
    """
)
@run_argument
@click.option("--now", is_flag=True, help="Terminate: no exit hooks.")
@json_option
def command(word: str, now: bool, as_json: bool) -> None:
    from platform_cli.cli.remote import Remote

    remote = Remote(current_settings())
    not_here(remote, "stop")
    name = find_run(word, remote)
    run = remote.find(name).run
    how = "Terminate" if now else "Stop"
    if not run.is_over:
        who = {"annotations": {STOPPED_BY: remote.settings.owner}}
        remote.cluster.patch_workflow(name, {"metadata": who, "spec": {"shutdown": how}})
    document = {"run": name, "state": run.state.value, "stopped": not run.is_over, "how": how.lower()}
    emit(document, as_json, _in_words)


def _in_words(document: dict[str, Any]) -> str:
    if not document["stopped"]:
        return f"run {document['run']} is over already ({document['state']})."
    hooks = "; its exit hooks will not run" if document["how"] == "terminate" else ""
    return f"run {document['run']} is told to {document['how']}{hooks}.\n  platform status {document['run']} --watch"
