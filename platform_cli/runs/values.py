"""
A run of a flow, as anybody may look at it.

In: nothing. Out: frozen values; the times are seconds since the run began, so that no clock is compared with another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How far something got."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # Its result was taken from an earlier run that this one resumes.
    REUSED = "reused"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of one task; `ended` is None while it runs."""

    task_id: str
    number: int
    state: State
    began: float
    ended: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """
    One step of a run.

    Attributes:
        width: how many tasks it will have; at least as many as have begun.
        attempts: every try of every task, in the order they began.
    """

    name: str
    width: int
    attempts: tuple[Attempt, ...]

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
        if State.RUNNING in states or self.done < self.width:
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
        metaflow_run_id: empty until Metaflow has named it.
        steps: in the order in which they began.
        state: SUCCEEDED only when `end` succeeded.
    """

    flow: str
    metaflow_run_id: str
    state: State
    steps: tuple[StepRun, ...]
    seconds: float

    def step(self, name: str) -> StepRun | None:
        """Find a step that has begun."""
        return next((step for step in self.steps if step.name == name), None)
