"""
Make the node image that `kind create cluster --image` starts, as kind itself would, from parts that are all at hand.

In: a Debian root file system, kind's own files, ours in node/, the programs of Kubernetes, and the images to put in.
Out: the image, in the Docker daemon.

The images lie in containerd's store inside the node image, so a new cluster neither pulls nor loads anything. One kind
of node is made, with its pod network built in (bridge and host-local); network policies are not enforced there.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.archive import Config, Entry, write_layer
from tools.catalogue import RECIPE, Image, key_of_image
from tools.compile import home_of
from tools.docker import docker, load_image, pipe_image
from tools.layers import layers_of
from tools.pins import TOOLS, Family, key_of, tools_of
from tools.rootfs import NODE

FILES = TOOLS / "node"
PROGRAMS = ("kubelet", "kubeadm", "kubectl", "crictl")
BOOT = Config(
    entrypoint=("/usr/local/bin/entrypoint", "/sbin/init"),
    environment={"container": "docker"},
    stop_signal="SIGRTMIN+3",
)


def node_reference(families: dict[str, Family], inside: Sequence[Image]) -> str:
    """Return the node image's name and tag: the version of Kubernetes and a key of all that is in it."""
    owners = tools_of(families)
    ours = [path for path in sorted(FILES.rglob("*")) if path.is_file()]
    key = key_of(
        *(RECIPE, repr(BOOT), NODE.key, home_of(families["kind"]).name),
        *(home_of(owners[program]).name for program in PROGRAMS),
        *(part for path in ours for part in (path.relative_to(FILES).as_posix(), path.read_bytes())),
        *(part for image in inside for part in (image.reference, key_of_image(image, families))),
    )
    return f"platform/kind-node:{families['kubernetes'].version}-{key[:12]}"


def make_node(families: dict[str, Family], inside: Sequence[Image]) -> None:
    """
    Make the node image and give it to the daemon.

    Raises:
        SystemExit: kubeadm would ask for an image that is not among those to put in, or a command failed.
    """
    reference = node_reference(families, inside)
    raw = reference.replace(":", ":raw-")
    with tempfile.TemporaryDirectory(prefix="platform-node-") as work:
        folder = Path(work)
        _files_layer(families, folder / "files.tar")
        load_image(raw, [NODE.build(), folder / "files.tar"], Config(entrypoint=("sleep", "infinity")))
        try:
            with _container(raw) as container:
                with (FILES / "prepare.sh").open("rb") as script:
                    docker("exec", "-i", container, "sh", "-s", stdin=script.fileno())
                _put_in(container, inside, families["kubernetes"].version)
                docker("export", "--output", str(folder / "flat.tar"), container)
        finally:
            docker("image", "rm", "--force", raw)
        # exported and loaded as one layer: what later layers delete would cost its space for ever
        load_image(reference, [folder / "flat.tar"], BOOT)


def _files_layer(families: dict[str, Family], destination: Path) -> None:
    upstream = home_of(families["kind"]) / "share" / "images" / "base" / "files"
    ours = FILES / "files"
    entries = {}
    for root in (upstream, ours):
        for path in (found for found in root.rglob("*") if found.is_file()):
            name = path.relative_to(root).as_posix()
            entries[name] = Entry(content=path, mode=0o755 if "/bin/" in f"/{name}" else 0o644)
    owners = tools_of(families)
    for program in PROGRAMS:
        entries[f"usr/bin/{program}"] = Entry(content=home_of(owners[program]) / program, mode=0o755)
    entries["kind/version"] = Entry(content=families["kubernetes"].version.encode())
    write_layer(destination, entries)


@contextlib.contextmanager
def _container(image: str) -> Iterator[str]:
    container = docker("run", "--detach", "--privileged", "--network=none", image).strip()
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def _put_in(container: str, inside: Sequence[Image], version: str) -> None:
    docker("exec", "--detach", container, "containerd")
    _wait_for(container, "ctr version")
    # the blobs alone: a node unpacks an image when its first pod starts
    load = [
        "docker",
        "exec",
        "-i",
        container,
        *["ctr", "-n", "k8s.io", "images", "import", "--all-platforms", "--no-unpack", "--digests", "-"],
    ]
    for image in inside:
        with layers_of(image) as layers:
            pipe_image(load, image.reference, layers, image.config)
    present = docker("exec", container, "ctr", "-n", "k8s.io", "images", "ls", "-q").split()
    wanted = docker("exec", container, "kubeadm", "config", "images", "list", "--kubernetes-version", version).split()
    if absent := set(wanted) - set(present):
        raise SystemExit(f"kubeadm {version} asks for {', '.join(sorted(absent))}; put in were {', '.join(present)}")
    docker("exec", container, "sh", "-c", "kill $(pidof containerd)")
    _wait_for(container, "! pidof containerd")
    docker("exec", container, "sh", "-c", "rm -rf /run/containerd /var/lib/containerd/tmpmounts /tmp/*")


def _wait_for(container: str, condition: str) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run(
        ["docker", "exec", container, "sh", "-c", condition], capture_output=True, check=False
    ).returncode:
        if time.monotonic() > deadline:
            raise SystemExit(f"waited a minute in the node image for: {condition}")
        time.sleep(0.2)
