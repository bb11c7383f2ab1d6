"""The real cluster of this machine: brought up once, kept for the next tests, changed only where it differs."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from platform_cli.lab.engine import NODE

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "import sys; from platform_cli.cli.main import main; sys.exit(main())"]


def platform(*words: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command of this checkout, from its root, against the environment `kind`."""
    own = {**os.environ, "PLATFORM_ENV": "kind", **(environ or {})}
    return subprocess.run([*COMMAND, *words], cwd=ROOT, env=own, capture_output=True, text=True, check=False)


def fetch(address: str, **headers: str) -> tuple[int, str]:
    """GET an address of the cluster; its status and its text."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@dataclass(frozen=True)
class RealCluster:
    """
    Attributes:
        addresses: service -> address on this machine.
    """

    kubeconfig: Path
    credentials: Path
    addresses: dict[str, str]

    def kubectl(self, *words: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the cluster's administrator."""
        kubectl = ["docker", "exec", "-i", NODE, "env", "KUBECONFIG=/etc/kubernetes/admin.conf", "kubectl"]
        done = subprocess.run([*kubectl, *words], input=given, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done

    def get(self, *words: str) -> Any:
        """Return what `kubectl get` finds, as a document."""
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)


@pytest.fixture(scope="session")
def cluster() -> RealCluster:
    """The whole platform, ready; the first test that asks waits for it."""
    done = platform("cluster", "up", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    return RealCluster(Path(document["kubeconfig"]), Path(document["credentials"]), document["addresses"])


@pytest.fixture
def pods(cluster: RealCluster) -> Iterator[Callable[..., str]]:
    """Create pods in `ml` that are gone when the test ends; returns their names."""
    made: list[str] = []

    def create(**wishes: Any) -> str:
        document = a_pod(**wishes)
        name = document["metadata"]["name"]
        made.append(name)
        cluster.kubectl("create", "-f", "-", given=json.dumps(document))
        return name

    yield create
    if made:
        cluster.kubectl("delete", "pod", "--namespace=ml", "--ignore-not-found", "--grace-period=0", "--force", *made)


def a_pod(*, name: str, priority: str = "platform-adhoc", gpus: int = 0, cpu: str = "10m", **container: Any) -> Any:
    """A pod as `restricted` wants it; with GPUs it asks for the simulated nodes."""
    resources: dict[str, Any] = {"requests": {"cpu": cpu, "memory": "32Mi"}, "limits": {"memory": "32Mi"}}
    spec: dict[str, Any] = {
        "priorityClassName": priority,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    if gpus:
        resources["limits"]["nvidia.com/gpu"] = str(gpus)
        spec["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
        spec["nodeSelector"] = {"platform.dev/pool": "gpu"}
    main = {
        "name": "main",
        "image": "platform/flow:local",
        "command": ["sleep", "600"],
        "resources": resources,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **container,
    }
    metadata = {"name": name, "namespace": "ml"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "containers": [main]}}
