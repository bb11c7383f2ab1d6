"""
A run of a flow, as anybody may look at it.

In: nothing. Out: frozen values; the times are seconds since the run began, so that no clock is compared with another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How far something got."""

    # It has not begun, and may wait for something.
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # Its result was taken from an earlier run that this one resumes.
    REUSED = "reused"
    # The run is past it, or over, without it.
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """
    One try of one task.

    Attributes:
        ended: None while it runs.
        said: what the cluster says of it, in its words; empty on this machine.
        exit_code: of the step's process; None while it runs, and where nobody knows.
        node: Argo's name for it, under which its log is stored; pod: where it runs or ran.
    """

    task_id: str
    number: int
    state: State
    began: float
    ended: float | None = None
    said: str = ""
    exit_code: int | None = None
    node: str = ""
    pod: str = ""

    @property
    def path(self) -> str:
        """The fan-out indices that lead to its task, such as `-3-0`; empty outside a fan-out."""
        return self.task_id[1:] if self.task_id.startswith("t-") else ""


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """
    One step of a run.

    Attributes:
        width: how many tasks it will have; at least as many as have begun.
        attempts: every try of every task, in the order they began.
        skipped: the run went, or ended, without it.
        usual: how long it took in the flow's recent runs, in seconds; None where there are none.
    """

    name: str
    width: int
    attempts: tuple[Attempt, ...]
    skipped: bool = False
    usual: float | None = None

    @property
    def latest(self) -> dict[str, Attempt]:
        """The last try of each task."""
        return {attempt.task_id: attempt for attempt in self.attempts}

    @property
    def done(self) -> int:
        """How many tasks have a result."""
        return sum(attempt.state in (State.SUCCEEDED, State.REUSED) for attempt in self.latest.values())

    @property
    def retries(self) -> int:
        """How many tries came after a task's first."""
        return len(self.attempts) - len(self.latest)

    @property
    def state(self) -> State:
        states = {attempt.state for attempt in self.latest.values()}
        if State.FAILED in states:
            return State.FAILED
        if self.skipped:
            return State.SKIPPED
        if states <= {State.PENDING}:
            return State.PENDING
        if states & {State.RUNNING, State.PENDING} or self.done < self.width:
            return State.RUNNING
        return State.REUSED if states == {State.REUSED} else State.SUCCEEDED

    def seconds(self, now: float) -> float:
        """Wall time from its first task's begin to its last one's end, or to `now` where something still runs."""
        if not self.attempts:
            return 0.0
        ends = [now if attempt.ended is None else attempt.ended for attempt in self.attempts]
        return max(ends) - min(attempt.began for attempt in self.attempts)


@dataclass(frozen=True, kw_only=True)
class Run:
    """
    One run of one flow.

    Attributes:
        flow: the class; of a cluster's run that does not say it, its name in labels.
        metaflow_run_id: empty until Metaflow has named it.
        steps: on this machine in the order in which they began, on a cluster in the flow's order, begun or not.
        state: SUCCEEDED only when `end` succeeded.
        name: of the Workflow; empty on this machine.
        began: seconds since 1970; 0 where nobody knows.
        said: what the cluster says of the run as a whole.
        owner: who submitted it; empty for a deployed flow's.
    """

    flow: str
    metaflow_run_id: str
    state: State
    steps: tuple[StepRun, ...]
    seconds: float
    name: str = ""
    began: float = 0.0
    said: str = ""
    owner: str = ""
    queue: str = ""

    @property
    def is_over(self) -> bool:
        return self.state not in (State.PENDING, State.RUNNING)

    def step(self, name: str) -> StepRun | None:
        """Find a step that has begun."""
        return next((step for step in self.steps if step.name == name), None)
