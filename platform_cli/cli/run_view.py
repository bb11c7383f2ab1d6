"""
The steps of a run while they happen, on stderr.

In: the follower of a run after every line. Out: on a terminal a tree that moves, elsewhere one line per news.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from platform_cli.cli.output import is_lively, say
from platform_cli.cli.run_tree import COLOURS, MARKS
from platform_cli.runs.follow import Follower, TaskLine
from platform_cli.runs.values import Run, State, StepRun
from platform_cli.units import Duration

if TYPE_CHECKING:
    from rich.tree import Tree

Watch = Callable[[Follower, TaskLine | None], None]


@contextmanager
def view_of(flow: str, *, verbose: bool) -> Iterator[Watch]:
    """Show a run to the person at the terminal, or to a log."""
    with _moving_tree(flow, verbose) if is_lively() else _plain_lines(verbose) as watch:
        yield watch


@contextmanager
def _plain_lines(verbose: bool) -> Iterator[Watch]:
    said: set[str] = set()
    latest: list[Follower] = []

    def watch(follower: Follower, line: TaskLine | None) -> None:
        latest[:] = [follower]
        if line is None:
            _say_news(follower.picture(), said)
        elif verbose:
            say(f"    {line.step}/{line.task_id}: {line.text}")

    yield watch
    for follower in latest:
        run = follower.picture(over=True)
        for step in run.steps:
            if step.state is State.FAILED:
                say(f"  {words_of(step, run)}")


def _say_news(run: Run, said: set[str]) -> None:
    news = {f"{run.flow} {run.metaflow_run_id}": f"{run.flow} {run.metaflow_run_id}"} if run.metaflow_run_id else {}
    for step in run.steps:
        for attempt in step.attempts:
            if attempt.number:
                text = f"  ↻ {step.name} task {attempt.task_id}, attempt {attempt.number}: the one before failed"
                news[text] = text
        # A failed step may be tried again; it is told when the run is over.
        if step.state in (State.SUCCEEDED, State.REUSED):
            news[step.name] = f"  {words_of(step, run)}"
    for key, text in news.items():
        if key not in said:
            said.add(key)
            say(text)


@contextmanager
def _moving_tree(flow: str, verbose: bool) -> Iterator[Watch]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    latest = [Run(flow=flow, metaflow_run_id="", state=State.RUNNING, steps=(), seconds=0.0)]
    began = time.monotonic()

    def draw() -> Tree:
        return _tree(latest[0], time.monotonic() - began)

    with Live(get_renderable=draw, console=console, refresh_per_second=8, redirect_stdout=False) as live:

        def watch(follower: Follower, line: TaskLine | None) -> None:
            if line is None:
                latest[0] = follower.picture()
            elif verbose:
                console.print(f"    {line.step}/{line.task_id}: {line.text}", markup=False, highlight=False)

        yield watch
        live.refresh()


def _tree(run: Run, now: float) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(f"{run.flow} {run.metaflow_run_id or 'is starting'}", style="bold"), guide_style="dim")
    for step in run.steps:
        branch = tree.add(Text(words_of(step, run, now), style=COLOURS[step.state]))
        for attempt in step.latest.values():
            if attempt.state is State.FAILED:
                branch.add(Text(f"task {attempt.task_id}, attempt {attempt.number}: failed", style="red"))
    return tree


def words_of(step: StepRun, run: Run, now: float | None = None) -> str:
    """One step in one line."""
    tasks = f"{step.done}/{step.width} tasks" if step.width > 1 else ""
    tries = f"{step.retries} {'retry' if step.retries == 1 else 'retries'}" if step.retries else ""
    took = str(Duration(step.seconds(run.seconds if now is None else now)))
    state = "" if step.state in (State.SUCCEEDED, State.RUNNING) else step.state.value
    rest = ", ".join(part for part in (state, tasks, tries) if part)
    return f"{MARKS[step.state]} {step.name:16} {took:>9}  {rest}".rstrip()
