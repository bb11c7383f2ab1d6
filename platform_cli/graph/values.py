"""
The frozen values that a flow file becomes.

In: nothing. Out: FlowGraph and what it is made of. Everything compares and hashes by value, in a fixed order.

Refuses to know Metaflow, Argo and environments: `read` fills these, `template` and `policy` and the runner read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from platform_cli.errors import FlowRefused
from platform_cli.units import Cpu, Memory


@dataclass(frozen=True, kw_only=True, order=True)
class Where:
    """A line of a file; the file is relative to the project where it lies inside it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One reason why a flow cannot run here: where, which rule, what was found, what to do instead."""

    where: Where
    rule: str
    problem: str
    fix: str = ""

    def __str__(self) -> str:
        first = f"{self.where}: {self.problem}."
        return f"{first}\n  {self.fix}" if self.fix else first


def refuse(findings: Iterable[Finding]) -> None:
    """
    Stop when there is something to say.

    Raises:
        FlowRefused: with all findings, ordered by file and line.
    """
    found = sorted(set(findings))
    if found:
        first = found[0]
        rest = "\n".join(str(finding) for finding in found[1:])
        fix = "\n".join(part for part in (first.fix, rest) if part)
        raise FlowRefused(f"{first.where}: {first.problem}", fix=fix, findings=tuple(found))


class StepKind(StrEnum):
    """How a step hands over to the next ones."""

    LINEAR = "linear"
    SPLIT = "split"
    FOREACH = "foreach"
    SWITCH = "switch"
    JOIN = "join"
    END = "end"


class ParameterKind(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "JSON"
    FILE = "file"


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`@retry`: how often again, and the first pause between two attempts."""

    times: int
    pause_seconds: int
    where: Where


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What one step asks of a node: the larger of `@resources` and `@kubernetes`, as in Metaflow."""

    cpu: Cpu
    memory: Memory
    disk: Memory | None = None
    shared_memory: Memory | None = None
    gpus: int = 0
    pool: str = ""
    image: str = ""
    where: Where


@dataclass(frozen=True, kw_only=True)
class Secret:
    """One source of `@secrets`; without a backend it is a Kubernetes Secret, whose keys become variables."""

    name: str
    backend: str = ""
    where: Where


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One entry of `@environment(vars=...)`."""

    name: str
    value: str
    where: Where


@dataclass(frozen=True, kw_only=True)
class Step:
    """
    One step of a flow.

    Attributes:
        parents: steps that can lead here, in the graph's order.
        children: steps that this one can lead to; a switch's in the order of its cases, each once.
        joins: the split or foreach step that a join closes; empty elsewhere.
        joined_by: the join that closes a split or foreach; empty elsewhere.
        inside: foreach steps around this one, outermost first; as many as its path has indices.
        branch_of: split and foreach steps around this one, outermost first.
    """

    name: str
    kind: StepKind
    where: Where
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    joins: str = ""
    joined_by: str = ""
    inside: tuple[str, ...] = ()
    branch_of: tuple[str, ...] = ()
    condition: str = ""
    doc: str = ""
    retry: Retry | None = None
    timeout_seconds: int = 0
    catches: bool = False
    cards: int = 0
    variables: tuple[Variable, ...] = ()
    secrets: tuple[Secret, ...] = ()
    ask: Ask


# One argument of a process is at most 128 KiB on Linux (MAX_ARG_STRLEN); half of it leaves room for what a run adds.
LONGEST_PARAMETERS = Memory.parse("64Ki")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """
    One parameter of a flow, as text.

    Attributes:
        default: None where the flow has none; for a file, its path.
        required: the flow cannot start without a value.
    """

    name: str
    kind: ParameterKind
    where: Where
    default: str | None = None
    required: bool = False
    help: str = ""

    def is_unset(self, text: str) -> bool:
        """Whether `text`, as it arrives from Argo, stands for "no value": a workflow parameter cannot be absent."""
        return text == "" and self.default is None and not self.required


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """`@schedule`: five fields of cron, in a time zone."""

    cron: str
    timezone: str
    where: Where


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """
    An event that starts the flow.

    Attributes:
        event: name of an event, empty for the end of a run.
        flow: class name of the flow whose success starts this one, empty for a named event.
        parameters: (parameter, field of the event's payload).
    """

    event: str = ""
    flow: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    where: Where


@dataclass(frozen=True, kw_only=True)
class ExitHook:
    """A function of the flow file that runs after the run: after success or after failure."""

    function: str
    on_success: bool
    where: Where


@dataclass(frozen=True, kw_only=True)
class FlowGraph:
    """
    What a flow file says, without Metaflow.

    Attributes:
        name: the flow's class.
        file: as given, relative to the project where it lies inside it; POSIX separators.
        steps: in an order in which every parent comes before its children.
        configs: (name, text) of each `Config`, as its default's file holds it.
    """

    name: str
    file: str
    where: Where
    steps: tuple[Step, ...]
    start: str
    end: str
    doc: str = ""
    parameters: tuple[Parameter, ...] = ()
    configs: tuple[tuple[str, str], ...] = ()
    schedule: Schedule | None = None
    triggers: tuple[Trigger, ...] = ()
    exit_hooks: tuple[ExitHook, ...] = ()
    project: str = ""
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    @cached_property
    def _by_name(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}

    def step(self, name: str) -> Step:
        """Find a step; KeyError where the flow has none of that name."""
        return self._by_name[name]

    def has_step(self, name: str) -> bool:
        return name in self._by_name

    def parameter(self, name: str) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)
