"""Runs real `platform-step` processes on a flow file in a folder of its own, and reads what they left."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP = Path(sys.executable).with_name("platform-step")


@dataclass(frozen=True)
class Outcome:
    """How one process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        return self.stderr.strip().splitlines()[-1]


@dataclass
class Bench:
    """A flow file, a datastore and a run."""

    folder: Path
    run: str = "argo-x"
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def with_flow(cls, folder: Path, source: str, **kwargs: Any) -> "Bench":
        (folder / "flow.py").write_text(textwrap.dedent(source))
        return cls(folder=folder, **kwargs)

    def command(self, step: str, path: str = "", *flags: str, try_: int = 0) -> list[str]:
        fixed = [str(STEP), "flow.py", step, f"--run={self.run}", f"--path={path}", f"--try={try_}"]
        return [*fixed, f"--outputs={self.folder}/outputs{path}-{step}", *flags]

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "PYTEST"))}
        return {**kept, "METAFLOW_USER": "tester", "PYTHONDONTWRITEBYTECODE": "1", **self.environment}

    def start(self, step: str, path: str = "", *flags: str, try_: int = 0) -> "subprocess.Popen[str]":
        """Start a process and leave it to the test."""
        return subprocess.Popen(
            self.command(step, path, *flags, try_=try_),
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def step(self, step: str, path: str = "", *flags: str, try_: int = 0) -> Outcome:
        """Run a process to its end."""
        process = self.start(step, path, *flags, try_=try_)
        stdout, stderr = process.communicate(timeout=120)
        return Outcome(process.returncode, stdout, stderr)

    def done(self, step: str, path: str = "", *flags: str, try_: int = 0) -> Outcome:
        """Run a process that must succeed."""
        outcome = self.step(step, path, *flags, try_=try_)
        assert outcome.code == 0, outcome.stderr
        return outcome

    def output(self, step: str, name: str, path: str = "") -> Any:
        return json.loads((self.folder / f"outputs{path}-{step}" / name).read_text())

    def text(self, step: str, name: str, path: str = "") -> str:
        return (self.folder / f"outputs{path}-{step}" / name).read_text()

    def forget_outputs(self) -> None:
        for folder in self.folder.glob("outputs*"):
            shutil.rmtree(folder)

    def task_folder(self, step: str, path: str = "") -> Path:
        (flow,) = {p.parent for p in (self.folder / ".metaflow").glob(f"*/{self.run}")}
        return flow / self.run / step / f"t{path}"

    def files(self, step: str, path: str = "") -> set[str]:
        return {p.name for p in self.task_folder(step, path).iterdir() if p.is_file()}

    def client(self, code: str) -> Any:
        """Ask Metaflow's own client, in a process of its own; `run` is the run, the answer is JSON."""
        program = (
            "import json, glob, metaflow\nmetaflow.namespace(None)\n"
            f"name = glob.glob('.metaflow/*/{self.run}')[0].split('/')[1]\n"
            f"run = metaflow.Run(f'{{name}}/{self.run}')\nprint('\\n' + json.dumps({code}))"
        )
        answer = subprocess.run(  # noqa: PLW1510 # asserted below
            [sys.executable, "-c", program], cwd=self.folder, env=self.variables, capture_output=True, text=True
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout.splitlines()[-1])
