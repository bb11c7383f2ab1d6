"""
A run on Argo leaves what a local run leaves: the same tasks, the same artifacts.

Random flows are run by `python flow.py run`, and from the rendered WorkflowTemplate by a small Argo that starts
`platform-step` with the container's arguments. `PLATFORM_SOAK_FLOWS` widens the range of seeds.
"""

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from platform_cli.graph import load_graph
from platform_cli.names import Channel
from platform_cli.policy import render_flow
from platform_cli.template import Target
from platform_cli.template.environment import Environment, Pool, Queue
from platform_cli.units import Cpu, Memory
from tests.differential.argo import Workflow, run_process
from tests.differential.flows import source

STEP = Path(sys.executable).with_name("platform-step")
RUN = "x"
SEEDS = range(int(os.environ.get("PLATFORM_SOAK_FLOWS", "40")))
# What a run says of itself, not of its work.
NOT_COMPARED = {"_graph_info", "_foreach_values"}


def a_target() -> Target:
    queue = Queue(name="adhoc", cpu=Cpu(4000), memory=Memory.parse("8Gi"))
    environment = Environment(
        name="kind",
        channel=Channel("production"),
        datastore="s3://bucket/metaflow",
        images=(("flow", "flow:1"),),
        pools=(Pool(name="cpu", cpu=Cpu(8000), memory=Memory.parse("16Gi")),),
        queues=(queue,),
        requires_digest=False,
    )
    return Target(environment=environment, queue=queue, channel=Channel("production"), package="packed")


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "PYTEST"))}
    return {**kept, "METAFLOW_USER": "tester", "PYTHONDONTWRITEBYTECODE": "1"}


def run_locally(folder: Path, parameters: dict[str, str]) -> str:
    flags = [f"--{name}={value}" for name, value in parameters.items()]
    command = [
        sys.executable,
        "flow.py",
        "--quiet",
        "--no-pylint",
        "run",
        "--run-id-file=id",
        "--max-workers=2",
        *flags,
    ]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return (folder / "id").read_text()


def run_on_argo(folder: Path, parameters: dict[str, str], seed: int) -> Workflow:
    graph = load_graph(folder / "flow.py", root=folder)
    (document,) = [each for each in render_flow(graph, a_target()) if each["kind"] == "WorkflowTemplate"]
    run = run_process(folder, environment(), str(STEP))
    # The package is not fetched: the folder is the working copy.
    workflow = Workflow(document, RUN, {**parameters, "platform-code": ""}, run, random.Random(seed))
    assert workflow.execute(), (folder / "stderr.txt").read_text()[-4000:]
    return workflow


def artifacts(root: Path | str, flow: str, run: str, storage: Any = None) -> dict[tuple[str, str], dict[str, str]]:
    """
    Every task by its step and its place in the foreaches around it: names and values of what it left.

    Args:
        root: a folder with a local datastore, or the address of a datastore of another `storage`.
    """
    from metaflow.datastore import FlowDataStore  # noqa: PLC0415 # heavy
    from metaflow.plugins.datastores.local_storage import LocalStorage  # noqa: PLC0415

    address = str(root) if storage else str(Path(root) / ".metaflow")
    store = FlowDataStore(flow, None, storage_impl=storage or LocalStorage, ds_root=address)
    found = {}
    for task in store.get_task_datastores(run):
        if task.step_name == "_parameters":
            continue
        left = {name: said(task[name]) for name in task if name not in NOT_COMPARED}
        found[task.step_name, "".join(f"-{frame.index}" for frame in task["_foreach_stack"])] = left
        assert task.task_id.isdigit() or task.task_id == f"t{path_of(task)}"
    return found


def path_of(task: Any) -> str:
    return "".join(f"-{frame.index}" for frame in task["_foreach_stack"])


def said(value: Any) -> str:
    """A value in words; an exception by what it says, without the place of Metaflow's own files in its trace."""
    if not hasattr(value, "stacktrace"):
        return repr(value)
    return f"{value.type}: " + re.sub(r'File "[^"]*/', 'File "', str(value))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_flow_leaves_the_same_on_argo_as_in_a_local_run(tmp_path: Path, seed: int) -> None:
    (tmp_path / "flow.py").write_text(source(seed))
    parameters = {"begin": str(seed % 11), "word": f'it\'s "{seed}"\n$(touch hacked) `touch hacked`'}
    local = artifacts(tmp_path, f"Random{seed}", run_locally(tmp_path, parameters))
    workflow = run_on_argo(tmp_path, parameters, seed)
    remote = artifacts(tmp_path, f"Random{seed}", f"argo-{RUN}")
    assert sorted(remote) == sorted(local)
    for task, left in local.items():
        assert remote[task] == left, task
    assert len({(task, path) for task, path, _ in workflow.started}) == len(local)
    assert not (tmp_path / "hacked").exists()
