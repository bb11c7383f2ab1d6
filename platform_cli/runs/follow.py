"""
Follow a flow run by the lines that Metaflow prints.

In: lines of `python FLOW run`, each with the time at which it came. Out: a Run, at any moment.

Only lines are read because they are all that comes while a task runs; a test pins their form with a real run. What a
step prints may look like them and can mislead the picture, never the verdict: that comes from the exit and the records.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace

from platform_cli.runs.values import Attempt, Run, State, StepRun

# Enough to see what a step said last; a traceback is longer, and its last lines are the ones that matter.
KEPT_LINES = 15

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
_RUN = re.compile(_TIME + r"Workflow starting \(run-id (?P<run>[^)]+)\)")
_TASK = re.compile(
    _TIME + r"\[(?P<run>[^/\]]+)/(?P<step>\w+)/(?P<task>[^ \]]+)(?: \(pid (?P<pid>\d+)\))?\] ?(?P<text>.*)"
)
_FANS_OUT = re.compile(r"Foreach yields (\d+) child steps\.")
_FAILED = ("Task failed.", "Task failed with a segmentation fault.")


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """A line that a task printed."""

    step: str
    task_id: str
    text: str


@dataclass
class Follower:
    """The picture so far of one run; `feed` it every line."""

    flow: str
    run_id: str = ""
    now: float = 0.0
    steps: dict[str, list[Attempt]] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    lines: dict[tuple[str, str], deque[str]] = field(default_factory=dict)
    outside: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    _fan_outs: deque[int] = field(default_factory=deque)

    def feed(self, line: str, at: float) -> TaskLine | None:
        """
        Take one line in.

        Args:
            at: seconds since the run began.
        Returns:
            The line where a task printed it, else None: Metaflow's own news.
        """
        self.now = at
        if match := _TASK.fullmatch(line):
            return self._task_line(match["step"], match["task"], match["text"], at)
        if match := _RUN.match(line):
            self.run_id = match["run"]
        self.outside.append(line)
        return None

    def picture(self, *, over: bool = False, succeeded: bool = False) -> Run:
        """Give the run as it is now; when it is `over`, what still seemed to run has failed."""
        steps = tuple(self._step(name, attempts, over) for name, attempts in self.steps.items())
        state = State.RUNNING if not over else State.SUCCEEDED if succeeded else State.FAILED
        return Run(flow=self.flow, metaflow_run_id=self.run_id, state=state, steps=steps, seconds=self.now)

    def _step(self, name: str, attempts: list[Attempt], over: bool) -> StepRun:
        if over:
            attempts = [
                replace(attempt, state=State.FAILED, ended=self.now) if attempt.state is State.RUNNING else attempt
                for attempt in attempts
            ]
        tasks = len({attempt.task_id for attempt in attempts})
        return StepRun(name=name, width=max(tasks, self.wanted.get(name, 0)), attempts=tuple(attempts))

    def _task_line(self, step: str, task_id: str, text: str, at: float) -> TaskLine | None:
        if text in ("Task is starting.", "Task is starting (retry).") or text.startswith("Task fallback is starting"):
            self._begin(step, task_id, State.RUNNING, at)
        elif text.startswith("Cloning previously run task"):
            self._begin(step, task_id, State.REUSED, at)
        elif match := _FANS_OUT.fullmatch(text):
            self._fan_outs.append(int(match[1]))
        elif text == "Task finished successfully.":
            self._end(step, task_id, State.SUCCEEDED, at)
        elif text in _FAILED:
            self._end(step, task_id, State.FAILED, at)
        else:
            self.lines.setdefault((step, task_id), deque(maxlen=KEPT_LINES)).append(text)
            return TaskLine(step=step, task_id=task_id, text=text)
        return None

    def _begin(self, step: str, task_id: str, state: State, at: float) -> None:
        if step not in self.steps and self._fan_outs:
            # Metaflow starts the children of a fan-out before anything that comes after them.
            self.wanted[step] = self._fan_outs.popleft()
        attempts = self.steps.setdefault(step, [])
        number = sum(attempt.task_id == task_id for attempt in attempts)
        ended = at if state is State.REUSED else None
        attempts.append(Attempt(task_id=task_id, number=number, state=state, began=at, ended=ended))

    def _end(self, step: str, task_id: str, state: State, at: float) -> None:
        attempts = self.steps.get(step, [])
        for place, attempt in enumerate(attempts):
            if attempt.task_id == task_id and attempt.state is State.RUNNING:
                attempts[place] = replace(attempt, state=state, ended=at)
