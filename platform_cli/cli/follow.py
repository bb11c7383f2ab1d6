"""
Stay with a run on a cluster until it is over.

In: a run's name and how much to show. Out: returns where it succeeded, else RunFailed; Ctrl-C leaves the run alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from platform_cli.cli.output import say
from platform_cli.cli.remote import Remote
from platform_cli.errors import Interrupted, PlatformError, RunFailed
from platform_cli.runs.values import Run, State
from platform_cli.runs.workflow import read_workflow


def wait_for(remote: Remote, name: str) -> Run:
    """
    Wait quietly until a run is over.

    Raises:
        RunFailed: it failed. Interrupted: Ctrl-C; the run goes on. NotFound: it was deleted meanwhile.
    """
    run: Run | None = None
    with detachable(name):
        for document in remote.cluster.watch_workflow(name, on_drop=_say_drop):
            if read_workflow(document, now=time.time()).is_over:
                # With its nodes, wherever they are kept: the phase alone says nothing about `end`.
                run = remote.find(name).run
                break
    if run is None or run.state is not State.SUCCEEDED:
        said = f": {run.said.rstrip('.')}" if run and run.said else ""
        raise RunFailed(f"run {name} failed{said}", fix=f"platform why {name}\n  platform retry {name}")
    return run


def _say_drop(error: PlatformError) -> None:
    say(f"{error.problem}; waiting for it.")


@contextmanager
def detachable(name: str) -> Iterator[None]:
    """Ctrl-C inside ends the watching, not the run, and says how to come back."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"detached from run {name}, which goes on",
            fix=f"Come back: platform status {name} --watch\n  Stop it: platform stop {name}",
        ) from None
