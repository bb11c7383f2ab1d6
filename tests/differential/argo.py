"""
A small Argo: walks a rendered WorkflowTemplate and starts exactly the containers that it asks for.

In: the document. Out: what ran, in which order, and how it ended. An oracle for tests: it knows `depends`, `when`,
`withParam`, outputs from files, retries by expression and nothing of flows; ready tasks are started in a random order,
so that a dependency that is missing in the document is found.
"""

import json
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Run = Callable[[list[str], Path], int]
"""Starts a container: its arguments, the folder for its outputs; returns the exit code."""


@dataclass
class Workflow:
    """One run of a template."""

    document: dict[str, Any]
    name: str
    parameters: Mapping[str, str]
    run: Run
    chance: random.Random
    started: list[tuple[str, str, int]] = field(default_factory=list)

    def execute(self) -> bool:
        """Run everything; say whether Argo would show green."""
        spec = self.document["spec"]
        self.templates = {template["name"]: template for template in spec["templates"]}
        given = {each["name"]: each.get("value") for each in spec["arguments"]["parameters"]}
        self.values = {name: self.parameters.get(name, value) for name, value in given.items()}
        assert None not in self.values.values(), "Argo does not start a run with a parameter that has no value"
        return self._dag(self.templates[spec["entrypoint"]], {"path": ""}) == "Succeeded"

    def _dag(self, template: dict[str, Any], inputs: dict[str, str]) -> str:
        inputs = {each["name"]: each.get("value", "") for each in template["inputs"]["parameters"]} | inputs
        tasks = {task["name"]: task for task in template["dag"]["tasks"]}
        phases: dict[str, str] = {}
        outputs: dict[str, str] = {}
        while len(phases) < len(tasks):
            ready = [name for name, task in tasks.items() if name not in phases and _asked(task) <= set(phases)]
            assert ready, f"tasks that wait for each other: {sorted(set(tasks) - set(phases))}"
            name = self.chance.choice(ready)
            task = tasks[name]
            if not _holds(task.get("depends", ""), phases):
                phases[name] = "Omitted"
            elif not _equal(self._filled(task.get("when", "1 == 1"), inputs, outputs)):
                phases[name] = "Skipped"
            else:
                phases[name] = self._task(task, inputs, outputs)
        return "Failed" if "Failed" in phases.values() else "Succeeded"

    def _task(self, task: dict[str, Any], inputs: dict[str, str], outputs: dict[str, str]) -> str:
        if "withParam" not in task:
            return self._node(task, inputs, outputs, outputs)
        items = json.loads(self._filled(task["withParam"], inputs, outputs))
        self.chance.shuffle(items)
        phases = [self._node(task, inputs, outputs | {"item": json.dumps(item)}, {}) for item in items]
        return "Failed" if "Failed" in phases else "Succeeded"

    def _node(self, task: dict[str, Any], inputs: dict[str, str], known: dict[str, str], left: dict[str, str]) -> str:
        template = self.templates[task["template"]]
        given = {each["name"]: self._filled(each["value"], inputs, known) for each in task["arguments"]["parameters"]} if "arguments" in task else {}  # fmt: skip # noqa: E501
        if "dag" in template:
            return self._dag(template, given)
        if "suspend" in template:
            return "Succeeded"
        return self._container(task["name"], template, given, left)

    def _container(self, task: str, template: dict[str, Any], inputs: dict[str, str], left: dict[str, str]) -> str:
        strategy = template["retryStrategy"]
        for retries in range(int(strategy["limit"]) + 1):
            arguments = [
                self._filled(text, inputs, {"retries": str(retries)}) for text in template["container"]["args"]
            ]
            self.started.append((task, inputs["path"], retries))
            with tempfile.TemporaryDirectory() as folder:
                code = self.run([*template["container"]["command"], *arguments], Path(folder))
                if code == 0:
                    for each in template.get("outputs", {}).get("parameters", []):
                        file = Path(folder) / Path(each["valueFrom"]["path"]).name
                        left[f"tasks.{task}.outputs.parameters.{each['name']}"] = file.read_text()
                    return "Succeeded"
            if not _again(strategy["expression"], code, retries):
                break
        return "Failed"

    def _filled(self, text: str, inputs: dict[str, str], known: dict[str, str]) -> str:
        """Fill in `{{...}}` once; like Argo's, values are not looked through again, and the unknown stays."""
        entries = [{"name": name, "value": value} for name, value in self.values.items()]
        values = {f"inputs.parameters.{name}": value for name, value in inputs.items()}
        values |= {f"workflow.parameters.{name}": value for name, value in self.values.items()}
        values |= {"workflow.name": self.name, "workflow.parameters.json": json.dumps(entries)} | known
        return re.sub(r"{{([^{}=]+)}}", lambda match: values.get(match[1].strip(), match[0]), text)


def _asked(task: dict[str, Any]) -> set[str]:
    return set(re.findall(r"([A-Za-z0-9-]+)\.Succeeded", task.get("depends", "")))


def _holds(depends: str, phases: dict[str, str]) -> bool:
    if not depends:
        return True
    text = re.sub(r"([A-Za-z0-9-]+)\.Succeeded", lambda match: str(phases[match[1]] == "Succeeded"), depends)
    return _evaluated(text)


def _equal(when: str) -> bool:
    left, right = when.split(" == ")
    return left.strip("' ") == right.strip("' ")


def _again(expression: str, code: int, retries: int) -> bool:
    text = expression.replace("asInt(lastRetry.exitCode)", str(code)).replace("asInt(retries)", str(retries))
    text = text.replace("lastRetry.message contains 'OOMKilled'", "False")
    text = text.replace("lastRetry.status == 'Error'", "False").replace("&& !", "&& not ").replace("!(", "not (")
    return _evaluated(text)


def _evaluated(text: str) -> bool:
    python = text.replace("&&", " and ").replace("||", " or ").strip()
    assert re.fullmatch(r"(?:True|False|not|and|or|in|[\s()\[\],<>=\-]|\d)*", python), python
    return bool(eval(python))  # noqa: S307 # checked in the line above


def run_process(folder: Path, environment: dict[str, str], command: str) -> Run:
    """Start the container's command as a process in `folder`, its outputs in a folder of its own."""

    def run(arguments: list[str], outputs: Path) -> int:
        assert arguments[0] == "platform-step"
        # The one thing that is not the container's: /tmp is shared here.
        done = subprocess.run(
            [command, *arguments[1:], f"--outputs={outputs}"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        with (folder / "stderr.txt").open("a") as log:
            log.write(f"{arguments[2:5]}: {done.returncode}\n{done.stderr}")
        return done.returncode if done.returncode >= 0 else 128 - done.returncode

    return run
