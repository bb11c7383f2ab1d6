"""
`platform cluster`: the whole platform in a real Kubernetes on this machine.

In: up, status or down. Out: what was done or how it is, with the addresses.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from platform_cli.cli.output import emit, json_option, say, table


@click.group(help="Run the whole platform in a real Kubernetes on this machine.")
def command() -> None:
    pass


@command.command("up", help="Create the cluster, or make it what this checkout says; changes only what differs.")
@click.option(
    "--source",
    type=click.Choice(["auto", "public", "local"]),
    default="auto",
    show_default=True,
    help="Images: pulled from public registries, or built here from source.",
)
@json_option
def up(source: str, as_json: bool) -> None:
    from platform_cli.lab.cluster import addresses, bring_up
    from platform_cli.lab.state import Folder

    change = bring_up(source, say)
    folder = Folder()
    document = {
        **asdict(change),
        "addresses": addresses(),
        "kubeconfig": folder.kubeconfig,
        "credentials": folder.credentials,
    }
    emit(document, as_json, _draw_change)


@command.command("status", help="Say how the cluster is; ends with 6 where there is none, 5 where it is not ready.")
@json_option
def status(as_json: bool) -> None:
    from platform_cli.lab.cluster import addresses, read_status, require_running

    found = read_status()
    document = {**asdict(found), "ready": found.is_ready, "addresses": addresses()}
    emit(document, as_json, _draw_status)
    require_running(found)


@command.command("down", help="Remove the cluster and its data; never one that `up` did not make.")
@json_option
def down(as_json: bool) -> None:
    from platform_cli.lab.cluster import take_down

    removed = take_down(say)
    emit({"removed": removed}, as_json, lambda _: "the cluster is gone" if removed else "there is no cluster")


def _draw_change(document: dict[str, Any]) -> str:
    did = [*(["cluster"] if document["created"] else []), *document["applied"]]
    first = f"ready after {document['seconds']:.0f} s; {'new: ' + ', '.join(did) if did else 'nothing had changed'}"
    rows = [(name, address) for name, address in document["addresses"].items()]
    return f"{first}\n{table(('service', 'address'), rows)}\nkubectl: export KUBECONFIG={document['kubeconfig']}"


def _draw_status(document: dict[str, Any]) -> str:
    if document["state"] != "running":
        return ""
    addresses = {**document["addresses"], "argo-server": document["addresses"]["argo"]}
    rows = [
        (each["name"], f"{each['ready']}/{each['wanted']}", addresses.get(each["name"], ""))
        for each in document["workloads"]
    ]
    first = f"Kubernetes {document['kubernetes']}, images from {document['source']} sources"
    return f"{first}\n{table(('workload', 'ready', 'address'), rows)}"
