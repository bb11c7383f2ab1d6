"""
The records of a run that Metaflow kept in a folder of this machine.

In: the datastore's folder and the address of a task. Out: its failure, its artifacts, its cards.

Metaflow itself is imported inside the functions that unpickle: it costs as much as a whole step.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = ".metaflow"


@dataclass(frozen=True, kw_only=True)
class TaskAddress:
    """Where one task's records are."""

    flow: str
    run_id: str
    step: str
    task_id: str

    def __str__(self) -> str:
        return f"{self.flow}/{self.run_id}/{self.step}/{self.task_id}"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """
    The exception that ended a task's last attempt.

    Attributes:
        error: module and class joined by a dot; empty where the process ended without an exception.
        message: what the exception says, as `str` gives it, or how the process ended.
    """

    error: str
    message: str


def find_root(environ: Mapping[str, str], start: Path) -> Path:
    """
    Find the folder of Metaflow's local datastore, which may not exist yet.

    Source:
        The same rule as metaflow's LocalStorage.get_datastore_root_from_config: the variable, else the nearest
        `.metaflow` at or above `start`, else a new one in `start`.
    """
    if root := environ.get("METAFLOW_DATASTORE_SYSROOT_LOCAL"):
        return Path(root).absolute() / FOLDER
    for folder in (start, *start.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return start / FOLDER


def read_failure(root: Path, task: TaskAddress) -> Failure:
    """Read why a task's last attempt failed: the exception it recorded, else how its process ended."""
    wrapped = read_artifacts(root, task, ["_exception"]).get("_exception")
    if wrapped is not None:
        return Failure(error=wrapped.type, message=wrapped.exception)
    code = _exit_code(root, task)
    if code is None:
        return Failure(error="", message="it was stopped before it could say why")
    if code < 0:
        return Failure(error="", message=f"its process was killed by {signal.Signals(-code).name}")
    return Failure(error="", message=f"its process ended with code {code}")


def read_artifacts(root: Path, task: TaskAddress, names: Sequence[str]) -> dict[str, Any]:
    """Read those of the named artifacts that the task's last attempt has; empty where it left no record."""
    from metaflow.datastore import FlowDataStore
    from metaflow.datastore.exceptions import DataException
    from metaflow.plugins.datastores.local_storage import LocalStorage

    store = FlowDataStore(task.flow, storage_impl=LocalStorage, ds_root=os.fspath(root))
    try:
        records = store.get_task_datastore(task.run_id, task.step, task.task_id, allow_not_done=True)
    except DataException:
        return {}
    if not hasattr(records, "_objects"):
        # An attempt that was killed before it wrote anything: Metaflow opens it, and stumbles when it looks inside.
        return {}
    return {name: records[name] for name in names if name in records}


def _exit_code(root: Path, task: TaskAddress) -> int | None:
    """How the process of a task's last attempt ended: its code, negative for a signal; None where unknown."""
    folder = root / task.flow / task.run_id / task.step / task.task_id
    try:
        latest = max(folder.glob("*.runtime"), key=lambda path: int(path.stem))
        code = json.loads(latest.read_text(encoding="utf-8"))["return_code"]
    except (ValueError, KeyError, OSError):
        return None
    return code if isinstance(code, int) else None


def card_paths(root: Path, flow: str, run_id: str) -> dict[str, list[Path]]:
    """Find the pages that a run's cards left, by step, oldest first."""
    steps = root / "mf.cards" / flow / "runs" / run_id / "steps"
    found: dict[str, list[Path]] = {}
    for page in sorted(steps.glob("*/tasks/*/cards/*.html"), key=lambda path: path.stat().st_mtime):
        found.setdefault(page.relative_to(steps).parts[0], []).append(page)
    return found
