"""
Why one attempt failed: a verdict, the evidence for it, and the next command.

In: an attempt and what is known about it: its pod, events, what it left in the datastore (handed in). Out: a Verdict.

The step's own record comes before the pod's, the pod's before Argo's message: the closer to the step, the more it
knows. Nothing is asked here, so that a test can hand in what a cluster once said.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from platform_cli.runs.values import Attempt, Run, State, StepRun
from platform_cli.runs.words import Trouble, in_words
from platform_cli.runs.workflow import flow_file_of, seconds_of, step_of, step_templates

Document = Mapping[str, Any]

ROOM_FIX = "Ask for less with @resources, or see who holds what: platform queue"
IMAGE_FIX = "Build the image and make it known to the environment, or name another with @kubernetes(image=...)"
MISSING_FIX = "Make it in the namespace, or take it out of the step."
_SHOWN_LINES = 14
_LONGEST_LINE = 400


class Kind(StrEnum):
    """What is the matter."""

    SUCCEEDED = "succeeded"
    RUNNING = "running"
    WAITING = "waiting"
    OUT_OF_MEMORY = "out-of-memory"
    UNSCHEDULABLE = "unschedulable"
    IMAGE = "image"
    EXCEPTION = "exception"
    CONTRACT = "contract"
    TIMEOUT = "timeout"
    EVICTED = "evicted"
    NODE_LOST = "node-lost"
    KILLED = "killed"
    UPSTREAM = "upstream"
    CONTROLLER_DOWN = "controller-down"
    STOPPED = "stopped"
    END_OMITTED = "end-omitted"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What an attempt left in the datastore: its figures, and the last lines of its log."""

    number: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """
    All that is known about a run besides itself.

    Attributes:
        told: reads what an attempt left, by step and attempt.
        stopped_by: who stopped it, where that is known.
        now: seconds since 1970.
    """

    workflow: Document
    now: float
    pods: Sequence[Document] = ()
    events: Sequence[Document] = ()
    told: Callable[[str, Attempt], Told] = lambda _step, _attempt: Told()
    stopped_by: str = ""

    def pod(self, attempt: Attempt) -> Document:
        """The attempt's pod; empty where it is gone. After a restart a younger pod may have its name."""
        return next((pod for pod in self.pods if pod["metadata"]["name"] == attempt.pod), {})

    def happened(self, attempt: Attempt, *reasons: str) -> list[str]:
        """Messages of the events of an attempt's pod, latest last."""
        return [
            " ".join(str(each.get("message", "")).split())
            for each in self.events
            if each.get("involvedObject", {}).get("name") == attempt.pod and each.get("reason") in reasons
        ]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """
    Attributes:
        sentence: what is the matter, without a full stop.
        evidence: lines that show it, the most telling last.
        fix: the next command, or what to do before it.
        step, path, attempt: which task it is about; empty and None where it is about the run.
    """

    kind: Kind
    sentence: str
    evidence: tuple[str, ...] = ()
    fix: str = ""
    step: str = ""
    path: str = ""
    attempt: int | None = None


def explain_failure(run: Run, step: StepRun, attempt: Attempt, evidence: Evidence) -> Verdict:
    """Say why an attempt failed."""
    told = evidence.told(step.name, attempt)
    case = _Case(run=run, step=step, attempt=attempt, told=told, evidence=evidence)
    verdict = next((found for judge in _JUDGES if (found := judge(case))), None) or _plain(case)
    return verdict if told.number is None else replace(verdict, attempt=told.number)


def about(
    step: StepRun, attempt: Attempt, kind: Kind, what: str, lines: Sequence[str] = (), fix: str = ""
) -> Verdict:  # fmt: skip
    """A verdict about one attempt; `what` goes on where its address ends."""
    shown = (line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..." for line in lines if line.strip())
    evidence = tuple(dict.fromkeys(shown))
    return Verdict(
        kind=kind, sentence=f"step {step.name}{attempt.path} {what}".rstrip("."), evidence=evidence, fix=fix,
        step=step.name, path=attempt.path, attempt=attempt.number,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One attempt that failed, and everything that speaks about it."""

    run: Run
    step: StepRun
    attempt: Attempt
    told: Told
    evidence: Evidence

    def says(self, kind: Kind, what: str, lines: Sequence[str] = (), fix: str = "") -> Verdict:
        return about(self.step, self.attempt, kind, what, lines, fix)

    @property
    def status(self) -> Document:
        """Of its pod; empty where that is gone."""
        status: Document = self.evidence.pod(self.attempt).get("status") or {}
        return status

    @property
    def raised(self) -> str:
        """Module and class of what ended the step; empty where it was killed before it could say so."""
        return str(self.told.figures.get("exit_class", ""))

    @property
    def code(self) -> int | None:
        code: int | None = self.told.figures.get("exit_code", self.attempt.exit_code)
        return code

    @property
    def tail(self) -> tuple[str, ...]:
        return tuple(line for line in self.told.lines if line.strip())[-_SHOWN_LINES:]

    @property
    def memory(self) -> str:
        return memory_of(self.evidence, self.step.name, self.attempt)

    @property
    def again(self) -> str:
        """How to run with what was mended: new code or data need a new run, which takes over what succeeded."""
        file = flow_file_of(self.evidence.workflow)
        submit = f", or submit anew: platform submit {shlex.quote(file)}" if file else ""
        return f"take up what succeeded: platform resume {self.run.name}{submit}"

    @property
    def retry(self) -> str:
        return f"Run it again in the same run: platform retry {self.run.name}"


def _never_started(case: _Case) -> Verdict | None:
    """The pod never ran its container: the deadline that ended it is not the reason."""
    if case.attempt.exit_code is not None:
        return None
    attempt, evidence = case.attempt, case.evidence
    waits = [each.get("state", {}).get("waiting") for each in case.status.get("containerStatuses") or []]
    said = [f"{each.get('reason', '')}: {each.get('message', '')}" for each in waits if each]
    said += [attempt.said, *reversed(evidence.happened(attempt, "Failed", "FailedScheduling", "FailedMount"))]
    scheduled = any(evidence.happened(attempt, "Scheduled", "Started"))
    # Of several messages about an image the longest says which one, and why.
    for text in sorted(said, key=lambda text: (in_words(text).trouble is Trouble.IMAGE, len(text)), reverse=True):
        words = in_words(text)
        what, lines = f"never started: {words.text}", (*asks(evidence, attempt), text)
        match words.trouble:
            case Trouble.NO_ROOM | Trouble.QUOTA if not scheduled:
                return case.says(Kind.UNSCHEDULABLE, what, lines, ROOM_FIX)
            case Trouble.IMAGE:
                return case.says(Kind.IMAGE, what, (text,), IMAGE_FIX)
            case Trouble.MISSING:
                return case.says(Kind.REFUSED, what, (text,), MISSING_FIX)
    return None


def _out_of_memory(case: _Case) -> Verdict | None:
    killed = "OOMKilled" in case.attempt.said or main_state(case.status).get("reason") == "OOMKilled"
    if not killed and not case.raised.endswith((".OutOfMemory", ".MemoryError")):
        return None
    used = int(case.told.figures.get("peak_memory_bytes", 0))
    asked = case.memory or "an amount that nobody knows"
    took = f"used {used / 2**20:.0f} MiB" if used else "wanted more"
    then = "" if case.run.state is State.SUCCEEDED else f"; then {case.again}"
    return case.says(
        Kind.OUT_OF_MEMORY,
        f"ran out of memory: it asked for {asked} and {took}",
        (*case.tail, case.attempt.said),
        f"Ask for more with @resources(memory=...) on step {case.step.name}{then}",
    )


def _timeout(case: _Case) -> Verdict | None:
    own = case.raised.endswith("TimeoutException")
    pattern = r"DeadlineExceeded|[Dd]eadline exceeded|specified deadline|exceeded its deadline|workflow deadline"
    if not own and not re.search(pattern, f"{case.attempt.said} {case.status.get('reason', '')}"):
        return None
    seconds = (case.attempt.ended or 0.0) - case.attempt.began
    if own:
        seconds = float(case.told.figures.get("code_seconds", seconds))
    limit = "its @timeout" if own else "the deadline of its queue, or of the run,"
    return case.says(
        Kind.TIMEOUT,
        f"took too long: {limit} ended it after {seconds:.0f} s",
        (*case.tail, case.attempt.said),
        f"See what it did: platform logs {case.run.name} {case.step.name}; give it more time with @timeout, or fan out",
    )


def _evicted(case: _Case) -> Verdict | None:
    conditions = case.status.get("conditions") or []
    disrupted: Document = next((each for each in conditions if each["type"] == "DisruptionTarget"), {})
    text = f"{case.status.get('reason', '')} {case.attempt.said} {disrupted.get('message', '')}".strip()
    if not re.search(r"Evicted|evicted|low on resource|[Pp]reempt", text):
        return None
    why = " ".join(str(disrupted.get("message") or case.status.get("message") or case.attempt.said).split())
    return case.says(Kind.EVICTED, f"was evicted: {why}", (text,), case.retry)


def _lost(case: _Case) -> Verdict | None:
    text = f"{case.status.get('reason', '')} {case.attempt.said}".strip()
    lost = re.search(r"pod deleted|NodeLost|[Nn]ode.?[Ss]hutdown|in response to imminent node shutdown", text)
    if not lost and case.code != 143:
        return None
    what = "lost its node or its pod" if lost else "was told to stop (SIGTERM), as when its node is drained"
    return case.says(Kind.NODE_LOST, what, (*case.tail[-3:], text), case.retry)


def _killed(case: _Case) -> Verdict | None:
    if case.code != 137:
        return None
    memory = f"it had {case.memory} of memory" if case.memory else ""
    lines = (*case.tail, memory, case.attempt.said)
    return case.says(Kind.KILLED, "was killed (SIGKILL), and nobody says why", lines, case.retry)


def _by_code(case: _Case) -> Verdict | None:
    """Errors of the platform, each with its exit code."""
    said, name = last_word(case.told.lines), case.run.name
    match case.code:
        case 65:
            what = f"broke its data contract: {said}" if said else "broke its data contract; a retry would not help"
            return case.says(Kind.CONTRACT, what, case.tail, f"Mend the data, then {case.again}")
        case 66:
            what = f"lacks an input: {said or 'the latest attempt of another task did not succeed'}"
            return case.says(Kind.UPSTREAM, what, case.tail, case.retry)
        case 67:
            what = f"was given code that is not what its hash says: {said}".rstrip(": ")
            return case.says(Kind.REFUSED, what, case.tail, case.again)
        case 68:
            what = "was begun six times, and Metaflow's readers see no seventh"
            return case.says(Kind.REFUSED, what, case.tail, f"Begin a new run from here: platform resume {name}")
    return None


def _exception(case: _Case) -> Verdict | None:
    trace = traceback_in(case.told.lines)
    if not case.raised and not trace:
        return None
    said = last_word(case.told.lines) or (trace[-1] if trace else "") or case.raised.removeprefix("builtins.")
    return case.says(Kind.EXCEPTION, f"failed: {said}", trace or case.tail, f"Mend it, then {case.again}")


def _plain(case: _Case) -> Verdict:
    what = f"ended with code {case.code}" if case.code is not None else "failed"
    return case.says(Kind.FAILED, what, (*case.tail, case.attempt.said), logs_of(case.run, case.step))


_JUDGES: tuple[Callable[[_Case], Verdict | None], ...] = (
    _never_started, _out_of_memory, _timeout, _evicted, _by_code, _lost, _killed, _exception,
)  # fmt: skip


def memory_of(evidence: Evidence, step: str, attempt: Attempt) -> str:
    """What an attempt's container was given: its pod says it, else the template and the number of the try."""
    containers = (evidence.pod(attempt).get("spec") or {}).get("containers") or []
    for container in containers:
        if container["name"] == "main" and (limit := container.get("resources", {}).get("limits", {}).get("memory")):
            return str(limit)
    for template in step_templates(evidence.workflow):
        if step_of(template) == step:
            sizes = re.findall(r"'(\d+[KMGT]i)'", template.get("podSpecPatch", "").partition("requests")[0])
            if sizes:
                return str(sizes[min(attempt.number, len(sizes) - 1)])
            return str(template["container"].get("resources", {}).get("limits", {}).get("memory", ""))
    return ""


def last_word(lines: Sequence[str]) -> str:
    """What the runner said last of the attempt, without its address and its code."""
    for line in reversed(lines):
        if match := re.match(r"platform-step: \S+(?: attempt \d+)?: (.+) \(exit \d+\)$", line):
            return match[1]
    return ""


def asks(evidence: Evidence, attempt: Attempt) -> tuple[str, ...]:
    """What an attempt's container asks of a node, as one line; none where its pod is gone."""
    containers = (evidence.pod(attempt).get("spec") or {}).get("containers") or []
    main: Document = next((each for each in containers if each["name"] == "main"), {})
    asked = main.get("resources", {}).get("requests", {}) | main.get("resources", {}).get("limits", {})
    if not asked:
        return ()
    return ("it asks for " + ", ".join(f"{key.rpartition('/')[2]} {value}" for key, value in sorted(asked.items())),)


def main_state(status: Document) -> Document:
    """How a pod's main container ended; empty while it runs."""
    for each in status.get("containerStatuses") or []:
        if each["name"] == "main":
            state: Document = (
                each.get("state", {}).get("terminated") or each.get("lastState", {}).get("terminated") or {}
            )
            return state
    return {}


def finished(pod: Document) -> float | None:
    """When a pod's main container ended, in seconds since 1970."""
    text = main_state(pod.get("status") or {}).get("finishedAt")
    return seconds_of(text) if text else None


def traceback_in(lines: Sequence[str]) -> tuple[str, ...]:
    """From the last traceback on, less what the runner adds."""
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last):")]
    if not starts:
        return ()
    found = [line for line in lines[starts[-1] :] if not line.startswith("platform-step: ")]
    while found and not found[-1].strip():
        found.pop()
    return tuple(found[:1] + found[1:][-_SHOWN_LINES:])


def logs_of(run: Run, step: StepRun) -> str:
    """Where to look further."""
    return f"See what it said: platform logs {run.name} {step.name}"
