"""
Docker and kind as this machine has them, and the one node that they run.

In: commands as lists. Out: their output, or an error that says which command failed and its last lines.

Everything inside the cluster is done by the node's own kubectl, through `docker exec` into the container whose id we
wrote down: no kubeconfig, and so no context that could be another cluster's, is involved.
"""

from __future__ import annotations

import io
import json
import socket
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_cli.errors import NotAllowed, NotFound, PlatformError, Unreachable

NODE = "platform-control-plane"
# kubelet refuses cgroup v1 from here on. Source: Kubernetes 1.35, KubeletConfiguration.failCgroupV1.
_NEEDS_CGROUP_V2 = (1, 35)
_KUBECTL = ("env", "KUBECONFIG=/etc/kubernetes/admin.conf", "kubectl")


def run(
    words: Sequence[str],
    *,
    given: bytes | str = b"",
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """
    Run a program to its end and return what it printed.

    Raises:
        NotFound: there is no such program.
        PlatformError: it failed; carries the end of what it said.
    """
    sent = given.encode() if isinstance(given, str) else given
    try:
        done = subprocess.run(list(words), input=sent, capture_output=True, check=False, env=environ, cwd=folder)
    except FileNotFoundError as error:
        raise NotFound(f'there is no program "{words[0]}" on this machine') from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-8:]
        raise PlatformError(f"`{' '.join(words[:6])}` ended with {done.returncode}: " + "\n  ".join(said))
    return done.stdout.decode(errors="replace")


class Node:
    """The container that is the cluster's one node."""

    def __init__(self, container: str) -> None:
        self.container = container

    def do(self, *words: str, given: bytes | str = b"") -> str:
        """Run a command inside the node."""
        return run(["docker", "exec", "--privileged", "-i", self.container, *words], given=given)

    def kubectl(self, *words: str, given: bytes | str = b"") -> str:
        """Run kubectl inside the node, as the cluster's administrator."""
        return self.do(*_KUBECTL, *words, given=given)

    def objects(self, *words: str) -> list[dict[str, Any]]:
        """Return what `kubectl get` finds."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *words, "-o", "json"))["items"]
        return found

    def apply(self, text: str, *more: str) -> None:
        """Apply documents on the server's side: full CRDs are larger than the annotation that a client would write."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", *more, given=text)

    def kustomize(self, folder: Path) -> str:
        """Render a folder, which may hold links to others, with the node's kustomize."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", dereference=True) as archive:
            archive.add(folder, arcname="rendered")
        self.do("sh", "-c", "rm -rf /kind/rendered && tar -xC /kind", given=packed.getvalue())
        return self.kubectl("kustomize", "/kind/rendered")

    def images(self) -> frozenset[str]:
        """Names of the images that the node has, tags included."""
        lines = self.do("ctr", "-n", "k8s.io", "images", "ls", "-q").split()
        return frozenset(line.removeprefix("docker.io/") for line in lines)


def find_container(name: str) -> str:
    """Return a container's id; empty where there is none of that name."""
    try:
        return run(["docker", "inspect", "--type", "container", "-f", "{{.Id}}", name]).strip()
    except PlatformError as error:
        if "No such" in error.problem:
            return ""
        raise


def check_engine() -> None:
    """
    Raises:
        Unreachable: Docker is not there or does not answer.
    """
    try:
        run(["docker", "version", "-f", "{{.Server.Version}}"])
    except PlatformError as error:
        raise Unreachable(
            "Docker does not answer on this machine", wanted="a running Docker engine", fix=_last(error)
        ) from error


def check_before_creating(image: str, ports: Mapping[str, int]) -> None:
    """
    Say now what would break in a minute.

    Raises:
        NotAllowed: a port is taken, Docker refuses privileged containers, or Kubernetes refuses this machine's cgroups.
    """
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                fix = f"See who listens there: `ss -ltnp sport = :{port}`."
                raise NotAllowed(f"port {port}, which {name} needs, is taken on 127.0.0.1", fix=fix) from error
    version = kubernetes_version(image)
    groups = run(["docker", "info", "-f", "{{.CgroupVersion}}"]).strip()
    if groups == "1" and version >= _NEEDS_CGROUP_V2:
        raise NotAllowed(
            f"Kubernetes {version[0]}.{version[1]} does not start on this machine's cgroup v1",
            wanted="cgroup v2, or Kubernetes 1.34",
        )
    try:
        run(["docker", "run", "--rm", "--privileged", "--entrypoint", "/bin/true", image])
    except PlatformError as error:
        raise NotAllowed(
            "Docker cannot run privileged containers here, and a node is one",
            fix=f"{_last(error)}\n  Where the machine lacks a capability: tools/README.md, runc-capped.",
        ) from error


def kubernetes_version(image: str) -> tuple[int, int]:
    """Read major and minor version from a node image's tag, `...:v1.34.4-...`."""
    tag = image.partition("@")[0].rpartition(":")[2]
    major, minor = tag.removeprefix("v").split(".")[:2]
    return int(major), int(minor)


def _last(error: PlatformError) -> str:
    return error.problem.splitlines()[-1].strip()
