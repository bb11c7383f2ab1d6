"""
Bring a remote run's metadata to this machine, so that Metaflow's client and a notebook can open it.

In: a datastore that the machine can reach, the name of a run. Out: `.metaflow/` below a folder, as if the run had been
local; artifacts, logs and cards stay where they are and are read from there. A task that was killed before it could
save its metadata is rebuilt from what it left: its attempts, its result, the names of its artifacts.
"""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from platform_cli.errors import NotFound
from platform_cli.runner.metadata import FOLDER
from platform_cli.runner.records import Datastore

MOST_ATTEMPTS = 6


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """How many tasks of a run are here now, and how many of them had to be rebuilt."""

    tasks: int
    rebuilt: int


def pull_run(datastore: Datastore, run: str, folder: Path) -> Pulled:
    """
    Write a run's metadata below `folder`/.metaflow; what is there already is brought up to date.

    Raises:
        NotFound: the datastore has no such run.
    """
    store, prefix = datastore.store, f"{datastore.flow}/{run}"
    tasks: dict[tuple[str, str], set[str]] = {}
    for key in store.list(prefix):
        step, task, name = key.removeprefix(f"{prefix}/").split("/", 2)
        tasks.setdefault((step, task), set()).add(name)
    if not tasks:
        raise NotFound(f"{datastore.root} has no run {prefix}", fix="See `platform list` for the runs there are.")
    for (step, task), names in sorted(tasks.items()):
        for name in sorted(names):
            if name.endswith(".local_metadata"):
                _unpack(datastore, f"{prefix}/{step}/{task}/{name}", folder)
    rebuilt = 0
    # The parameters' metadata come with the start step's: only now is it known what is missing.
    for (step, task), names in sorted(tasks.items()):
        if not (folder / FOLDER / prefix / step / task / "_meta" / "_self.json").exists():
            _rebuild(datastore, (run, step, task), names, folder)
            rebuilt += 1
    return Pulled(tasks=len(tasks), rebuilt=rebuilt)


def _unpack(datastore: Datastore, key: str, folder: Path) -> None:
    """Add the files of one saved copy; every file of Metaflow's metadata is written once, so none is overwritten."""
    data = json.loads(datastore.store.read(key))
    (_, body) = next(iter(datastore.tasks.load_data([data])))
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        for member in archive:
            path = PurePosixPath(posixpath.normpath(member.name))
            # Only files of metadata, only below its folder; a link or a way out is not one of these.
            if not member.isreg() or path.suffix != ".json" or path.parts[:1] != (FOLDER,) or ".." in path.parts:
                continue
            target, source = folder / path, archive.extractfile(member)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source is not None and not target.exists():
                target.write_bytes(source.read())


def _rebuild(datastore: Datastore, place: tuple[str, str, str], names: set[str], folder: Path) -> None:
    """Write what Metaflow's client needs to know of a task whose own metadata is lost."""
    run, step, task = place
    ids = {"flow_id": datastore.flow, "run_number": run, "step_name": step, "task_id": task}
    for depth in range(1, 5):
        known = dict(list(ids.items())[:depth])
        _write(folder, list(ids.values())[:depth], "_self", {**known, **_who()})
    parts = list(ids.values())
    numbers = [number for number in range(MOST_ATTEMPTS) if f"{number}.attempt.json" in names]
    for number in numbers:
        facts = {"attempt": str(number), "ds-type": datastore.kind, "ds-root": datastore.root}
        if f"{number}.DONE.lock" in names:
            facts["attempt-done"] = str(number)
        for field, value in facts.items():
            entry = {"field_name": field, "value": value, "type": field, "tags": [f"attempt_id:{number}"]}
            _write(folder, parts, f"sysmeta_{field}_{number}", {**ids, **entry, **_who()})
        if f"{number}.data.json" in names:
            data = json.loads(datastore.store.read("/".join([*parts, f"{number}.data.json"])))
            for name, sha in data["objects"].items():
                artifact = {"name": name, "attempt_id": number, "sha": sha, "type": "metaflow.artifact"}
                artifact |= {"ds_type": datastore.kind, "location": f":root:{datastore.root}"}
                artifact["content_type"] = data["info"][name]["encoding"]
                _write(folder, parts, f"{number}_artifact_{name}", {**ids, **artifact, **_who()})


def _who() -> dict[str, Any]:
    return {"user_name": "", "user": "", "tags": [], "system_tags": [], "ts_epoch": int(time.time() * 1000)}


def _write(folder: Path, parts: list[str], name: str, content: dict[str, Any]) -> None:
    file = folder.joinpath(FOLDER, *parts, "_meta", f"{name}.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text(json.dumps(content))
