"""
The errors of the platform, one class per thing a caller could do differently, each with its exit code.

    PlatformError                1   failed
    ├── UsageError               2   the command or its arguments are wrong
    │   └── SettingsError        2   platform.toml or an environment variable is wrong
    ├── ChangesFound             3   a check or a diff found something
    ├── NotAllowed               4   policy, channel or store says no
    │   ├── StoreUnsafe          4   the store ignores conditional writes
    │   └── FlowRefused          4   a flow asks for what cannot run here
    ├── AlreadyExists            1   the store refused to create a key a second time
    ├── StoreFull                1   the store has no room left
    ├── Damaged                  1   what lies in the store is not what was written
    ├── Unreachable              5   a service does not answer
    │   └── Unclear              5   a write was sent and no answer says whether it happened
    ├── NotFound                 6   what was named does not exist
    │   └── NoChampion           6   a model has no champion
    ├── RunFailed                7   a run ended in failure
    ├── Conflict                 8   the day is published with other inputs or models
    ├── ContractBroken          65   the data break their contract: never retried
    │   └── ModelRefused        65   a model is not what was registered: never retried
    ├── MissingParent           66   a step's input was never completed: never retried
    ├── CodeRefused             67   a code package is not what its hash says: never retried
    ├── TooManyAttempts         68   a task was begun six times already: never retried
    ├── StepExited              70   a step left by sys.exit instead of self.next
    ├── Interrupted            130   Ctrl-C
    ├── OutOfMemory            137   more memory was asked for than there is
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
    MISSING_PARENT = 66
    CODE_REFUSED = 67
    TOO_MANY_ATTEMPTS = 68
    STEP_EXITED = 70
    INTERRUPTED = 130
    OUT_OF_MEMORY = 137
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
    ExitCode.MISSING_PARENT: "an input of the step was never completed; a retry would not help",
    ExitCode.CODE_REFUSED: "the code package is not what its hash says; a retry would not help",
    ExitCode.TOO_MANY_ATTEMPTS: "the task was begun six times already; a retry would not be visible to anyone",
    ExitCode.STEP_EXITED: "the step left by sys.exit instead of self.next",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.OUT_OF_MEMORY: "out of memory, or killed (SIGKILL)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}


# A step that ends with one of these is not started again, whatever its @retry says: it would end the same way.
NEVER_RETRIED: frozenset[ExitCode] = frozenset(
    {ExitCode.CONTRACT_BROKEN, ExitCode.MISSING_PARENT, ExitCode.CODE_REFUSED, ExitCode.TOO_MANY_ATTEMPTS}
)


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


class FlowRefused(NotAllowed):
    """
    A flow asks for what cannot run here; nothing was compiled.

    Args:
        findings: every reason, as values with file, line, rule and fix.
    """

    def __init__(self, problem: str, *, wanted: str = "", fix: str = "", findings: tuple[object, ...] = ()) -> None:
        super().__init__(problem, wanted=wanted, fix=fix)
        self.findings = findings


class AlreadyExists(PlatformError):
    """The store refused a conditional create, because the key exists; who asked decides what that means."""


class StoreFull(PlatformError):
    """The store has no room left; nothing of what was being written is visible."""


class Damaged(PlatformError):
    """What lies in the store is not what was written: a hash, a link of a manifest chain or a form is wrong."""


class Unreachable(PlatformError):
    """A service does not answer."""

    exit_code = ExitCode.UNREACHABLE


class Unclear(Unreachable):
    """A write was sent, and no answer says whether it happened: read back before anything else."""


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


class MissingParent(PlatformError):
    """An input of a step was never completed; nothing retries this, since only another task can mend it."""

    exit_code = ExitCode.MISSING_PARENT


class CodeRefused(PlatformError):
    """A code package is not what its hash says, or would write outside its folder; nothing retries this."""

    exit_code = ExitCode.CODE_REFUSED


class TooManyAttempts(PlatformError):
    """A task was begun six times already, and Metaflow's readers never look at a seventh attempt."""

    exit_code = ExitCode.TOO_MANY_ATTEMPTS


class StepExited(PlatformError):
    """A step left by sys.exit, so nobody knows whether it did its work."""

    exit_code = ExitCode.STEP_EXITED


class OutOfMemory(PlatformError):
    """The step asked for more memory than there is; the code is a kernel kill's, so that a retry gets more."""

    exit_code = ExitCode.OUT_OF_MEMORY


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
