"""
Metaflow's metadata of a task, from the pod's disk into the datastore.

In: the folder that the local metadata provider writes. Out: `n.local_metadata`, in the form that Metaflow's own sync
reads. With a local datastore both are one folder and nothing is to be done.

Written when a task begins and when it ends: a killed task is then visible, with its log, as one that did not finish.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

from platform_cli.graph.address import Address
from platform_cli.runner.records import Datastore

FOLDER = ".metaflow"
VARIABLE = "METAFLOW_DATASTORE_SYSROOT_LOCAL"


def keep_metadata_apart(folder: Path) -> None:
    """Let the local provider write into a folder of this process; must be called before Metaflow is imported."""
    if os.environ.get("METAFLOW_DEFAULT_DATASTORE", "local") != "local":
        os.environ[VARIABLE] = str(folder)
        (folder / FOLDER).mkdir()


def save_metadata(datastore: Datastore, run: str, address: Address, attempt: int) -> None:
    """Store what the local provider has now, over what was stored for this attempt before."""
    if datastore.kind == "local":
        return
    folder = Path(os.environ[VARIABLE]) / FOLDER
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=FOLDER)
    task = task_writer(datastore, run, address, attempt)
    ((_, key),) = task.parent_datastore.save_data([buffer.getvalue()], len_hint=1)
    task._dangerous_save_metadata_post_done({"local_metadata": key})


def task_writer(datastore: Datastore, run: str, address: Address, attempt: int) -> Any:
    """Metaflow's own writer of one attempt's files."""
    return datastore.tasks.get_task_datastore(run, address.step, address.task_id, attempt=attempt, mode="w")
