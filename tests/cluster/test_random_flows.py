"""Random flows leave on the real Argo what they leave in a local run: the same tasks, the same artifacts."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import COMMAND, ROOT, RealCluster
from tests.differential.flows import source
from tests.differential.test_same_as_metaflow import artifacts, run_locally

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1200)]

# Among them nested foreaches, switches inside and around them, joins, @catch and retries; about a hundred pods.
SEEDS = (0, 1, 3, 4, 5, 7, 8, 10, 11, 13, 16, 19)


@dataclass(frozen=True)
class Laptop:
    """A project of random flows, and whoever runs them."""

    root: Path
    owner: str

    def ask(self, *words: str) -> Any:
        environ = {**os.environ, "PLATFORM_ENV": "kind", "METAFLOW_USER": self.owner}
        done = subprocess.run(
            [*COMMAND, *words, "--json"], cwd=self.root, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"platform {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout)

    def file(self, seed: int) -> str:
        return f"flows/random{seed}/flow.py"


@pytest.fixture(scope="module")
def laptop(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """All flows are sent before the first one is waited for: the cluster decides whose turn it is."""
    laptop = Laptop(tmp_path_factory.mktemp("random"), f"random-{uuid.uuid4().hex[:8]}")
    shutil.copy(ROOT / "platform.toml", laptop.root)
    for seed in SEEDS:
        file = laptop.root / laptop.file(seed)
        file.parent.mkdir(parents=True)
        # Twelve flows of small steps at once: what a step asks for would only make them wait for each other.
        file.write_text(source(seed).replace("    @step\n", "    @resources(cpu=0.2, memory=256)\n    @step\n"))
        file.write_text(file.read_text().replace("current, retry, step", "current, resources, retry, step"))
        laptop.ask("submit", laptop.file(seed), *parameters(seed))
    return laptop


def parameters(seed: int) -> list[str]:
    return ["-p", f"begin={seed % 11}", "-p", f'word=it\'s "{seed}" $(touch hacked)']


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_flow_leaves_the_same_on_the_real_argo_as_in_a_local_run(
    laptop: Laptop, seed: int, tmp_path: Path
) -> None:
    shutil.copy(laptop.root / laptop.file(seed), tmp_path / "flow.py")
    given = dict(word.split("=", 1) for word in parameters(seed) if word != "-p")
    local = artifacts(tmp_path, f"Random{seed}", run_locally(tmp_path, given))
    run = laptop.ask("submit", laptop.file(seed), *parameters(seed), "--wait")
    assert run["state"] == "succeeded"
    pulled = laptop.ask("pull", run["run"])
    remote = remote_artifacts(laptop, pulled)
    assert sorted(remote) == sorted(local)
    for task, left in local.items():
        assert remote[task] == left, task


def remote_artifacts(laptop: Laptop, pulled: dict[str, Any]) -> dict[tuple[str, str], dict[str, str]]:
    """The same reading as of a local run, in a process that has the cluster's datastore."""
    program = (
        "import json, sys; from tests.cluster.test_random_flows import on_s3; "
        "print(json.dumps([[*task, left] for task, left in on_s3(*sys.argv[1].split('/')).items()]))"
    )
    environ = {**os.environ, **pulled["variables"], "METAFLOW_USER": laptop.owner, "PYTHONPATH": str(ROOT)}
    read = [sys.executable, "-c", program, pulled["run"]]
    done = subprocess.run(read, cwd=laptop.root, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {(step, path): left for step, path, left in json.loads(done.stdout.splitlines()[-1])}


def on_s3(flow: str, run: str) -> dict[tuple[str, str], dict[str, str]]:
    from metaflow.plugins.datastores.s3_storage import S3Storage  # noqa: PLC0415 # heavy

    return artifacts(os.environ["METAFLOW_DATASTORE_SYSROOT_S3"], flow, run, storage=S3Storage)
