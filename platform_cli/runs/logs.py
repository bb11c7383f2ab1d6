"""
A step's log from two places without a seam: the pod while it lives, what is stored when it is gone.

In: readers of a pod's log and of the stored one, handed in. Out: lines with their time and their step, each once.

A pod's log is there at once and may end too soon: the kubelet rotates it, an eviction takes it away. The stored log is
whole and a second late. So a running attempt is followed by its pod, and when that ends, what the pod did not say is
taken from the store; an attempt that is over is read from the store alone. Lines are compared as a bag: standard output
and error race each other on their way through the kubelet, so their order differs, their lines do not.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from platform_cli.errors import NotFound, did_you_mean
from platform_cli.records.run import LogLine, RunRecords
from platform_cli.runs.recorded import metaflow_attempts
from platform_cli.runs.values import Attempt, Run, State, StepRun

# What argoexec writes between a step's lines: logfmt or JSON, always with this field; and last, how the process ended.
# Source: argo-workflows v4.0.2, cmd/argoexec/commands/root.go
_GOES_ON = re.compile(r'time="?\d{4}-\d\d-\d\dT[^ ]+ level=\w+ msg="sub-process exited".* argo=true\b.*$')
_LAST = re.compile(r"Error: (exit status \d+|signal: .+)")
_ARGOEXEC = re.compile(r'time="?\d{4}-\d\d-\d\dT[^ ]+ level=\w+ msg=.* argo=true\b.*|\{"time":"[^"]+".*"argo":true.*\}')


@dataclass(frozen=True, kw_only=True)
class Piece:
    """
    One attempt of one task, whose log is wanted.

    Attributes:
        number: Metaflow's; None where it did not come to that, or not yet.
        attempt: as the Workflow tells of it; None where only the datastore does.
    """

    step: str
    task_id: str
    number: int | None
    attempt: Attempt | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for one attempt at all times."""
        return self.step, self.task_id, self.attempt.node if self.attempt else f"attempt {self.number}"

    @property
    def label(self) -> str:
        number = self.number if self.number is not None else self.attempt.number if self.attempt else 0
        path = self.task_id[1:] if self.task_id.startswith("t-") else ""
        return f"{self.step}{path}" + (f" (attempt {number})" if number else "")

    @property
    def has_failed(self) -> bool:
        return self.attempt is None or self.attempt.state is State.FAILED

    @property
    def is_over(self) -> bool:
        return self.attempt is None or self.attempt.ended is not None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """
    Whose logs somebody wants.

    Attributes:
        place: a step, or `STEP-path` for some of its tasks; empty for all.
        attempt: Metaflow's number; None for the latest one of each task.
        failed: only attempts that failed.
    """

    place: str = ""
    attempt: int | None = None
    failed: bool = False


def pieces_of(run: Run, records: RunRecords | None, choice: Choice) -> list[Piece]:
    """
    The attempts whose logs are wanted, in the flow's order.

    Raises:
        NotFound: the run has no such step.
    """
    name, _, path = choice.place.partition("-")
    if name and not run.step(name):
        raise NotFound(f'the run has no step "{name}"', fix=did_you_mean(name, [step.name for step in run.steps]))
    found: list[Piece] = []
    for step in run.steps:
        if name in ("", step.name):
            found += [piece for task in _by_task(run, step, records).values() if (piece := _chosen(task, choice))]
    prefix = f"t-{path}"
    return [each for each in found if not path or each.task_id == prefix or each.task_id.startswith(f"{prefix}-")]


def _by_task(run: Run, step: StepRun, records: RunRecords | None) -> dict[str, list[Piece]]:
    """Every attempt of a step's tasks, those before a restart by hand included, oldest first."""
    numbers = metaflow_attempts(records, run, step) if records else {}
    found: dict[str, list[Piece]] = {}
    tasks = dict.fromkeys(attempt.task_id for attempt in step.attempts)
    for task in tasks:
        told = [attempt for attempt in step.attempts if attempt.task_id == task and attempt.state is not State.PENDING]
        here = [
            Piece(step=step.name, task_id=task, number=numbers.get(attempt.node) if attempt.node else attempt.number,
                  attempt=attempt)
            for attempt in told
        ]  # fmt: skip
        known = {piece.number for piece in here}
        before = [n for n in (records.attempts(step.name, task) if records else []) if n not in known]
        found[task] = [Piece(step=step.name, task_id=task, number=n) for n in before] + here
    return found


def _chosen(pieces: list[Piece], choice: Choice) -> Piece | None:
    fitting = [
        piece
        for piece in pieces
        if (choice.attempt is None or piece.number == choice.attempt) and (not choice.failed or piece.has_failed)
    ]
    return fitting[-1] if fitting else None


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """A line, and where it comes from."""

    piece: Piece
    line: LogLine


def is_argos_own(text: str) -> bool:
    """Whether argoexec wrote a line, and not the step."""
    return bool(_ARGOEXEC.fullmatch(text))


def read_pod_lines(raw: Iterable[str]) -> Iterator[LogLine]:
    """Split lines that the kubelet has put a time before, and leave out what argoexec wrote."""
    held: LogLine | None = None
    for each in raw:
        time, _, text = each.partition(" ")
        if is_argos_own(text):
            continue
        if held:
            # A step's own line after all: something came behind it.
            yield held
            held = None
        # A step's last line may have no end; argoexec then goes on in it.
        line = LogLine(time=time, text=_GOES_ON.sub("", text))
        if _LAST.fullmatch(text):
            held = line
        else:
            yield line


class Seam:
    """Counts what was shown of one attempt, so that a second source adds only what is missing."""

    def __init__(self) -> None:
        self._shown: Counter[str] = Counter()

    def first(self, lines: Iterable[LogLine]) -> Iterator[LogLine]:
        """Pass the first source through."""
        for line in lines:
            self._shown[line.text] += 1
            yield line

    def rest(self, lines: Iterable[LogLine]) -> list[LogLine]:
        """What the second source, which is whole, has beyond the first."""
        left = Counter(self._shown)
        missing = []
        for line in lines:
            if left[line.text]:
                left[line.text] -= 1
            else:
                missing.append(line)
        return missing


def merged(logs: Iterable[tuple[Piece, Iterable[LogLine]]]) -> Iterator[StepLine]:
    """Lines of several attempts in the order of their times."""

    def one(place: int, piece: Piece, lines: Iterable[LogLine]) -> Iterator[tuple[str, int, int, StepLine]]:
        latest = ""
        for number, line in enumerate(lines):
            # A clock that steps back must not make the merge wait for ever, or turn two lines round.
            latest = max(latest, line.moment)
            yield latest, place, number, StepLine(piece=piece, line=line)

    return (entry[3] for entry in heapq.merge(*(one(n, piece, lines) for n, (piece, lines) in enumerate(logs))))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which lines somebody wants to see; `since` is ISO 8601 in UTC, without a Z."""

    since: str = ""
    grep: re.Pattern[str] | None = None

    def __call__(self, line: LogLine) -> bool:
        return line.moment >= self.since and (self.grep is None or bool(self.grep.search(line.text)))
