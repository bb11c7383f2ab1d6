"""
`platform status RUN`: the steps of a run, once or until it is over.

In: a run. Out: its steps with their attempts, how long they took and usually take, and what they wait for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, run_argument
from platform_cli.cli.output import current_settings, emit, is_lively, json_option, say
from platform_cli.errors import NotFound, PlatformError, RunFailed
from platform_cli.runs.values import Run, State

if TYPE_CHECKING:
    from platform_cli.cli.remote import Found, Remote

# So that the seconds on the screen go on while nothing happens.
_PICTURE_SECONDS = 1.0


@click.command(
    help=f"""Show the steps of a run: attempts, how long each took and usually takes, what it waits for.

    {RUN_HELP}
    With --watch it goes on until the run is over; Ctrl-C leaves the run alone.
    """
)
@run_argument
@click.option("--watch", is_flag=True, help="Go on until the run is over.")
@click.option("--exit-status", is_flag=True, help="Exit with 7 where the run failed.")
@json_option
def command(word: str, watch: bool, exit_status: bool, as_json: bool) -> None:
    from platform_cli.cli.remote import Remote
    from platform_cli.cli.run_document import document_of

    remote = Remote(current_settings())
    name = find_run(word, remote)
    found = remote.find(name)
    if watch and not found.run.is_over:
        found = watch_run(remote, found)
    run = _beside_usual(remote, found.run)
    emit(document_of(run), as_json, lambda _: picture(run))
    if exit_status and run.state is State.FAILED:
        raise RunFailed(f"run {_name(run)} of {run.flow} failed", fix=f"Why: platform why {_name(run)}")


def watch_run(remote: Remote, found: Found) -> Found:
    """
    Show a run on stderr until it is over.

    Raises:
        Interrupted: the one who watches has seen enough; the run goes on.
    """
    from platform_cli.cli.follow import detachable

    states = _states(remote, found.run.name)
    with detachable(found.run.name):
        return _moving(remote, found, states) if is_lively() else _news(found, states)


def picture(run: Run) -> str:
    """A run as a tree of its steps."""
    from platform_cli.cli.run_tree import lines_of

    return "\n".join(lines_of(run))


def _states(remote: Remote, name: str) -> Iterator[Found]:
    """Every state of a run until it is over; a run that is deleted meanwhile is read from the archive."""

    def lost(error: PlatformError) -> None:
        say(f"{error.problem}; waiting for it to come back.")

    with suppress(NotFound):
        for document in remote.cluster.watch_workflow(name, on_drop=lost):
            status = document.get("status") or {}
            packed = status.get("offloadNodeStatusVersion") and not status.get("nodes")
            found = remote.read(remote.workflow(name) if packed else document)
            yield found
            if found.run.is_over:
                return
    yield remote.find(name)


def _news(found: Found, states: Iterator[Found]) -> Found:
    """One line for each thing that happened."""
    from platform_cli.cli.run_tree import news_of

    said: set[str] = set()
    latest = found
    for latest in states:
        for line in news_of(latest.run):
            if line not in said:
                said.add(line)
                say(line)
    return latest


def _moving(remote: Remote, found: Found, states: Iterator[Found]) -> Found:
    """The tree itself, which moves; the picture's clock is this machine's."""
    import threading

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from platform_cli.cli.run_tree import tree_of
    from platform_cli.runs.workflow import read_workflow

    latest = [found]
    usual = {step.name: step.usual for step in _beside_usual(remote, found.run).steps}
    over = threading.Event()
    trouble: list[BaseException] = []

    def follow() -> None:
        try:
            for each in states:
                latest[0] = each
        except BaseException as error:  # told by the thread that shows
            trouble.append(error)
        over.set()

    def draw() -> Any:
        document = latest[0].workflow
        run = read_workflow(document, now=time.time()) if document else latest[0].run
        return tree_of(run, usual) if run else Text("")

    threading.Thread(target=follow, daemon=True).start()
    with Live(get_renderable=draw, console=Console(stderr=True), refresh_per_second=4, transient=True):
        while not over.wait(_PICTURE_SECONDS):
            pass
    if trouble:
        raise trouble[0]
    return latest[0]


def _beside_usual(remote: Remote, run: Run) -> Run:
    from platform_cli.runs.usual import with_usual

    if remote.is_local:
        return run
    # What is usual is a help; the status is the answer.
    with suppress(PlatformError):
        return with_usual(run, remote.live_runs(run.flow))
    return run


def _name(run: Run) -> str:
    return run.name or run.metaflow_run_id
