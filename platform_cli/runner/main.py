"""
`platform-step`: execute one step of one flow, once, and end with a code and a line that say how it went.

In: the container's arguments. Out: exit code 0 and the task's artifacts; or another code, a last line on the standard
error, and an attempt that readers see as failed. One process, no shell.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platform_cli.errors import ExitCode, UsageError
from platform_cli.graph.address import Address
from platform_cli.runner.ending import Ending, explain
from platform_cli.runner.figures import Figures, cpu_and_memory, process_age_seconds, save_figures
from platform_cli.runner.launch import Launch, configure_metaflow, read_launch
from platform_cli.runner.logs import Capture, say
from platform_cli.runner.metadata import keep_metadata_apart
from platform_cli.runner.observer import Observation
from platform_cli.runner.sources import bring_code
from platform_cli.runner.stopping import Stopping
from platform_cli.runner.task import Task, describe


def main() -> int:
    """Return the process's exit code."""
    began = time.time() - process_age_seconds()
    try:
        launch = read_launch(sys.argv[1:])
    except UsageError as error:
        say(error)
        return error.exit_code
    with tempfile.TemporaryDirectory(prefix="platform-step-") as scratch:
        return Process(launch, Path(scratch), began).run()


class Process:
    """This process, around its one task."""

    def __init__(self, launch: Launch, scratch: Path, began: float) -> None:
        self._launch = launch
        self._scratch = scratch
        self._began = began
        self._logs = Capture(scratch)
        self._seen = Observation()
        self._stopping = Stopping(launch.grace_seconds, self._last_act)
        self._task = Task(launch, self._seen, after=self._own_code_is_through)
        self._turns: list[Callable[[Any], None]] = []

    def run(self) -> int:
        """Do everything, in order; nothing leaves here but an exit code."""
        self._logs.begin()
        self._stopping.begin()
        try:
            self._work()
            ending = Ending(code=ExitCode.OK, line="succeeded")
        except BaseException as error:  # every way in which a step can end is explained, SystemExit included
            ending = self._explained(error)
            say(self._last_line(ending))
        self._stopping.interrupts = False
        self._leave(ending)
        self._logs.end()
        self._stopping.end()
        if self._logs.trouble:
            say(f"platform-step: a part of the log was not uploaded: {self._logs.trouble}")
        return ending.code

    def _work(self) -> None:
        configure_metaflow()
        keep_metadata_apart(self._scratch)
        if self._launch.code:
            bring_code(self._launch.code, Path.cwd())
        from platform_cli.runner.flowfile import run_flow_file

        self._turns = [self._first_turn]
        while self._turns:
            run_flow_file(self._launch.flow, self._turns.pop(0))
        self._task.write_outputs()

    def _first_turn(self, flow: Any) -> None:
        """Claim the task, and plan a turn for each of Metaflow's commands: each gets a flow object of its own."""
        is_fresh = self._task.open(flow)
        if self._task.claim().finished:
            return
        self._logs.send_to(self._task.log_writer())
        self._turns = [self._parameters_turn] if self._task.must_write_parameters else []
        self._turns.append(self._step_turn)
        if is_fresh:
            self._turns.pop(0)(flow)

    def _parameters_turn(self, flow: Any) -> None:
        self._task.write_parameters(flow)

    def _step_turn(self, flow: Any) -> None:
        self._task.execute(flow)

    def _own_code_is_through(self) -> None:
        self._stopping.interrupts = False

    def _explained(self, error: BaseException) -> Ending:
        step = getattr(self._task, "step", None)
        raised = error is self._seen.raised
        last_try = step.retry.times if step and step.retry else 0
        return explain(error, caught_later=bool(step and step.catches and raised and self._launch.try_ <= last_try))

    def _last_line(self, ending: Ending) -> str:
        attempt = f" attempt {self._task.attempt.number}" if self._task.attempt else ""
        return f"platform-step: {describe(self._launch.address)}{attempt}: {ending.line} (exit {ending.code})"

    def _leave(self, ending: Ending) -> None:
        """Metadata and figures of an attempt that began; a step that worked does not fail because of them."""
        if not self._task.attempt or self._task.attempt.finished:
            return
        try:
            self._task.save_metadata()
        except Exception as error:
            say(f"platform-step: metadata not saved: {type(error).__name__}: {error}")
        save_figures(self._task.records, self._launch.address, self._figures(ending))

    def _figures(self, ending: Ending) -> Figures:
        cpu, memory = cpu_and_memory()
        now = time.time()
        address: Address = self._launch.address
        return Figures(
            flow=self._task.graph.name,
            run=self._launch.run,
            step=address.step,
            path=address.path,
            attempt=self._task.attempt.number if self._task.attempt else 0,
            try_=self._launch.try_,
            began_seconds=self._began,
            duration_seconds=now - self._began,
            code_seconds=(self._seen.ended or now) - self._seen.began if self._seen.began else 0.0,
            cpu_seconds=cpu,
            peak_memory_bytes=memory,
            exit_code=ending.code,
            exit_class=ending.kind,
        )

    def _last_act(self) -> None:
        """The grace period is over and the step still runs: write what there is, from another thread."""
        ending = Ending(code=ExitCode.TERMINATED, line="terminated (SIGTERM), not done within the grace period")
        os.write(2, f"{self._last_line(ending)}\n".encode())
        self._leave(ending)
        self._logs.flush(patience_seconds=5.0)
