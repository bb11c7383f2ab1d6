"""
The errors of the platform, one class per thing a caller could do differently, each with its exit code.

    PlatformError                1   failed
    ├── UsageError               2   the command or its arguments are wrong
    │   └── SettingsError        2   platform.toml or an environment variable is wrong
    ├── ChangesFound             3   a check or a diff found something
    ├── NotAllowed               4   policy, channel or store says no
    │   └── StoreUnsafe          4   the store ignores conditional writes
    ├── Unreachable              5   a service does not answer
    ├── NotFound                 6   what was named does not exist
    │   └── NoChampion           6   a model has no champion
    ├── RunFailed                7   a run ended in failure
    ├── Conflict                 8   the day is published with other inputs or models
    ├── ContractBroken          65   the data break their contract: never retried
    │   └── ModelRefused        65   a model is not what was registered: never retried
    ├── Interrupted            130   Ctrl-C
    └── Terminated             143   SIGTERM

In: what went wrong, in words. Out: an exception that prints as "where: got; wanted" and the command that mends it.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process of the platform tells its caller. Documented in docs/reference/exit-codes.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CHANGES = 3
    NOT_ALLOWED = 4
    UNREACHABLE = 5
    NOT_FOUND = 6
    RUN_FAILED = 7
    CONFLICT = 8
    CONTRACT_BROKEN = 65
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed for a reason that no other code names",
    ExitCode.USAGE: "the command, an argument or a setting is wrong; nothing was done",
    ExitCode.CHANGES: "a check or a diff found something",
    ExitCode.NOT_ALLOWED: "policy, the channel or the store does not allow it",
    ExitCode.UNREACHABLE: "a service does not answer",
    ExitCode.NOT_FOUND: "what was named does not exist",
    ExitCode.RUN_FAILED: "a run ended in failure",
    ExitCode.CONFLICT: "the day is published with other inputs or models",
    ExitCode.CONTRACT_BROKEN: "the data contract is broken; a retry would not help",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}


class PlatformError(Exception):
    """
    Something went wrong that a person can act on.

    Args:
        problem: where it is and what was found there, in one sentence without a full stop.
        wanted: what would have been right; may be empty.
        fix: what to do, preferably a command; may be empty.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, problem: str, *, wanted: str = "", fix: str = "") -> None:
        super().__init__(problem, wanted, fix)
        self.problem = problem
        self.wanted = wanted
        self.fix = fix

    def __str__(self) -> str:
        first = f"{self.problem}; wanted {self.wanted}." if self.wanted else f"{self.problem}."
        return f"{first}\n  {self.fix}" if self.fix else first

    def __reduce__(self) -> tuple[object, ...]:
        # The base class would hand __init__ three positional arguments; Metaflow and multiprocessing pickle errors.
        return (_rebuild, (type(self), self.problem, self.wanted, self.fix))


def _rebuild(cls: type[PlatformError], problem: str, wanted: str, fix: str) -> PlatformError:
    return cls(problem, wanted=wanted, fix=fix)


class UsageError(PlatformError):
    """The command, or an argument of it, is wrong; nothing was done."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """platform.toml or an environment variable is wrong."""


class ChangesFound(PlatformError):
    """A check or a diff found something."""

    exit_code = ExitCode.CHANGES


class NotAllowed(PlatformError):
    """Policy, the channel or the store does not allow what was asked."""

    exit_code = ExitCode.NOT_ALLOWED


class StoreUnsafe(NotAllowed):
    """The store does not honour conditional creates, so nothing can be published on it exactly once."""


class Unreachable(PlatformError):
    """A service does not answer."""

    exit_code = ExitCode.UNREACHABLE


class NotFound(PlatformError):
    """What was named does not exist."""

    exit_code = ExitCode.NOT_FOUND


class NoChampion(NotFound):
    """A registered model has no champion, so nothing can be scored with it."""


class RunFailed(PlatformError):
    """A run ended in failure."""

    exit_code = ExitCode.RUN_FAILED


class Conflict(PlatformError):
    """The day is published already, with other inputs or other models."""

    exit_code = ExitCode.CONFLICT


class ContractBroken(PlatformError):
    """The data break their contract; the same data would break it again, so nothing retries this."""

    exit_code = ExitCode.CONTRACT_BROKEN


class ModelRefused(ContractBroken):
    """A model's files are not the registered ones, or fit another contract; nothing retries this."""


class Interrupted(PlatformError):
    """Ctrl-C."""

    exit_code = ExitCode.INTERRUPTED


class Terminated(PlatformError):
    """SIGTERM."""

    exit_code = ExitCode.TERMINATED


def error_class(qualified_name: str) -> type[PlatformError] | None:
    """
    Find the error class that a record of another process names.

    Args:
        qualified_name: module and class joined by a dot, as Metaflow keeps it in a failed task's `_exception`.
    Returns:
        The class, or None where the name is not one of ours.
    """
    module, _, name = qualified_name.rpartition(".")
    if module != __name__:
        return None
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, PlatformError) else None


def did_you_mean(word: str, known: list[str]) -> str:
    """Say which known word is close to `word`, as a sentence, or which ones exist."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f'Did you mean "{close[0]}"?'
    return f"Known: {', '.join(sorted(known))}." if known else ""
