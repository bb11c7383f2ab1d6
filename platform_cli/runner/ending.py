"""
What ended a step -> its exit code and the one last line that says what happened.

In: an exception, and whether the step's own code raised it. Out: an Ending. docs/reference/runner-exit-codes.md is the
same table for people.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from types import TracebackType

from platform_cli.errors import NEVER_RETRIED, ExitCode, OutOfMemory, PlatformError, StepExited
from platform_cli.runner.observer import Refusal
from platform_cli.runner.stopping import Stopped


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the process ends. `kind` is the class of the error, empty after a success."""

    code: int
    line: str
    kind: str = ""


def explain(error: BaseException, *, caught_later: bool) -> Ending:
    """
    Turn what came out of a step into its end, and print the trace of what its author must look at.

    Args:
        caught_later: the step has a `@catch` that speaks on a later attempt, so that nothing its own code raised may
            stop the retries.
    """
    error = error.error if isinstance(error, Refusal) else error
    match error:
        case Stopped():
            return Ending(code=ExitCode.TERMINATED, line="terminated (SIGTERM)", kind="Terminated")
        case KeyboardInterrupt():
            return Ending(code=ExitCode.INTERRUPTED, line="interrupted", kind="Interrupted")
        case SystemExit():
            return _exited(error)
        case MemoryError():
            _print_trace(error)
            return _of(OutOfMemory("out of memory: Python could not get what it asked for"))
        case PlatformError():
            _print_trace(error)
            ending = _of(error)
            if caught_later and error.exit_code in NEVER_RETRIED:
                return Ending(code=ExitCode.FAILED, line=f"{ending.line} (@catch waits)", kind=ending.kind)
            return ending
    found = _of_metaflow(error)
    if found is None:
        _print_trace(error)
        return Ending(code=ExitCode.FAILED, line=f"{type(error).__name__}: {_one_line(error)}", kind=_name(error))
    return _of(found)


def _exited(error: SystemExit) -> Ending:
    # 65 is the one code that plain code may use to say "never again".
    if error.code == ExitCode.CONTRACT_BROKEN:
        return Ending(code=65, line="the step left by sys.exit(65): never retried", kind="SystemExit")
    return _of(StepExited(f"the step left by sys.exit({error.code!r})", wanted="self.next, or an exception"))


def _of(error: PlatformError) -> Ending:
    return Ending(code=error.exit_code, line=_one_line(error), kind=_name(error))


def _of_metaflow(error: BaseException) -> PlatformError | None:
    """What Metaflow's own errors mean to a caller; None for all others."""
    from metaflow._vendor import click
    from metaflow.datastore.exceptions import DataException
    from metaflow.exception import MetaflowDataMissing
    from metaflow.plugins.datatools.s3.s3 import MetaflowS3Exception

    from platform_cli.errors import MissingParent, Unreachable, UsageError

    match error:
        case click.ClickException():
            return UsageError(error.format_message().rstrip("."), wanted="what the flow's parameters allow")
        case MetaflowDataMissing() | DataException():
            return MissingParent(f"an input of the step is not there: {_one_line(error)}")
        case MetaflowS3Exception():
            return Unreachable(f"the datastore does not answer: {_one_line(error)}")
    return None


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or "no message"


def _print_trace(error: BaseException) -> None:
    """Print the trace from the step's own code on; what lies above it is Metaflow and this package.

    An error of this package's own, outside a step, says everything in its message.
    """
    frames: TracebackType | None = error.__traceback__
    place, in_step = frames, False
    while place:
        if place.tb_frame.f_code.co_name == "_exec_step_function":
            frames, in_step = place.tb_next, True
        place = place.tb_next
    if not in_step and isinstance(error, PlatformError):
        return
    traceback.print_exception(type(error), error, frames, file=sys.stderr)
