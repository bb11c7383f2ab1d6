"""
The records of a run in a store that this machine can reach, without Metaflow.

In: a Store at the datastore's root and the name of a run. Out: its tasks and attempts, their logs, figures and claims.

Metaflow costs half a second to import and unpickles what it reads; who only wants to know how a run went needs
neither. Keys and forms are Metaflow's (datastore/task_datastore.py, mflog/mflog.py) and the runner's.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from platform_cli.errors import NotFound
from platform_cli.store import Store

# What Metaflow writes for True, before and after its compression; `_task_ok` of a task that succeeded.
_TRUE = b"\x80\x04\x88."
_FILE = re.compile(r"(\d+)\.(.+)")
_LINE = re.compile(rb"\[MFLOG\|0\|(.+?)Z\|(.+?)\|(.+?)\](.*)")
# The cluster's runner writes as "task", Metaflow's own local runtime as "runtime" too.
_LOGS = tuple((f"{source}_{stream}.log", stream) for source in ("task", "runtime") for stream in ("stdout", "stderr"))


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of a step; `time` is ISO 8601 in UTC with a Z, of any precision."""

    time: str
    text: str
    stream: str = "stdout"

    @property
    def moment(self) -> str:
        """What lines sort by: without the Z, a time with fewer digits comes before those that it begins."""
        return self.time.rstrip("Z")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who took an attempt: which of Argo's tries, in which pod, when; `cloned` is the task it is a copy of."""

    try_: int
    host: str
    time: float
    cloned: str = ""


class RunRecords:
    """What one run left. Everything is read once."""

    def __init__(self, store: Store, flow: str, run: str) -> None:
        self._store = store
        self.flow = flow
        self.run = run

    @cached_property
    def files(self) -> dict[tuple[str, str], frozenset[str]]:
        """Names of the files of each task, by step and task id; those of the run's parameters are no task."""
        prefix = f"{self.flow}/{self.run}"
        found: dict[tuple[str, str], set[str]] = {}
        for key in self._store.list(prefix):
            parts = key.removeprefix(f"{prefix}/").split("/")
            if len(parts) == 3 and parts[0] != "_parameters":
                found.setdefault((parts[0], parts[1]), set()).add(parts[2])
        return {task: frozenset(names) for task, names in found.items()}

    def attempts(self, step: str, task: str) -> list[int]:
        """Numbers of the attempts that were claimed or begun, in order."""
        matches = (_FILE.fullmatch(name) for name in self.files.get((step, task), ()))
        return sorted({int(match[1]) for match in matches if match and match[2] in ("claim.json", "attempt.json")})

    def claim(self, step: str, task: str, attempt: int) -> Claim | None:
        """Who took an attempt; None for those of Metaflow's own runtime, and for the gaps that were filled."""
        said = self._json(step, task, f"{attempt}.claim.json")
        if said is None:
            return None
        return Claim(try_=int(said["try"]), host=said["host"], time=float(said["time"]), cloned=said["cloned"] or "")

    def began(self, step: str, task: str, attempt: int) -> float:
        """Seconds since 1970; 0 where nothing says it."""
        if claim := self.claim(step, task, attempt):
            return claim.time
        return float((self._json(step, task, f"{attempt}.attempt.json") or {}).get("time", 0.0))

    def figures(self, step: str, task: str, attempt: int) -> dict[str, Any]:
        """What the attempt cost and how it ended; empty where it was killed before it could say so."""
        return self._json(step, task, f"{attempt}.figures.json") or {}

    def is_done(self, step: str, task: str, attempt: int) -> bool:
        """Whether Metaflow closed the attempt; it closes those that failed too."""
        return f"{attempt}.DONE.lock" in self.files.get((step, task), ())

    def succeeded(self, step: str, task: str, attempt: int) -> bool:
        """Whether the attempt succeeded, from its artifact `_task_ok`, which is compared and never unpickled."""
        if not self.is_done(step, task, attempt):
            return False
        objects = (self._json(step, task, f"{attempt}.data.json") or {}).get("objects", {})
        key = objects.get("_task_ok")
        return bool(key) and self._blob(key) == _TRUE

    def lines(self, step: str, task: str, attempt: int) -> list[LogLine]:
        """The stored log of an attempt, both streams in the order of their times."""
        found: list[LogLine] = []
        for name, stream in _LOGS:
            if f"{attempt}.{name}" in self.files.get((step, task), ()):
                found += parse_log(self._store.read(self._key(step, task, f"{attempt}.{name}")), stream)
        return sorted(found, key=lambda line: line.moment)

    def again(self) -> RunRecords:
        """The same run, read anew."""
        return RunRecords(self._store, self.flow, self.run)

    def _key(self, step: str, task: str, name: str) -> str:
        return f"{self.flow}/{self.run}/{step}/{task}/{name}"

    def _json(self, step: str, task: str, name: str) -> dict[str, Any] | None:
        if name not in self.files.get((step, task), ()):
            return None
        document: dict[str, Any] = json.loads(self._store.read(self._key(step, task, name)))
        return document

    def _blob(self, key: str) -> bytes:
        try:
            body = self._store.read(f"{self.flow}/data/{key[:2]}/{key}")
        except NotFound:
            return b""
        return gzip.decompress(body)


def parse_log(body: bytes, stream: str) -> list[LogLine]:
    """Read Metaflow's log format; a line without it belongs to the one before."""
    found: list[LogLine] = []
    for raw in body.removesuffix(b"\n").split(b"\n") if body else []:
        match = _LINE.fullmatch(raw)
        time = f"{match[1].decode()}Z" if match else (found[-1].time if found else "")
        text = (match[4] if match else raw).decode(errors="replace")
        found.append(LogLine(time=time, text=text, stream=stream))
    return found
