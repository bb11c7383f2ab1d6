"""
Why a run failed, as an error with its exit code, and what to do next.

In: a finished run and its records. Out: None where it succeeded, else the error to raise.

The class of the exception that ended the task decides, as its record names it: a broken contract is 65 whether the step
raised it or left with Metaflow's no-retry code after recording it. Everything else is RunFailed.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

from platform_cli.errors import Interrupted, NotFound, PlatformError, RunFailed, Terminated, UsageError, error_class
from platform_cli.records.local import Failure
from platform_cli.runs.local import Finished
from platform_cli.runs.values import Run, State

ReadFailure = Callable[[str, str], Failure]

_SHOWN_LINES = 8
# What Metaflow prints before every run; what follows is its complaint.
_PREAMBLE = re.compile(
    r"^Metaflow \S+ executing \w+(?: for user:\S+)?|^Validating your flow\.\.\.|^ +The graph looks good!"
    r"|^\d{4}-\d\d-\d\d [\d:.]+ .*"
)


def judge(finished: Finished, file: Path, again: str, read_failure: ReadFailure) -> PlatformError | None:
    """
    Say how a run ended.

    Args:
        again: the command that ran it.
        read_failure: gives the recorded exception of a task by step and task id.
    """
    run = finished.run
    if finished.stopped_by:
        return _stopped(finished, file)
    if run.state is State.SUCCEEDED:
        return None
    if not run.metaflow_run_id:
        return _never_began(finished, file)
    failed = failed_tasks(run)
    if not failed:
        last = _tail(_complaint(finished))
        if "Resume could not find run id" in last:
            return NotFound(
                f"flow {run.flow} has no run to resume under that id on this machine", fix=f"You ran: {again}"
            )
        return RunFailed(
            f"run {run.metaflow_run_id} of {run.flow} failed outside its steps:\n{last}", fix=f"Run: {again}"
        )
    found = [(step, task, read_failure(step, task)) for step, task in failed]
    ours = [one for one in found if error_class(one[2].error)]
    step, task, failure = (ours or found)[0]
    if kind := error_class(failure.error):
        problem, _, fix = failure.message.partition("\n  ")
        return kind(f"step {step}: {problem.rstrip('.')}", fix=fix)
    return _died(finished, step, task, failure, resume_command(file, run))


def resume_command(file: Path, run: Run) -> str:
    """The command that takes up a run where it stopped."""
    return f"platform run {shlex.quote(str(file))} --resume {run.metaflow_run_id}"


def failed_tasks(run: Run) -> list[tuple[str, str]]:
    """Give step and task id of every task whose last try failed, in the order in which they ended."""
    failed = [
        (attempt.ended or 0.0, step.name, attempt.task_id)
        for step in run.steps
        for attempt in step.latest.values()
        if attempt.state is State.FAILED
    ]
    return [(step, task) for _, step, task in sorted(failed)]


def _died(finished: Finished, step: str, task: str, failure: Failure, resume: str) -> RunFailed:
    run = finished.run
    kind = f"{failure.error.removeprefix('builtins.')}: " if failure.error else ""
    why = f"{kind}{_first_line(failure.message)}"
    lines = _tail(finished.lines.get((step, task), ()))
    shown = f"\n  Its last lines:\n{lines}" if lines else ""
    return RunFailed(
        f"run {run.metaflow_run_id} of {run.flow} failed in step {step} (task {task}): {why.rstrip('.')}",
        fix=f"Mend it, then resume: {resume}{shown}",
    )


def _stopped(finished: Finished, file: Path) -> PlatformError:
    run = finished.run
    kind, word = (Interrupted, "interrupted") if finished.stopped_by == signal.SIGINT else (Terminated, "terminated")
    if not run.metaflow_run_id:
        return kind(f"{word} before {run.flow} began")
    running = [name for name, _ in failed_tasks(run)]
    where = f" in step {running[0]}" if running else ""
    return kind(
        f"run {run.metaflow_run_id} of {run.flow} was {word}{where}", fix=f"Resume: {resume_command(file, run)}"
    )


def _never_began(finished: Finished, file: Path) -> UsageError:
    """Metaflow refused the command line or the flow, or the file fails when it is loaded: nothing was done."""
    lines = _complaint(finished)
    refused = next((line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")), None)
    if finished.returncode == 2 and refused:
        return UsageError(f"{file}: {refused.rstrip('.')}", fix=f"Its parameters: python {file} run --help")
    if "Traceback (most recent call last):" in lines:
        places = [place for line in lines if (place := re.match(r'File "(.+)", line (\d+)', line))]
        own = [place for place in places if place[1] == str(file.absolute())]
        where = f"{file}:{own[-1][2]}" if own else str(file)
        return UsageError(f"{where}: the flow cannot be loaded: {lines[-1].rstrip('.')}")
    said = " ".join(lines)
    return UsageError(f"{file}: {said.rstrip('.')}" if said else f"{file}: Metaflow ended without a word")


def _complaint(finished: Finished) -> tuple[str, ...]:
    return tuple(line for raw in finished.outside if (line := _PREAMBLE.sub("", raw).strip()))


def _tail(lines: tuple[str, ...]) -> str:
    return "\n".join(f"    {line}" for line in [line for line in lines if line.strip()][-_SHOWN_LINES:])


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[0]
