"""
What a run's tasks left in Metaflow's datastore, as far as another task of the run must know it.

In: the datastore of this process's configuration, a run. Out: which attempts were claimed, begun, done; what the latest
one left. The latest attempt alone speaks: that a task exists in the datastore is never evidence of anything.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from platform_cli.errors import MissingParent, NotFound
from platform_cli.graph.address import Address
from platform_cli.runner.s3 import keep_s3_in_process
from platform_cli.store import Store, open_store

_FILE = re.compile(r"(\d)\.(claim\.json|attempt\.json|DONE\.lock)")


@dataclass(frozen=True, kw_only=True)
class TaskFiles:
    """Numbers of the attempts of one task that have a claim, Metaflow's first file, and Metaflow's last file."""

    claimed: frozenset[int]
    begun: frozenset[int]
    done: frozenset[int]

    @property
    def latest(self) -> int | None:
        """The attempt that Metaflow's readers look at: they stop at the first gap behind one that began."""
        found = None
        for number in range(6):
            if number in self.begun:
                found = number
            elif found is not None:
                break
        return found


@dataclass(frozen=True, kw_only=True)
class Datastore:
    """Metaflow's datastore of one flow, and the same place seen through our own store, which creates conditionally."""

    kind: str
    root: str
    flow: str
    tasks: Any
    store: Store


def open_datastore(flow: str) -> Datastore:
    """Open the datastore that Metaflow's configuration names."""
    from metaflow import metaflow_config
    from metaflow.datastore import FlowDataStore
    from metaflow.plugins import DATASTORES

    kind = metaflow_config.DEFAULT_DATASTORE
    if kind == "s3":
        keep_s3_in_process()
    implementation = next(each for each in DATASTORES if kind == each.TYPE)
    root = implementation.get_datastore_root_from_config(lambda *_, **__: None, create_on_absent=True)
    # Metaflow's own command line sets this class attribute; metadata of the same process rely on it.
    implementation.datastore_root = root
    return Datastore(
        kind=kind,
        root=root,
        flow=flow,
        tasks=FlowDataStore(flow, None, storage_impl=implementation, ds_root=root),
        store=open_store(root, s3_endpoint=metaflow_config.S3_ENDPOINT_URL or ""),
    )


class Records:
    """The tasks of one run."""

    def __init__(self, datastore: Datastore, run: str) -> None:
        self.datastore = datastore
        self.run = run

    def key(self, address: Address, name: str) -> str:
        """The key of a file of a task, in our store."""
        return f"{self.datastore.flow}/{self.run}/{address.step}/{address.task_id}/{name}"

    def files(self, address: Address) -> TaskFiles:
        """List a task's attempts; none where the task is unknown."""
        prefix = self.key(address, "")
        names = [key.removeprefix(prefix) for key in self.datastore.store.list(prefix)]
        found = [match.groups() for name in names if (match := _FILE.fullmatch(name))]

        def numbers(kind: str) -> frozenset[int]:
            return frozenset(int(number) for number, name in found if name == kind)

        return TaskFiles(claimed=numbers("claim.json"), begun=numbers("attempt.json"), done=numbers("DONE.lock"))

    def claim(self, address: Address, attempt: int) -> dict[str, Any]:
        """Read what a claim says; nothing where Metaflow's own commands made the attempt."""
        try:
            body = self.datastore.store.read(self.key(address, f"{attempt}.claim.json"))
        except NotFound:
            return {}
        claim: dict[str, Any] = json.loads(body)
        return claim

    def artifact(self, address: Address, attempt: int, name: str) -> Any:
        """Load one artifact of a finished attempt; None where it has none of that name."""
        task = self.datastore.tasks.get_task_datastore(
            self.run, address.step, address.task_id, attempt=attempt, mode="r"
        )
        return task.get(name)

    def success(self, address: Address, files: TaskFiles | None = None) -> int | None:
        """The latest attempt, where it succeeded. Metaflow marks attempts that failed as done too."""
        files = files or self.files(address)
        if files.latest is None or files.latest not in files.done:
            return None
        return files.latest if self.artifact(address, files.latest, "_task_ok") else None

    def choice(self, address: Address) -> str:
        """The step that a switch's latest attempt chose."""
        transition: tuple[list[str], None] = self._of_success(address, "_transition")
        return transition[0][0]

    def width(self, address: Address) -> int:
        """How many items a foreach's latest attempt fanned out to."""
        count: int = self._of_success(address, "_foreach_num_splits")
        return count

    def _of_success(self, address: Address, name: str) -> Any:
        attempt = self.success(address)
        if attempt is None:
            raise self.missing(address)
        return self.artifact(address, attempt, name)

    def missing(self, address: Address) -> MissingParent:
        """The error for a task that should have succeeded before this one began."""
        return MissingParent(
            f"{self.datastore.flow}/{self.run}/{address.step}/{address.task_id} has no latest attempt that succeeded",
            fix=f"Start that task again with `platform retry {self.run.removeprefix('argo-')}`.",
        )
