"""
A Run as JSON and as a table's cells, the same for every verb that shows one.

In: a Run. Out: plain values, as `cli/schemas/status.json` and `cli/schemas/list.json` describe them.
"""

from __future__ import annotations

import datetime
from dataclasses import asdict
from typing import Any

from platform_cli.runs.values import Run, StepRun


def summary_of(run: Run) -> dict[str, Any]:
    """One line of a list."""
    return {
        "run": run.name or run.metaflow_run_id,
        "flow": run.flow,
        "metaflow_run_id": run.metaflow_run_id,
        "state": run.state,
        "began": when(run.began),
        "seconds": round(run.seconds, 3),
        "owner": run.owner,
        "queue": run.queue,
        "said": run.said,
    }


def document_of(run: Run) -> dict[str, Any]:
    """A run with its steps."""
    return {**summary_of(run), "steps": [_step(step, run) for step in run.steps]}


def when(seconds: float) -> str | None:
    """A time in UTC; None where nobody knows it."""
    if not seconds:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _step(step: StepRun, run: Run) -> dict[str, Any]:
    return {
        "name": step.name,
        "state": step.state,
        "tasks": step.width,
        "done": step.done,
        "retries": step.retries,
        "seconds": round(step.seconds(run.seconds), 3),
        "usual_seconds": None if step.usual is None else round(step.usual, 3),
        "attempts": [{**asdict(attempt), "path": attempt.path} for attempt in step.attempts],
    }
