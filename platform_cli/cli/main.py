"""
`platform`: the frame around every verb.

In: the words of a command line. Out: an exit code of `errors.ExitCode`; data on stdout, talk on stderr.

A verb's module is imported when its verb is used, rich when help is drawn on a terminal: `platform --help` and shell
completion read only the table below. Verbs raise; only this module turns an exception into words and an exit code.
"""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from platform_cli.cli.verbs import VerbTable
from platform_cli.errors import ExitCode, Interrupted, PlatformError, Terminated

VERBS = {
    "run": ("platform_cli.cli.run", "Run a flow on this machine and show its steps."),
    "submit": ("platform_cli.cli.submit", "Begin a run of a working copy on a cluster."),
    "list": ("platform_cli.cli.list", "List the runs of an environment."),
    "status": ("platform_cli.cli.status", "Show the steps of a run, once or until it is over."),
    "logs": ("platform_cli.cli.logs", "Show what the steps of a run printed."),
    "why": ("platform_cli.cli.why", "Say why a run failed or waits, and what to do next."),
    "retry": ("platform_cli.cli.retry", "Run again, in the same run, what failed."),
    "resume": ("platform_cli.cli.resume", "Begin a new run that takes over what succeeded in another one."),
    "stop": ("platform_cli.cli.stop", "End a run before its time."),
    "open": ("platform_cli.cli.open", "Open the pages of a run in a browser."),
    "queue": ("platform_cli.cli.queue", "Show who waits for what."),
    "doctor": ("platform_cli.cli.doctor", "Check that everything is there, and say what to do where it is not."),
    "scores": ("platform_cli.cli.scores", "List, show, fetch and verify published scores."),
    "explain": ("platform_cli.cli.explain", "Say where one customer's score of a day comes from."),
    "models": ("platform_cli.cli.models", "Show registered models and move the role of champion."),
    "check": ("platform_cli.cli.check", "Say everything that keeps a flow from running."),
    "render": ("platform_cli.cli.render", "Compile a flow into the objects of one environment."),
    "diff": ("platform_cli.cli.diff", "Say in words what a change of a flow changes."),
    "pull": ("platform_cli.cli.pull", "Bring a run from the cluster to this folder."),
    "cluster": ("platform_cli.cli.cluster", "Run the whole platform in a real Kubernetes on this machine."),
    "metrics": ("platform_cli.cli.metrics", "Print the metrics that flows left."),
    "settings": ("platform_cli.cli.settings", "Show the settings in force from this folder."),
    "schema": ("platform_cli.cli.schema", "Print the JSON schema of a command's --json output."),
    "completion": ("platform_cli.cli.completion", "Print the completion script of a shell."),
    "version": ("platform_cli.cli.version", "Print the version of the platform and what it runs on."),
}
COMPLETE_VARIABLE = "_PLATFORM_COMPLETE"


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line; the result is the process's exit code."""
    words = list(sys.argv[1:] if words is None else words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file's name, or a locale, that cannot be written must not turn an answer into an error.
            stream.reconfigure(errors="backslashreplace")
    # Handed to click as the line's own object: -v is known here whichever part of the line said it.
    said: dict[str, Any] = {}
    try:
        with _sigterm_as_error():
            _invoke(words, said)
            sys.stdout.flush()
    except BaseException as error:
        return _report(error, verbose=bool(said.get("verbose")))
    return ExitCode.OK


def _invoke(words: list[str], said: dict[str, Any]) -> None:
    if COMPLETE_VARIABLE in os.environ:
        from click.shell_completion import shell_complete

        shell_complete(VerbTable(VERBS), {"obj": said}, "platform", COMPLETE_VARIABLE, os.environ[COMPLETE_VARIABLE])
        return
    table = _table(words)
    with table.make_context("platform", words, obj=said) as context:
        table.invoke(context)


def _table(words: list[str]) -> VerbTable:
    wants_help = not words or {"--help", "-h"} & set(words)
    if wants_help and sys.stdout.isatty() and not os.environ.get("CI"):
        from platform_cli.cli.rich_help import RichVerbTable

        return RichVerbTable(VERBS)
    return VerbTable(VERBS)


@contextmanager
def _sigterm_as_error() -> Iterator[None]:
    def terminate(_signal: int, _frame: object) -> NoReturn:
        raise Terminated("terminated")

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(error: BaseException, *, verbose: bool) -> int:
    if isinstance(error, BrokenPipeError) and _nobody_reads():
        # The reader has all it wanted (`| head`).
        return ExitCode.OK
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    if verbose:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        error = Interrupted("interrupted")
    if isinstance(error, PlatformError):
        say_error(str(error))
        return error.exit_code
    if isinstance(error, click.ClickException):
        say_error(_usage(error))
        return ExitCode.USAGE
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _drop_what_is_buffered()
        say_error(f"no space left on device, writing {error.filename or 'stdout'}.")
        return ExitCode.FAILED
    say_error(
        f"{type(error).__name__}: {_first_line(error)}.\n"
        "  This is a fault of the platform, or a case it does not know; the same command with -v shows the traceback."
    )
    return ExitCode.FAILED


def _nobody_reads() -> bool:
    """Whether stdout's reader has left; what is still buffered must then not fail again while Python shuts down."""
    import select

    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    if gone:
        _drop_what_is_buffered()
    return gone


def _drop_what_is_buffered() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_error(text: str) -> None:
    """Write an error to stderr, red on a terminal."""
    first, _, rest = text.partition("\n")
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and not os.environ.get("CI")
    first = click.style(first, fg="red") if colour else first
    click.echo(f"{first}\n{rest}" if rest else first, err=True, color=colour)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().strip().rstrip(".")
    message = re.sub(r"\.? \((Did you mean .*\?)\)$", r". \1", message)
    path = context.command_path if context else "platform"
    return f"{path}: {message}{'' if message.endswith('?') else '.'}\n  See `{path} --help`."


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no message"
