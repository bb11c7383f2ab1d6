"""
Bring the laptop's cluster up, say how it is, take it down.

In: this user's state folder, a checkout, Docker. Out: a cluster that is as this checkout says, and addresses.

A cluster that we did not make is never touched: whatever changes something begins with `_ours`. What was half made when
the command was interrupted is removed before it ends; a cluster that was there before stays, and the next `up` goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from platform_cli.errors import NotAllowed, NotFound, PlatformError, Terminated, Unreachable
from platform_cli.lab import images as image_store
from platform_cli.lab.engine import NODE, Node, check_before_creating, check_engine, find_container, run
from platform_cli.lab.parts import parts_of
from platform_cli.lab.state import CLUSTER, Folder, State, new_state

# What a laptop talks to, on 127.0.0.1; k8s/kind/cluster.yaml opens them, [environments.kind.outside] names them.
PORTS = {"s3": 30070, "prometheus": 30090, "pushgateway": 30091, "mlflow": 30500, "argo": 30746}
# MLflow's workers import for a minute and more where two cores are shared with everything else.
_PATIENCE_SECONDS = 400

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Deployment or StatefulSet of the platform."""

    name: str
    ready: int
    wanted: int


@dataclass(frozen=True, kw_only=True)
class Status:
    """
    Attributes:
        state: `absent`, `foreign` (not made by this user's `up`), `unfinished`, `stopped` or `running`.
        workloads: what runs in it; empty unless it is running.
    """

    state: str
    source: str = ""
    kubernetes: str = ""
    workloads: tuple[Workload, ...] = ()

    @property
    def is_ready(self) -> bool:
        return bool(self.workloads) and all(each.ready >= each.wanted for each in self.workloads)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What `bring_up` did."""

    created: bool
    loaded: tuple[str, ...]
    applied: tuple[str, ...]
    seconds: float = 0.0


def bring_up(source: str, tell: Tell, folder: Folder | None = None) -> Change:
    """
    Make the cluster what this checkout says, and wait until everything in it is ready.

    Args:
        source: `public`, `local` or `auto`; a cluster that exists keeps its own.
    Raises:
        Unreachable: Docker does not answer, or something does not become ready in time.
        NotAllowed: there is a cluster of that name that is not ours, or this machine cannot run one.
    """
    began = time.monotonic()
    folder = folder or Folder()
    check_engine()
    with folder.locked(tell):
        change = _bring_up(source, tell, folder)
    return replace(change, seconds=round(time.monotonic() - began, 1))


def _bring_up(source: str, tell: Tell, folder: Folder) -> Change:
    state = _ours(folder)
    if state and not state.container:
        tell("an earlier `up` was killed while it made the cluster: removing what it left")
        _remove(tell, folder)
        state = None
    source = state.source if state else image_store.choose_source(source)
    if not state:
        tell(_announcement(source, folder))
    images = image_store.prepare_images(source, tell)
    created = state is None
    try:
        state = state or _create(images["kind-node"], source, folder, tell)
        loaded, applied = _equip(state, folder, images, tell)
    except (KeyboardInterrupt, Terminated):
        if created and folder.read():
            tell("interrupted: removing what was made")
            _remove(tell, folder)
        raise
    return Change(created=created, loaded=tuple(loaded), applied=tuple(applied))


def read_status(folder: Folder | None = None) -> Status:
    """Return how the cluster is; asks Docker and the cluster, changes nothing."""
    folder = folder or Folder()
    check_engine()
    container, state = find_container(NODE), folder.read()
    if not container:
        return Status(state="absent")
    if not state or state.container not in ("", container):
        return Status(state="foreign")
    if not state.container:
        return Status(state="unfinished", source=state.source)
    if run(["docker", "inspect", "-f", "{{.State.Running}}", container]).strip() != "true":
        return Status(state="stopped", source=state.source)
    node = Node(container)
    try:
        version = json.loads(node.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
        return Status(state="running", source=state.source, kubernetes=version, workloads=_workloads(node))
    except PlatformError as error:
        raise Unreachable("the cluster's API server does not answer (yet)", fix=error.problem) from error


def take_down(tell: Tell, folder: Folder | None = None) -> bool:
    """Remove the cluster and what this user's folder says of it; false where there was none."""
    folder = folder or Folder()
    check_engine()
    with folder.locked(tell):
        if _ours(folder) is None:
            return False
        _remove(tell, folder)
    return True


def _remove(tell: Tell, folder: Folder) -> None:
    tell(f'removing the kind cluster "{CLUSTER}" and its data')
    # Its own kubeconfig: kind would else look for the cluster in the user's, and write there.
    run([image_store.tool("build.py", "kind"), "delete", "cluster", "--name", CLUSTER, "--kubeconfig", _file(folder)])
    folder.clear()


def _ours(folder: Folder) -> State | None:
    """
    Return the state of our cluster; None where there is none to be had.

    Raises:
        NotAllowed: a cluster of this name exists, and the state does not say that we made it.
    """
    container, state = find_container(NODE), folder.read()
    if not container:
        if state:
            folder.clear()
        return None
    # An empty id is ours as well: it was written after we saw that no such container exists.
    if state and state.container in ("", container):
        return state
    raise NotAllowed(
        f'the kind cluster "{CLUSTER}" on this machine was not made by `platform cluster up` of this user',
        wanted=f"the container that {folder.path / 'state.json'} names",
        fix=f"If nobody needs it: `kind delete cluster --name {CLUSTER}`.",
    )


def _create(image: str, source: str, folder: Folder, tell: Tell) -> State:
    check_before_creating(image, PORTS)
    state = new_state(source)
    folder.write(state)
    tell(f'creating the kind cluster "{CLUSTER}" from {image}')
    config = image_store.ROOT / "k8s" / "kind" / "cluster.yaml"
    words = ["create", "cluster", "--image", image, "--config", str(config), "--kubeconfig", _file(folder)]
    try:
        run([image_store.tool("build.py", "kind"), *words, "--wait", "180s", "--quiet"], folder=image_store.ROOT)
    except PlatformError:
        _remove(tell, folder)
        raise
    state.container = find_container(NODE)
    folder.write(state)
    folder.kubeconfig.chmod(0o600)
    folder.write_credentials(state)
    return state


def _equip(state: State, folder: Folder, images: Mapping[str, str], tell: Tell) -> tuple[list[str], list[str]]:
    node = Node(state.container)
    if run(["docker", "inspect", "-f", "{{.State.Running}}", state.container]).strip() != "true":
        tell("starting the node, which was stopped")
        run(["docker", "start", state.container])
    _await_api(node)
    wanted = [reference for name, reference in images.items() if name not in ("kind-node", "python-base")]
    loaded = image_store.load_images(node, CLUSTER, wanted, tell)
    if state.applied.get("flow") != images["flow"]:
        # One name for what this checkout holds now; what the node had under it is replaced.
        node.do("ctr", "-n", "k8s.io", "images", "tag", "--force", _full(images["flow"]), _full(image_store.FLOW_TAG))
        state.applied["flow"] = images["flow"]
    applied = []
    missing = {workload.name for workload in _workloads(node)} ^ set(state.applied.get("workloads", "").split())
    for part in parts_of(node, folder, state, images):
        if state.applied.get(part.name) != part.key or missing:
            tell(f"applying {part.name}")
            part.apply()
            applied.append(part.name)
            state.applied[part.name] = part.key
            folder.write(state)
    _await_workloads(node, tell)
    state.applied["workloads"] = " ".join(sorted(workload.name for workload in _workloads(node)))
    folder.write(state)
    return loaded, applied


def _workloads(node: Node) -> tuple[Workload, ...]:
    found = node.objects("deployments,statefulsets", "--namespace=platform")
    return tuple(sorted((_workload(each) for each in found), key=lambda each: each.name))


def _workload(document: Mapping[str, Any]) -> Workload:
    wanted, status = document["spec"]["replicas"], document["status"]
    is_seen = status.get("observedGeneration") == document["metadata"]["generation"]
    ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", 0))
    # Pods of the template before do not count: they answer while the new ones start.
    is_mixed = status.get("replicas", 0) > status.get("updatedReplicas", 0)
    return Workload(name=document["metadata"]["name"], ready=ready if is_seen and not is_mixed else 0, wanted=wanted)


def _await_api(node: Node) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            node.kubectl("get", "--raw", "/readyz")
            return
        except PlatformError as error:
            if time.monotonic() > deadline:
                raise Unreachable("the cluster's API server does not become ready", fix=error.problem) from error
            time.sleep(1)


def _await_workloads(node: Node, tell: Tell) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    said: list[str] = []
    while waiting := [each.name for each in _workloads(node) if each.ready < each.wanted]:
        if waiting != said:
            tell(f"waiting for {', '.join(waiting)}")
            said = waiting
        if time.monotonic() > deadline:
            pods = node.kubectl("get", "pods", "--namespace=platform")
            raise Unreachable(f"{', '.join(waiting)} did not become ready in {_PATIENCE_SECONDS} s", fix=pods)
        time.sleep(1)


def _announcement(source: str, folder: Folder) -> str:
    ports = ", ".join(f"{name} {port}" for name, port in PORTS.items())
    return (
        f'will create the kind cluster "{CLUSTER}" (one node, images from {source} sources),\n'
        f"  open on 127.0.0.1: {ports};\n"
        f"  in it the namespaces `platform` and `ml`; on this machine the folder {folder.path}.\n"
        "  `platform cluster down` removes all of it."
    )


def _file(folder: Folder) -> str:
    return str(folder.kubeconfig)


def _full(image: str) -> str:
    return f"docker.io/{image}"


def addresses() -> dict[str, str]:
    """Where a laptop finds what runs in the cluster."""
    return {name: f"http://127.0.0.1:{port}" for name, port in PORTS.items()}


def require_running(status: Status) -> None:
    """
    Raises:
        NotFound: there is no cluster of ours; NotAllowed: it is somebody else's; Unreachable: it is not ready.
    """
    if status.state == "foreign":
        raise NotAllowed(f'the kind cluster "{CLUSTER}" here is not one that `platform cluster up` made')
    if status.state != "running":
        raise NotFound(f"the cluster is {status.state}", fix="`platform cluster up` makes it ready.")
    if not status.is_ready:
        late = ", ".join(each.name for each in status.workloads if each.ready < each.wanted)
        raise Unreachable(f"not ready: {late or 'nothing is installed'}", fix="`platform cluster up` goes on.")
