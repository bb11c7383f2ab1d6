"""
`platform pull RUN`: bring a run from the cluster to this folder, for Metaflow's client and for notebooks.

In: a run, by any of its names; with its flow's class (FLOW/RUN) no cluster is asked. Out: the run's metadata below
./.metaflow; artifacts stay in the datastore.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, not_here, run_argument
from platform_cli.cli.output import current_settings, emit, json_option
from platform_cli.errors import UsageError


@click.command(
    help=f"""Bring a run from the cluster to this folder.

    {RUN_HELP}
    FLOW/NAME, such as RiskinessScore/daily-x7k2p, is read from the datastore alone.
    """
)
@run_argument
@json_option
def command(word: str, as_json: bool) -> None:
    flow, _, name = (word if "://" not in word and "/" in word else _address(word)).partition("/")
    # Both become names of folders and keys.
    if not flow.isidentifier() or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
        raise UsageError(f'run is "{word}"', wanted="FLOW/NAME: a flow's class and a run's name")
    variables = _variables()
    # Metaflow reads its configuration when it is imported, and writes metadata where the variable says.
    os.environ.update(variables)
    from platform_cli.runner.pull import pull_run
    from platform_cli.runner.records import open_datastore

    run = f"argo-{name.removeprefix('argo-')}"
    pulled = pull_run(open_datastore(flow), run, Path.cwd())
    emit({"run": f"{flow}/{run}", "variables": variables, **asdict(pulled)}, as_json, _in_words)


def _address(word: str) -> str:
    from platform_cli.cli.remote import Remote

    remote = Remote(current_settings())
    not_here(remote, "pull")
    run = remote.find(find_run(word, remote)).run
    return f"{run.flow}/{run.metaflow_run_id}"


def _variables() -> dict[str, str]:
    """What Metaflow must know to reach the datastore of the environment; its own configuration where there is none."""
    from platform_cli.settings import load_section, store_variables

    settings = current_settings()
    address = str(load_section(settings.environment).get("datastore", ""))
    if not address:
        return {}
    found = {"METAFLOW_DEFAULT_DATASTORE": "s3", "METAFLOW_DATASTORE_SYSROOT_S3": address}
    if settings.s3_endpoint:
        found["METAFLOW_S3_ENDPOINT_URL"] = settings.s3_endpoint
    return {**found, **store_variables(settings.environment)}


def _in_words(document: dict[str, Any]) -> str:
    rebuilt = f", {document['rebuilt']} of them rebuilt from what they left" if document["rebuilt"] else ""
    lines = [f"{document['run']}: {document['tasks']} tasks are here{rebuilt}."]
    if document["variables"]:
        lines += ["Before you open it, let Metaflow know where the artifacts are:"]
        lines += [f"  export {name}={value}" for name, value in document["variables"].items()]
    return "\n".join([*lines, f'  metaflow.namespace(None); metaflow.Run("{document["run"]}")'])
