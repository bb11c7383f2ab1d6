"""
One task, from its claim to what it leaves.

In: a Launch and the flow object that its file made. Out: the attempt's artifacts in Metaflow's datastore, and the files
`splits` and `next`, from which Argo learns what to start.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_cli.errors import MissingParent, Unreachable, UsageError, did_you_mean
from platform_cli.graph import FlowGraph, StepKind, read_graph
from platform_cli.graph.address import Address, Inputs, inputs_of
from platform_cli.graph.values import refuse
from platform_cli.runner.claims import Attempt, claim
from platform_cli.runner.flowfile import metaflow_command
from platform_cli.runner.launch import Launch
from platform_cli.runner.metadata import save_metadata, task_writer
from platform_cli.runner.observer import Observation, Refusal, drop_placement, observe
from platform_cli.runner.parameters import init_arguments
from platform_cli.runner.records import Records, open_datastore
from platform_cli.runner.resume import CLONED, clone_parameters, find_original

# Where Metaflow's `init` leaves the run's parameters.
PARAMETERS = "_parameters/params"


class Task:
    """One launch of one task. Its methods are called in the order in which they stand here."""

    def __init__(self, launch: Launch, seen: Observation, *, after: Callable[[], None]) -> None:
        """`after` is called when the step's own code is through."""
        self.launch = launch
        self.seen = seen
        self._after = after
        self.attempt: Attempt | None = None

    def open(self, flow: Any) -> bool:
        """
        Learn the flow's graph, and say whether the flow object can still be run: flows with configs or mutators are
        changed by the reading, as Metaflow's own command line would change them.
        """
        self.graph: FlowGraph = read_graph(type(flow), file=self.launch.flow, root=Path.cwd())
        refuse(self.graph.findings)
        name = self.launch.address.step
        if not self.graph.has_step(name):
            known = [step.name for step in self.graph.steps]
            raise UsageError(f'flow {self.graph.name} has no step "{name}"', fix=did_you_mean(name, known))
        self.step = self.graph.step(name)
        self.records = Records(open_datastore(self.graph.name), self.launch.run)
        return not self.graph.configs and not flow._flow_mutators and not any(s.config_decorators for s in flow._steps)

    def claim(self) -> Attempt:
        """Take an attempt, or find that the task succeeded already."""
        self.original: str | None = None
        if self.launch.origin:
            inputs = self.find_inputs()
            self.original = find_original(self.launch.origin, self.graph, self.records, self.launch.address, inputs)
        body = {
            CLONED: self.original,
            "try": self.launch.try_,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "time": time.time(),
            "nonce": uuid.uuid4().hex,
        }
        self.attempt = claim(self.records, self.launch.address, epoch=self.launch.epoch, body=body)
        return self.attempt

    def find_inputs(self) -> Inputs:
        """Work out the parents from the graph and from what switches and foreaches decided."""
        return inputs_of(self.graph, self.launch.address, choice=self.records.choice, width=self.records.width)

    @property
    def must_write_parameters(self) -> bool:
        """Whether this is the start step, and no earlier attempt of it wrote the run's parameters."""
        if self.step.name != self.graph.start or self.original:
            return False
        store, folder = self.records.datastore.store, f"{self.graph.name}/{self.launch.run}/{PARAMETERS}"
        return f"{folder}/0.DONE.lock" not in store.list(folder)

    def write_parameters(self, flow: Any) -> None:
        """Validate the run's parameters and write them, once."""
        values = init_arguments(self.graph.parameters, self.launch.parameters, self.graph.schedule)
        drop_placement(flow)
        self._command(flow, ["init", f"--run-id={self.launch.run}", "--task-id=params", *values])

    def execute(self, flow: Any) -> None:
        """Run the step, or copy what it left in the origin run."""
        drop_placement(flow)
        if self.original:
            self._clone(flow, self.original)
        else:
            self._run(flow, self.find_inputs())

    def _clone(self, flow: Any, original: str) -> None:
        run, origin = self.launch.run, original.partition("/")[0]
        arguments = ["step", self.step.name, f"--run-id={run}", f"--task-id={self.launch.address.task_id}"]
        state = self._command(flow, [*arguments, f"--retry-count={self._number}", f"--clone-only={original}"])
        if self.step.name == self.graph.start:
            clone_parameters(self.records.datastore, self.graph.name, origin, run, state.metadata)

    def _run(self, flow: Any, inputs: Inputs) -> None:
        observe(flow, self.step.name, self.seen, before=self._check_parents, after=self._after)
        run, attempt = self.launch.run, self._number
        parents = [f"{run}/{parent.step}/{parent.task_id}" for parent in inputs.tasks] or [f"{run}/{PARAMETERS}"]
        # Metaflow runs the user's code while attempt <= max-user-code-retries, and the fallback of @catch after that.
        # The attempt counts every start of the task; what the user may still try is Argo's counter to say.
        tries_left = (self.step.retry.times if self.step.retry else 0) - self.launch.try_
        arguments = ["step", self.step.name, f"--run-id={run}", f"--task-id={self.launch.address.task_id}"]
        arguments += [f"--retry-count={attempt}", f"--max-user-code-retries={attempt + tries_left}"]
        arguments += [f"--input-paths={','.join(parents)}"]
        if self.launch.origin:
            arguments += [f"--clone-run-id={self.launch.origin.partition('/')[0]}"]
        if inputs.split_index is not None:
            arguments += [f"--split-index={inputs.split_index}"]
        self._command(flow, arguments)

    def write_outputs(self) -> None:
        """Tell Argo what the latest attempt decided."""
        address, folder = self.launch.address, self.launch.outputs
        match self.step.kind:
            case StepKind.FOREACH:
                name, text = "splits", json.dumps(list(range(self.records.width(address))))
            case StepKind.SWITCH:
                name, text = "next", self.records.choice(address)
            case _:
                return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def save_metadata(self) -> None:
        """Let readers elsewhere see the attempt as it is now."""
        if self.attempt and not self.attempt.finished:
            save_metadata(self.records.datastore, self.launch.run, self.launch.address, self._number)

    def log_writer(self) -> Callable[[Mapping[str, Path]], None]:
        """What stores this attempt's log; with a connection of its own, since another thread calls it."""
        datastore = open_datastore(self.graph.name)
        writer = task_writer(datastore, self.launch.run, self.launch.address, self._number)
        return lambda streams: writer.save_logs("task", dict(streams))

    @property
    def _number(self) -> int:
        assert self.attempt is not None, "claim comes first"  # noqa: S101
        return self.attempt.number

    def _command(self, flow: Any, arguments: list[str]) -> Any:
        return metaflow_command(flow, self.records.datastore.kind, arguments)

    def _check_parents(self, inputs: Sequence[Any]) -> None:
        """Metaflow reads an attempt that failed as readily as one that succeeded."""
        try:
            self.save_metadata()
        except Exception as error:
            # Here `@catch` would take it for an error of the step's own.
            raise Refusal(Unreachable(f"the datastore does not take metadata ({error})")) from error
        if self.step.name == self.graph.start:
            return
        # Every success holds the same bytes, so that a join of a thousand tasks loads one or two of these.
        answers: dict[str, bool] = {}
        for parent in inputs:
            (key,) = parent.keys_for_artifacts(["_task_ok"])
            if key not in answers:
                answers[key] = bool(parent.get("_task_ok"))
            if not answers[key]:
                raise Refusal(_failed(parent.pathspec))


def _failed(pathspec: str) -> MissingParent:
    return MissingParent(f"the latest attempt of {pathspec} did not succeed", wanted="an input that succeeded")


def describe(address: Address) -> str:
    """One task as a person would name it: `train`, or `train-3-0` inside foreaches."""
    return f"{address.step}{address.path}"
