"""
What a run left in the datastore -> Run, for runs that no Workflow speaks of any more, and for those of this machine.

In: RunRecords. Out: a Run. The order of the steps is the order in which they began; what a killed attempt did not
write is told as failed.
"""

from __future__ import annotations

from dataclasses import replace

from platform_cli.records.run import RunRecords
from platform_cli.runs.values import Attempt, Run, State, StepRun

# A node begins before its process, by more than two clocks differ.
_CLOCKS_SECONDS = 1.0


def read_recorded(records: RunRecords, *, now: float) -> Run | None:
    """Read a run from its records; None where there are none."""
    tasks = {place: _attempts(records, *place) for place in sorted(records.files)}
    begins = [attempt.began for attempts in tasks.values() for attempt in attempts if attempt.began]
    if not tasks:
        return None
    base = min(begins, default=now)
    steps: dict[str, list[Attempt]] = {}
    for (step, _), attempts in tasks.items():
        moved = (replace(each, began=each.began - base, ended=each.ended and each.ended - base) for each in attempts)
        steps.setdefault(step, []).extend(moved)
    ends = [each.ended or each.began for attempts in steps.values() for each in attempts]
    runs = tuple(
        StepRun(name=name, width=len({each.task_id for each in attempts}), attempts=tuple(_in_order(attempts)))
        for name, attempts in sorted(steps.items(), key=lambda one: min((each.began for each in one[1]), default=0.0))
    )
    end = next((step for step in runs if step.name == "end"), None)
    over = end is not None and end.state in (State.SUCCEEDED, State.REUSED)
    return Run(
        flow=records.flow,
        metaflow_run_id=records.run,
        state=State.SUCCEEDED if over else State.FAILED,
        steps=runs,
        seconds=max(ends, default=0.0),
        name=records.run.removeprefix("argo-") if records.run.startswith("argo-") else "",
        began=base,
    )


def metaflow_attempts(records: RunRecords, run: Run, step: StepRun) -> dict[str, int]:
    """
    Metaflow's number of each attempt that a Workflow tells of, by Argo's name of its node.

    Argo counts from 0 again after a restart by hand, Metaflow never does; the claims in the datastore know both.
    """
    found: dict[str, int] = {}
    for task in {attempt.task_id for attempt in step.attempts}:
        numbers = records.attempts(step.name, task)
        tries = sorted((a for a in step.attempts if a.task_id == task), key=lambda a: a.number)
        if len(tries) == len(numbers) and all(attempt.ended is not None for attempt in tries):
            # Nobody restarted it: what each claim says need not be asked.
            found |= {attempt.node: number for attempt, number in zip(tries, numbers, strict=True)}
            continue
        claims = {number: claim for number in numbers if (claim := records.claim(step.name, task, number))}
        latest = max(claims, default=-1)
        for attempt in reversed(tries):
            begun = run.began + attempt.began - _CLOCKS_SECONDS
            fits = [n for n, c in claims.items() if c.try_ == attempt.number and n <= latest and c.time >= begun]
            if fits:
                latest = max(fits) - 1
                found[attempt.node] = max(fits)
    return found


def _attempts(records: RunRecords, step: str, task: str) -> list[Attempt]:
    found = []
    for number in records.attempts(step, task):
        figures, claim = records.figures(step, task, number), records.claim(step, task, number)
        began = records.began(step, task, number)
        if records.succeeded(step, task, number):
            state = State.REUSED if claim and claim.cloned else State.SUCCEEDED
        else:
            state = State.FAILED
        length = figures.get("began_seconds", began) + figures.get("duration_seconds", 0.0) if figures else began
        found.append(
            Attempt(task_id=task, number=number, state=state, began=began, ended=length,
                    exit_code=figures.get("exit_code"))
        )  # fmt: skip
    return found


def _in_order(attempts: list[Attempt]) -> list[Attempt]:
    return sorted(attempts, key=lambda each: (each.began, each.task_id, each.number))
