"""
What the platform adds to a real cluster: between two steps, around a whole run, before a run exists.

In: nothing; the cluster of `platform cluster up`. Out: figures, each a ratio of medians of alternating measurements.

Argo's defaults are measured beside ours by a second controller with a default configuration, which takes only the
workflows that carry its label, and is removed afterwards.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.build import build

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-c", "import sys; from platform_cli.cli.main import main; sys.exit(main())"]
IMAGE = "platform/flow:local"
DEFAULTS = "argo-defaults"
STEPS = 5
# A queue that admits nobody: a run that only has to exist must not load the cluster that the next one is sent to.
NOBODYS_TURN = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "bench-queues", "namespace": "ml"},
    "data": {"none": "0"},
}

# Three steps that do nothing, asking for no more than the hello workflow's.
EMPTY = """
from metaflow import FlowSpec, Parameter, resources, step

class Empty(FlowSpec):
    nonce = Parameter("nonce", default="")

    @resources(cpu=0.1, memory=256)
    @step
    def start(self):
        self.next(self.middle)

    @resources(cpu=0.1, memory=256)
    @step
    def middle(self):
        self.next(self.end)

    @resources(cpu=0.1, memory=256)
    @step
    def end(self):
        pass

if __name__ == "__main__":
    Empty()
"""


def measure(gap_runs: int = 4, runs: int = 7, submits: int = 15) -> dict[str, object]:
    """Measure everything; each key holds ratio, bound and the medians."""
    cluster = json.loads(_run([*COMMAND, "cluster", "up", "--json"]))
    kubectl = Kubectl(cluster["kubeconfig"])
    with tempfile.TemporaryDirectory() as scratch, kubectl.tidied():
        kubectl("apply", "-f", "-", given=NOBODYS_TURN)
        return {
            "submit": _submit(Project(Path(scratch, "waiting"), turn="bench-queues/none"), submits),
            "run": _whole_run(kubectl, Project(Path(scratch, "running")), runs),
            "gap": _gap(kubectl, gap_runs),
        }


class Kubectl:
    """kubectl of the cluster's administrator, and what was created with it."""

    def __init__(self, kubeconfig: str) -> None:
        self._command = [str(build("kubectl")), "--kubeconfig", kubeconfig]

    def __call__(self, *words: str, given: object = None) -> str:
        return _run([*self._command, *words], given="" if given is None else json.dumps(given))

    def create(self, document: dict[str, Any]) -> str:
        self("create", "-f", "-", given=document)
        return str(document["metadata"]["name"])

    def wait_for(self, workflow: str) -> dict[str, Any]:
        """Wait until a workflow is over, as `kubectl wait` does, and return it."""
        label = "jsonpath={.metadata.labels.workflows\\.argoproj\\.io/completed}=true"
        self("wait", f"--for={label}", f"workflow/{workflow}", "-n", "ml", "--timeout=600s")
        document: dict[str, Any] = json.loads(self("get", "workflow", workflow, "-n", "ml", "-o", "json"))
        if document["status"]["phase"] != "Succeeded":
            raise SystemExit(f"{workflow}: {document['status']}")
        return document

    @contextmanager
    def tidied(self) -> Iterator[None]:
        """Remove every workflow that was created inside."""
        try:
            yield
        finally:
            self("delete", "workflows", "-n", "ml", "-l", "platform.dev/owner=bench", "--wait=false")
            self("delete", "configmap", "bench-queues", "-n", "ml", "--ignore-not-found")


class Project:
    """A working copy with the empty flow; `turn` is the semaphore that its runs wait for."""

    def __init__(self, folder: Path, *, turn: str = "platform-queues/adhoc") -> None:
        self._folder = folder
        (folder / "flows").mkdir(parents=True)
        (folder / "flows" / "empty.py").write_text(EMPTY)
        settings = (ROOT / "platform.toml").read_text()
        (folder / "platform.toml").write_text(settings.replace('"platform-queues/adhoc"', f'"{turn}"'))
        own = {"PLATFORM_ENV": "kind", "PLATFORM_OWNER": "bench", "XDG_CACHE_HOME": str(folder / "cache")}
        self._environ = {**os.environ, **own}

    def python(self, *words: str) -> str:
        return _run([sys.executable, *words], folder=self._folder, environ=self._environ)

    def submit(self, *words: str) -> None:
        """Submit other work than ever before."""
        nonce = f"nonce={uuid.uuid4().hex}"
        self.python(*COMMAND[1:], "submit", "flows/empty.py", "-p", nonce, *words)

    def modules(self) -> list[str]:
        """What a warm submit has imported at its end."""
        program = (
            "import sys\nfrom platform_cli.cli.main import main\nmain()\n"
            "print('\\n' + ' '.join(name for name in sys.modules if name.replace('.', '').isidentifier()))"
        )
        words = ["submit", "flows/empty.py", "-p", f"nonce={uuid.uuid4().hex}"]
        return [name for name in self.python("-c", program, *words).splitlines()[-1].split() if name != "__main__"]


def _submit(project: Project, rounds: int) -> dict[str, object]:
    began = time.perf_counter()
    project.submit()
    first = time.perf_counter() - began
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)"
    modules = project.modules()
    imported, submitted = _alternate(rounds, [lambda: project.python("-c", program, *modules), project.submit])
    return {
        "what": "platform submit until the Workflow exists over importing what that takes",
        "bound": 1.25,
        "ratio": round(submitted / imported, 2),
        "submit_seconds": round(submitted, 3),
        "import_seconds": round(imported, 3),
        "first_submit_seconds": round(first, 3),
    }


def _whole_run(kubectl: Kubectl, project: Project, rounds: int) -> dict[str, object]:
    def hello() -> None:
        kubectl.wait_for(kubectl.create(_hello(3)))

    theirs, ours = _alternate(rounds, [hello, lambda: project.submit("--wait")])
    return {
        "what": "empty 3-step flow, platform submit --wait, over kubectl create of a 3-step hello workflow",
        "bound": 1.3,
        "ratio": round(ours / theirs, 2),
        "submit_wait_seconds": round(ours, 2),
        "hello_seconds": round(theirs, 2),
    }


def _gap(kubectl: Kubectl, runs: int) -> dict[str, object]:
    gaps: dict[str, list[float]] = {"": [], DEFAULTS: []}
    with _default_controller(kubectl):
        for number in range(runs + 1):
            for controller, found in gaps.items():
                name = kubectl.create(_hello(STEPS, controller))
                kubectl.wait_for(name)
                if number:
                    found.extend(_gaps(kubectl, name))
                kubectl("delete", "workflow", name, "-n", "ml")
    ours, theirs = (statistics.median(gaps[controller]) for controller in ("", DEFAULTS))
    return {
        "what": "from the end of a step's container to the start of the next one's, over Argo's defaults",
        "bound": 0.35,
        "ratio": round(ours / theirs, 2),
        "gap_seconds": round(ours, 2),
        "argo_defaults_gap_seconds": round(theirs, 2),
    }


def _hello(steps: int, controller: str = "") -> dict[str, Any]:
    """Steps one after the other; each prints when it began and when it ended, by the node's clock."""
    container = {
        "image": IMAGE,
        "command": ["sh", "-c", "date +%s.%N; echo hello; date +%s.%N"],
        "resources": {"requests": {"cpu": "25m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
    }
    tasks = [
        {"name": f"s{number}", "template": "say", **({"depends": f"s{number - 1}"} if number else {})}
        for number in range(steps)
    ]
    instance = {"workflows.argoproj.io/controller-instanceid": controller} if controller else {}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": f"bench-hello-{uuid.uuid4().hex[:8]}",
            "namespace": "ml",
            "labels": {"platform.dev/owner": "bench", **instance},
        },
        "spec": {
            "entrypoint": "flow",
            "podPriorityClassName": "platform-adhoc",
            "templates": [{"name": "flow", "dag": {"tasks": tasks}}, {"name": "say", "container": container}],
        },
    }


def _gaps(kubectl: Kubectl, workflow: str) -> list[float]:
    selector = ("-n", "ml", "-l", f"workflows.argoproj.io/workflow={workflow}")
    pods = json.loads(kubectl("get", "pods", *selector, "-o", "json"))["items"]
    times = []
    for pod in pods:
        lines = kubectl("logs", pod["metadata"]["name"], "-n", "ml", "-c", "main").splitlines()
        began, ended = (float(line) for line in lines if line.replace(".", "").isdigit())
        times.append((began, ended))
    times.sort()
    return [after[0] - before[1] for before, after in itertools.pairwise(times)]


@contextmanager
def _default_controller(kubectl: Kubectl) -> Iterator[None]:
    """A controller as Argo's own manifests configure it, for the workflows that name it."""
    ours = json.loads(kubectl("get", "deployment", "workflow-controller", "-n", "platform", "-o", "json"))
    config = json.loads(kubectl("get", "configmap", "workflow-controller-configmap", "-n", "platform", "-o", "json"))
    # Without these, pods would not pass the namespace's pod security; everything else is Argo's default.
    kept = {name: config["data"][name] for name in ("executor", "mainContainer", "workflowDefaults")}
    metadata = {"name": DEFAULTS, "namespace": "platform"}
    pod = ours["spec"]["template"]["spec"]
    pod["containers"][0]["args"] += [f"--configmap={DEFAULTS}"]
    pod["containers"][0]["env"] = [
        *(each for each in pod["containers"][0]["env"] if each["name"] == "EXECUTOR_IMAGE"),
        {"name": "LEADER_ELECTION_DISABLE", "value": "true"},
    ]
    labels = {"app": DEFAULTS}
    documents = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {**kept, "instanceID": DEFAULTS},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]
    try:
        for document in documents:
            kubectl("apply", "-f", "-", given=document)
        kubectl("rollout", "status", f"deployment/{DEFAULTS}", "-n", "platform", "--timeout=180s")
        yield
    finally:
        kubectl("delete", "deployment,configmap", DEFAULTS, "-n", "platform", "--ignore-not-found")


def _alternate(rounds: int, measured: list[Callable[[], object]]) -> list[float]:
    """Do each in turn, `rounds` times after one that warms the caches; the median seconds of each."""
    taken: list[list[float]] = [[] for _ in measured]
    for number in range(rounds + 1):
        for act, times in zip(measured, taken, strict=True):
            began = time.perf_counter()
            act()
            if number:
                times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]


def _run(command: list[str], *, folder: Path = ROOT, environ: dict[str, str] | None = None, given: str = "") -> str:
    done = subprocess.run(command, cwd=folder, env=environ, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
