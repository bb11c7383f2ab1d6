"""
`platform run FLOW`: a flow on this machine, step by step.

In: a flow's file and its parameters. Out: on stdout what came of it; on stderr the steps while they run.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platform_cli.cli.output import current_settings, emit, is_verbose, json_option
from platform_cli.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from platform_cli.runs.local import Finished, Order


@click.command(
    help="""Run a flow on this machine and show its steps.

    FLOW is the flow's file, the same that `python FLOW run` takes. Steps that ask for Kubernetes or Batch run here too.
    The exit code says how it ended: 0 done, 65 data contract broken, 8 conflict, 7 failed otherwise, 2 it never began.
    With -v every line that a step prints is shown as it comes.
    """
)
@click.argument("file", metavar="FLOW", type=click.Path(path_type=Path))
@click.option("-p", "--parameter", "pairs", metavar="NAME=VALUE", multiple=True, help="A parameter of the flow.")
@click.option("--resume", "origin", metavar="RUN", help="Take up an earlier run where it stopped, with its parameters.")
@click.option("--remote", is_flag=True, help="On the environment's cluster, followed here; Ctrl-C leaves it running.")
@click.option("--max-workers", type=click.IntRange(min=1), metavar="N", help="Tasks at the same time; 16 if not given.")
@json_option
def command(
    file: Path, pairs: tuple[str, ...], origin: str | None, remote: bool, max_workers: int | None, as_json: bool
) -> None:
    from platform_cli.cli.parameters import read_pairs

    parameters = read_pairs(pairs)
    if remote:
        _run_remotely(
            file,
            parameters,
            [
                word
                for word, value in (("--resume", origin), ("--max-workers", max_workers), ("--json", as_json))
                if value
            ],
        )
        return
    from platform_cli.runs.flow_file import check_parameters, read_flow_file
    from platform_cli.runs.local import Order

    flow_file = read_flow_file(file)
    if origin and parameters:
        raise UsageError("a resumed run keeps its parameters", fix="Leave out -p, or run anew without --resume.")
    check_parameters(flow_file, parameters)
    order = Order(file=file, flow=flow_file.flow, parameters=parameters, origin=origin or "", max_workers=max_workers)
    _run(order, as_json)


def _run_remotely(file: Path, parameters: dict[str, str], local: list[str]) -> None:
    """The same command, executed on the cluster: a submit that is followed with its logs."""
    from platform_cli.cli.submission import Order
    from platform_cli.cli.submit import send

    if local:
        fix = "On a cluster: platform resume RUN; platform submit FLOW --wait --json"
        raise UsageError(f"{local[0]} belongs to a run on this machine", fix=fix)
    send(Order(file=file, given=parameters), "logs", as_json=False)


def _run(order: Order, as_json: bool) -> None:
    from platform_cli.cli.run_view import view_of
    from platform_cli.records.local import TaskAddress, find_root, read_failure
    from platform_cli.runs.local import environment_of, run_flow
    from platform_cli.runs.verdict import judge

    settings = current_settings()
    root = find_root(os.environ, Path.cwd())
    environ = environment_of(os.environ, file=order.file, root=root, owner=settings.owner)
    # The steps must see the environment that this command line chose.
    environ["PLATFORM_ENV"] = settings.environment
    with view_of(order.flow, verbose=is_verbose()) as watch:
        finished = run_flow(order, environ, watch)
    run = finished.run

    def failure_of(step: str, task_id: str) -> Any:
        return read_failure(root, TaskAddress(flow=run.flow, run_id=run.metaflow_run_id, step=step, task_id=task_id))

    error = judge(finished, order.file, _again(order), failure_of)
    document = _document(finished, root, error)
    if as_json or error is None:
        emit(document, as_json, _in_words)
    if error is not None:
        raise error


def _again(order: Order) -> str:
    words = ["platform", "run", str(order.file), *(f"-p{name}={value}" for name, value in order.parameters.items())]
    return shlex.join(words + (["--resume", order.origin] if order.origin else []))


def _document(finished: Finished, root: Path, error: PlatformError | None) -> dict[str, Any]:
    from platform_cli.records.local import card_paths

    run = finished.run
    told = _told_by_end(finished, root) if error is None else {}
    cards = card_paths(root, run.flow, run.metaflow_run_id) if run.metaflow_run_id else {}
    return {
        "flow": run.flow,
        "metaflow_run_id": run.metaflow_run_id or None,
        "state": run.state,
        "seconds": round(run.seconds, 3),
        "steps": [
            {
                "name": step.name,
                "state": step.state,
                "tasks": step.width,
                "retries": step.retries,
                "seconds": round(step.seconds(run.seconds), 3),
                "attempts": [asdict(attempt) for attempt in step.attempts],
            }
            for step in run.steps
        ],
        "cards": {step: str(pages[-1]) for step, pages in cards.items()},
        "headline": str(told.get("headline") or ""),
        "published": str(told["published_path"]) if told.get("published_path") else None,
        "error": None
        if error is None
        else {"class": type(error).__name__, "message": str(error), "exit_code": int(error.exit_code)},
    }


def _told_by_end(finished: Finished, root: Path) -> dict[str, Any]:
    """A flow may leave two artifacts in `end` for the person who ran it: what happened, and where the result is."""
    from platform_cli.records.local import TaskAddress, read_artifacts

    run = finished.run
    end = run.step("end")
    if end is None or not end.attempts:
        return {}
    task_id = end.attempts[-1].task_id
    address = TaskAddress(flow=run.flow, run_id=run.metaflow_run_id, step="end", task_id=task_id)
    return read_artifacts(root, address, ["headline", "published_path"])


def _in_words(document: dict[str, Any]) -> str:
    from platform_cli.units import Duration

    places = {f"card {step}": page for step, page in document["cards"].items()}
    if document["published"]:
        places["published"] = document["published"]
    width = max((len(name) for name in places), default=0)
    lines = [f"{name:{width}}  {place}" for name, place in places.items()]
    happened = document["headline"].rstrip(".") or "done"
    took = Duration(document["seconds"])
    return "\n".join([*lines, f"{document['flow']} {document['metaflow_run_id']}: {happened} ({took})."])
