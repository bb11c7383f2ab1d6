"""
A run of a cluster as lines: the tree of its steps, and its news.

In: a Run. Out: text, with colours only where a terminal is. Fan-outs are one line; of their tasks only those are named
that failed, wait or were tried again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from platform_cli.runs.values import Attempt, Run, State, StepRun
from platform_cli.runs.words import in_words
from platform_cli.units import Duration

if TYPE_CHECKING:
    from rich.tree import Tree

MARKS = {
    State.PENDING: "◦", State.RUNNING: "•", State.SUCCEEDED: "✓",
    State.FAILED: "✗", State.REUSED: "↺", State.SKIPPED: "·",
}  # fmt: skip
COLOURS = {
    State.PENDING: "dim", State.RUNNING: "cyan", State.SUCCEEDED: "green",
    State.FAILED: "red", State.REUSED: "blue", State.SKIPPED: "dim",
}  # fmt: skip
_MOST_TASKS = 8


def head_of(run: Run) -> str:
    """The run in one line."""
    words = f"{MARKS[run.state]} {run.name or run.metaflow_run_id}  {run.flow}  {run.state}"
    took = f"  {Duration(run.seconds)}" if run.seconds else ""
    said = in_words(run.said).text if run.said else ""
    return f"{words}{took}" + (f"  ({said})" if said and run.state is not State.SUCCEEDED else "")


def lines_of(run: Run) -> list[str]:
    """The tree, without colours."""
    lines = [head_of(run)]
    for step in run.steps:
        lines.append(f"  {line_of(step, run)}")
        lines += [f"      {text}" for text, _ in tasks_of(step)]
    return lines


def tree_of(run: Run, usual: Mapping[str, float | None]) -> Tree:
    """The tree for a terminal."""
    from dataclasses import replace

    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(head_of(run), style="bold"), guide_style="dim")
    for step in run.steps:
        known = replace(step, usual=usual.get(step.name))
        branch = tree.add(Text(line_of(known, run), style=COLOURS[step.state]))
        for text, state in tasks_of(step):
            branch.add(Text(text, style=COLOURS[state]))
    return tree


def news_of(run: Run) -> Iterator[str]:
    """What has happened so far, a line each, always in the same words."""
    yield f"{run.name}  {run.flow}"
    for step in run.steps:
        for attempt in step.attempts:
            where = f"{step.name}{attempt.path}"
            if attempt.state is State.FAILED:
                yield f"  ✗ {where} attempt {attempt.number}: {attempt.said or 'failed'}"
            elif attempt.state is State.PENDING and (waits := in_words(attempt.said)).trouble:
                yield f"  ◦ {where} {waits.text}"
            elif attempt.state is State.RUNNING:
                yield f"  • {where} attempt {attempt.number} runs" if attempt.number else f"  • {where} runs"
        if step.state is State.SUCCEEDED:
            yield f"  {line_of(step, run)}"
    if run.is_over:
        yield head_of(run)


def line_of(step: StepRun, run: Run) -> str:
    """One step in one line."""
    if not step.attempts:
        return f"{MARKS[step.state]} {step.name:24}" + ("  left out" if step.skipped else "")
    took = step.seconds(run.seconds)
    usual = f"usually {Duration(step.usual)}" if step.usual is not None else ""
    tasks = f"{step.done}/{step.width} tasks" if step.width > 1 else ""
    tries = f"{step.retries} {'retry' if step.retries == 1 else 'retries'}" if step.retries else ""
    state = "" if step.state in (State.SUCCEEDED, State.RUNNING) else step.state.value
    rest = ", ".join(part for part in (state, tasks, tries, usual) if part)
    return f"{MARKS[step.state]} {step.name:24} {Duration(took)!s:>11}  {rest}".rstrip()


def tasks_of(step: StepRun) -> list[tuple[str, State]]:
    """The tasks of a step of which there is something to say."""
    found = [(told, attempt.state) for attempt in step.latest.values() if (told := _told(step, attempt))]
    more = len(found) - _MOST_TASKS
    return found[:_MOST_TASKS] + ([(f"and {more} more", State.PENDING)] if more > 0 else [])


def _told(step: StepRun, attempt: Attempt) -> str:
    who = f"{attempt.path.removeprefix('-')}: " if attempt.path else ""
    tries = f"attempt {attempt.number}: " if attempt.number else ""
    if attempt.state is State.FAILED:
        code = f" (exit {attempt.exit_code})" if attempt.exit_code is not None else ""
        said = attempt.said or "failed"
        return f"{who}{tries}{said}" + ("" if "exit code" in said else code)
    if attempt.state is State.PENDING:
        return f"{who}{tries}{in_words(attempt.said).text}"
    return f"{who}{tries}runs" if attempt.state is State.RUNNING and attempt.number and step.width > 1 else ""
