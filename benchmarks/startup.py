"""
How long it takes to begin: `platform --help` beside `python -c pass`, one local step beside `import metaflow`.

In: nothing. Out: figures, each a ratio of medians of alternating measurements inside one run.

A step is timed as Metaflow's local runtime starts it, process start to exit: `python FLOW ... step start ...`, and once
more through the launcher of `platform run`. The rival imports metaflow and does nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from platform_cli.runs import launch

ROUNDS = 15

FLOW = """
from metaflow import FlowSpec, step
class Small(FlowSpec):
    @step
    def start(self):
        self.rows = 1
        self.next(self.end)
    @step
    def end(self):
        pass
if __name__ == "__main__":
    Small()
"""


def measure(rounds: int = ROUNDS) -> dict[str, object]:
    """Measure everything; keys `help` and `step` hold ratio, bound, and the medians in milliseconds."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        return {"help": _help(folder, rounds), "step": _step(folder, rounds)}


def _help(folder: Path, rounds: int) -> dict[str, object]:
    rival = [sys.executable, "-c", "pass"]
    ours = [str(Path(sys.executable).parent / "platform"), "--help"]
    nothing, helped = _alternate([rival, ours], folder, os.environ, rounds)
    return {
        "what": "platform --help over python -c pass",
        "bound": 8,
        "ratio": round(helped / nothing, 2),
        "help_ms": _ms(helped),
        "python_ms": _ms(nothing),
    }


def _step(folder: Path, rounds: int) -> dict[str, object]:
    flow = folder / "small.py"
    flow.write_text(FLOW)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("METAFLOW_")},
        "METAFLOW_USER": "bench",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        launch.FLOW_VARIABLE: str(flow),
    }
    subprocess.run(
        [sys.executable, str(flow), "--no-pylint", "run"], cwd=folder, env=environ, check=True, capture_output=True
    )
    [run] = [path.name for path in (folder / ".metaflow" / "Small").glob("[0-9]*")]
    # The words that Metaflow's runtime gives a task (METAFLOW_DEBUG_SUBCOMMAND=1 shows them).
    words = (
        "--quiet --metadata local --environment local --datastore local --event-logger nullSidecarLogger "
        f"--monitor nullSidecarMonitor --datastore-root {folder}/.metaflow step start --run-id {run} --task-id 1 "
        f"--input-paths {run}/_parameters/0 --retry-count 0 --max-user-code-retries 0 --namespace user:bench"
    ).split()
    commands = [
        [sys.executable, "-c", "import metaflow"],
        [sys.executable, str(flow), *words],
        [sys.executable, launch.__file__, *words],
    ]
    imported, stepped, launched = _alternate(commands, folder, environ, rounds)
    return {
        "what": "one local Metaflow step over import metaflow",
        "bound": 1.25,
        "ratio": round(stepped / imported, 3),
        "ratio_through_platform_run": round(launched / imported, 3),
        "step_ms": _ms(stepped),
        "step_through_platform_run_ms": _ms(launched),
        "import_metaflow_ms": _ms(imported),
    }


def _alternate(commands: list[list[str]], folder: Path, environ: Mapping[str, str], rounds: int) -> list[float]:
    """Run the commands in turn, `rounds` times after one that warms the caches; gives the median of each."""
    taken: list[list[float]] = [[] for _ in commands]
    for number in range(rounds + 1):
        for command, times in zip(commands, taken, strict=True):
            began = time.perf_counter()
            subprocess.run(command, cwd=folder, env=dict(environ), stdout=subprocess.DEVNULL, check=True)
            if number:
                times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
