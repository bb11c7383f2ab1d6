"""
Why a run, or a step of it, is where it is.

In: a Run and what is known about it besides (`failures.Evidence`). Out: a Verdict.

The first task that failed for good decides; what failed later is usually its consequence.
"""

from __future__ import annotations

import re
from dataclasses import replace

from platform_cli.runs.failures import (
    IMAGE_FIX,
    MISSING_FIX,
    ROOM_FIX,
    Evidence,
    Kind,
    Verdict,
    about,
    asks,
    explain_failure,
    finished,
    logs_of,
)
from platform_cli.runs.values import Attempt, Run, State, StepRun
from platform_cli.runs.words import Trouble, in_words
from platform_cli.runs.workflow import seconds_of

# A controller that works looks at a new run, and at a pod that ended, within seconds.
_CONTROLLER_SECONDS = 60


def explain(run: Run, evidence: Evidence, *, step: str = "") -> Verdict:
    """
    Say why a run, or one step of it, is where it is.

    Args:
        step: name of a step of the run; empty for the run as a whole.
    """
    chosen = run.step(step) if step else None
    if chosen:
        return _of_step(run, chosen, evidence)
    if run.state is State.SUCCEEDED:
        return _succeeded(run, evidence)
    if not run.is_over:
        return _under_way(run, evidence)
    failed = first_failure(run)
    if _was_stopped(run, failed, evidence):
        return _stopped(run, evidence)
    if failed:
        return explain_failure(run, *failed, evidence)
    return _without_a_failure(run, evidence)


def first_failure(run: Run) -> tuple[StepRun, Attempt] | None:
    """The task that failed for good before all others."""
    found = [
        (attempt.ended or 0.0, step.name, attempt.task_id)
        for step in run.steps
        for attempt in step.latest.values()
        if attempt.state is State.FAILED
    ]
    if not found:
        return None
    _, name, task = min(found)
    step = run.step(name)
    assert step is not None, name  # noqa: S101
    return step, step.latest[task]


def _of_step(run: Run, step: StepRun, evidence: Evidence) -> Verdict:
    failed = [attempt for attempt in step.attempts if attempt.state is State.FAILED]
    bad = [attempt for attempt in step.latest.values() if attempt.state is State.FAILED]
    if bad or (failed and step.state is State.SUCCEEDED):
        return explain_failure(run, step, (bad or failed[-1:])[0], evidence)
    waiting = [attempt for attempt in step.latest.values() if attempt.state is State.PENDING]
    if waiting:
        return _waiting(run, step, waiting[0], evidence)
    if step.state in (State.SUCCEEDED, State.REUSED):
        return Verdict(kind=Kind.SUCCEEDED, sentence=f"step {step.name} succeeded", step=step.name)
    if step.attempts:
        before = (explain_failure(run, step, failed[-1], evidence).sentence,) if failed else ()
        again = f" again, after {len(failed)} attempt{'s' if len(failed) > 1 else ''} that failed" if failed else ""
        return Verdict(
            kind=Kind.RUNNING, sentence=f"step {step.name} is running{again}", evidence=before,
            fix=logs_of(run, step), step=step.name,
        )  # fmt: skip
    first = first_failure(run)
    if first and run.is_over:
        cause = explain_failure(run, *first, evidence)
        return Verdict(
            kind=Kind.UPSTREAM, sentence=f"step {step.name} did not begin, because another step failed",
            evidence=(cause.sentence, *cause.evidence), fix=cause.fix, step=step.name,
        )  # fmt: skip
    what = "was not on this run's way" if step.skipped else "has not begun; steps before it still run"
    return Verdict(kind=Kind.WAITING, sentence=f"step {step.name} {what}", step=step.name)


def _succeeded(run: Run, evidence: Evidence) -> Verdict:
    phase = (evidence.workflow.get("status") or {}).get("phase", "")
    told = (
        () if phase == "Succeeded" else (f"Argo calls it {phase}: {run.said or 'something beside the steps failed'}",)
    )
    retried = [f"step {step.name} needed {step.retries + step.done} attempts" for step in run.steps if step.retries]
    return Verdict(kind=Kind.SUCCEEDED, sentence=f"run {run.name} succeeded", evidence=(*retried, *told))


def _under_way(run: Run, evidence: Evidence) -> Verdict:
    if trouble := _controller(run, evidence):
        return trouble
    for step in run.steps:
        for attempt in step.latest.values():
            if attempt.state is State.PENDING and in_words(attempt.said).trouble is not Trouble.NONE:
                return _waiting(run, step, attempt, evidence)
    words = in_words(run.said) if run.said else None
    if run.state is State.PENDING and words:
        return Verdict(kind=Kind.WAITING, sentence=f"run {run.name} {words.text}", fix="See: platform queue")
    running = [step.name for step in run.steps if step.state is State.RUNNING]
    where = f" in {', '.join(running)}" if running else ""
    return Verdict(kind=Kind.RUNNING, sentence=f"run {run.name} is under way{where}",
                   fix=f"Follow it: platform status {run.name} --watch")  # fmt: skip


def _controller(run: Run, evidence: Evidence) -> Verdict | None:
    """Whether nobody has looked at the run for longer than a controller needs."""
    said = ""
    created = evidence.workflow.get("metadata", {}).get("creationTimestamp")
    if not (evidence.workflow.get("status") or {}).get("phase") and created:
        age = evidence.now - seconds_of(created)
        said = f"created {age:.0f} s ago, and without a status since" if age > _CONTROLLER_SECONDS else ""
    ends = {pod["metadata"]["name"]: finished(pod) for pod in evidence.pods}
    for step in run.steps:
        for attempt in step.latest.values():
            ended = ends.get(attempt.pod)
            if attempt.state is State.RUNNING and ended and evidence.now - ended > _CONTROLLER_SECONDS:
                said = f"pod {attempt.pod} ended {evidence.now - ended:.0f} s ago; the run does not know it yet"
    if not said:
        return None
    return Verdict(
        kind=Kind.CONTROLLER_DOWN, sentence=f"Argo's controller does not look at run {run.name}", evidence=(said,),
        fix="See what is wrong with it: platform doctor",
    )  # fmt: skip


def _waiting(run: Run, step: StepRun, attempt: Attempt, evidence: Evidence) -> Verdict:
    said = attempt.said or next(reversed(evidence.happened(attempt, "FailedScheduling")), "")
    words = in_words(said)
    kinds = {
        Trouble.NO_ROOM: Kind.UNSCHEDULABLE,
        Trouble.QUOTA: Kind.UNSCHEDULABLE,
        Trouble.IMAGE: Kind.IMAGE,
        Trouble.MISSING: Kind.REFUSED,
    }
    kind = kinds.get(words.trouble, Kind.WAITING)
    verdict = about(step, attempt, kind, f"waits: {words.text}", (*asks(evidence, attempt), said))
    fixes = {Kind.UNSCHEDULABLE: ROOM_FIX, Kind.IMAGE: IMAGE_FIX, Kind.REFUSED: MISSING_FIX}
    again = f"\nStop the run: platform stop {run.name}" if kind is not Kind.WAITING else ""
    return replace(verdict, fix=fixes.get(kind, "") + again)


def _was_stopped(run: Run, failed: tuple[StepRun, Attempt] | None, evidence: Evidence) -> bool:
    spec = evidence.workflow.get("spec") or {}
    said = (run.said, failed[1].said if failed else "")
    return bool(spec.get("shutdown")) or any(
        re.search(r"Stopped with strategy|shutdown with strategy", t) for t in said
    )


def _stopped(run: Run, evidence: Evidence) -> Verdict:
    by = f" by {evidence.stopped_by}" if evidence.stopped_by else ""
    how = (evidence.workflow.get("spec") or {}).get("shutdown", "")
    return Verdict(
        kind=Kind.STOPPED, sentence=f"run {run.name} was stopped{by}",
        evidence=tuple(line for line in (run.said, f"spec.shutdown is {how}" if how else "") if line),
        fix=f"Go on where it stopped: platform retry {run.name}",
    )  # fmt: skip


def _without_a_failure(run: Run, evidence: Evidence) -> Verdict:
    phase = (evidence.workflow.get("status") or {}).get("phase", "")
    if phase == "Succeeded":
        skipped = ", ".join(step.name for step in run.steps if step.skipped and step.name != "end")
        return Verdict(
            kind=Kind.END_OMITTED, sentence=f"run {run.name} never came to its step end, although Argo calls it green",
            evidence=(f"left out: {skipped or 'only end'}",),
            fix=f"Look at what the last step decided: platform logs {run.name}",
        )  # fmt: skip
    words = in_words(run.said)
    deadline = re.search(r"deadline", run.said)
    return Verdict(
        kind=Kind.TIMEOUT if deadline else Kind.REFUSED,
        sentence=f"run {run.name} failed outside its steps: {words.text or 'no reason given'}",
        evidence=(run.said,) if run.said else (), fix=f"platform doctor, then: platform retry {run.name}",
    )  # fmt: skip
