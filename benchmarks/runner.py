"""
What one step costs beside its own code: `platform-step` on an empty step, over `import metaflow` and nothing.

In: nothing. Out: figures as JSON; ratios of medians of alternating measurements inside one run, and the spread of the
ratio within rounds, so that a noisy machine is seen. Two parts: from the
start of the process to the step's first line, and from its last line to the end of the process. Beside them the stock
container's command sequence for the same step, as far as it needs no network: Metaflow's `step` in its log capture.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
BOUND = 1.5

FLOW = """
import time
from metaflow import FlowSpec, step
class Small(FlowSpec):
    @step
    def start(self):
        self.rows = 1
        self.next(self.middle)
    @step
    def middle(self):
        print(time.time(), flush=True)
        self.next(self.end)
    @step
    def end(self):
        pass
if __name__ == "__main__":
    Small()
"""


def measure(rounds: int = ROUNDS) -> dict[str, object]:
    """Run everything once per round, ours and the rivals in turn, and return the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "small.py").write_text(FLOW)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("METAFLOW_")}
        # Bytecode for both, as in an image, and none beside the sources; the first round fills it and is not counted.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        environ = {**kept, "METAFLOW_USER": "bench", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        samples = [_round(folder, environ, number) for number in range(rounds + 1)][1:]
    medians = {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}
    each = [(s["to_code"] + s["from_code"]) / s["import_metaflow"] for s in samples]
    return {
        "what": "platform-step around an empty step over import metaflow",
        "bound": BOUND,
        "ratio": round((medians["to_code"] + medians["from_code"]) / medians["import_metaflow"], 2),
        "ratio_within_rounds": [round(min(each), 2), round(statistics.median(each), 2), round(max(each), 2)],
        "stock_ratio": round(medians["stock"] / medians["import_metaflow"], 2),
        "milliseconds": {name: round(value * 1000) for name, value in medians.items()},
        "processes": _processes_of_one_step(environ),
        "rounds": rounds,
    }


def _round(folder: Path, environ: dict[str, str], number: int) -> dict[str, float]:
    run = f"argo-r{number}"
    _timed([_step_command(), "small.py", "start", f"--run={run}"], folder, environ)
    ours, said = _timed([_step_command(), "small.py", "middle", f"--run={run}"], folder, environ)
    rival, _ = _timed([sys.executable, "-c", "import metaflow"], folder, environ)
    stock, _ = _timed(["bash", "-c", _stock_command(run)], folder, environ)
    inside = float(said.split()[0])
    return {
        "to_code": inside - ours[0],
        "from_code": ours[1] - inside,
        "import_metaflow": rival[1] - rival[0],
        "stock": stock[1] - stock[0],
    }


def _step_command() -> str:
    return str(Path(sys.executable).with_name("platform-step"))


def _stock_command(run: str) -> str:
    """What Metaflow's Argo template puts around a step, without the download of code and the installation of tools."""
    python = shlex.quote(sys.executable)
    step = (
        f"{python} small.py --quiet --no-pylint --metadata=local --datastore=local step middle --run-id={run} "
        f"--task-id=stock --retry-count=0 --max-user-code-retries=0 --input-paths={run}/start/t"
    )
    tee = f"{python} -m metaflow.mflog.tee task"
    logs = "mkdir -p logs && export MFLOG_STDOUT=logs/out MFLOG_STDERR=logs/err MF_ATTEMPT=0 MF_DATASTORE=local"
    save = f"MF_PATHSPEC=Small/{run}/middle/stock {python} -m metaflow.mflog.save_logs"
    return f'{logs}; ({step}) 1> >({tee} "$MFLOG_STDOUT") 2> >({tee} "$MFLOG_STDERR" >&2); c=$?; {save}; exit $c'


def _timed(command: list[str], folder: Path, environ: dict[str, str]) -> tuple[tuple[float, float], str]:
    began = time.time()
    done = subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True)
    return (began, time.time()), done.stdout


def _processes_of_one_step(environ: dict[str, str]) -> int | None:
    """How many programs one step starts, itself included; None where strace is not installed."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "small.py").write_text(FLOW)
        trace = ["strace", "-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", "trace.txt"]
        try:
            command = [*trace, sys.executable, _step_command(), "small.py", "start", "--run=argo-t"]
            subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        except FileNotFoundError:
            return None
        return (folder / "trace.txt").read_text().count("execve(")


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
