"""
What a compile costs beside its imports: `platform render` over a process that imports metaflow and hera's models.

In: nothing. Out: figures, each a ratio of alternating measurements inside one run. Beside them stock Metaflow's
`argo-workflows create --only-json` for the same flow against an S3 server on loopback, where the Kubernetes client that
it wants is installed, and the size of what both write for 32 steps.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.s3_server import run_s3_server

ROUNDS = 9
SIZES = {5: 1.15, 20: 1.15, 100: 1.4}
MANY = 50
_PLATFORM = "import sys; from platform_cli.cli.main import main; sys.exit(main())"
_NOTHING = "import metaflow, hera.workflows.models"
_EACH = """
import sys, time
from pathlib import Path
from platform_cli.cli.frugal import collect_rarely
began = time.perf_counter()
collect_rarely()
from platform_cli.cli.compile import read_environment, render
root = Path(sys.argv[1])
environment = read_environment("bench", root)
for file in sorted(root.glob("flows/many*/flow.py")):
    render(file, environment, root).texts()
    print(time.perf_counter() - began)
    began = time.perf_counter()
"""
_SETTINGS = """
[environments.bench]
namespace = "ml"
datastore = "s3://bucket/metaflow"
[environments.bench.images]
flow = "registry.example/flow@sha256:1111111111111111111111111111111111111111111111111111111111111111"
[environments.bench.queues.production]
cpu = "8"
memory = "32Gi"
[environments.bench.pools.cpu]
cpu = "8"
memory = "32Gi"
"""


def measure(rounds: int = ROUNDS) -> dict[str, object]:
    """Measure everything and return the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "platform.toml").write_text(_SETTINGS)
        for steps in (*SIZES, 32):
            _write_flow(root, f"steps{steps}", steps)
        for number in range(MANY):
            _write_flow(root, f"many{number:02}", 10)
        figures = _over_nothing(root, rounds)
        figures["each_of_50_over_the_first"] = {
            "what": "each of 50 flows rendered in one process over the first",
            "bound": 0.35,
            "ratio": _each_over_first(root, max(3, rounds // 3)),
        }
        figures["stock"] = _stock(root, max(3, rounds // 3))
    return figures


def _over_nothing(root: Path, rounds: int) -> dict[str, object]:
    environ = _environment(root)
    samples: list[dict[int, Spent]] = []
    for _ in range(rounds + 1):
        sample = {0: _spent(["-c", _NOTHING], root, environ)}
        for steps in SIZES:
            sample[steps] = _spent(_render(steps), root, environ)
        samples.append(sample)
    samples = samples[1:]  # the first one wrote the bytecode
    found: dict[str, object] = {"imports_seconds": round(statistics.median(sample[0].wall for sample in samples), 3)}
    for steps, bound in SIZES.items():
        found[f"{steps}_steps"] = {
            "what": f"platform render of {steps} steps over importing metaflow and hera's models",
            "bound": bound,
            "ratio": round(statistics.median(sample[steps].cpu / sample[0].cpu for sample in samples), 3),
            "wall_ratio": round(statistics.median(sample[steps].wall / sample[0].wall for sample in samples), 3),
            "seconds": round(statistics.median(sample[steps].wall for sample in samples), 3),
        }
    return found


def _each_over_first(root: Path, rounds: int) -> float:
    ratios = []
    for _ in range(rounds):
        done = _run(["-c", _EACH, str(root)], root, _environment(root))
        first, *others = map(float, done.split())
        assert len(others) == MANY - 1
        ratios.append(statistics.mean(others) / first)
    return round(statistics.median(ratios), 3)


def _stock(root: Path, rounds: int) -> dict[str, object] | str:
    """The same flow through Metaflow's own compiler, which packs and uploads the code first."""
    if importlib.util.find_spec("kubernetes") is None:
        return "not measured: the Kubernetes client for Python is not installed"
    figures: dict[str, object] = {}
    with run_s3_server(root / "s3") as server:
        bucket = server.new_bucket()
        environ = {
            **_environment(root),
            **server.environment,
            "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{bucket}/metaflow",
            "METAFLOW_S3_ENDPOINT_URL": server.endpoint,
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_KUBERNETES_NAMESPACE": "ml",
        }
        for steps in (5, 32):
            command = [f"flows/steps{steps}/flow.py", "--quiet", "--no-pylint", "--datastore=s3", "argo-workflows"]
            command += ["create", "--only-json"]
            theirs = [_spent(command, root, environ).wall for _ in range(rounds)]
            ours = [_spent(_render(steps), root, environ).wall for _ in range(rounds)]
            figures[f"{steps}_steps_seconds"] = {
                "stock": round(statistics.median(theirs), 2),
                "ours": round(statistics.median(ours), 2),
            }
        stock_bytes = len(_compact(_run(command, root, environ)))
        ours_bytes = len(_compact(_as_json(_run([*_render(32), "--json"], root, environ))))
    figures["bytes_of_32_steps"] = {
        "what": "bytes of a template of 32 steps over stock Metaflow's",
        "bound": 0.5,
        "ratio": round(ours_bytes / stock_bytes, 3),
        "ours": ours_bytes,
    }
    return figures


def _as_json(text: str) -> str:
    import yaml

    (entry,) = json.loads(text)["objects"]
    return json.dumps(yaml.safe_load(entry["text"]))


def _compact(text: str) -> str:
    """Both sides as JSON without spaces, so that layout counts for nothing."""
    return json.dumps(json.loads(text[text.index("{") :]), separators=(",", ":"))


def _render(steps: int) -> list[str]:
    return ["-c", _PLATFORM, "render", f"flows/steps{steps}/flow.py", "--env", "bench"]


def _environment(root: Path) -> dict[str, str]:
    """Bytecode is kept, as in an installation, but beside the flows and not in this checkout."""
    prefixes = ("METAFLOW_", "PLATFORM_", "AWS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "METAFLOW_USER": "bench", "PYTHONPYCACHEPREFIX": str(root / "bytecode")}


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of one process; the ratio is of CPU seconds, which neighbours on the machine disturb least."""

    wall: float
    cpu: float


def _spent(arguments: list[str], root: Path, environ: dict[str, str]) -> Spent:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _run(arguments, root, environ)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall=wall, cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _run(arguments: list[str], root: Path, environ: dict[str, str]) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=root, env=environ, check=True, capture_output=True, text=True)
    return done.stdout


def _write_flow(root: Path, name: str, steps: int) -> None:
    names = ["start", *(f"step_{number}" for number in range(steps - 2)), "end"]
    body = "".join(
        "    @retry(times=2)\n    @resources(memory=8000)\n    @step\n"
        f"    def {one}(self):\n        self.next(self.{two})\n\n"
        for one, two in itertools.pairwise(names)
    )
    folder = root / "flows" / name
    folder.mkdir(parents=True)
    (folder / "flow.py").write_text(
        f"from metaflow import FlowSpec, resources, retry, step\n\n\nclass {name.title()}(FlowSpec):\n{body}"
        f"    @step\n    def end(self):\n        pass\n\n\nif __name__ == '__main__':\n    {name.title()}()\n"
    )


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
