"""
Run a flow on this machine and follow it.

In: a flow's file, its parameters, the environment. Out: the Run when it is over, and what was last said in it.

The flow has a process group of its own: Ctrl-C reaches it through here, once, and all that it started ends with it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from platform_cli.runs import launch
from platform_cli.runs.follow import Follower, TaskLine
from platform_cli.runs.values import Run

# Variables that would change which Python, or whose code, runs.
_DROPPED = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT")

Watch = Callable[[Follower, TaskLine | None], None]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """
    A flow run that is over.

    Attributes:
        returncode: of Metaflow's process.
        stopped_by: the signal that this process passed on, or 0.
        lines: the last lines of each task, by (step, task id).
        outside: the last lines that no task printed.
    """

    run: Run
    returncode: int
    stopped_by: int
    lines: dict[tuple[str, str], tuple[str, ...]]
    outside: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run: a flow's file with parameters, or the resumption of an earlier run (`origin`)."""

    file: Path
    flow: str
    parameters: Mapping[str, str]
    origin: str = ""
    max_workers: int | None = None

    def words(self) -> list[str]:
        """Metaflow's command line for it."""
        words = ["--no-pylint", "resume", "--origin-run-id", self.origin] if self.origin else ["--no-pylint", "run"]
        if self.max_workers:
            words += ["--max-workers", str(self.max_workers)]
        # With "=", since a value may begin with a dash.
        return words + [f"--{name}={value}" for name, value in self.parameters.items()]


def environment_of(environ: Mapping[str, str], *, file: Path, root: Path, owner: str) -> dict[str, str]:
    """Make the environment of a local run: the caller's, without what would send it elsewhere."""
    # None of Metaflow's settings reach a local run: they point at clusters, services and other stores.
    kept = {name: value for name, value in environ.items() if name not in _DROPPED and not name.startswith("METAFLOW_")}
    user = environ.get("METAFLOW_USER") or owner
    return {
        **kept,
        # Metaflow takes "root" for nobody and refuses to run.
        "METAFLOW_USER": "root-user" if user == "root" else user,
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(root.parent),
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        # A profile in ~/.metaflowconfig belongs to a cluster; this folder has none.
        "METAFLOW_HOME": str(root / "no-profile"),
        "PYTHONUNBUFFERED": "1",
        launch.FLOW_VARIABLE: str(file.absolute()),
    }


def run_flow(order: Order, environ: Mapping[str, str], watch: Watch) -> Finished:
    """
    Run a flow to its end, or until a signal ends it.

    Args:
        environ: all of the flow's environment, see `environment_of`.
        watch: called with every line.
    """
    command = [sys.executable, launch.__file__, *order.words()]
    began = time.monotonic()
    follower = Follower(order.flow)
    # Signals first: a handler becomes the default again in a child, but an ignored SIGINT (`... &` in a script) stays.
    with _passing_signals_on() as group, subprocess.Popen(
        command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        process_group=0,
    ) as process:  # fmt: skip
        group.joins(process.pid)
        for line in _lines_of(process):
            watch(follower, follower.feed(line, time.monotonic() - began))
        returncode = process.wait()
        if group.signals:
            # Whatever did not listen to the signal must not outlive the run.
            group.send(signal.SIGKILL)
    return Finished(
        run=follower.picture(over=True, succeeded=returncode == 0),
        returncode=returncode,
        # A signal that came too late to stop anything did not stop it.
        stopped_by=group.signals[0] if group.signals and returncode else 0,
        lines={task: tuple(lines) for task, lines in follower.lines.items()},
        outside=tuple(follower.outside),
    )


class _Group:
    """The flow's process group and the signals that came for it."""

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.leader = 0

    def joins(self, leader: int) -> None:
        self.leader = leader
        if self.signals:
            self.send(self.signals[0])

    def pass_on(self, number: int, _frame: object) -> None:
        self.signals.append(number)
        self.send(number if len(self.signals) == 1 else signal.SIGKILL)

    def send(self, number: int) -> None:
        if self.leader:
            with suppress(ProcessLookupError):
                os.killpg(self.leader, number)


@contextmanager
def _passing_signals_on() -> Iterator[_Group]:
    """Send the first SIGINT or SIGTERM on to a group, kill it at the second."""
    group = _Group()
    before = {number: signal.signal(number, group.pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield group
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lines_of(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield the process's lines until it is over; a grandchild that keeps the pipe open does not hold us."""
    assert process.stdout is not None  # noqa: S101 opened by run_flow
    rest = b""
    while True:
        over = process.poll() is not None
        readable, _, _ = select.select([process.stdout], [], [], 0.0 if over else 0.25)
        piece = os.read(process.stdout.fileno(), 65536) if readable else None
        if piece:
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace").rstrip("\r") for line in lines)
        elif piece == b"" or over:
            break
    if rest:
        yield rest.decode(errors="replace")
