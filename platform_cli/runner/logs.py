"""
Everything that the process writes -> Metaflow's log format in the datastore, while the step runs.

In: file descriptors 1 and 2, so that subprocesses and C libraries are heard too. Out: the same bytes on the pod's own
log, and lines with a time in two files that are uploaded about once a second.

The descriptors become files, not pipes: a C library that writes while it holds Python's lock would wait for ever for a
reader thread that needs the lock. The files are read every tenth of a second, which is the precision of the times.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

READ_SECONDS = 0.1
UPLOAD_SECONDS = 0.7
# S3 cannot append: a log of many megabytes is sent whole each time, and then takes a fifth of the time at most.
LARGE_BYTES = 8 << 20
REST_FACTOR = 4.0

Upload = Callable[[Mapping[str, Path]], None]
"""Stores the decorated log of each stream, replacing what it stored before."""


class _Stream:
    """One descriptor while it is a file."""

    def __init__(self, descriptor: int, folder: Path, name: str) -> None:
        self.name = name
        self.decorated = folder / f"{name}.mflog"
        self._raw = folder / f"{name}.raw"
        self._descriptor = descriptor
        self._partial = b""
        self.unsent = True

    def begin(self) -> None:
        target = os.open(self._raw, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._pod = os.dup(self._descriptor)
        os.dup2(target, self._descriptor)
        os.close(target)
        self._reader = self._raw.open("rb")
        self._writer = self.decorated.open("ab")

    def read(self, *, last: bool = False) -> None:
        """Pass on what is new."""
        while piece := self._reader.read(1 << 20):
            self.unsent = True
            os.write(self._pod, piece)
            *lines, self._partial = (self._partial + piece).split(b"\n")
            self._writer.writelines(decorate(line) for line in lines)
        if last and self._partial:
            self._writer.write(decorate(self._partial))
            self._partial = b""
            self.unsent = True
        self._writer.flush()

    @property
    def size(self) -> int:
        return self._writer.tell()

    def end(self) -> None:
        os.dup2(self._pod, self._descriptor)
        os.close(self._pod)


def decorate(line: bytes) -> bytes:
    """One line as Metaflow's log readers want it, time first."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return b"[MFLOG|0|%sZ|task|%s]%s\n" % (now.encode(), uuid.uuid4().hex.encode(), line)


def say(what: object) -> None:
    """Write one line of the runner's own; in the pod's log and in Metaflow's it is part of the standard error."""
    sys.stderr.write(f"{what}\n")


class Capture:
    """The process's standard output and error, from `begin` to `end`."""

    def __init__(self, folder: Path) -> None:
        self._streams = (_Stream(1, folder, "stdout"), _Stream(2, folder, "stderr"))
        self._upload: Upload | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="platform-step-logs", daemon=True)
        self.trouble = ""

    def begin(self) -> None:
        """Listen from now on; nothing is uploaded before `send_to`."""
        sys.stdout.flush()
        sys.stderr.flush()
        for stream in self._streams:
            stream.begin()
        # A killed process must not take lines with it that it has already printed.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        self._thread.start()

    def send_to(self, upload: Upload) -> None:
        """Upload what there is, and what comes."""
        self._upload = upload

    def flush(self, *, patience_seconds: float = 60.0) -> None:
        """Read and upload everything now; give up when another thread's upload does not come back."""
        if not self._lock.acquire(timeout=patience_seconds):
            return
        try:
            self._pass_on(last=True)
            self._send()
        finally:
            self._lock.release()

    def end(self) -> None:
        """Give the descriptors back; everything written until now is uploaded."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._ended.set()
        self._thread.join()
        self.flush()
        for stream in self._streams:
            stream.end()

    def _watch(self) -> None:
        rest_until = 0.0
        while not self._ended.wait(READ_SECONDS):
            with self._lock:
                self._pass_on()
                began = time.monotonic()
                if began >= rest_until and self._send():
                    rest_until = began + UPLOAD_SECONDS
                    if sum(stream.size for stream in self._streams) > LARGE_BYTES:
                        rest_until += REST_FACTOR * (time.monotonic() - began)

    def _pass_on(self, *, last: bool = False) -> None:
        for stream in self._streams:
            stream.read(last=last)

    def _send(self) -> bool:
        """Upload the streams that have something new; say whether there was any."""
        waiting = [stream for stream in self._streams if stream.unsent]
        if self._upload is None or not waiting:
            return False
        try:
            self._upload({stream.name: stream.decorated for stream in waiting})
        except Exception as error:  # a log that cannot be stored must not end a step that works
            self.trouble = f"{type(error).__name__}: {error}"
        else:
            self.trouble = ""
            for stream in waiting:
                stream.unsent = False
        return True
